// One number that can be read across a room, in the colour of its threshold: over its own course, or on a dial.

import { h, svg } from "../lib/dom.js";
import { named } from "../lib/color.js";
import { format, mapped, thresholdColor } from "../lib/format.js";
import { lastNotNull, lines } from "../lib/frame.js";

function read(panel, answers, context) {
    const all = lines(answers, context.window);
    const { unit, decimals, mappings, thresholds, color, max } = panel.fieldConfig?.defaults || {};
    return all.map((line) => {
        const value = lastNotNull(line.values);
        const map = mapped(value, mappings);
        const reached = color?.mode === "fixed" ? color.fixedColor : thresholdColor(value, thresholds, max);
        return {
            ...line, value, name: all.length > 1 ? line.name : "",
            text: map?.text ?? format(value, unit, decimals), color: named(map?.color ?? reached ?? "text"),
        };
    });
}

// A path over the unit square's width, 0 at its foot.
function spark(values, color) {
    const known = values.filter((v) => v !== null);
    if (known.length < 2) {
        return null;
    }
    const low = Math.min(0, ...known), high = Math.max(...known), height = high - low || 1;
    let path = "", open = false, first = null, last = 0;
    values.forEach((v, i) => {
        const x = (i / (values.length - 1) * 100).toFixed(2);
        if (v !== null) {
            path += `${open ? "L" : "M"}${x} ${(30 - (v - low) / height * 28).toFixed(2)}`;
            first ??= x;
            last = x;
        }
        open = v !== null;
    });
    const whole = !values.slice(values.findIndex((v) => v !== null), values.findLastIndex((v) => v !== null) + 1).includes(null);
    return svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true", vars: { color } },
        whole ? svg("path", { class: "area", d: `${path}L${last} 30L${first} 30Z` }) : null, svg("path", { class: "course", d: path }));
}

class Stat {
    constructor(body, panel, drawOne) {
        this.body = body;
        this.panel = panel;
        this.drawOne = drawOne;
    }

    update(answers, context) {
        const all = read(this.panel, answers, context);
        this.last = [answers, context];
        this.empty = !all.some(({ value }) => value !== null);
        this.body.replaceChildren(h("div", { class: "stats" }, ...all.map((one) => this.drawOne(one, this.panel))));
    }

    resize() {}

    recolor() {
        this.update(...this.last);
    }

    destroy() {}
}

function drawStat(one, panel) {
    return h("div", { class: "stat" },
        panel.options?.graphMode === "area" ? spark(one.values, one.color) : null,
        h("strong", { vars: { color: one.color } }, one.text), one.name ? h("span", {}, one.name) : null);
}

// An arc of three quarters; share is 0 to 1.
function arc(share) {
    const at = (angle) => `${(50 + 40 * Math.cos(angle)).toFixed(2)} ${(50 + 40 * Math.sin(angle)).toFixed(2)}`;
    const begin = 0.75 * Math.PI, end = begin + 1.5 * Math.PI * Math.min(0.9999, Math.max(0.0001, share));
    return `M${at(begin)}A40 40 0 ${end - begin > Math.PI ? 1 : 0} 1 ${at(end)}`;
}

function drawGauge(one, panel) {
    const { min = 0, max = 1 } = panel.fieldConfig?.defaults || {};
    return h("div", { class: "gauge" },
        svg("svg", { viewBox: "0 0 100 88", "aria-hidden": "true", vars: { color: one.color } },
            svg("path", { class: "track", d: arc(1) }), svg("path", { class: "course", d: arc((one.value - min) / (max - min || 1)) })),
        h("strong", { vars: { color: one.color } }, one.text), one.name ? h("span", {}, one.name) : null);
}

function kind(drawOne) {
    return {
        newest: true,
        draw(body, panel, answers, context) {
            const one = new Stat(body, panel, drawOne);
            one.update(answers, context);
            return one;
        },
    };
}

export const stat = kind(drawStat);
export const gauge = kind(drawGauge);
