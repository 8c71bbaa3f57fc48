// The room of logs: lines as they come, filtered by level, text and id. The address holds the filter.

import { h } from "../lib/dom.js";
import { Tail } from "../lib/lines.js";
import { askRecent } from "../lib/recent.js";
import { lineElement } from "./lines.js";

const POLL_MS = 1000;
const LINES_MAX = 1000; // on the page; a question gives as many at most
const TYPING_MS = 250;
const LEVELS = ["debug", "info", "warn", "error"];

function filterOf(search) {
    const params = new URLSearchParams(search), level = params.get("level") || "";
    return { level: LEVELS.includes(level) ? level : "", text: params.get("text") || "", id: params.get("id") || "" };
}

function keepInAddress(filter) {
    const params = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
    history.replaceState(null, "", `#/logs${params ? `?${params}` : ""}`);
}

function input(name, label, value, onchange) {
    let timer;
    return h("label", { class: "choice" }, h("span", {}, label), h("input", {
        name, value, type: "search", autocomplete: "off", spellcheck: "false",
        oninput: ({ target }) => {
            clearTimeout(timer);
            timer = setTimeout(() => onchange(target.value), TYPING_MS);
        },
    }));
}

export const logs = {
    id: "logs",
    title: "Logs",
    enter(place, path, page, search) {
        const filter = filterOf(search);
        const list = h("div", { class: "lines", role: "log", tabindex: "0" }), state = h("span", { class: "quiet" });
        let tail, ended, paused = false, busy = false;

        const say = (text) => list.append(h("p", { class: "quiet gap" }, text));
        const show = ({ lines, gap }) => {
            const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
            if (gap) {
                say(gap);
            }
            list.append(...lines.map(lineElement));
            while (list.childElementCount > LINES_MAX) {
                list.firstElementChild.remove();
            }
            if (follows) {
                list.scrollTop = list.scrollHeight;
            }
            state.textContent = list.childElementCount ? "" : "No line matches.";
        };
        const poll = async (asked) => {
            if (busy || (!asked && (paused || document.hidden))) {
                return;
            }
            const mine = ended;
            busy = true;
            try {
                const found = await tail.next((params) => askRecent("logs", params, mine.signal), LINES_MAX);
                if (!mine.signal.aborted) {
                    show(found);
                }
            } catch (error) {
                if (!mine.signal.aborted) {
                    state.textContent = error.message;
                }
            } finally {
                busy = mine === ended ? false : busy;
            }
        };
        const restart = () => {
            ended?.abort();
            ended = new AbortController();
            tail = new Tail({ ...filter });
            busy = false;
            list.replaceChildren();
            keepInAddress(filter);
            poll(true);
        };
        const change = (name) => (value) => {
            filter[name] = value.trim();
            restart();
        };
        const pause = h("button", {
            class: "now", type: "button", "aria-pressed": "false",
            onclick: () => {
                paused = !paused;
                pause.setAttribute("aria-pressed", String(paused));
                pause.textContent = paused ? "▶ Go on" : "⏸ Pause";
                poll(!paused);
            },
        }, "⏸ Pause");
        place.append(h("div", { class: "bar" }, h("h1", {}, "Logs"), state, h("div", { class: "controls" },
            h("label", { class: "choice" }, h("span", {}, "Level"),
                h("select", { name: "level", onchange: ({ target }) => change("level")(target.value) },
                    h("option", { value: "" }, "all"), ...LEVELS.slice(1).map((level) => h("option", { value: level, selected: filter.level === level }, `${level} and up`)))),
            input("text", "Text", filter.text, change("text")), input("id", "Id", filter.id, change("id")), pause)), list);
        restart();
        const timer = setInterval(() => poll(false), POLL_MS);
        return () => {
            ended.abort();
            clearInterval(timer);
        };
    },
};
