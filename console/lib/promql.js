// Putting variables into expressions the way Grafana does for Prometheus, so that its dashboards work here as they are.
// (https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/)

import { formatDuration } from "./range.js";

/** In a PromQL string a backslash is doubled, and then each regex character has one before it. */
export function escapeRegex(value) {
    return String(value).replace(/[\\^$*+?.()|{}[\]]/g, "\\\\$&").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

export function escapeText(value) {
    return String(value).replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n");
}

/** What stands for a variable: { value: string or [string…], multi, all, allValue, options }. */
export function formatVariable(variable) {
    if (variable.all) {
        return variable.allValue || formatList(variable.options || []);
    }
    if (Array.isArray(variable.value)) {
        return formatList(variable.value);
    }
    return variable.multi ? escapeRegex(variable.value) : escapeText(variable.value);
}

function formatList(values) {
    const escaped = values.map(escapeRegex);
    return escaped.length === 1 ? escaped[0] : `(${escaped.join("|")})`;
}

/** Grafana: a rate wants four samples, and at least one before the step. */
export function rateInterval(stepS, scrapeS) {
    return Math.max(stepS + scrapeS, 4 * scrapeS);
}

/** $name, ${name}, ${name:format} and [[name]]; what is not known stays as it is. */
export function interpolate(text, variables, window, scrapeS) {
    const step = window.step, span = Math.max(1, window.end - window.start);
    const built = {
        __interval: formatDuration(step * 1000), __interval_ms: String(step * 1000),
        __rate_interval: formatDuration(rateInterval(step, scrapeS) * 1000),
        __range: `${Math.round(span)}s`, __range_s: String(Math.round(span)), __range_ms: String(Math.round(span * 1000)),
        __from: String(Math.round(window.start * 1000)), __to: String(Math.round(window.end * 1000)),
    };
    return text.replace(/\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]/g, (whole, a, b, c) => {
        const name = a || b || c;
        if (Object.hasOwn(built, name)) {
            return built[name];
        }
        return Object.hasOwn(variables, name) ? formatVariable(variables[name]) : whole;
    });
}

/** "label_values(metric{…}, label)" or "label_values(label)" → { match, label }; null for what is neither. */
export function parseLabelValues(query) {
    const match = /^\s*label_values\(\s*(?:([^]*),)?\s*([A-Za-z_]\w*)\s*\)\s*$/.exec(query || "");
    return match ? { match: match[1]?.trim() || null, label: match[2] } : null;
}
