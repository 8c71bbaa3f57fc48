// Which time of continuous profiling is looked at, and where its profile is.

export const PRESETS = [["5m", 5], ["15m", 15], ["1h", 60], ["4h", 240]];

/** { from, to } in whole seconds: the preset's minutes before `now`, within what is covered; both of these in seconds, too. */
export function windowOf(preset, covered, now) {
    const minutes = (PRESETS.find(([name]) => name === preset) || PRESETS[1])[1];
    const to = Math.ceil(Math.max(now, covered.from + 1));
    return { from: Math.floor(Math.max(covered.from, to - minutes * 60)), to };
}

/** "2026-01-31T23:59" as the clock here shows a time in seconds. */
export function localMinute(seconds) {
    const at = new Date(seconds * 1000), two = (n) => String(n).padStart(2, "0");
    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** And back, in seconds; NaN for what is none. */
export function parseMinute(text) {
    return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text) ? Math.floor(new Date(text).getTime() / 1000) : NaN;
}

/** What a time may be compared with, by how far before it that is: null for as long as it lasts. */
export const AGAINST = [["the time just before", null], ["an hour before", 3600], ["two hours before", 7200]];

/** The time of such a choice; null where it is none, or nothing of it is kept. */
export function againstOf(choice, { from, to }, covered) {
    const found = AGAINST.find(([name]) => name === choice);
    const back = found ? found[1] ?? to - from : 0, end = to - back;
    return found && end > covered.from ? { from: Math.max(from - back, Math.floor(covered.from)), to: end } : null;
}

/** /debug/FORM of that time, compared with another where there is one. */
export function addressOf(form, { from, to }, against = null) {
    return `/debug/${form}?from=${from}&to=${to}` + (against ? `&against_from=${against.from}&against_to=${against.to}` : "");
}
