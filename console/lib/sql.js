// SQL for people: asking this server's way to ClickHouse, reading what comes back, and remembering what was asked.

const PATH = "/api/events/query";
export const ROWS_MAX = 1000; // on the page; one more tells that there are more
const KEPT_MAX = 20;
const KEPT = "sql";

function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

/** An answer that was cut in its rows, or behind them, ended behind the last whole one. A line's end is never inside of a string there. */
function mend(text) {
    const whole = text.slice(0, text.lastIndexOf("],\n") + 1);
    return parse(`${whole}]}`) ?? parse(`${whole}}`);
}

/**
 * What an answer says: { columns: [{ name, type }], rows, more, statistics }; or { text, more } where it is no JSONCompact.
 * more: something was left out.
 */
export function read(text, cut) {
    const answer = parse(text) ?? (cut ? mend(text) : null);
    if (!Array.isArray(answer?.meta) || !Array.isArray(answer.data)) {
        return { text, more: cut };
    }
    return {
        columns: answer.meta.map(({ name, type }) => ({ name: String(name), type: String(type) })),
        rows: answer.data.slice(0, ROWS_MAX),
        more: cut || answer.data.length > ROWS_MAX,
        statistics: answer.statistics ?? {},
    };
}

async function answerOf(response) {
    if (response.ok) {
        return response.text();
    }
    const answer = parse(await response.text());
    const error = new Error(answer?.error || `The server answered ${response.status} without a word of why.`);
    error.code = Number(/^Code: (\d+)/.exec(error.message)?.[1] ?? 0); // ClickHouse's
    throw error;
}

/** Asks one statement; see read(). Throws an Error with a sentence, ClickHouse's or this server's. */
export async function askSql(sql, signal) {
    const response = await fetch(PATH, { method: "POST", headers: { "Content-Type": "text/plain; charset=utf-8" }, body: sql, signal });
    return read(await answerOf(response), response.headers.has("X-Spyglass-Cut"));
}

/** Whether there is a ClickHouse to ask. */
export async function isConfigured(signal) {
    return JSON.parse(await answerOf(await fetch(PATH, { signal }))).configured;
}

/** A value as text, or null for NULL. */
export function cellText(value) {
    return value === null || value === undefined ? null : typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function isNumeric(type) {
    return /^(LowCardinality\(|Nullable\()*(U?Int|Float|Decimal)\d/.test(type);
}

/** The column of an answer, by its name; numbers where they are some. */
export function column({ columns, rows }, name) {
    const i = columns.findIndex((one) => one.name === name);
    return rows.map((row) => (isNumeric(columns[i]?.type ?? "") && row[i] !== null ? Number(row[i]) : row[i]));
}

// ---- what was asked in this session of the page, the last first

export function kept(storage) {
    let list = null;
    try {
        list = parse(storage().getItem(KEPT));
    } catch {
        // a browser that keeps nothing
    }
    return Array.isArray(list) ? list.filter((sql) => typeof sql === "string") : [];
}

/** storage: () → a Storage, which may throw. Returns the new list. */
export function keep(sql, storage) {
    const list = [sql, ...kept(storage).filter((other) => other !== sql)].slice(0, KEPT_MAX);
    try {
        storage().setItem(KEPT, JSON.stringify(list));
    } catch {
        // then it is forgotten with the room
    }
    return list;
}
