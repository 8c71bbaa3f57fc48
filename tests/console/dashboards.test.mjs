// The room of dashboards, on a page that is no more than this.

import assert from "node:assert/strict";
import test from "node:test";

class Element {
    constructor(tag) {
        Object.assign(this, { tag, dataset: {}, style: { setProperty() {} }, children: [], on: {} });
    }

    addEventListener(name, f) {
        this.on[name] = f;
    }

    setAttribute(name, value) {
        this[name] = value;
    }

    append(...children) {
        this.children.push(...children);
    }

    replaceChildren(...children) {
        this.children = children;
    }

    find(fits) {
        const inside = this.children.filter((child) => child instanceof Element);
        return inside.find(fits) || inside.map((child) => child.find(fits)).find(Boolean);
    }
}

class Observer {
    observe() {}

    disconnect() {}
}

const BOARD = { uid: "one", title: "One", refresh: "off", panels: [],
    templating: { list: [{ name: "instance", type: "query", query: "label_values(up, instance)" }] } };

Object.assign(globalThis, {
    document: { hidden: false, createElement: (tag) => new Element(tag), addEventListener() {}, removeEventListener() {} },
    IntersectionObserver: Observer, ResizeObserver: Observer, history: { replaceState() {} },
});

async function until(what, found) {
    for (let i = 0; i < 1000; i++) {
        const value = found();
        if (value) {
            return value;
        }
        await new Promise((go) => setImmediate(go));
    }
    return assert.fail(what);
}

test("variables come with the first refresh that Prometheus answers", async () => {
    const { dashboards } = await import("../../console/rooms/dashboards.js");
    let there = false, asked = 0;
    globalThis.fetch = async (path) => ({ ok: true, status: 200, json: async () => {
        if (path === "/api/dashboards") {
            return [BOARD];
        }
        if (path.startsWith("/api/dashboards/")) {
            return BOARD;
        }
        asked++;
        return !there ? { status: "error", error: "Prometheus does not answer." }
            : { status: "success", data: path.includes("/label/instance/values") ? ["a:1"] : { result: [] } };
    } });
    const place = new Element("main");
    const leave = dashboards.enter(place, [], { onRecolor() {} }, "");
    const now = await until("no button", () => asked > 0 && place.find((e) => e.class === "now"));
    await new Promise((go) => setImmediate(go));
    there = true;
    now.on.click();
    await until("the variable has no values", () => place.find((e) => e.tag === "option" && e.value === "a:1"));

    // What is here is not asked for again by a mere refresh.
    const before = asked;
    place.find((e) => e.class === "now").on.click();
    await until("no refresh", () => asked > before);
    await new Promise((go) => setImmediate(go));
    assert.equal(asked, before + 1);
    leave();
});

test("no address makes it refresh without a pause", async () => {
    const { dashboards } = await import("../../console/rooms/dashboards.js");
    const { setTimeout: before } = globalThis, pauses = [];
    globalThis.fetch = async (path) => ({ ok: true, status: 200,
        json: async () => (path === "/api/dashboards" ? [BOARD] : path.startsWith("/api/dashboards/") ? BOARD
            : { status: "success", data: path.includes("/label/") ? [] : { result: [] } }) });
    globalThis.setTimeout = (_, ms) => pauses.push(ms);
    try {
        for (const every of ["0s", "5s"]) {
            const count = pauses.length;
            const leave = dashboards.enter(new Element("main"), [], { onRecolor() {} }, `refresh=${every}`);
            await until("no next refresh", () => pauses.length > count);
            leave();
        }
    } finally {
        globalThis.setTimeout = before;
    }
    assert.deepEqual(pauses, [1000, 5000]);
});
