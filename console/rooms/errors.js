// The room of errors: those that are the same are one, with how often, since when, and where from. The last seen come first.

import { h } from "../lib/dom.js";
import { askRecent } from "../lib/recent.js";

const REFRESH_MS = 5e3;

const clock = (text) => {
    const at = new Date(text);
    return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")} ${at.toTimeString().slice(0, 8)}`;
};

function frame({ function: name, file, line, module, address, in_app: own }) {
    return h("li", { class: own ? "own" : "" }, h("b", {}, name || address), " ",
        h("span", {}, file ? `${file}${line ? `:${line}` : ""}` : module || ""));
}

function facts(group, answer) {
    const id = group.correlation_id || group.trace_id;
    const words = [["First seen", clock(group.first_seen)], ["Last seen", clock(group.last_seen)], ["Count", group.count],
        ["Release", answer.release], ["Environment", answer.environment], ["Last error", group.event_id],
        ["Its request", id ? h("a", { class: "id", href: `#/requests/${encodeURIComponent(id)}` }, id) : ""]];
    return h("dl", {}, ...words.filter(([, value]) => value !== undefined && value !== "").flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function card(group, answer) {
    return h("details", { class: "group", data: { key: group.key, type: group.type } },
        h("summary", {}, h("span", { class: "count", title: "How often" }, `${group.count}×`), h("b", {}, group.type), h("span", { class: "what" }, group.message || ""),
            h("span", { class: "quiet" }, group.place || ""), h("time", { title: `first ${clock(group.first_seen)}` }, clock(group.last_seen))),
        facts(group, answer),
        group.stack.length ? h("ol", { class: "stack" }, ...group.stack.map(frame)) : h("p", { class: "quiet" }, "It came without a stack."));
}

export const errors = {
    id: "errors",
    title: "Errors",
    enter(place) {
        const body = h("div", { class: "requests errors" }), ended = new AbortController();
        place.append(h("div", { class: "bar" }, h("h1", {}, "Errors")), body);
        const refresh = async () => {
            try {
                const answer = await askRecent("errors", {}, ended.signal);
                const open = new Set([...body.querySelectorAll("details[open]")].map((group) => group.dataset.key));
                body.replaceChildren(...(answer.groups.length ? answer.groups.map((group) => card(group, answer)) : [h("p", { class: "quiet" }, "No errors since the start.")]));
                for (const group of body.querySelectorAll("details")) {
                    group.open = open.has(group.dataset.key);
                }
            } catch (error) {
                if (!ended.signal.aborted) {
                    body.replaceChildren(h("p", { class: "problem" }, error.message));
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
