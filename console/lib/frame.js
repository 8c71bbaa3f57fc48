// From the answers of a panel's queries to what its kind draws: lines on one time axis, rows of buckets, rows of a table.

import { legend } from "./legend.js";

/** The times of a window, in seconds. */
export function times({ start, end, step }) {
    const count = Math.floor((end - start) / step + 1e-9) + 1;
    return Array.from({ length: count }, (_, i) => Number((start + i * step).toFixed(3)));
}

/** [{ name, labels, values }] of all targets, in their order; a hole in a line is null. */
export function lines(answers, window) {
    const axis = times(window);
    return answers.flatMap(({ target, series }) => series.map(({ labels, points }) => ({
        name: legend(target.legendFormat, labels, target.refId), labels,
        values: axis.map((time) => {
            const value = points.get(time);
            return Number.isFinite(value) ? value : null;
        }),
    })));
}

/** The last value of a line that is one. */
export function lastNotNull(values) {
    return values.findLast((v) => v !== null) ?? null;
}

/** Sums from the bottom up, a hole counting as nothing where another line has a value. */
export function stack(all) {
    const sum = [];
    return all.map(({ values }) => values.map((v, i) => {
        sum[i] = (sum[i] ?? 0) + (v ?? 0);
        return v === null && all.every((line) => line.values[i] === null) ? null : sum[i];
    }));
}

/** Series by `le` → { bounds: [number…, ∞], counts: [row][time] } of the buckets alone, no longer cumulative. */
export function buckets(answers, window) {
    const axis = times(window), rows = new Map();
    for (const { series } of answers) {
        for (const { labels, points } of series) {
            const le = labels.le === "+Inf" ? Infinity : Number(labels.le);
            if (!Number.isNaN(le)) {
                rows.set(le, axis.map((time) => points.get(time) ?? null));
            }
        }
    }
    const bounds = [...rows.keys()].sort((a, b) => a - b);
    const counts = bounds.map((le, row) => rows.get(le).map((value, i) => {
        const below = row > 0 ? rows.get(bounds[row - 1])[i] : 0;
        return Number.isFinite(value) ? Math.max(0, value - (Number.isFinite(below) ? below : 0)) : null;
    }));
    return { bounds, counts };
}

/** Rows of instant answers through the panel's "organize": { columns: [{ key, title }], rows: [{ key: value }] } */
export function table(panel, answers) {
    const rows = answers.flatMap(({ series }) => series.map(({ labels, value }) => ({ ...labels, Value: value })));
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const organize = (panel.transformations || []).find((t) => t.id === "organize")?.options || {};
    const told = (by, key) => (by && Object.hasOwn(by, key) ? by[key] : undefined); // a label may be called "constructor"
    const place = (key) => told(organize.indexByName, key) ?? (key === "Value" ? 1e6 : 1e3);
    const columns = keys.filter((key) => !told(organize.excludeByName, key)).sort((a, b) => place(a) - place(b))
        .map((key) => ({ key, title: told(organize.renameByName, key) || key }));
    return { columns, rows };
}

/** The properties that the panel's overrides give a field of this name, by id. */
export function overrides(panel, name) {
    const found = {};
    for (const { matcher, properties } of panel.fieldConfig?.overrides || []) {
        const fits = matcher.id === "byName" ? matcher.options === name
            : matcher.id === "byRegexp" ? new RegExp(matcher.options.replace(/^\/|\/$/g, "")).test(name) : false;
        if (fits) {
            for (const { id, value } of properties) {
                found[id] = value;
            }
        }
    }
    return found;
}
