// A heat map of classic buckets: one row a bucket, one column a step, the colour by the square root of the count, so that the
// few slow ones are seen beside the many fast ones.

import { h } from "../lib/dom.js";
import { ramp } from "../lib/color.js";
import { format } from "../lib/format.js";
import { buckets, times } from "../lib/frame.js";
import { cursor, mount, timeAxis, tooltip, valueAxis, zoomHook } from "./chart.js";

const COLUMNS_MAX = 90; // narrower cells cannot be told apart

// Neighbouring steps are added up, so that a cell is wide enough to see.
function coarse({ bounds, counts }, axis) {
    const merge = Math.ceil(axis.length / COLUMNS_MAX);
    const pick = (_, i) => i % merge === 0;
    return {
        bounds, axis: axis.filter(pick), merge,
        counts: counts.map((row) => row.filter(pick).map((_, c) => {
            const part = row.slice(c * merge, (c + 1) * merge).filter((v) => v !== null);
            return part.length ? part.reduce((a, b) => a + b, 0) / part.length : null;
        })),
    };
}

class Heat {
    constructor(body, panel, context) {
        this.panel = panel;
        this.context = { ...context };
        this.plot = h("div", { class: "plot" });
        this.scale = h("div", { class: "scale" });
        body.append(this.plot, this.scale);
        this.tip = tooltip(body, (u) => this.rowsAt(u));
        this.unit = panel.options?.yAxis?.unit || panel.fieldConfig?.defaults?.unit;
    }

    update(answers, context) {
        this.context.window = context.window;
        Object.assign(this, coarse(buckets(answers, context.window), times(context.window)));
        this.most = Math.max(0, ...this.counts.flat().filter((v) => v !== null));
        this.empty = this.most === 0;
        this.drawScale();
        this.draw();
    }

    draw() {
        const data = [this.axis, this.axis.map(() => 0)];
        const key = JSON.stringify([this.bounds, this.context.window.end - this.context.window.start]);
        if (this.chart && key === this.key) {
            this.chart.u.setData(data);
            return;
        }
        this.key = key;
        this.destroy();
        const rows = this.bounds.length;
        this.chart = mount(this.plot, {
            scales: {
                x: { time: true, range: () => [this.axis[0], this.axis.at(-1) + this.stepOf()] },
                y: { range: () => [0, Math.max(1, this.bounds.length)] },
            },
            axes: [timeAxis(this.context), valueAxis({
                splits: () => Array.from({ length: rows }, (_, i) => i + 1).filter((_, i) => rows <= 8 || i % 2 === (rows - 1) % 2),
                values: (_, splits) => splits.map((i) => format(this.bounds[i - 1], this.unit)), grid: { show: false },
            })],
            series: [{}, { stroke: "transparent", points: { show: false } }],
            cursor: { ...cursor(this.context), points: { show: false } },
            hooks: { draw: [(u) => this.paint(u)], setSelect: [zoomHook(this.context)], setCursor: [(u) => this.tip.hook(u)] },
        }, data);
    }

    stepOf() {
        return this.context.window.step * this.merge;
    }

    paint(u) {
        const gap = devicePixelRatio;
        u.ctx.save();
        u.ctx.beginPath();
        u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
        u.ctx.clip();
        this.axis.forEach((time, column) => {
            const left = u.valToPos(time, "x", true), right = u.valToPos(time + this.stepOf(), "x", true);
            this.counts.forEach((row, i) => {
                if (row[column] > 0) {
                    const top = u.valToPos(i + 1, "y", true), bottom = u.valToPos(i, "y", true);
                    u.ctx.fillStyle = ramp(0.12 + 0.88 * Math.sqrt(row[column] / this.most));
                    u.ctx.fillRect(left, top + gap / 2, Math.max(1, right - left - gap), bottom - top - gap);
                }
            });
        });
        u.ctx.restore();
    }

    drawScale() {
        const steps = Array.from({ length: 24 }, (_, i) => h("i", { vars: { color: ramp(0.12 + 0.88 * i / 23) } }));
        this.scale.replaceChildren(h("span", {}, "0"), h("div", {}, ...steps), h("span", {}, format(this.most, "short")));
    }

    rowsAt(u) {
        const column = u.cursor.idx;
        return this.bounds.map((le, i) => ({ le, i })).reverse().map(({ le, i }) => ({
            color: this.counts[i][column] > 0 ? ramp(0.12 + 0.88 * Math.sqrt(this.counts[i][column] / this.most)) : null,
            name: le === Infinity ? `over ${format(this.bounds[i - 1], this.unit)}` : `to ${format(le, this.unit)}`,
            value: format(this.counts[i][column], "short"),
        }));
    }

    resize() {
        this.chart?.resize();
    }

    recolor() {
        this.drawScale();
        this.chart?.u.redraw();
    }

    destroy() {
        this.chart?.u.destroy();
        this.chart = null;
    }
}

export const heatmap = {
    draw(body, panel, answers, context) {
        const heat = new Heat(body, panel, context);
        heat.update(answers, context);
        return heat;
    },
};
