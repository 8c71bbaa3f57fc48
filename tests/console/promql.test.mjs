// Variables in expressions, as Grafana puts them in.

import assert from "node:assert/strict";
import test from "node:test";

import { escapeRegex, formatVariable, interpolate, parseLabelValues, rateInterval } from "../../console/lib/promql.js";

const WINDOW = { start: 1000, end: 4600, step: 30 };
const put = (text, variables = {}) => interpolate(text, variables, WINDOW, 15);

test("built-in variables", () => {
    assert.equal(put("rate(a[$__rate_interval])"), "rate(a[1m])");
    assert.equal(put("rate(a[${__interval}])"), "rate(a[30s])");
    assert.equal(put("a[$__range] $__range_s $__interval_ms [[__from]] $__to"), "a[3600s] 3600 30000 1000000 4600000");
});

test("a rate interval holds four samples, and one before the step", () => {
    assert.equal(rateInterval(5, 15), 60);
    assert.equal(rateInterval(60, 15), 75);
    assert.equal(interpolate("$__rate_interval", {}, { start: 0, end: 10, step: 1 }, 1), "4s");
});

test("one value, several, all", () => {
    const one = { multi: true, value: ["127.0.0.1:8000"] };
    assert.equal(put('up{i=~"$i"}', { i: one }), 'up{i=~"127\\\\.0\\\\.0\\\\.1:8000"}');
    assert.equal(put('up{i=~"${i:regex}"}', { i: { multi: true, value: ["a", "b.c"] } }), 'up{i=~"(a|b\\\\.c)"}');
    assert.equal(formatVariable({ all: true, options: ["a", "b"] }), "(a|b)");
    assert.equal(formatVariable({ all: true, allValue: ".*", options: ["a"] }), ".*");
    assert.equal(formatVariable({ value: 'say "hi"' }), 'say \\"hi\\"');
});

test("a value never ends its string", () => {
    assert.equal(escapeRegex('a"} or up{b="'), 'a\\"\\\\} or up\\\\{b=\\"');
    assert.equal(escapeRegex("back\\slash\nline"), "back\\\\\\slash\\nline");
});

test("what is not known stays", () => {
    assert.equal(put("sum($other) ${other} [[other]] $"), "sum($other) ${other} [[other]] $");
    assert.equal(put("$toString ${constructor}"), "$toString ${constructor}");
});

test("label_values", () => {
    assert.deepEqual(parseLabelValues("label_values(up, instance)"), { match: "up", label: "instance" });
    assert.deepEqual(parseLabelValues("label_values(instance)"), { match: null, label: "instance" });
    assert.deepEqual(parseLabelValues('label_values(a{b=~"$b", c="x,y"}, d)'), { match: 'a{b=~"$b", c="x,y"}', label: "d" });
    assert.equal(parseLabelValues("query_result(up)"), null);
    assert.equal(parseLabelValues(undefined), null);
});
