// Counts of names or of days: bars, and lines over them, on one scale.

import { css, h } from "../lib/dom.js";
import { alpha } from "../lib/color.js";
import { format } from "../lib/format.js";
import { mount, tooltip, valueAxis } from "./chart.js";

const FONT = "11px system-ui, sans-serif";

function labelAxis(labels, rotated) {
    const longest = Math.max(...labels.map((label) => label.length));
    return {
        font: FONT, gap: 6, stroke: () => css("muted"), grid: { show: false }, ticks: { show: false },
        space: rotated ? 16 : 48, incrs: [1, 2, 5, 7, 10, 14, 28, 56, 112, 364], rotate: rotated ? 35 : 0,
        size: rotated ? Math.min(110, 22 + longest * 3.6) : 28,
        values: (_, splits) => splits.map((x) => (Number.isInteger(x) ? labels[x] ?? "" : "")),
    };
}

function seriesOf({ name, color, bars }) {
    return bars ? { label: name, stroke: color, width: 0, fill: alpha(color, 0.75), paths: globalThis.uPlot.paths.bars({ size: [0.62, 64] }), points: { show: false } }
        : { label: name, stroke: color, width: 2, points: { show: true, size: 6, fill: color } };
}

export class Counts {
    /** series: [{ name, color, bars }]; rotated: its labels are names, and long. */
    constructor(body, series, rotated) {
        this.series = series;
        this.rotated = rotated;
        this.plot = h("div", { class: "plot" });
        body.append(this.plot, h("div", { class: "legend" }, ...series.map(({ name, color }) => h("span", {}, h("i", { vars: { color } }), name))));
        this.tip = tooltip(body, (u) => this.rowsAt(u), (u) => this.labels[u.data[0][u.cursor.idx]]);
    }

    /** labels: of the places along the axis; values: a list for each series; notes: [name, text] of each place, for its tooltip. */
    update(labels, values, notes = []) {
        this.u?.destroy();
        this.labels = labels;
        this.notes = notes;
        const { u, resize } = mount(this.plot, {
            scales: { x: { time: false, range: () => [-0.6, labels.length - 0.4] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.08)] } },
            axes: [labelAxis(labels, this.rotated), valueAxis({ space: 28, values: (_, splits) => splits.map((v) => (Number.isInteger(v) ? format(v, "short") : "")) })],
            series: [{}, ...this.series.map(seriesOf)],
            cursor: { drag: { x: false, y: false }, y: false },
            hooks: { setCursor: [(chart) => this.tip.hook(chart)] },
        }, [labels.map((_, i) => i), ...values]);
        this.u = u;
        this.resize = resize;
    }

    rowsAt(u) {
        const at = u.cursor.idx;
        return [...this.series.map(({ name, color }, i) => ({ color, name, value: format(u.data[i + 1][at]) })),
            ...(this.notes[at] ? [{ name: this.notes[at][0], value: this.notes[at][1] }] : [])];
    }

    resize() {}

    recolor() {
        this.u?.redraw();
    }

    destroy() {
        this.u?.destroy();
        this.u = null;
    }
}
