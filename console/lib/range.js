// Time ranges: "now-30m" to "now", or milliseconds since 1970; and the steps at which a range is drawn.

const UNIT_MS = { s: 1000, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

export const PRESETS = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d"];
export const POINTS_MAX = 11000; // of one line, as Prometheus and the server have it

/** "90s", "5m", "1h" → milliseconds; NaN for what is none. */
export function parseDuration(text) {
    const match = /^(\d+)(s|m|h|d|w)$/.exec(text || "");
    return match ? Number(match[1]) * UNIT_MS[match[2]] : NaN;
}

/** Milliseconds → "1m30s", the way PromQL writes it. */
export function formatDuration(ms) {
    if (ms < 1000) {
        return `${Math.max(1, Math.round(ms))}ms`;
    }
    let seconds = Math.round(ms / 1000);
    let text = "";
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
        if (seconds >= size) {
            text += Math.floor(seconds / size) + unit;
            seconds %= size;
        }
    }
    return text;
}

/** "now", "now-30m" or milliseconds → milliseconds; NaN for what is none. */
export function parseTime(text, now) {
    if (text === "now") {
        return now;
    }
    const relative = /^now-(\d+[smhdw])$/.exec(text || "");
    if (relative) {
        return now - parseDuration(relative[1]);
    }
    return /^\d{1,15}$/.test(text || "") ? Number(text) : NaN;
}

/** { from, to } as texts → { from, to } in milliseconds; what makes no sense is the last half hour. */
export function resolve(range, now) {
    const from = parseTime(range.from, now), to = parseTime(range.to, now);
    return to > from ? { from, to } : { from: now - 30 * 60e3, to: now };
}

const STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/**
 * The window that is asked for: about one point in two pixels, and none closer than samples are. It is aligned to its step,
 * so that a refresh does not make the lines jump; or ends at the very end, for who wants the newest value.
 */
export function windowOf({ from, to }, width, scrapeS, newest = false) {
    const least = Math.max((to - from) / 1000 / Math.max(120, width / 2), scrapeS, (to - from) / 1000 / (POINTS_MAX - 2));
    const step = STEPS_S.find((s) => s >= least) || Math.ceil(least);
    const unit = newest ? 1 : step, end = Math.floor(to / 1000 / unit) * unit;
    return { start: end - Math.ceil((to - from) / 1000 / step) * step, end, step };
}

export function describe(range) {
    const match = /^now-(\w+)$/.exec(range.from);
    if (match && range.to === "now") {
        return `Last ${match[1]}`;
    }
    const { from, to } = resolve(range, Date.now());
    const text = (ms) => new Date(ms).toLocaleString(undefined,
        { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    return `${text(from)} – ${text(to)}`;
}
