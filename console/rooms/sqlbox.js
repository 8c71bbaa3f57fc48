// A box for one statement that reads: what it brings is a table, or text; all of it stays text, whatever it says.

import { h } from "../lib/dom.js";
import { format } from "../lib/format.js";
import { ROWS_MAX, askSql, cellText, isNumeric, keep, kept } from "../lib/sql.js";

const FIRST = "SELECT event_type, count() AS events, max(timestamp) AS last\nFROM analytics_events\nGROUP BY event_type\nORDER BY events DESC";
const CHOICE_CHARS = 70;

const storage = () => sessionStorage;

function cell(value, { type }) {
    const text = cellText(value);
    return h("td", { class: isNumeric(type) ? "number" : null }, text === null ? h("span", { class: "quiet" }, "NULL") : text);
}

function table({ columns, rows }) {
    return h("div", { class: "scroll" }, h("table", {},
        h("thead", {}, h("tr", {}, ...columns.map(({ name, type }) => h("th", { scope: "col", title: type, class: isNumeric(type) ? "number" : null }, name)))),
        h("tbody", {}, ...rows.map((row) => h("tr", {}, ...columns.map((column, i) => cell(row[i], column)))))));
}

function summary(answer, tookMs) {
    const count = answer.rows ? answer.rows.length : 0;
    const words = answer.rows ? [`${count.toLocaleString("en")} row${count === 1 ? "" : "s"}`] : [];
    if (answer.more) {
        words.push(answer.rows && count === ROWS_MAX ? `cut: the first ${ROWS_MAX.toLocaleString("en")} are shown` : "cut: the answer is longer than 2 MiB");
    }
    if (answer.statistics?.rows_read !== undefined) {
        words.push(`${format(answer.statistics.rows_read, "short")} rows read, ${format(answer.statistics.bytes_read, "bytes")}`);
    }
    return [...words, format(tookMs, "ms")].join(" · ");
}

/** { element, open(sql) }: open puts a statement into the box and runs it. */
export function sqlBox(signal) {
    const text = h("textarea", { name: "sql", rows: 6, spellcheck: "false", autocomplete: "off", "aria-label": "SQL" });
    const state = h("p", { class: "quiet", role: "status" }, "It reads only, for at most 10 s; 1,000 rows are shown."), found = h("div", { class: "found" });
    const last = h("select", { name: "last", "aria-label": "Last queries", onchange: ({ target }) => {
        text.value = list[Number(target.value)] ?? text.value;
        target.value = "";
        text.focus();
    } });
    let list = kept(storage), asking = null;

    const drawLast = () => last.replaceChildren(h("option", { value: "" }, list.length ? "Last queries" : "No queries yet"),
        ...list.map((sql, i) => h("option", { value: String(i), title: sql }, sql.replace(/\s+/g, " ").slice(0, CHOICE_CHARS))));
    const show = (kind, words, ...children) => {
        element.dataset.state = kind;
        state.textContent = words;
        found.replaceChildren(...children);
    };
    const run = async () => {
        const sql = text.value.trim(), begun = performance.now();
        if (!sql) {
            return;
        }
        asking?.abort();
        const mine = asking = new AbortController();
        list = keep(sql, storage);
        drawLast();
        element.dataset.state = "loading";
        state.textContent = "Asking …";
        try {
            const answer = await askSql(sql, AbortSignal.any([mine.signal, signal]));
            if (!mine.signal.aborted) {
                show("ready", summary(answer, performance.now() - begun), answer.rows ? table(answer) : h("pre", {}, answer.text || "Nothing came back."));
            }
        } catch (error) {
            if (!mine.signal.aborted && !signal.aborted) {
                show("error", "", h("pre", { class: "failure" }, error.message));
            }
        }
    };
    const element = h("section", { class: "sql", "aria-label": "SQL", data: { state: "idle" } },
        h("header", {}, h("h2", {}, "SQL"), h("div", { class: "controls" }, h("label", { class: "choice" }, last),
            h("button", { class: "now run", type: "button", title: "Ctrl+Enter", onclick: run }, "▶ Run"))),
        text, state, found);
    text.value = list[0] ?? FIRST;
    text.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            run();
        }
    });
    drawLast();
    return {
        element,
        open(sql) {
            text.value = sql.trim();
            element.scrollIntoView({ block: "nearest" });
            run();
        },
    };
}
