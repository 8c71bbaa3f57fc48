// Rows of instant answers, ordered by a click on a column's head.

import { h } from "../lib/dom.js";
import { named } from "../lib/color.js";
import { format, mapped, thresholdColor } from "../lib/format.js";
import { overrides, table as rowsOf } from "../lib/frame.js";

class Table {
    constructor(body, panel) {
        this.body = body;
        this.panel = panel;
        const by = panel.options?.sortBy?.[0];
        this.by = by?.displayName;
        this.down = Boolean(by?.desc);
    }

    update(answers) {
        Object.assign(this, rowsOf(this.panel, answers));
        this.empty = this.rows.length === 0;
        this.draw();
    }

    sorted() {
        const column = this.columns.find(({ title }) => title === this.by);
        if (!column) {
            return this.rows;
        }
        const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
            : String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true }));
        return [...this.rows].sort((a, b) => order(a[column.key], b[column.key]) * (this.down ? -1 : 1));
    }

    cell(column, value) {
        const defaults = this.panel.fieldConfig?.defaults || {}, own = overrides(this.panel, column.title);
        const mapping = mapped(value, own.mappings || defaults.mappings);
        const number = typeof value === "number";
        const text = mapping?.text ?? (number ? format(value, own.unit ?? defaults.unit, defaults.decimals) : value ?? "");
        const colored = (own["custom.cellOptions"] || defaults.custom?.cellOptions)?.type?.startsWith("color");
        const color = mapping?.color ?? (number ? thresholdColor(value, own.thresholds || defaults.thresholds, defaults.max) : null);
        return h("td", { class: number ? "number" : null }, h("span", colored && color ? { vars: { color: named(color) }, class: "colored" } : {}, text));
    }

    draw() {
        const heads = this.columns.map(({ title }) => h("th", { "aria-sort": title === this.by ? (this.down ? "descending" : "ascending") : "none" },
            h("button", { type: "button", onclick: () => this.order(title) }, title)));
        this.body.replaceChildren(h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)),
            h("tbody", {}, ...this.sorted().map((row) => h("tr", {}, ...this.columns.map((column) => this.cell(column, row[column.key]))))))));
    }

    order(title) {
        this.down = this.by === title ? !this.down : false;
        this.by = title;
        this.draw();
    }

    resize() {}

    recolor() {
        this.draw();
    }

    destroy() {}
}

export const table = {
    instant: true,
    draw(body, panel, answers) {
        const one = new Table(body, panel);
        one.update(answers);
        return one;
    },
};
