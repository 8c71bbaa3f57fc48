// A log line as its parts, and how a room follows lines. No DOM.

const HEAD = new Set(["timestamp", "level", "event", "logger", "correlation_id", "trace_id", "span_id", "service", "environment", "record_id"]);

/** A value as a line of text shows it: strings as they are, the rest as JSON. */
export function words(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** { time, level, event, logger, id, trace, fields: [[name, text]] } of a line's object. */
export function parts(line) {
    const at = Date.parse(line.timestamp);
    return {
        time: Number.isFinite(at) ? new Date(at).toTimeString().slice(0, 8) + String(line.timestamp).slice(19, 23) : "",
        level: String(line.level ?? "info"),
        event: String(line.event ?? ""),
        logger: String(line.logger ?? ""),
        id: String(line.correlation_id ?? ""),
        trace: String(line.trace_id ?? ""),
        fields: Object.entries(line).filter(([name]) => !HEAD.has(name)).map(([name, value]) => [name, words(value)]),
    };
}

/**
 * Follows the lines that match: next(ask) gives { lines, gap }, those since the last call. `gap` is a sentence where some went by
 * unseen, else "". The first call gives the last ones there are.
 */
export class Tail {
    constructor(filter) {
        this.filter = filter;
        this.since = null;
    }

    async next(ask, limit) {
        const answer = await ask({ ...this.filter, limit, since: this.since ?? "" });
        const first = this.since === null, again = !first && answer.next < this.since;
        this.since = answer.next;
        let gap = "";
        if (again) {
            gap = "The service was started again.";
        } else if (answer.missed > 0) {
            gap = `${answer.missed} records went by before they could be shown.`;
        }
        return { lines: answer.lines.map(({ number, line }) => ({ number, ...parts(line), line })), gap };
    }
}
