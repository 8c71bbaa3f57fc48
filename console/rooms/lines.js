// Log lines as elements, for the rooms that show some.

import { h } from "../lib/dom.js";

/** One line, folded; opened it shows all that it says. */
export function lineElement({ time, level, event, logger, id, fields, line }) {
    return h("details", { class: "line", data: { level } },
        h("summary", {}, h("time", { title: line.timestamp }, time), h("span", { class: `level ${level}` }, level), h("b", {}, event),
            ...fields.flatMap(([name, text]) => [h("i", {}, `${name}=`), h("span", { class: "value" }, text), " "]),
            logger ? h("span", { class: "quiet" }, logger) : null,
            id ? h("a", { class: "id", href: `#/requests/${encodeURIComponent(id)}`, title: "Its timeline and its lines" }, id) : null),
        h("pre", {}, JSON.stringify(line, null, 2)));
}
