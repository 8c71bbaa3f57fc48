// The room of events in a real browser: console_events.mjs CHECK; see browser.mjs. Judging is the caller's
// (test_console_events.py).

import path from "node:path";

import { PAGE, SCREENSHOTS, WAIT_MS, look, named, open, problems, run } from "./browser.mjs";

/** The page with no Prometheus: it is not asked. */
async function enter(options) {
    const page = await open("#/events", { ready: "h1", ...options, before: (one) => one.route("**/api/prometheus/**", (route) => route.fulfill({
        contentType: "application/json", body: '{"status":"success","data":{"alerts":[]}}',
    })) });
    return page;
}

const drawn = (page) => page.waitForFunction(() => {
    const panels = [...document.querySelectorAll(".charts .panel")];
    return panels.length === 2 && panels.every((panel) => panel.dataset.state !== "loading");
}, null, { timeout: WAIT_MS });

/** Types a statement, runs it, and waits for what comes of it. */
async function ask(page, sql) {
    const box = page.locator("textarea");
    await box.fill(sql);
    await page.evaluate(() => {
        document.querySelector(".sql").dataset.state = "idle";
    });
    await box.press("Control+Enter");
    await page.waitForFunction(() => ["ready", "error"].includes(document.querySelector(".sql").dataset.state), null, { timeout: WAIT_MS });
    const seen = await page.locator(".sql").evaluate((element) => ({
        state: element.dataset.state, says: element.querySelector("[role=status]").textContent, error: element.querySelector(".failure")?.textContent ?? "",
        text: element.querySelector("pre:not(.failure)")?.textContent ?? "", heads: [...element.querySelectorAll("th")].map((th) => th.textContent),
        count: element.querySelectorAll("tbody tr").length, foreign: element.querySelectorAll(".found img, .found script, .found b, .found a").length,
        rows: [...element.querySelectorAll("tbody tr")].slice(0, 5).map((row) => [...row.cells].map((cell) => cell.textContent)),
    }));
    if (seen.state === "error") { // the browser tells of the answer's status by itself
        problems.splice(0, problems.length, ...problems.filter((problem) => !/status of 400/.test(problem)));
    }
    return seen;
}

const checks = {
    /** The charts, a tooltip, a chart's query in the box, then the statements of the environment. */
    async room() {
        const page = await enter();
        await drawn(page);
        const charts = {};
        for (const panel of await page.locator(".charts .panel").all()) {
            charts[await panel.getAttribute("data-panel")] = await panel.evaluate(look);
        }
        const plot = await named(page, "Popular templates").locator(".u-over").boundingBox();
        await page.mouse.move(plot.x + plot.width * 0.05, plot.y + plot.height / 2);
        const tooltip = await named(page, "Popular templates").locator(".tooltip:not([hidden])").textContent({ timeout: WAIT_MS });
        await named(page, "Popular templates").locator("header button").click();
        await page.waitForSelector(".sql tbody tr", { timeout: WAIT_MS });
        const opened = { sql: await page.locator("textarea").inputValue(), rows: await page.locator(".sql tbody tr").count() };
        const answers = [];
        for (const sql of JSON.parse(process.env.STATEMENTS)) {
            answers.push(await ask(page, sql));
        }
        await page.reload();
        await page.waitForSelector("textarea");
        const kept = await page.locator('select[name="last"] option').evaluateAll((all) => all.map((option) => option.title));
        await page.locator('select[name="last"]').selectOption("1");
        const chosen = await page.locator("textarea").inputValue();
        return { charts, tooltip, opened, answers, kept, chosen };
    },

    async narrow() {
        const page = await enter({ width: 390, height: 844, theme: "light" });
        await drawn(page);
        await ask(page, `SELECT '${"x".repeat(300)}' AS long, 1 AS n`);
        return page.evaluate(() => ({
            width: document.documentElement.scrollWidth,
            clipped: [...document.querySelectorAll(".panel, .sql")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1).length,
        }));
    },

    async unconfigured() {
        const page = await enter();
        await page.waitForSelector(".note", { timeout: WAIT_MS });
        return { note: await page.locator(".note").textContent(), boxes: await page.locator("textarea").count() };
    },

    /** By hand, for the documents. */
    async screenshots() {
        const page = await enter({ height: 900 });
        await drawn(page);
        await ask(page, process.env.STATEMENT);
        await page.waitForTimeout(500);
        await page.screenshot({ path: path.join(SCREENSHOTS, "page-events-1440.png") });
        return { page: PAGE };
    },
};

await run(checks);
