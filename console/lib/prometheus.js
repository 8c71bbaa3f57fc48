// Asking Prometheus, through this server's own list of questions.

const AT_ONCE = 4; // as many as the server carries at a time

let running = 0;
const waiting = [];

async function turn(work) {
    if (running >= AT_ONCE) {
        await new Promise((go) => waiting.push(go)); // whoever ends hands its turn over
    } else {
        running++;
    }
    try {
        return await work();
    } finally {
        const next = waiting.shift();
        if (next) {
            next();
        } else {
            running--;
        }
    }
}

/** GET of a question; params may hold arrays. Throws an Error whose message is a sentence. */
export async function ask(question, params = {}, signal = undefined) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) {
        for (const one of [value].flat()) {
            search.append(name, one);
        }
    }
    return turn(async () => {
        signal?.throwIfAborted();
        const query = search.toString();
        const response = await fetch(`/api/prometheus/${question}${query ? `?${query}` : ""}`, { signal });
        let answer;
        try {
            answer = await response.json();
        } catch {
            throw new Error(`The server answered ${response.status} without a word of why.`);
        }
        if (answer.status !== "success") {
            throw new Error(answer.error || `Prometheus answered ${response.status}.`);
        }
        return answer.data;
    });
}

/** [{ labels, points: Map of second → number }] */
export async function queryRange(query, { start, end, step }, signal) {
    const data = await ask("query_range", { query, start, end, step }, signal);
    return data.result.map((series) => ({
        labels: series.metric,
        points: new Map((series.values || []).map(([time, value]) => [time, Number(value)])),
    }));
}

/** [{ labels, value }] */
export async function queryInstant(query, time, signal) {
    const data = await ask("query", { query, time }, signal);
    if (data.resultType === "scalar") {
        return [{ labels: {}, value: Number(data.result[1]) }];
    }
    return data.result.map((series) => ({ labels: series.metric, value: Number(series.value?.[1] ?? NaN) }));
}

/** How far samples of the targets are apart, in seconds: by their own times; 15 where there are not two yet. */
export async function scrapeInterval(signal) {
    const data = await ask("query", { query: "up[2m]" }, signal);
    const gaps = data.result.flatMap(({ values }) => values.slice(1).map(([time], i) => time - values[i][0])).sort((a, b) => a - b);
    return gaps.length ? Math.max(1, Math.round(gaps[gaps.length >> 1])) : 15;
}
