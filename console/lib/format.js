// Numbers as people read them, by Grafana's unit ids.

const SI = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]];
const SHORT = [[1e12, " Tri"], [1e9, " Bil"], [1e6, " Mil"], [1e3, " K"]];
const BYTES = [[2 ** 40, " TiB"], [2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"]];
const DEC_BYTES = [[1e12, " TB"], [1e9, " GB"], [1e6, " MB"], [1e3, " kB"]];
const SECONDS = [[86400 * 365, " years"], [86400 * 7, " weeks"], [86400, " days"], [3600, " hours"], [60, " min"], [1, " s"],
    [1e-3, " ms"], [1e-6, " µs"], [1e-9, " ns"]];

/** Three significant digits, no more places than `decimals` where it is given, no trailing zeros. */
export function round(value, decimals) {
    if (Number.isInteger(decimals)) {
        return value.toFixed(Math.min(decimals, 12));
    }
    if (value === 0) {
        return "0";
    }
    const places = Math.max(0, Math.min(12, 2 - Math.floor(Math.log10(Math.abs(value)))));
    const text = value.toFixed(places);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scaled(value, scale, plain, decimals) {
    const size = Math.abs(value);
    for (const [least, suffix] of scale) {
        if (size >= least) {
            return round(value / least, decimals) + suffix;
        }
    }
    return round(value, decimals) + plain;
}

const UNITS = {
    none: (v, d) => round(v, d),
    short: (v, d) => scaled(v, SHORT, "", d),
    percent: (v, d) => `${round(v, d)}%`,
    percentunit: (v, d) => `${round(v * 100, d)}%`,
    s: (v, d) => (v === 0 ? "0 s" : scaled(v, SECONDS, " s", d)),
    ms: (v, d) => UNITS.s(v / 1000, d),
    bytes: (v, d) => scaled(v, BYTES, " B", d),
    decbytes: (v, d) => scaled(v, DEC_BYTES, " B", d),
    Bps: (v, d) => `${scaled(v, DEC_BYTES, " B", d)}/s`,
    ops: (v, d) => `${scaled(v, SI, "", d)} ops/s`,
    reqps: (v, d) => `${scaled(v, SI, "", d)} req/s`,
    cps: (v, d) => `${scaled(v, SI, "", d)} c/s`,
    currencyUSD: (v, d) => `$${scaled(v, SHORT, "", d)}`,
};

/** A number in its unit; a unit that is not known follows the number as it is. */
export function format(value, unit = "none", decimals = undefined) {
    if (value === null || value === undefined || Number.isNaN(value)) {
        return "–";
    }
    if (!Number.isFinite(value)) {
        return value > 0 ? "∞" : "−∞";
    }
    const known = Object.hasOwn(UNITS, unit || "none") ? UNITS[unit || "none"] : (v, d) => `${scaled(v, SI, "", d)} ${unit}`;
    return known(value, decimals).replace(/^-/, "−");
}

/** Grafana's value mappings: { text, color } for a value, or null. */
export function mapped(value, mappings) {
    for (const mapping of mappings || []) {
        const options = mapping.options || {};
        if (mapping.type === "value" && Object.hasOwn(options, String(value))) {
            return options[String(value)];
        }
        if (mapping.type === "range" && Number(value) >= (options.from ?? -Infinity) && Number(value) <= (options.to ?? Infinity)) {
            return options.result;
        }
        if (mapping.type === "special" && options.match === "null" && (value === null || value === undefined)) {
            return options.result;
        }
    }
    return null;
}

/** The colour of the highest threshold that the value reaches. */
export function thresholdColor(value, thresholds, max) {
    let color = null;
    for (const step of thresholds?.steps || []) {
        const least = thresholds.mode === "percentage" ? (step.value ?? -Infinity) / 100 * (max ?? 1) : step.value ?? -Infinity;
        if (value >= least || step.value === null) {
            color = step.color;
        }
    }
    return color;
}
