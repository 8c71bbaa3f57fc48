// Lines over time: filled, stacked, dashed, with thresholds, and a legend whose names are switches.

import { h } from "../lib/dom.js";
import { alpha, named, palette } from "../lib/color.js";
import { format } from "../lib/format.js";
import { lastNotNull, lines, overrides, stack, times } from "../lib/frame.js";
import { cursor, mount, timeAxis, tooltip, valueAxis, zoomHook } from "./chart.js";

const TOOLTIP_ROWS_MAX = 12;

function styleOf(panel, name, i) {
    const custom = { ...panel.fieldConfig?.defaults?.custom }, own = overrides(panel, name);
    for (const [id, value] of Object.entries(own)) {
        if (id.startsWith("custom.")) {
            custom[id.slice(7)] = value;
        }
    }
    const color = own.color?.mode === "fixed" ? named(own.color.fixedColor) : palette(i);
    return { custom, color, unit: own.unit ?? panel.fieldConfig?.defaults?.unit };
}

// The scale: the panel's bounds where it has them, else what is drawn, never a line without height.
function range(panel) {
    const { min, max } = panel.fieldConfig?.defaults || {};
    return (_, low, high) => {
        let from = min ?? Math.min(0, low ?? 0), to = max ?? high ?? 1;
        if (max === undefined) {
            to += (to - from) * 0.08;
        }
        if (!(to > from)) {
            to = from + 1;
        }
        return [from, to];
    };
}

function thresholdLines(panel) {
    const steps = (panel.fieldConfig?.defaults?.thresholds?.steps || []).filter((s) => s.value !== null && s.value !== undefined);
    const mode = panel.fieldConfig?.defaults?.custom?.thresholdsStyle?.mode || "off";
    return (u) => {
        if (mode === "off") {
            return;
        }
        u.ctx.save();
        u.ctx.lineWidth = devicePixelRatio;
        u.ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
        for (const { value, color } of steps) {
            const y = u.valToPos(value, "y", true);
            if (y >= u.bbox.top && y <= u.bbox.top + u.bbox.height) {
                u.ctx.strokeStyle = alpha(named(color), 0.8);
                u.ctx.beginPath();
                u.ctx.moveTo(u.bbox.left, y);
                u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
                u.ctx.stroke();
            }
        }
        u.ctx.restore();
    };
}

function seriesOf(line, i, count, panel, stacked) {
    const { custom, color } = styleOf(panel, line.name, i);
    const fill = (custom.fillOpacity ?? 0) / 100 * (stacked ? 1.6 : count > 6 ? 0 : count > 3 ? 0.5 : 1); // many fills are mud
    return {
        label: line.name, stroke: color, width: Math.max(1.25, custom.lineWidth ?? 1),
        fill: fill > 0 ? alpha(color, fill) : undefined,
        dash: custom.lineStyle?.fill === "dash" ? custom.lineStyle.dash : undefined,
        points: { show: (u, s) => u.data[s].filter((v) => v !== null).length === 1 },
    };
}

class Chart {
    constructor(body, panel, context) {
        this.body = body;
        this.panel = panel;
        this.context = context;
        this.hidden = new Set();
        this.plot = h("div", { class: "plot" });
        this.legend = h("div", { class: "legend" });
        body.append(this.plot, this.legend);
        this.tip = tooltip(body, (u) => this.rowsAt(u));
    }

    isStacked() {
        return this.panel.fieldConfig?.defaults?.custom?.stacking?.mode === "normal";
    }

    update(answers, context) {
        this.context.window = context.window; // zoom and reset stay the same
        this.all = lines(answers, context.window);
        this.axis = times(context.window);
        this.empty = !this.all.some((line) => line.values.some((v) => v !== null));
        this.drawLegend();
        this.draw();
    }

    visible() {
        return this.all.filter((line) => !this.hidden.has(line.name));
    }

    draw() {
        const stacked = this.isStacked(), visible = this.visible();
        const drawn = stacked ? stack(visible).reverse() : visible.map((line) => line.values);
        const order = stacked ? [...visible].reverse() : visible;
        const data = [this.axis, ...drawn];
        this.order = order;
        const key = JSON.stringify([order.map((l) => l.name), this.context.window.end - this.context.window.start]);
        if (this.chart && key === this.key) {
            this.chart.u.setData(data); // the same lines: no flicker
            return;
        }
        this.key = key;
        this.destroy();
        const defaults = this.panel.fieldConfig?.defaults || {};
        this.chart = mount(this.plot, {
            scales: { x: { time: true, range: () => [this.axis[0], Math.max(this.axis.at(-1), this.axis[0] + 1)] }, y: { range: range(this.panel) } },
            axes: [timeAxis(this.context), valueAxis({ space: 28, values: (_, splits) => splits.map((v) => format(v, defaults.unit)) })],
            series: [{}, ...order.map((line) => seriesOf(line, this.all.indexOf(line), this.all.length, this.panel, stacked))],
            // A stacked line is filled down to the one below it.
            bands: stacked ? order.slice(1).map((_, i) => ({ series: [i + 1, i + 2] })) : [],
            cursor: cursor(this.context),
            hooks: { draw: [thresholdLines(this.panel)], setSelect: [zoomHook(this.context)], setCursor: [(u) => this.tip.hook(u)] },
        }, data);
    }

    rowsAt(u) {
        const rows = this.visible().map((line) => ({ line, value: line.values[u.cursor.idx] })).filter(({ value }) => value !== null && value !== undefined)
            .sort((a, b) => b.value - a.value);
        const more = rows.length - TOOLTIP_ROWS_MAX;
        const shown = rows.slice(0, TOOLTIP_ROWS_MAX).map(({ line, value }) => {
            const { color, unit } = styleOf(this.panel, line.name, this.all.indexOf(line));
            return { color, name: line.name, value: format(value, unit, this.panel.fieldConfig?.defaults?.decimals) };
        });
        return more > 0 ? [...shown, { name: `and ${more} more`, value: "" }] : shown;
    }

    drawLegend() {
        if (this.panel.options?.legend?.showLegend === false) {
            return;
        }
        this.legend.replaceChildren(...this.all.map((line, i) => {
            const { color, unit } = styleOf(this.panel, line.name, i);
            return h("button", {
                type: "button", "aria-pressed": String(!this.hidden.has(line.name)), title: line.name,
                onclick: (event) => this.toggle(line.name, event),
            }, h("i", { vars: { color } }), h("span", {}, line.name), h("b", {}, format(lastNotNull(line.values), unit)));
        }));
    }

    /** A click switches one line; with Shift, Ctrl or ⌘ all others. */
    toggle(name, event) {
        if (event.shiftKey || event.ctrlKey || event.metaKey) {
            const others = this.all.map((line) => line.name).filter((other) => other !== name);
            const alone = others.every((other) => this.hidden.has(other));
            this.hidden = new Set(alone ? [] : others);
        } else if (!this.hidden.delete(name)) {
            this.hidden.add(name);
        }
        this.drawLegend();
        this.draw();
    }

    resize() {
        this.chart?.resize();
    }

    recolor() {
        this.key = null;
        this.draw();
    }

    destroy() {
        this.chart?.u.destroy();
        this.chart = null;
    }
}

export const timeseries = {
    draw(body, panel, answers, context) {
        const chart = new Chart(body, panel, { ...context });
        chart.update(answers, context);
        return chart;
    },
};
