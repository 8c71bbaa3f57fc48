// Spans as rows of a waterfall.

import assert from "node:assert/strict";
import test from "node:test";

import { failure, timeline, title } from "../../console/lib/timeline.js";

const span = (span_id, parent_id, start_us, duration_us, fields = {}) => ({ span_id, parent_id, name: `n${span_id}`, start_us, duration_us, fields });
const shape = (found) => found.rows.map(({ span: s, depth }) => [s.span_id, depth]);

test("children stand under their parent, in the order of their starts", () => {
    const found = timeline([span("c", "a", 300, 100), span("b", "a", 100, 100), span("d", "b", 150, 50), span("a", "elsewhere", 0, 1000)]);
    assert.deepEqual(shape(found), [["a", 0], ["b", 1], ["d", 2], ["c", 1]]);
    assert.deepEqual([found.start_us, found.duration_us], [0, 1000]);
    assert.deepEqual([found.rows[1].left, found.rows[1].width], [0.1, 0.1]);
});

test("none, and one without a length", () => {
    assert.deepEqual(timeline([]).rows, []);
    assert.deepEqual(timeline([span("a", undefined, 5, 0)]).rows.map(({ left, width }) => [left, width]), [[0, 0]]);
});

test("every span has its row, whatever the parents say", () => {
    for (const spans of [
        [span("a", "b", 0, 1), span("b", "a", 0, 1)], // each other's
        [span("a", "a", 0, 1)],
        [span("a", undefined, 0, 1), span("a", undefined, 0, 1)], // one id twice
        [span("a", "x", 0, 5), span("b", "x", 2, 5)], // the parent is lost
    ]) {
        const found = timeline(spans);
        assert.equal(found.rows.length, spans.length);
        assert.ok(found.rows.every(({ left, width }) => left >= 0 && left + width <= 1.0001));
    }
});

test("what a span is called, and what went wrong", () => {
    assert.equal(title(span("a", "", 0, 0, { method: "POST", route: "/memes", status: "201" })), "POST /memes 201");
    assert.equal(title(span("a", "", 0, 0, { agent_name: "router", error_type: "timeout", message: "m" })), "na · router");
    assert.equal(title({ name: "x" }), "x");
    assert.equal(failure(span("a", "", 0, 0, { error_type: "timeout", message: "no answer" })), "timeout: no answer");
    assert.equal(failure(span("a", "", 0, 0, { message: "fine" })), "");
    assert.equal(failure({}), "");
});
