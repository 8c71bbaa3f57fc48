// The room of profiles: where the time of the process went, by continuous profiling; the slow requests' own flame graphs; the heap.
//
// The flame graph is a page of its own (src/encode/flamegraph), shown in a frame that may run its script and nothing else.

import { h } from "../lib/dom.js";
import { format } from "../lib/format.js";
import { addressOf, AGAINST, againstOf, localMinute, parseMinute, PRESETS, windowOf } from "../lib/profile.js";
import { askRecent } from "../lib/recent.js";

const REFRESH_MS = 5e3;
const NAMES = ["Time", "Request", "Took", "Samples", "Profile", "Id"];

const seconds = (us) => format(us / 1e6, "s");
const clock = (us) => new Date(us / 1000).toTimeString().slice(0, 8);
const choice = (name, control) => h("label", { class: "choice" }, h("span", {}, name), control);

function row(request) {
    const id = request.correlation_id || request.trace_id, own = (form) => `${request.flamegraph}?profile=${form}`;
    return h("tr", { data: { id } },
        h("td", {}, clock(request.start_us)),
        h("td", {}, h("a", { href: request.flamegraph, target: "_blank" }, request.name)),
        h("td", { class: "number" }, seconds(request.duration_us)),
        h("td", { class: "number" }, request.samples),
        h("td", {}, h("a", { href: request.flamegraph, target: "_blank" }, "flame graph"), " · ", h("a", { href: own("pprof"), download: "" }, "pprof"), " · ",
            h("a", { href: own("folded"), target: "_blank" }, "folded")),
        h("td", {}, h("a", { class: "id", href: `#/requests/${encodeURIComponent(id)}` }, id)));
}

function table(slow) {
    return h("table", {}, h("thead", {}, h("tr", {}, ...NAMES.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...slow.map(row)));
}

class Graph {
    constructor() {
        this.frame = h("iframe", { title: "Flame graph", sandbox: "allow-scripts" });
        this.says = h("p", { class: "quiet" });
        this.range = h("select", { name: "range", onchange: () => this.show() }, ...PRESETS.map(([name]) => h("option", { value: name }, `Last ${name}`)),
            h("option", { value: "" }, "From … to"));
        this.range.value = "15m";
        this.ends = ["from", "to"].map((name) => h("input", { name, type: "datetime-local", required: true, onchange: () => {
            this.range.value = "";
            this.show();
        } }));
        this.against = h("select", { name: "against", onchange: () => this.show() }, h("option", { value: "" }, "Nothing"),
            ...AGAINST.map(([name]) => h("option", { value: name }, name[0].toUpperCase() + name.slice(1))));
        this.links = h("span", { class: "links" });
        this.controls = h("div", { class: "controls" }, choice("Range", this.range), choice("From", this.ends[0]), choice("To", this.ends[1]), choice("Compare with", this.against),
            h("button", { class: "now", type: "button", onclick: () => this.show() }, "↻ Update"));
        this.element = h("section", { class: "graph", "aria-label": "The process" }, this.says, this.frame, this.links);
    }

    /** What the ring has, in seconds; null for none. */
    cover(covered) {
        const first = !this.covered && covered;
        this.covered = covered;
        this.controls.hidden = this.frame.hidden = this.links.hidden = !covered;
        this.says.textContent = covered ? `Kept from ${new Date(covered.from * 1000).toLocaleString()} on, by the minute.`
            : "Continuous profiling is off, or has seen nothing yet: SPY_PROFILING=continuous turns it on.";
        if (first) {
            this.show();
        }
    }

    /** The time that is asked for; null where it makes no sense. */
    window() {
        if (this.range.value) {
            const window = windowOf(this.range.value, this.covered, Date.now() / 1000);
            [this.ends[0].value, this.ends[1].value] = [localMinute(window.from), localMinute(window.to + 59)];
            return window;
        }
        const [from, to] = this.ends.map((end) => parseMinute(end.value));
        return from < to ? { from, to } : null;
    }

    show() {
        const window = this.window();
        this.ends.forEach((end) => end.setCustomValidity(window ? "" : "From is before to."));
        if (!window) {
            this.ends[1].reportValidity();
            return;
        }
        const against = againstOf(this.against.value, window, this.covered);
        this.against.setCustomValidity(this.against.value && !against ? "Nothing of that time is kept." : "");
        this.against.reportValidity();
        this.frame.src = addressOf("flamegraph", window, against);
        this.links.replaceChildren(h("a", { href: this.frame.getAttribute("src"), target: "_blank" }, "In a tab of its own"), " · ",
            h("a", { href: addressOf("pprof/wall", window), download: "" }, "pprof"), " · ",
            h("a", { href: addressOf("pprof/folded", window, against), target: "_blank" }, "folded"));
    }
}

/** Where the heap's profiles are, or how a process gets them. */
function heap(sampled) {
    if (!sampled) {
        return h("p", { class: "quiet" }, "The heap is not sampled: LD_PRELOAD=libspyglass-malloc.so turns it on, unless SPY_HEAP_SAMPLE_BYTES is 0.");
    }
    return h("p", {}, h("a", { href: "/debug/flamegraph?kind=heap", target: "_blank" }, "Who allocated what is in use"), " · ",
        h("a", { href: "/debug/pprof/heap", download: "" }, "pprof"), " · ", h("a", { href: "/debug/pprof/folded?kind=heap", target: "_blank" }, "folded"));
}

export const profiles = {
    id: "profiles",
    title: "Profiles",
    enter(place) {
        const graph = new Graph(), ended = new AbortController();
        const slow = h("section", { data: { section: "slow" } }), memory = h("section", { data: { section: "heap" } });
        place.append(h("div", { class: "bar" }, h("h1", {}, "Profiles"), graph.controls), h("div", { class: "requests profiles" }, graph.element, slow, memory));
        graph.controls.hidden = graph.frame.hidden = true;
        const refresh = async () => {
            try {
                const answer = await askRecent("slow", {}, ended.signal);
                graph.cover(answer.to_us ? { from: answer.from_us / 1e6, to: answer.to_us / 1e6 } : null);
                slow.replaceChildren(h("h2", {}, `Slow requests (${answer.slow.length})`),
                    answer.slow.length ? table(answer.slow) : h("p", { class: "quiet" }, "None of late."));
                memory.replaceChildren(h("h2", {}, "Heap"), heap(answer.heap));
            } catch (error) {
                if (!ended.signal.aborted) {
                    slow.replaceChildren(h("p", { class: "problem" }, error.message));
                }
            }
        };
        refresh();
        const timer = setInterval(() => document.hidden || refresh(), REFRESH_MS);
        return () => {
            ended.abort();
            clearInterval(timer);
        };
    },
};
