// The page: rooms, the strip of alerts that fire, and the theme. Addresses are #/ROOM/PART…?SEARCH.

import { h } from "./lib/dom.js";
import { ask } from "./lib/prometheus.js";
import { HEARTBEAT } from "./rooms/alerts.js";
import { rooms } from "./rooms/index.js";

const ALERTS_MS = 10e3;
const THEMES = { auto: "◐", dark: "☾", light: "☀" };

const place = document.getElementById("room");
let leave = () => {};
let recolor = () => {};

// ---- rooms

function address() {
    const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [id, ...parts] = path.split("/").filter(Boolean).map((part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
    return { id, parts, search };
}

function enter() {
    const { id, parts, search } = address();
    const room = rooms.find((one) => one.id === id) || rooms[0];
    leave();
    recolor = () => {};
    place.replaceChildren();
    document.title = `${room.title} · Spyglass`;
    document.getElementById("rooms").replaceChildren(...rooms.map((one) =>
        h("a", { href: `#/${one.id}`, "aria-current": one === room ? "page" : null }, one.title)));
    leave = room.enter(place, parts, {
        onRecolor: (f) => {
            recolor = f;
        },
    }, search);
}

// ---- theme

const system = matchMedia("(prefers-color-scheme: light)");
let theme = "auto";

function kept() {
    try {
        return localStorage.getItem("theme");
    } catch {
        return null; // where the browser keeps nothing
    }
}

function applyTheme() {
    document.documentElement.dataset.theme = theme === "auto" ? (system.matches ? "light" : "dark") : theme;
    const button = document.getElementById("theme");
    button.textContent = THEMES[theme];
    button.title = `Theme: ${theme}`;
    button.setAttribute("aria-label", button.title);
    recolor();
}

function nextTheme() {
    const names = Object.keys(THEMES);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    try {
        localStorage.setItem("theme", theme);
    } catch {
        // then it holds until the page is left
    }
    applyTheme();
}

// ---- alerts

function chip({ labels, annotations, state }) {
    return h("a", { href: "#/alerts", class: `chip ${state} ${labels.severity === "critical" ? "critical" : ""}` },
        h("b", {}, labels.alertname), h("span", {}, annotations?.summary || labels.severity || ""));
}

async function refreshAlerts() {
    const strip = document.getElementById("alerts");
    try {
        const { alerts } = await ask("alerts");
        const active = alerts.filter(({ state, labels }) => state === "firing" && labels.alertname !== HEARTBEAT)
            .sort((a, b) => (b.labels.severity === "critical") - (a.labels.severity === "critical"));
        strip.hidden = active.length === 0;
        strip.replaceChildren(...active.map(chip));
    } catch (error) {
        strip.hidden = false;
        strip.replaceChildren(h("span", { class: "chip problem" }, h("b", {}, "No Prometheus"), h("span", {}, error.message)));
    }
}

theme = Object.hasOwn(THEMES, kept()) ? kept() : "auto";
document.getElementById("theme").addEventListener("click", nextTheme);
system.addEventListener("change", applyTheme);
addEventListener("hashchange", enter);
enter();
applyTheme();
refreshAlerts();
setInterval(() => document.hidden || refreshAlerts(), ALERTS_MS);
