// The room of events: what product analytics ask of ClickHouse as charts, and a box for SQL that reads.

import { h } from "../lib/dom.js";
import { named } from "../lib/color.js";
import { format } from "../lib/format.js";
import { askSql, column, isConfigured } from "../lib/sql.js";
import { Counts } from "../panels/counts.js";
import { sqlBox } from "./sqlbox.js";

const REFRESH_MS = 30e3;
const TEMPLATES_MAX = 20;
const UNKNOWN_TABLE = 60;

// A database keeps the schema that it was begun with: before 25.3 properties are columns.
const SCHEMA = "SELECT count() AS old FROM system.columns WHERE database = currentDatabase() AND table = 'analytics_events' AND name = 'quality_score'";

const CHARTS = [{
    query: "popular_templates", title: "Popular templates", about: "How often each template was used, and the mean quality of its memes",
    series: [{ name: "memes", color: named("blue"), bars: true }], rotated: true,
    draw(chart, answer) {
        const top = (name) => column(answer, name).slice(0, TEMPLATES_MAX);
        chart.update(top("template_id").map(String), [top("usage_count")], top("avg_quality").map((quality) => ["mean quality", format(quality, "none", 2)]));
    },
}, {
    query: "user_engagement", title: "Daily users and memes", about: "Users who made a meme that day (UTC), and memes made",
    series: [{ name: "memes", color: named("blue"), bars: true }, { name: "active users", color: named("orange") }], rotated: false,
    draw(chart, answer) {
        chart.update(column(answer, "date").map((date) => String(date).slice(0, 10)), [column(answer, "total_generations"), column(answer, "daily_active_users")]);
    },
}];

async function queriesOf(signal) {
    const [response, schema] = await Promise.all([fetch("/api/events/queries", { signal }), askSql(SCHEMA, signal)]);
    return (await response.json())[column(schema, "old")[0] > 0 ? "legacy" : "current"];
}

class Chart {
    constructor(chart, open) {
        this.chart = chart;
        this.body = h("div", { class: "body" });
        this.note = h("p", { class: "message", hidden: true });
        this.button = h("button", { class: "now", type: "button", disabled: true, title: "Its query, in the box below", onclick: () => open(this.sql) }, "SQL");
        this.element = h("section", { class: "panel timeseries", "aria-label": chart.title, data: { panel: chart.title, state: "loading" } },
            h("header", {}, h("h2", {}, chart.title), h("span", { class: "about", title: chart.about, tabindex: "0", role: "img", "aria-label": chart.about }, "i"), this.button),
            this.body, this.note);
        this.drawn = new Counts(this.body, chart.series, chart.rotated);
        this.resizer = new ResizeObserver(() => this.drawn.resize());
        this.resizer.observe(this.body);
    }

    state(state, text = "") {
        this.element.dataset.state = state;
        this.note.hidden = !text;
        this.note.textContent = text;
    }

    fail(error) {
        this.state("error", error.code === UNKNOWN_TABLE
            ? "There is no table analytics_events yet. Delivery makes it once it reaches ClickHouse; memegen migrate-events does, too." : error.message);
    }

    async refresh(sql, signal) {
        this.sql = sql;
        this.button.disabled = false;
        try {
            const answer = await askSql(sql, signal);
            if (signal.aborted) {
                return;
            }
            if (answer.rows.length > 0) {
                this.chart.draw(this.drawn, answer);
            }
            this.state(answer.rows.length > 0 ? "ready" : "empty", answer.rows.length > 0 ? "" : "No meme was made yet.");
        } catch (error) {
            if (!signal.aborted) {
                this.fail(error);
            }
        }
    }

    destroy() {
        this.resizer.disconnect();
        this.drawn.destroy();
    }
}

function unconfigured() {
    return h("section", { class: "note" }, h("h1", {}, "No events are stored"),
        h("p", {}, "This program knows of no ClickHouse. Set CLICKHOUSE_URL (the option clickhouse_url) to the address of a server, or to that of spyglass-events, which is ClickHouse's engine in one program, and start it again:"),
        h("pre", {}, "build/tools/spyglass-events --data DIR --listen 127.0.0.1:8123"),
        h("p", {}, "script/up does both."));
}

function fill(place, page, signal) {
    const box = sqlBox(signal), charts = CHARTS.map((chart) => new Chart(chart, box.open));
    place.append(h("div", { class: "events" }, h("div", { class: "charts" }, ...charts.map(({ element }) => element)), box.element));
    page.onRecolor(() => charts.forEach(({ drawn }) => drawn.recolor()));
    let queries = null;
    const refresh = async () => {
        try {
            queries ??= await queriesOf(signal);
            await Promise.all(charts.map((one) => one.refresh(queries[one.chart.query], signal)));
        } catch (error) {
            if (!signal.aborted) {
                charts.forEach((one) => one.fail(error));
            }
        }
    };
    refresh();
    const timer = setInterval(() => document.hidden || refresh(), REFRESH_MS);
    return () => {
        clearInterval(timer);
        charts.forEach((one) => one.destroy());
    };
}

export const events = {
    id: "events",
    title: "Events",
    enter(place, path, page) {
        const ended = new AbortController(), { signal } = ended;
        let leave = () => {};
        place.append(h("div", { class: "bar" }, h("h1", {}, "Events")));
        isConfigured(signal).then((there) => {
            if (signal.aborted) {
                return;
            }
            if (there) {
                leave = fill(place, page, signal);
            } else {
                place.append(unconfigured());
            }
        }).catch((error) => signal.aborted || place.append(h("p", { class: "problem" }, error.message)));
        return () => {
            ended.abort();
            leave();
        };
    },
};
