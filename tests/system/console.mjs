// The page in a real browser: console.mjs CHECK, with SERVICE (memegen) in the environment, too; see browser.mjs. Judging is the
// caller's (test_console.py).

import path from "node:path";

import { PAGE, SCREENSHOTS, SERVICE, WAIT_MS, look, named, open, problems, range, run, settle } from "./browser.mjs";

const BOARDS = ["memegen-overview", "memegen-performance", "memegen-errors"];

const checks = {
    async boards() {
        const found = {};
        for (const uid of BOARDS) {
            const page = await open(`#/dashboards/${uid}?${range(5)}`);
            const panels = await page.locator(".panel").all();
            found[uid] = [];
            for (const panel of panels) {
                await settle(panel);
                found[uid].push(await panel.evaluate(look));
            }
            await page.context().close();
        }
        return { boards: found };
    },

    /** Asks the service for what is not there, until the page shows it. */
    async spike() {
        const page = await open(`#/dashboards/memegen-overview?${range(5)}&refresh=5s`, { height: 2600 });
        const panel = named(page, "HTTP requests by status");
        await settle(panel);
        const rate = () => panel.locator('.legend button[title="404"] b').textContent().then(parseFloat).catch(() => 0);
        const before = await rate() || 0;
        const end = Date.now() + WAIT_MS;
        let seen = before;
        while (Date.now() < end && !(seen >= before + 4)) {
            await Promise.all(Array.from({ length: 8 }, () => fetch(`${SERVICE}/api/v1/nothing-here`).then((r) => r.text())));
            await page.waitForTimeout(150);
            seen = await rate() || 0;
        }
        return { before, seen, panel: await panel.evaluate(look) };
    },

    async hostile() {
        const seen = {};
        for (const [uid, title] of [["memegen-overview", "HTTP requests by route"], ["memegen-errors", "Failures of the last hour"]]) {
            const page = await open(`#/dashboards/${uid}?${range(5)}`);
            await settle(named(page, title));
            seen[title] = await named(page, title).evaluate((element) => ({
                text: element.textContent, foreign: element.querySelectorAll("img, script, b b, a, iframe, marquee").length,
            }));
            seen.choices = await page.locator('[data-variable="instance"] option').allTextContents();
            seen.images = await page.locator("img").count();
            await page.context().close();
        }
        return seen;
    },

    async controls() {
        const page = await open(`#/dashboards/memegen-overview?${range(15)}&refresh=off`);
        const panel = named(page, "Meme Generation Rate");
        await settle(panel);
        const before = await panel.evaluate(look);
        await panel.locator('.legend button[title="success"]').click();
        const without = await panel.evaluate(look);
        await panel.locator('.legend button[title="success"]').click();

        const box = await panel.locator(".u-over").boundingBox();
        await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2);
        const tooltip = await panel.locator(".tooltip").isVisible();
        await page.mouse.down();
        await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 6 });
        await page.mouse.up();
        await page.waitForSelector(".reset");
        const zoomed = page.url();
        await page.locator(".reset").click();
        await page.waitForFunction(() => location.hash.includes("now-15m"));

        await page.waitForFunction(() => document.querySelectorAll('[data-variable="template_type"] option').length > 1, null, { timeout: WAIT_MS });
        const options = await page.locator('[data-variable="template_type"] option').allTextContents();
        const chosen = options[1];
        await Promise.all([
            page.waitForRequest((r) => r.url().includes("query_range") && new URL(r.url()).searchParams.get("query").includes(`template_type=~"${chosen}"`), { timeout: WAIT_MS }),
            page.locator('[data-variable="template_type"]').selectOption(chosen),
        ]);
        const themes = [];
        for (let i = 0; i < 3; i++) {
            themes.push(await page.evaluate(() => document.documentElement.dataset.theme));
            await page.locator("#theme").click();
        }
        return { before, without, tooltip, zoomed, options, chosen, themes, url: page.url() };
    },

    async narrow() {
        const page = await open(`#/dashboards/memegen-overview?${range(5)}`, { width: 390, height: 844, theme: "light" });
        await settle(page.locator(".panel").first());
        const seen = await page.evaluate(() => ({
            width: document.documentElement.scrollWidth, theme: document.documentElement.dataset.theme,
            clipped: [...document.querySelectorAll(".panel")].filter((p) => p.getBoundingClientRect().right > innerWidth + 1).length,
        }));
        const rooms = [];
        for (const [hash, ready] of [["#/logs", ".line"], ["#/requests", "tbody tr"], ["#/errors", ".group"]]) {
            await page.goto(`${PAGE}/${hash}`);
            await page.waitForSelector(ready, { timeout: WAIT_MS });
            rooms.push(await page.evaluate(() => document.documentElement.scrollWidth));
        }
        return { ...seen, rooms };
    },

    async trouble() {
        const page = await open("#/dashboards/memegen-overview");
        await settle(page.locator(".panel").first());
        problems.length = 0;
        await page.route("**/api/prometheus/**", (route) => route.fulfill({
            status: 502, contentType: "application/json", body: '{"status":"error","errorType":"proxy","error":"Prometheus does not answer."}',
        }));
        await page.locator(".now").click();
        await page.waitForSelector('.panel[data-state="error"]', { timeout: WAIT_MS });
        const message = await page.locator('.panel[data-state="error"] .message').first().textContent();
        problems.length = 0; // the browser tells of each 502 by itself
        return { message };
    },

    async alerts() {
        const page = await open(`#/dashboards/memegen-overview?${range(5)}`);
        await page.goto(`${PAGE}/#/alerts`);
        await page.waitForSelector(".rule", { timeout: WAIT_MS });
        return { rules: await page.locator(".rule").evaluateAll((all) => all.map((a) => [a.dataset.rule, a.dataset.state])) };
    },

    /** The lines of one request with a hostile path, then filters, pause and going on. */
    async logs() {
        const page = await open("#/logs?id=console.hostile", { ready: ".line" });
        const lines = page.locator(".line"), levels = () => lines.evaluateAll((all) => [...new Set(all.map((l) => l.dataset.level))]);
        await page.waitForFunction(() => document.querySelector(".lines").textContent.includes("alert(3)"), null, { timeout: WAIT_MS });
        await lines.first().locator("summary").click();
        const hostile = await page.locator(".lines").evaluate((list) => ({
            text: list.textContent, foreign: list.querySelectorAll("script, img, iframe").length, open: list.querySelectorAll("details[open] pre").length,
        }));
        await page.locator('input[name="id"]').fill("");
        await page.waitForFunction(() => document.querySelectorAll(".line").length > 5, null, { timeout: WAIT_MS });
        const all = await levels();
        await page.locator('select[name="level"]').selectOption("warn");
        await page.waitForFunction(() => !document.querySelector('.line[data-level="info"]') && document.querySelector(".line"), null, { timeout: WAIT_MS });
        const warned = await levels(), url = page.url();
        await page.locator('select[name="level"]').selectOption("");
        await page.waitForFunction(() => document.querySelectorAll(".line").length > 5, null, { timeout: WAIT_MS });
        await page.locator("button.now").click();
        await page.waitForTimeout(3000); // a question under way may still bring some
        const before = await lines.count();
        await page.waitForTimeout(2500);
        const paused = await lines.count();
        await page.locator("button.now").click();
        await page.waitForFunction((n) => document.querySelectorAll(".line").length > n || n >= 1000, paused, { timeout: WAIT_MS });
        await page.locator('input[name="text"]').fill("no line says this");
        await page.waitForFunction(() => document.querySelector(".bar .quiet").textContent === "No line matches.", null, { timeout: WAIT_MS });
        return { hostile, all, warned, url, before, paused };
    },

    /** A request that failed, found in the list, with its timeline and its lines. */
    async requests() {
        const page = await open("#/requests", { ready: "section" });
        const failed = page.locator('section[data-section="Slow and failed"] tr[data-outcome="error"]');
        await failed.first().waitFor({ timeout: WAIT_MS });
        const outcomes = await page.locator("tbody tr").evaluateAll((all) => all.map((r) => [r.closest("section").dataset.section, r.dataset.outcome]));
        const id = await failed.first().getAttribute("data-id");
        await failed.first().locator("a").first().click();
        await page.waitForSelector(".timeline .span", { timeout: WAIT_MS });
        return {
            outcomes, id, url: page.url(),
            spans: await page.locator(".span").evaluateAll((all) => all.map((s) => [getComputedStyle(s).getPropertyValue("--depth"), s.classList.contains("failed"),
                s.querySelector("i").getBoundingClientRect().width, s.querySelector(".name").textContent])),
            ids: await page.locator(".line .id").allTextContents(),
            lines: await page.locator(".line").count(),
        };
    },

    /** Errors in groups; one of them opened, and its request by a click on its id. */
    async errors() {
        const page = await open("#/errors", { ready: ".group" });
        const groups = await page.locator(".group").evaluateAll((all) => all.map((g) => ({
            type: g.dataset.type, count: parseInt(g.querySelector(".count").textContent, 10), text: g.querySelector("summary").textContent,
        })));
        const group = page.locator(".group", { has: page.locator(".stack .own") }).first();
        const key = await group.getAttribute("data-key");
        await group.locator("summary").click();
        const facts = await group.locator("dl").innerText(), own = await group.locator(".stack .own b").allTextContents();
        await page.waitForResponse((response) => response.url().endsWith("/debug/errors")); // what is open stays so
        await page.waitForTimeout(200);
        const open_ = await page.locator(`.group[data-key="${key}"]`).evaluate((g) => g.open);
        const id = await page.locator(`.group[data-key="${key}"] a.id`).textContent();
        await page.locator(`.group[data-key="${key}"] a.id`).click();
        await page.waitForSelector(".timeline .span", { timeout: WAIT_MS });
        return { groups, facts, own, open: open_, id, url: page.url() };
    },

    /** By hand, for the documents. */
    async screenshots() {
        for (const [name, hash, options] of [
            ["overview-1440", `#/dashboards/memegen-overview?${range(5)}`, { height: 1180 }],
            ["performance-1440", `#/dashboards/memegen-performance?${range(5)}`, { height: 1180, theme: "light" }],
            ["errors-1440", `#/dashboards/memegen-errors?${range(5)}`, { height: 1180 }],
            ["overview-390", `#/dashboards/memegen-overview?${range(5)}`, { width: 390, height: 1500 }],
            ["performance-390", `#/dashboards/memegen-performance?${range(5)}`, { width: 390, height: 1500, theme: "light" }],
        ]) {
            const page = await open(hash, options);
            for (const panel of await page.locator(".panel").all()) {
                await settle(panel);
            }
            await page.evaluate(() => scrollTo(0, 0));
            await page.waitForTimeout(500);
            await page.screenshot({ path: path.join(SCREENSHOTS, `page-${name}.png`) });
            await page.context().close();
        }
        const page = await open("#/logs", { ready: ".line", height: 700 });
        await page.screenshot({ path: path.join(SCREENSHOTS, "page-logs-1440.png") });
        await page.goto(`${PAGE}/#/requests`);
        await page.locator('tr[data-outcome="error"] a').first().click();
        await page.waitForSelector(".timeline .span");
        await page.screenshot({ path: path.join(SCREENSHOTS, "page-request-1440.png") });
        await page.goto(`${PAGE}/#/errors`);
        await page.locator(".group summary").first().click();
        await page.screenshot({ path: path.join(SCREENSHOTS, "page-errors-room-1440.png") });
        return {};
    },
};

await run(checks);
