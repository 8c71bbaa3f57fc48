import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, againstOf, localMinute, parseMinute, windowOf } from "../../console/lib/profile.js";

test("a window lies within what is covered", () => {
    assert.deepEqual(windowOf("5m", { from: 0, to: 10000 }, 9990.5), { from: 9691, to: 9991 });
    assert.deepEqual(windowOf("4h", { from: 6000, to: 10000 }, 9990), { from: 6000, to: 9990 });
    assert.deepEqual(windowOf("no such", { from: 0, to: 10000 }, 9000), { from: 8100, to: 9000 });
    const { from, to } = windowOf("5m", { from: 600, to: 660 }, 10); // a clock that is behind the server's
    assert.ok(from < to);
});

test("minutes go there and back", () => {
    for (const minute of [0, 60, 1700000040, 1751328000]) {
        assert.equal(parseMinute(localMinute(minute)), minute);
    }
    for (const text of ["", "yesterday", "2026-01-01", "2026-01-01T00:00Z"]) {
        assert.ok(Number.isNaN(parseMinute(text)), text);
    }
});

test("what a time is compared with lies before it, and is kept", () => {
    const covered = { from: 1000.5, to: 20000 }, time = { from: 15000, to: 15900 };
    assert.deepEqual(againstOf("the time just before", time, covered), { from: 14100, to: 15000 });
    assert.deepEqual(againstOf("an hour before", time, covered), { from: 11400, to: 12300 });
    assert.deepEqual(againstOf("an hour before", { from: 4000, to: 4900 }, covered), { from: 1000, to: 1300 });
    assert.equal(againstOf("an hour before", { from: 2000, to: 2900 }, covered), null);
    assert.equal(againstOf("", time, covered), null);
});

test("an address", () => {
    assert.equal(addressOf("flamegraph", { from: 60, to: 120 }, { from: 0, to: 60 }), "/debug/flamegraph?from=60&to=120&against_from=0&against_to=60");
    assert.equal(addressOf("pprof/wall", { from: 60, to: 120 }), "/debug/pprof/wall?from=60&to=120");
});
