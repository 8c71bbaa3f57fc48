// Answers of ClickHouse as the page reads them, whole or cut, and what it remembers.

import assert from "node:assert/strict";
import test from "node:test";

import { ROWS_MAX, askSql, cellText, column, isConfigured, isNumeric, keep, kept, read } from "../../console/lib/sql.js";

const META = '{\n\t"meta":\n\t[\n\t\t{\n\t\t\t"name": "n",\n\t\t\t"type": "UInt64"\n\t\t},\n\t\t{\n\t\t\t"name": "t",\n\t\t\t"type": "String"\n\t\t}\n\t],\n\n\t"data":\n\t[\n';
const ROWS = '\t\t["1", "a ],\\n b"],\n\t\t["2", "<b>"],\n\t\t["3", "c"]\n';
const WHOLE = `${META}${ROWS}\t],\n\n\t"rows": 3,\n\n\t"statistics":\n\t{\n\t\t"elapsed": 0.1,\n\t\t"rows_read": 3,\n\t\t"bytes_read": 48\n\t}\n}\n`;

test("a whole answer", () => {
    const answer = read(WHOLE, false);
    assert.deepEqual(answer.columns, [{ name: "n", type: "UInt64" }, { name: "t", type: "String" }]);
    assert.deepEqual(answer.rows, [["1", "a ],\n b"], ["2", "<b>"], ["3", "c"]]);
    assert.deepEqual([answer.more, answer.statistics.rows_read], [false, 3]);
    assert.deepEqual([column(answer, "n"), column(answer, "t")[1], column(answer, "none")], [[1, 2, 3], "<b>", [undefined, undefined, undefined]]);
});

test("an answer that is cut anywhere has its whole rows", () => {
    const begin = META.length + ROWS.indexOf("\n") + 1, end = WHOLE.length - 2;
    for (let at = 0; at < end; at++) {
        const answer = read(WHOLE.slice(0, at), true);
        assert.equal(answer.more, true);
        assert.deepEqual(answer.rows?.[0], at >= begin ? ["1", "a ],\n b"] : undefined, String(at));
    }
});

test("one row more than is shown tells of more", () => {
    const rows = (n) => read(JSON.stringify({ meta: [{ name: "n", type: "Int8" }], data: Array.from({ length: n }, (_, i) => [i]) }), false);
    assert.deepEqual([rows(ROWS_MAX).more, rows(ROWS_MAX).rows.length], [false, ROWS_MAX]);
    assert.deepEqual([rows(ROWS_MAX + 1).more, rows(ROWS_MAX + 1).rows.length], [true, ROWS_MAX]);
});

test("what is no JSONCompact is text", () => {
    for (const text of ["1\n", "", "a,b\n", '{"data":[[1]]}', "null", "[1]", '{"meta":{},"data":[]}', "],\n"]) {
        assert.deepEqual(read(text, false), { text, more: false });
        assert.equal(read(text, true).text, text);
    }
});

test("cells", () => {
    assert.deepEqual([null, 0, "", "x", [1, "a"], { a: null }, true].map(cellText), [null, "0", "", "x", '[1,"a"]', '{"a":null}', "true"]);
    assert.deepEqual(["UInt64", "Nullable(Float32)", "LowCardinality(Nullable(Int8))", "Decimal64(2)", "String", "Array(UInt8)", "Interval"].map(isNumeric),
        [true, true, true, true, false, false, false]);
});

test("what was asked is kept, the last first, each once", () => {
    const items = new Map(), storage = () => ({ getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) });
    assert.deepEqual(kept(storage), []);
    for (let i = 0; i < 25; i++) {
        keep(`SELECT ${i % 22}`, storage);
    }
    assert.equal(kept(storage).length, 20);
    assert.deepEqual(kept(storage).slice(0, 4), ["SELECT 2", "SELECT 1", "SELECT 0", "SELECT 21"]);
    for (const odd of ["nonsense", "{}", "[1, null]"]) {
        items.set("sql", odd);
        assert.deepEqual(kept(storage), []);
    }
    const none = () => {
        throw new Error("denied");
    };
    assert.deepEqual([kept(none), keep("SELECT 1", none)], [[], ["SELECT 1"]]);
});

test("asking", async (t) => {
    const asked = [];
    let answer;
    t.mock.method(globalThis, "fetch", async (path, options) => {
        asked.push([path, options.method, options.body]);
        return answer;
    });
    answer = new Response(WHOLE, { headers: { "X-Spyglass-Cut": "bytes" } });
    assert.equal((await askSql("SELECT 1")).more, true);
    assert.deepEqual(asked[0], ["/api/events/query", "POST", "SELECT 1"]);
    answer = new Response('{"status":"error","error":"Code: 60, e.displayText() = DB::Exception: no table"}', { status: 400 });
    await assert.rejects(askSql("SELECT 1"), { code: 60, message: "Code: 60, e.displayText() = DB::Exception: no table" });
    answer = new Response("Only from this page.\n", { status: 403 });
    await assert.rejects(askSql("SELECT 1"), { code: 0, message: "The server answered 403 without a word of why." });
    answer = new Response('{"status":"success","configured":true}');
    assert.equal(await isConfigured(), true);
});
