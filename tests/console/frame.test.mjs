// Names of series, and what panels draw of the answers.

import assert from "node:assert/strict";
import test from "node:test";

import { buckets, lastNotNull, lines, overrides, stack, table, times } from "../../console/lib/frame.js";
import { legend } from "../../console/lib/legend.js";
import { describe, formatDuration, parseDuration, POINTS_MAX, resolve, windowOf } from "../../console/lib/range.js";

const WINDOW = { start: 10, end: 30, step: 10 };
const series = (labels, ...pairs) => ({ labels, points: new Map(pairs) });

test("legends", () => {
    assert.equal(legend("{{service_name}} - {{ error_type }}", { service_name: "llm", error_type: "timeout" }), "llm - timeout");
    assert.equal(legend("{{none}}!", {}), "!");
    assert.equal(legend("{{__proto__}}{{constructor}}", {}), "");
    assert.equal(legend("", { __name__: "up", job: "a" }), 'up{job="a"}');
    assert.equal(legend("__auto", {}, "A"), "A");
    assert.equal(legend("{{a}}", { a: "<img src=x onerror=alert(1)>{{b}}", b: "no" }), "<img src=x onerror=alert(1)>{{b}}");
});

test("lines stand on the window's times", () => {
    assert.deepEqual(times(WINDOW), [10, 20, 30]);
    assert.deepEqual(times({ start: 0, end: 0.3, step: 0.1 }), [0, 0.1, 0.2, 0.3]);
    const [one] = lines([{ target: { legendFormat: "{{a}}" }, series: [series({ a: "x" }, [10, 1], [30, NaN])] }], WINDOW);
    assert.deepEqual([one.name, one.values], ["x", [1, null, null]]);
    assert.equal(lastNotNull([1, 2, null]), 2);
    assert.equal(lastNotNull([null]), null);
});

test("stacks", () => {
    assert.deepEqual(stack([{ values: [1, null, null] }, { values: [2, 3, null] }]), [[1, 0, null], [3, 3, null]]);
});

test("buckets are no longer cumulative, and in order", () => {
    const answer = [{ target: {}, series: [series({ le: "+Inf" }, [10, 9], [20, 5]), series({ le: "0.5" }, [10, 2], [20, 5]), series({ le: "10" }, [10, 7], [20, 4])] }];
    assert.deepEqual(buckets(answer, WINDOW), { bounds: [0.5, 10, Infinity], counts: [[2, 5, null], [5, 0, null], [2, 1, null]] });
});

test("tables", () => {
    const panel = { transformations: [{ id: "organize", options: { excludeByName: { job: true }, indexByName: { b: 0, a: 1, Value: 2 }, renameByName: { Value: "Count" } } }] };
    const { columns, rows } = table(panel, [{ target: {}, series: [{ labels: { a: "1", b: "2", job: "j" }, value: 3 }] }]);
    assert.deepEqual(columns.map(({ title }) => title), ["b", "a", "Count"]);
    assert.equal(rows[0].Value, 3);
    const odd = table(panel, [{ target: {}, series: [{ labels: { constructor: "1", toString: "2" }, value: 3 }] }]);
    assert.deepEqual(odd.columns.map(({ title }) => title), ["Count", "constructor", "toString"]);
    const own = overrides({ fieldConfig: { overrides: [{ matcher: { id: "byName", options: "Count" }, properties: [{ id: "unit", value: "s" }] }] } }, "Count");
    assert.deepEqual(own, { unit: "s" });
});

test("durations", () => {
    assert.equal(parseDuration("90s"), 90000);
    assert.ok(Number.isNaN(parseDuration("off")));
    assert.equal(formatDuration(90000), "1m30s");
    assert.equal(formatDuration(86400e3 + 3600e3), "1d1h");
    assert.equal(formatDuration(1), "1ms");
});

test("ranges", () => {
    assert.deepEqual(resolve({ from: "now-5m", to: "now" }, 1e9), { from: 1e9 - 300e3, to: 1e9 });
    assert.deepEqual(resolve({ from: "1000", to: "2000" }, 1e9), { from: 1000, to: 2000 });
    for (const range of [{ from: "<b>", to: "now" }, { from: "now", to: "now-5m" }, {}]) {
        assert.deepEqual(resolve(range, 1e9), { from: 1e9 - 1800e3, to: 1e9 });
    }
    assert.equal(describe({ from: "now-5m", to: "now" }), "Last 5m");
});

test("windows are aligned, and never have too many points", () => {
    assert.deepEqual(windowOf({ from: 0, to: 1807e3 }, 600, 15), { start: -15, end: 1800, step: 15 });
    assert.deepEqual(windowOf({ from: 0, to: 1807e3 }, 600, 15, true), { start: -8, end: 1807, step: 15 });
    for (const days of [1, 7, 30, 365]) {
        const { start, end, step } = windowOf({ from: 0, to: days * 86400e3 }, 100000, 1);
        assert.ok((end - start) / step < POINTS_MAX, `${days} days`);
    }
});
