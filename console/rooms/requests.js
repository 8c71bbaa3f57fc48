// The room of requests: failed and slow ones first. One of them: its timeline, and its lines.

import { h } from "../lib/dom.js";
import { format } from "../lib/format.js";
import { parts } from "../lib/lines.js";
import { askRecent } from "../lib/recent.js";
import { failure, timeline, title } from "../lib/timeline.js";
import { lineElement } from "./lines.js";

const REFRESH_MS = 5e3;
const TROUBLE = new Set(["error", "slow"]);

const seconds = (us) => format(us / 1e6, "s");
const clock = (us) => new Date(us / 1000).toTimeString().slice(0, 8);
const addressOf = (id) => `#/requests/${encodeURIComponent(id)}`;

function row(request) {
    const id = request.correlation_id || request.trace_id, outcome = request.outcome || "";
    return h("tr", { data: { outcome, id } },
        h("td", {}, clock(request.start_us)),
        h("td", {}, outcome ? h("span", { class: `outcome ${outcome}` }, outcome) : null),
        h("td", {}, h("a", { href: addressOf(id) }, title(request)), failure(request) ? h("p", { class: "failure" }, failure(request)) : null),
        h("td", { class: "number" }, seconds(request.duration_us)),
        h("td", { class: "number" }, request.spans ?? ""),
        h("td", {}, h("a", { class: "id", href: addressOf(id) }, id)));
}

function table(requests) {
    return h("table", {}, h("thead", {}, h("tr", {}, ...["Time", "Kept as", "Request", "Took", "Spans", "Id"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...requests.map(row)));
}

function section(name, requests, none) {
    return h("section", { data: { section: name } }, h("h2", {}, `${name} (${requests.length})`),
        requests.length ? table(requests) : h("p", { class: "quiet" }, none));
}

function list(place, answer) {
    const trouble = answer.requests.filter(({ outcome }) => TROUBLE.has(outcome));
    const others = answer.requests.filter(({ outcome }) => !TROUBLE.has(outcome)).sort((a, b) => b.start_us - a.start_us);
    place.replaceChildren(section("Slow and failed", trouble, "None of late."), section("Others", others, "None yet."));
}

function bar({ span, depth, left, width }) {
    const failed = failure(span);
    return h("div", { class: `span ${failed ? "failed" : ""}`, vars: { depth, left: `${left * 100}%`, width: `${width * 100}%` }, data: { span: span.span_id || "" },
        title: Object.entries(span.fields || {}).map(([name, value]) => `${name}: ${value}`).join("\n") },
    h("span", { class: "name" }, title(span), failed ? h("em", {}, ` ${failed}`) : null), h("span", { class: "track" }, h("i", {})), h("b", {}, seconds(span.duration_us)));
}

function facts(answer, whole) {
    const words = [["Correlation id", answer.correlation_id], ["Trace id", answer.trace_id], ["Kept as", answer.outcome],
        ["Took", whole.rows.length ? seconds(whole.duration_us) : ""], ["Spans missing", answer.spans_lost || ""],
        ["Profile", answer.flamegraph ? h("a", { href: answer.flamegraph, target: "_blank" }, "flame graph") : ""]];
    return h("dl", {}, ...words.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function one(place, answer) {
    const whole = timeline(answer.spans);
    place.replaceChildren(facts(answer, whole),
        h("section", {}, h("h2", {}, "Timeline"), whole.rows.length ? h("div", { class: "timeline" }, ...whole.rows.map(bar))
            : h("p", { class: "quiet" }, "Its spans are not kept any more.")),
        h("section", {}, h("h2", {}, `Lines (${answer.lines.length})`),
            h("div", { class: "lines whole" }, ...answer.lines.map(({ line }) => lineElement({ ...parts(line), line })))));
}

export const requests = {
    id: "requests",
    title: "Requests",
    enter(place, [id]) {
        const ended = new AbortController(), body = h("div", { class: "requests" });
        const search = h("input", { name: "id", type: "search", placeholder: "correlation or trace id", autocomplete: "off", spellcheck: "false", value: id || "" });
        place.append(h("div", { class: "bar" }, h("h1", {}, id ? h("a", { href: "#/requests" }, "Requests") : "Requests", id ? ` / ${id}` : ""),
            h("form", { class: "controls", onsubmit: (event) => {
                event.preventDefault();
                location.hash = search.value.trim() ? addressOf(search.value.trim()) : "#/requests";
            } }, h("label", { class: "choice" }, h("span", {}, "Id"), search))), body);
        const refresh = async () => {
            try {
                const answer = await askRecent(id ? `requests/${encodeURIComponent(id)}` : "requests", {}, ended.signal);
                (id ? one : list)(body, answer);
            } catch (error) {
                if (!ended.signal.aborted) {
                    body.replaceChildren(h("p", { class: "problem" }, error.message));
                }
            }
        };
        refresh();
        // What is open to be read stays as it is; the list goes on.
        const timer = id ? 0 : setInterval(() => document.hidden || refresh(), REFRESH_MS);
        return () => {
            ended.abort();
            clearInterval(timer);
        };
    },
};
