import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, localMinute, parseMinute, windowOf } from "../../console/lib/profile.js";

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

test("an address", () => {
    assert.equal(addressOf("pprof/wall", { from: 60, to: 120 }), "/debug/pprof/wall?from=60&to=120");
});
