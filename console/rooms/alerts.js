// The room of alerts: every rule that Prometheus evaluates, with its state; those that fire first.

import { h } from "../lib/dom.js";
import { ask } from "../lib/prometheus.js";
import { formatDuration } from "../lib/range.js";

/** The dead-man's switch: it fires as long as all is well, and is nobody's trouble. */
export const HEARTBEAT = "Watchdog";

const REFRESH_MS = 10e3;
const WEIGHT = { firing: 0, pending: 1, inactive: 2, beating: 3 };

function since(text) {
    const ms = Date.now() - Date.parse(text);
    return Number.isFinite(ms) ? `for ${formatDuration(Math.max(1000, Math.round(ms / 1000) * 1000))}` : "";
}

function stateOf(rule) {
    return rule.name === HEARTBEAT && rule.state === "firing" ? "beating" : rule.state;
}

function instance(alert) {
    const labels = Object.entries(alert.labels).filter(([name]) => !["alertname", "severity"].includes(name));
    return h("li", {}, h("b", {}, `${alert.state} ${since(alert.activeAt)} `), alert.annotations?.description || "", " ",
        ...labels.map(([name, value]) => h("code", {}, `${name}="${value}"`)));
}

function card(rule) {
    const { summary, description = "" } = rule.annotations || {}, state = stateOf(rule), beats = state === "beating";
    return h("article", { class: "rule", data: { rule: rule.name, state } },
        h("header", {}, h("span", { class: `state ${state}` }, state), h("h2", {}, rule.name),
            rule.labels?.severity && rule.labels.severity !== "none" ? h("span", { class: `severity ${rule.labels.severity === "critical" ? "critical" : ""}` }, rule.labels.severity) : null),
        summary ? h("p", {}, summary) : null,
        // A template is words only once it has fired: then each alert says its own.
        description.includes("{{") || (rule.alerts?.length && !beats) ? null : h("p", { class: "quiet" }, description),
        h("ul", {}, ...(beats ? [] : rule.alerts || []).map(instance)),
        h("details", {}, h("summary", {}, "Expression"), h("pre", {}, `${rule.query}${rule.duration ? `\nfor ${formatDuration(rule.duration * 1000)}` : ""}`)));
}

export const alerts = {
    id: "alerts",
    title: "Alerts",
    enter(place) {
        const list = h("div", { class: "rules" }), ended = new AbortController();
        place.append(h("div", { class: "bar" }, h("h1", {}, "Alerts")), list);
        let open = new Set();
        const refresh = async () => {
            try {
                const { groups } = await ask("rules", {}, ended.signal);
                const rules = groups.flatMap((group) => group.rules).filter((rule) => rule.type === "alerting")
                    .sort((a, b) => WEIGHT[stateOf(a)] - WEIGHT[stateOf(b)] || a.name.localeCompare(b.name));
                open = new Set([...list.querySelectorAll("article")].filter((a) => a.querySelector("details")?.open).map((a) => a.dataset.rule));
                list.replaceChildren(...(rules.length ? rules.map(card) : [h("p", { class: "quiet" }, "Prometheus has no alerting rules.")]));
                for (const article of list.querySelectorAll("article")) {
                    article.querySelector("details").open = open.has(article.dataset.rule);
                }
            } catch (error) {
                if (!ended.signal.aborted) {
                    list.replaceChildren(h("p", { class: "problem" }, error.message));
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
