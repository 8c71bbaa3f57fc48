// The checks of a flame graph's page in a real browser; see browser.mjs. REPORT is its path on the admin port.

import path from "node:path";

import { open, run, SCREENSHOTS } from "./browser.mjs";

const { REPORT } = process.env;
const enter = (options = {}) => open(REPORT, { ready: ".frame", ...options });
const texts = (page, selector) => page.locator(selector).allTextContents();
const width = (page, name) => page.locator(`.frame[aria-label^="${name} "]`).first().evaluate((e) => e.getBoundingClientRect().width / e.parentElement.clientWidth);

const checks = {
    /** Searches, zooms, resets, changes the view. */
    async use() {
        const page = await enter();
        const seen = { title: await page.locator("h1").textContent(), facts: await page.locator("#facts").textContent() };
        seen.frames = await page.locator(".frame").count();
        await page.fill("#search", "RENDER_MEME");
        seen.found = await page.locator(".frame.found").count();
        seen.matched = await page.locator("#matched").textContent();
        await page.fill("#search", "");
        seen.before = await width(page, "pipeline_run");
        await page.locator('.frame[aria-label^="pipeline_run "]').first().click();
        seen.zoomed = await width(page, "pipeline_run");
        seen.above = await texts(page, ".frame.above");
        seen.detail = await page.locator("#detail").textContent();
        await page.locator('.frame[aria-label^="pipeline_run "]').first().hover();
        seen.tip = await page.locator("#tip").textContent();
        await page.click("#reset");
        seen.after = await width(page, "pipeline_run");
        seen.waiting = await page.locator(".frame.waiting").count();
        await page.click("#cpu");
        seen.waitingOfCpu = await page.locator(".frame.waiting").count();
        seen.operations = await texts(page, ".span span:first-child");
        return seen;
    },

    /** By hand, for the documents. */
    async screenshots() {
        const page = await enter({ height: 1000, theme: "light" });
        await page.screenshot({ path: path.join(SCREENSHOTS, "flamegraph-1440.png") });
        return {};
    },
};

await run(checks);
