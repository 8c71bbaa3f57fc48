// What time series and heat maps share: axes in the theme's colours, a cursor that all charts of the page follow, a zoom by
// drag, and a tooltip.

import { css, h } from "../lib/dom.js";

const FONT = "11px system-ui, sans-serif";
const TIME_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];

export const SYNC = "dashboard";

function clock(context) {
    const span = context.window.end - context.window.start;
    const two = (n) => String(n).padStart(2, "0");
    return (seconds) => {
        const t = new Date(seconds * 1000);
        if (span > 2 * 86400) {
            return `${two(t.getMonth() + 1)}-${two(t.getDate())}${span < 7 * 86400 ? ` ${two(t.getHours())}:${two(t.getMinutes())}` : ""}`;
        }
        return `${two(t.getHours())}:${two(t.getMinutes())}${span <= 600 ? `:${two(t.getSeconds())}` : ""}`;
    };
}

export function timeAxis(context) {
    return {
        font: FONT, size: 28, gap: 7, space: 62, incrs: TIME_STEPS_S, stroke: () => css("muted"),
        grid: { stroke: () => css("grid"), width: 1 }, ticks: { show: false },
        values: (_, splits) => splits.map(clock(context)),
    };
}

export function valueAxis(more) {
    return {
        font: FONT, gap: 6, stroke: () => css("muted"),
        size: (u, values) => {
            if (!values) {
                return 40;
            }
            u.ctx.save();
            u.ctx.font = FONT;
            const width = Math.max(...values.map((v) => u.ctx.measureText(v ?? "").width), 0);
            u.ctx.restore();
            return Math.ceil(Math.max(30, width + 14));
        },
        grid: { stroke: () => css("grid"), width: 1 }, ticks: { show: false }, ...more,
    };
}

/** Drag chooses a range, double click goes back. */
export function cursor(context) {
    return {
        sync: { key: SYNC, setSeries: false },
        drag: { x: true, y: false, dist: 8, setScale: false },
        points: { size: 7, width: 1.5 },
        bind: {
            dblclick: () => () => {
                context.reset();
                return null;
            },
        },
    };
}

export function zoomHook(context) {
    return (u) => {
        if (u.select.width < 8) {
            return;
        }
        const from = u.posToVal(u.select.left, "x"), to = u.posToVal(u.select.left + u.select.width, "x");
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        context.zoom(Math.round(from * 1000), Math.round(Math.max(to, from + 5) * 1000));
    };
}

function whenAt(u) {
    return new Date(u.data[0][u.cursor.idx] * 1000).toLocaleString(undefined,
        { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** rowsAt(u) → [{ color, name, value }] or null; shown beside the cursor of the chart that the pointer is in, under headAt(u). */
export function tooltip(body, rowsAt, headAt = whenAt) {
    const box = h("div", { class: "tooltip", hidden: true });
    body.append(box);
    return {
        hook(u) {
            const { left, top, idx } = u.cursor;
            const rows = left >= 0 && u.over.matches(":hover") && idx !== null && idx !== undefined ? rowsAt(u) : null;
            box.hidden = !rows;
            if (!rows) {
                return;
            }
            box.replaceChildren(h("div", { class: "when" }, headAt(u)), ...rows.map(({ color, name, value }) =>
                h("div", { class: "line" }, h("i", { vars: { color: color || "transparent" } }), h("span", {}, name), h("b", {}, value))));
            const x = u.over.offsetLeft + left, y = u.over.offsetTop + top;
            const right = x + 16 + box.offsetWidth > body.clientWidth;
            box.style.left = `${Math.max(0, right ? x - 16 - box.offsetWidth : x + 16)}px`;
            box.style.top = `${Math.max(0, Math.min(y - 10, body.clientHeight - box.offsetHeight))}px`;
        },
    };
}

/** uPlot in a place that it fills. */
export function mount(place, options, data) {
    const size = () => ({ width: Math.max(80, place.clientWidth), height: Math.max(60, place.clientHeight) });
    const u = new globalThis.uPlot({ ...size(), legend: { show: false }, padding: [8, 22, 0, 4], ...options }, data, place);
    return { u, resize: () => u.setSize(size()) };
}
