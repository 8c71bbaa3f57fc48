// Log lines as the page takes them apart, and how it follows them.

import assert from "node:assert/strict";
import test from "node:test";

import { Tail, parts, words } from "../../console/lib/lines.js";

const line = (more) => ({ timestamp: "2024-01-31T12:00:00.123456Z", level: "warn", event: "slow", ...more });

test("the parts of a line", () => {
    const found = parts(line({ logger: "http", correlation_id: "a.1", trace_id: "0f", span_id: "1", service: "s", n: 3, text: "<b>", list: [1], none: null }));
    assert.match(found.time, /^\d\d:\d\d:\d\d\.123$/);
    assert.deepEqual({ ...found, time: "" }, { time: "", level: "warn", event: "slow", logger: "http", id: "a.1", trace: "0f",
        fields: [["n", "3"], ["text", "<b>"], ["list", "[1]"], ["none", "null"]] });
});

test("a line with next to nothing", () => {
    assert.deepEqual(parts({}), { time: "", level: "info", event: "", logger: "", id: "", trace: "", fields: [] });
    assert.deepEqual(parts({ timestamp: 3, level: null, event: 7 }).event, "7");
    assert.equal(words({ toString: 1 }), '{"toString":1}');
});

test("names that objects have by themselves are fields like others", () => {
    const hostile = JSON.parse('{"event":"e","__proto__":"x","constructor":"y"}');
    assert.deepEqual(parts(hostile).fields, [["__proto__", "x"], ["constructor", "y"]]);
});

test("a tail asks for what comes next", async () => {
    const asked = [];
    const answers = [{ lines: [{ number: 4, line: line() }], next: 5, missed: 0 }, { lines: [], next: 9, missed: 0 },
        { lines: [{ number: 30, line: line() }], next: 31, missed: 7 }, { lines: [{ number: 1, line: line() }], next: 2, missed: 0 }];
    const tail = new Tail({ level: "warn", text: "" });
    const ask = async (params) => {
        asked.push(params);
        return answers.shift();
    };
    const first = await tail.next(ask, 100);
    assert.deepEqual(first.lines.map((l) => [l.number, l.event]), [[4, "slow"]]);
    assert.equal(first.gap, "");
    assert.equal((await tail.next(ask, 100)).lines.length, 0);
    assert.match((await tail.next(ask, 100)).gap, /^7 records/);
    assert.match((await tail.next(ask, 100)).gap, /started again/);
    assert.deepEqual(asked.map((a) => a.since), ["", 5, 9, 31]);
    assert.ok(asked.every((a) => a.level === "warn" && a.limit === 100));
});
