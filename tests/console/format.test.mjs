// Numbers in their units, mappings, thresholds.

import assert from "node:assert/strict";
import test from "node:test";

import { format, mapped, thresholdColor } from "../../console/lib/format.js";

test("units", () => {
    for (const [value, unit, decimals, wanted] of [
        [0.0953, "s", undefined, "95.3 ms"], [0, "s", undefined, "0 s"], [90, "s", undefined, "1.5 min"], [7200, "s", undefined, "2 hours"],
        [4.2e-6, "s", undefined, "4.2 µs"], [1536, "bytes", undefined, "1.5 KiB"], [1e9, "decbytes", undefined, "1 GB"], [512, "bytes", undefined, "512 B"],
        [0.5, "percentunit", undefined, "50%"], [0.12345, "percentunit", 2, "12.35%"], [12.3456, "percent", 1, "12.3%"], [1234, "short", undefined, "1.23 K"],
        [12, "short", undefined, "12"], [0.25, "reqps", undefined, "0.25 req/s"], [2500, "ops", undefined, "2.5 k ops/s"], [0.0123, "currencyUSD", undefined, "$0.0123"],
        [-3, "none", undefined, "−3"], [3, "bananas", undefined, "3 bananas"], [1, undefined, undefined, "1"], [2, "toString", undefined, "2 toString"],
        [100, "none", undefined, "100"], [1000000, "none", undefined, "1000000"],
    ]) {
        assert.equal(format(value, unit, decimals), wanted, `${value} ${unit}`);
    }
});

test("what is no number", () => {
    assert.equal(format(null, "s"), "–");
    assert.equal(format(NaN, "s"), "–");
    assert.equal(format(Infinity, "s"), "∞");
    assert.equal(format(-Infinity, "s"), "−∞");
});

test("mappings", () => {
    const mappings = [{ type: "value", options: { firing: { text: "fires", color: "red" }, 1: { text: "up" } } },
        { type: "range", options: { from: 5, to: 9, result: { text: "some" } } }, { type: "special", options: { match: "null", result: { text: "none" } } }];
    assert.equal(mapped("firing", mappings).text, "fires");
    assert.equal(mapped(1, mappings).text, "up");
    assert.equal(mapped(7, mappings).text, "some");
    assert.equal(mapped(null, mappings).text, "none");
    assert.equal(mapped("constructor", mappings), null);
    assert.equal(mapped(1, undefined), null);
});

test("thresholds", () => {
    const absolute = { mode: "absolute", steps: [{ color: "green", value: null }, { color: "orange", value: 0.01 }, { color: "red", value: 0.1 }] };
    assert.equal(thresholdColor(0, absolute), "green");
    assert.equal(thresholdColor(0.01, absolute), "orange");
    assert.equal(thresholdColor(5, absolute), "red");
    assert.equal(thresholdColor(40, { mode: "percentage", steps: [{ color: "a", value: 0 }, { color: "b", value: 50 }] }, 60), "b");
    assert.equal(thresholdColor(1, undefined), null);
});
