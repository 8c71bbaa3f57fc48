// The variables of a dashboard: what may be chosen, and what is.
//
// A chosen value is null for "All", else a list of texts. "datasource" is no choice here: the server has one Prometheus.

import { interpolate, parseLabelValues } from "./promql.js";
import { ask } from "./prometheus.js";

/** Those of the dashboard's templating that the page lets choose. */
export function shown(dashboard) {
    return (dashboard.templating?.list || []).filter((v) => v.type === "query" || v.type === "custom");
}

/** What interpolate() takes, from the choices { name: null | [value…] } and the options { name: [value…] }. */
export function scope(dashboard, choices, options) {
    const found = {};
    for (const v of dashboard.templating?.list || []) {
        const chosen = choices[v.name];
        found[v.name] = {
            all: !chosen && v.includeAll !== false && (v.type === "query" || v.type === "custom"),
            allValue: v.allValue || (options[v.name]?.length ? null : ".*"),
            options: options[v.name] || [],
            multi: Boolean(v.multi || v.includeAll),
            value: chosen || (v.current?.value ?? v.query ?? ""),
        };
    }
    return found;
}

/** The options of one variable, in order. */
export async function load(variable, variables, window, scrapeS, signal) {
    const query = typeof variable.query === "string" ? variable.query : variable.query?.query;
    if (variable.type === "custom") {
        return String(query || "").split(",").map((s) => s.trim()).filter(Boolean);
    }
    const parsed = parseLabelValues(query);
    if (!parsed) {
        throw new Error(`The variable ${variable.name} has a query that the page does not know.`);
    }
    const params = { start: window.start, end: window.end };
    if (parsed.match) {
        params["match[]"] = interpolate(parsed.match, variables, window, scrapeS);
    }
    const values = await ask(`label/${encodeURIComponent(parsed.label)}/values`, params, signal);
    return values.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
}
