// One panel of a dashboard: its frame, its questions, its state.
//
// data-state of its element is loading, ready, empty or error. What was drawn stays until there is something newer.

import { h } from "./lib/dom.js";
import { interpolate } from "./lib/promql.js";
import { queryInstant, queryRange } from "./lib/prometheus.js";
import { windowOf } from "./lib/range.js";
import { kinds } from "./panels/index.js";

export class Panel {
    constructor(panel) {
        this.panel = panel;
        this.kind = Object.hasOwn(kinds, panel.type) ? kinds[panel.type] : null;
        this.body = h("div", { class: "body" });
        this.note = h("p", { class: "message", hidden: true });
        const { x = 0, y = 0, w = 24, h: height = 8 } = panel.gridPos || {};
        this.element = h("section", {
            class: `panel ${panel.type}`, "aria-label": panel.title || panel.type,
            data: { panel: panel.title || "", type: panel.type, state: "loading" }, vars: { x: x + 1, y: y + 1, w, h: height },
        }, h("header", {}, h("h2", {}, panel.title || ""),
            panel.description ? h("span", { class: "about", title: panel.description, tabindex: "0", role: "img", "aria-label": panel.description }, "i") : null),
        this.body, this.note);
        this.resizer = new ResizeObserver(() => this.drawn?.resize());
        this.resizer.observe(this.body);
    }

    state(state, text = "") {
        this.element.dataset.state = state;
        this.note.hidden = !text;
        this.note.textContent = text;
    }

    /** scope: { range (ms), variables, scrapeS, zoom, reset }; signal aborts it. */
    async refresh(scope, signal) {
        if (!this.kind) {
            this.state("error", `The page cannot draw panels of the type ${this.panel.type}.`);
            return;
        }
        const window = windowOf(scope.range, this.body.clientWidth || 600, scope.scrapeS, this.kind.newest);
        const targets = (this.panel.targets || []).filter((target) => target.expr && !target.hide);
        try {
            const answers = await Promise.all(targets.map(async (target) => {
                const query = interpolate(target.expr, scope.variables, window, scope.scrapeS);
                const series = this.kind.instant || target.instant ? await queryInstant(query, window.end, signal) : await queryRange(query, window, signal);
                return { target, series };
            }));
            if (!signal.aborted) {
                this.draw(answers, { window, zoom: scope.zoom, reset: scope.reset });
            }
        } catch (error) {
            if (!signal.aborted) {
                this.state("error", error.message);
            }
        }
    }

    draw(answers, context) {
        if (this.drawn) {
            this.drawn.update(answers, context);
        } else {
            this.drawn = this.kind.draw(this.body, this.panel, answers, context);
        }
        this.state(this.drawn.empty ? "empty" : "ready", this.drawn.empty ? "No data in this range" : "");
    }

    recolor() {
        this.drawn?.recolor();
    }

    destroy() {
        this.resizer.disconnect();
        this.drawn?.destroy();
    }
}

/** A row is a heading, a text panel its words. */
export function still(panel) {
    const { x = 0, y = 0, w = 24, h: height = 1 } = panel.gridPos || {};
    const vars = { x: x + 1, y: y + 1, w, h: height };
    return panel.type === "row" ? h("h2", { class: "row", vars }, panel.title || "")
        : h("section", { class: "panel text", data: { panel: panel.title || "", type: "text", state: "ready" }, vars },
            panel.title ? h("header", {}, h("h2", {}, panel.title)) : null, h("div", { class: "body words" }, panel.options?.content || ""));
}

/** The panels of a dashboard in reading order, those of folded rows among them. */
export function flatten(panels) {
    return panels.flatMap((panel) => [panel, ...(panel.panels || [])])
        .sort((a, b) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0));
}
