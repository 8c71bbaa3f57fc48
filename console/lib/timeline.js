// Spans as a waterfall: in which order, how deep, where each bar begins and how long it is. No DOM.

/**
 * { start_us, duration_us, rows: [{ span, depth, left, width }] }; left and width are parts of the whole, 0 to 1. A span stands
 * under its parent; one whose parent is not there (another service's, or lost) stands at the edge.
 */
export function timeline(spans) {
    if (spans.length === 0) {
        return { start_us: 0, duration_us: 0, rows: [] };
    }
    const ids = new Set(spans.map((span) => span.span_id));
    const children = new Map();
    const tops = [];
    for (const span of spans) {
        if (span.parent_id && span.parent_id !== span.span_id && ids.has(span.parent_id)) {
            children.set(span.parent_id, [...(children.get(span.parent_id) || []), span]);
        } else {
            tops.push(span);
        }
    }
    const start = Math.min(...spans.map((span) => span.start_us));
    const end = Math.max(...spans.map((span) => span.start_us + span.duration_us));
    const whole = Math.max(1, end - start);
    const rows = [];
    const seen = new Set();
    const add = (list, depth) => {
        for (const span of [...list].sort((a, b) => a.start_us - b.start_us || b.duration_us - a.duration_us)) {
            if (!seen.has(span)) {
                seen.add(span);
                rows.push({ span, depth, left: (span.start_us - start) / whole, width: span.duration_us / whole });
                add(children.get(span.span_id) || [], depth + 1);
            }
        }
    };
    add(tops, 0);
    add(spans, 0); // those that are each other's parents
    return { start_us: start, duration_us: end - start, rows };
}

/** What a span is called: its name, and what tells it from others of that name. */
export function title(span) {
    const { method, route, status, ...labels } = span.fields || {};
    const rest = Object.entries(labels).filter(([name]) => !["error_type", "message", "error_message"].includes(name)).map(([, value]) => String(value));
    return method || route ? [method, route, status].filter((part) => part !== undefined).join(" ") : [span.name, ...rest].join(" · ");
}

/** What went wrong in it, or "". */
export function failure(span) {
    const { error_type: type, message, error_message: other } = span.fields || {};
    return type ? [type, message ?? other].filter(Boolean).join(": ") : "";
}
