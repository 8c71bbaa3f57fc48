// The room of dashboards: those that Grafana reads, drawn from Prometheus.
//
// What is looked at stands in the address, so that it can be kept and sent: #/dashboards/UID?from=now-1h&to=now&refresh=15s
// &var-instance=…. Only panels in sight ask Prometheus.

import { h } from "../lib/dom.js";
import { scrapeInterval } from "../lib/prometheus.js";
import { describe, parseDuration, PRESETS, resolve, windowOf } from "../lib/range.js";
import { load, scope, shown } from "../lib/variables.js";
import { flatten, Panel, still } from "../panel.js";

const REFRESHES = ["off", "5s", "15s", "30s", "1m", "5m"];
const REFRESH_LEAST_MS = 1000; // whatever an address says
const AHEAD = "300px"; // panels this near to the view are drawn before they are seen

async function json(path) {
    const response = await fetch(path);
    if (!response.ok) {
        throw new Error(response.status === 404 ? "There is no such dashboard." : `The server answered ${response.status}.`);
    }
    return response.json();
}

class Board {
    constructor(place, dashboard, list, search, page) {
        Object.assign(this, { place, dashboard, list, page });
        this.search = new URLSearchParams(search);
        this.options = {};
        this.scrapeS = 15;
        this.seen = new Set();
        this.panels = [];
        this.draw();
        this.refresh(true);
        this.onVisible = () => document.hidden || this.schedule(0);
        document.addEventListener("visibilitychange", this.onVisible);
    }

    get range() {
        const { from = "now-30m", to = "now" } = this.dashboard.time || {};
        return { from: this.search.get("from") || from, to: this.search.get("to") || to };
    }

    get every() {
        return this.search.get("refresh") || this.dashboard.refresh || "off";
    }

    choice(name) {
        const values = this.search.getAll(`var-${name}`).filter((v) => v !== "$__all");
        return values.length ? values : null;
    }

    // ---- what is seen

    draw() {
        this.bar = h("div", { class: "bar" });
        this.grid = h("div", { class: "grid" });
        this.place.replaceChildren(this.bar, this.grid);
        this.watcher = new IntersectionObserver((entries) => this.sighted(entries), { rootMargin: AHEAD });
        for (const panel of flatten(this.dashboard.panels || [])) {
            if (panel.type === "row" || panel.type === "text") {
                this.grid.append(still(panel));
                continue;
            }
            const one = new Panel(panel);
            this.panels.push(one);
            this.grid.append(one.element);
            this.watcher.observe(one.element);
        }
        this.drawBar();
    }

    drawBar() {
        const tabs = this.list.map(({ uid, title }) => h("a", {
            href: this.addressOf(uid), "aria-current": uid === this.dashboard.uid ? "page" : null,
        }, title));
        this.bar.replaceChildren(h("nav", { class: "tabs", "aria-label": "Dashboards" }, ...tabs),
            h("div", { class: "controls" }, ...shown(this.dashboard).map((v) => this.select(v)), ...this.times()));
    }

    // The same range and variables on another dashboard.
    addressOf(uid) {
        const search = this.search.toString();
        return `#/dashboards/${encodeURIComponent(uid)}${search ? `?${search}` : ""}`;
    }

    select(variable) {
        const chosen = this.choice(variable.name), options = this.options[variable.name] || [];
        const known = [...new Set([...options, ...(chosen || [])])];
        const all = variable.includeAll !== false ? [h("option", { value: "$__all" }, "All")] : [];
        const select = h("select", {
            data: { variable: variable.name }, title: variable.description,
            onchange: (event) => this.set({ [`var-${variable.name}`]: event.target.value === "$__all" ? null : event.target.value }),
        }, ...all, ...known.map((value) => h("option", { value }, value)));
        select.value = chosen ? chosen[0] : "$__all";
        return h("label", { class: "choice" }, h("span", {}, variable.label || variable.name), select);
    }

    times() {
        const { from, to } = this.range;
        const preset = to === "now" && from.startsWith("now-") ? from.slice(4) : "";
        const names = PRESETS.includes(preset) || !preset ? PRESETS : [...PRESETS, preset];
        const range = h("select", {
            data: { control: "range" }, "aria-label": "Time range",
            onchange: (event) => event.target.value && this.set({ from: `now-${event.target.value}`, to: "now" }),
        }, ...(preset ? [] : [h("option", { value: "" }, describe(this.range))]), ...names.map((name) => h("option", { value: name }, `Last ${name}`)));
        range.value = preset;
        const every = h("select", {
            data: { control: "refresh" }, "aria-label": "Refresh", onchange: (event) => this.set({ refresh: event.target.value }),
        }, ...[...new Set([...REFRESHES, this.every])].map((name) => h("option", { value: name }, name === "off" ? "Refresh off" : `Every ${name}`)));
        every.value = this.every;
        return [
            this.zoomed ? h("button", { type: "button", class: "reset", onclick: () => this.reset() }, "Reset zoom") : null,
            h("label", { class: "choice" }, h("span", {}, "Range"), range), h("label", { class: "choice" }, h("span", {}, "Refresh"), every),
            h("button", { type: "button", class: "now", title: "Refresh now", "aria-label": "Refresh now", onclick: () => this.refresh() }, "↻"),
        ].filter(Boolean);
    }

    // ---- what is chosen

    set(changes) {
        for (const [name, value] of Object.entries(changes)) {
            this.search.delete(name);
            if (value !== null) {
                this.search.set(name, value);
            }
        }
        history.replaceState(null, "", this.addressOf(this.dashboard.uid));
        if (!("refresh" in changes)) {
            this.zoomed = changes.zoomed || null;
        }
        this.drawBar();
        this.refresh(true);
    }

    zoom(from, to) {
        const before = this.zoomed || this.range;
        this.search.set("from", from);
        this.search.set("to", to);
        this.zoomed = before;
        history.replaceState(null, "", this.addressOf(this.dashboard.uid));
        this.drawBar();
        this.refresh(true);
    }

    reset() {
        if (this.zoomed) {
            this.set({ from: this.zoomed.from, to: this.zoomed.to });
        }
    }

    // ---- what is asked

    /** All anew: the variables first, where the range or a choice is another. */
    async refresh(withVariables = false) {
        this.running?.abort();
        const { signal } = this.running = new AbortController();
        clearTimeout(this.timer);
        this.fresh = new Set();
        this.stale ||= withVariables; // until they are here: Prometheus may not be, yet
        try {
            this.scrapeS = await scrapeInterval(signal);
            if (this.stale) {
                await this.loadVariables(signal);
                this.stale = false;
            }
        } catch {
            if (signal.aborted) {
                return;
            }
            // The panels say what is wrong, each for itself.
        }
        this.scope = {
            range: resolve(this.range, Date.now()), scrapeS: this.scrapeS, variables: this.variables(),
            zoom: (from, to) => this.zoom(from, to), reset: () => this.reset(),
        };
        this.seen.forEach((panel) => this.refreshPanel(panel));
        this.schedule(Math.max(REFRESH_LEAST_MS, parseDuration(this.every)));
    }

    refreshPanel(panel) {
        if (this.scope && !this.fresh.has(panel)) {
            this.fresh.add(panel);
            panel.refresh(this.scope, this.running.signal);
        }
    }

    variables() {
        return scope(this.dashboard, Object.fromEntries(shown(this.dashboard).map((v) => [v.name, this.choice(v.name)])), this.options);
    }

    async loadVariables(signal) {
        for (const variable of shown(this.dashboard)) { // one may stand in the query of the next
            const window = windowOf(resolve(this.range, Date.now()), 600, this.scrapeS);
            this.options[variable.name] = await load(variable, this.variables(), window, this.scrapeS, signal);
        }
        this.drawBar();
    }

    sighted(entries) {
        for (const { target, isIntersecting } of entries) {
            const panel = this.panels.find(({ element }) => element === target);
            if (isIntersecting) {
                this.seen.add(panel);
                this.refreshPanel(panel);
            } else {
                this.seen.delete(panel);
            }
        }
    }

    schedule(ms) {
        clearTimeout(this.timer);
        if (ms >= 0 && this.range.to === "now" && !document.hidden && this.every !== "off") {
            this.timer = setTimeout(() => this.refresh(), ms);
        }
    }

    destroy() {
        this.running?.abort();
        clearTimeout(this.timer);
        document.removeEventListener("visibilitychange", this.onVisible);
        this.watcher.disconnect();
        this.panels.forEach((panel) => panel.destroy());
    }
}

export const dashboards = {
    id: "dashboards",
    title: "Dashboards",
    enter(place, path, page, search) {
        let board = null, left = false;
        page.onRecolor(() => board?.panels.forEach((panel) => panel.recolor()));
        (async () => {
            try {
                const list = await json("/api/dashboards");
                if (!list.length) {
                    throw new Error("This program was built without dashboards.");
                }
                const uid = path[0] || (list.find(({ tags }) => tags?.includes("home")) || list.find(({ title }) => /overview/i.test(title)) || list[0]).uid;
                const dashboard = await json(`/api/dashboards/${encodeURIComponent(uid)}`);
                if (!left) {
                    document.title = `${dashboard.title} · Spyglass`;
                    board = new Board(place, dashboard, list, search, page);
                }
            } catch (error) {
                if (!left) {
                    place.replaceChildren(h("p", { class: "problem" }, error.message));
                }
            }
        })();
        return () => {
            left = true;
            board?.destroy();
        };
    },
};
