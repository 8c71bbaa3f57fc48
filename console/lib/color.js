// Colours: the palette of lines, Grafana's names, and the ramp of heat maps. All read well on both themes.

import { css } from "./dom.js";

// Apart in hue and in lightness, so that neighbours differ for colour-blind eyes as well.
const PALETTE = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#06b6d4", "#ec4899", "#84cc16", "#f97316", "#6366f1",
    "#14b8a6", "#eab308"];

const NAMED = {
    green: "#22a565", red: "#e5484d", orange: "#f08c2e", yellow: "#e0b100", blue: "#3b82f6", purple: "#9b6dff", white: "#e6e8eb",
    gray: "#8a919c", black: "#111",
};

/** Grafana's "red", "dark-red", "#rrggbb", "text", … as CSS. Anything else is the text's colour. */
export function named(color) {
    if (/^#[0-9a-f]{3,8}$/i.test(color || "") || /^rgba?\([\d., %]+\)$/.test(color || "")) {
        return color;
    }
    const base = String(color || "").replace(/^(super-light|light|semi-dark|dark)-/, "");
    return Object.hasOwn(NAMED, base) ? NAMED[base] : css("text");
}

export function palette(i) {
    return PALETTE[i % PALETTE.length];
}

/** "#rrggbb" with an opacity of 0 to 1. */
export function alpha(color, opacity) {
    const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
    return match ? `rgba(${match.slice(1).map((hex) => parseInt(hex, 16)).join(",")},${opacity})` : color;
}

// From the panel's ground to its accent; the stops rise in lightness on dark, and fall on light.
const RAMPS = {
    dark: ["#1b2233", "#2a3a78", "#5b3fa6", "#b03a8c", "#ee5d5a", "#fbb03b", "#fff3b0"],
    light: ["#fdf3e3", "#fbd9a0", "#f7a35c", "#e8604c", "#b8306b", "#6d1f75", "#2d1458"],
};

/** 0 to 1 → a colour of the theme's ramp. */
export function ramp(share) {
    const stops = RAMPS[css("theme")] || RAMPS.dark;
    const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    const mix = [1, 3, 5].map((k) => {
        const a = parseInt(stops[i].slice(k, k + 2), 16), b = parseInt(stops[i + 1].slice(k, k + 2), 16);
        return Math.round(a + (b - a) * (at - i));
    });
    return `rgb(${mix.join(",")})`;
}
