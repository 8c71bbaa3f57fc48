// The checks of a flame graph's page in a real browser; see browser.mjs. REPORT is its path on the admin port.

import path from "node:path";

import { open, run, SCREENSHOTS } from "./browser.mjs";

const { REPORT } = process.env;
const enter = (options = {}) => open(REPORT, { ready: ".frame", ...options });
const texts = (page, selector) => page.locator(selector).allTextContents();
const width = (page, name) => page.locator(`.frame[aria-label^="${name} "]`).first().evaluate((e) => e.getBoundingClientRect().width / e.parentElement.clientWidth);

// The page with two times of known stacks in place of its own data: milliseconds [now, before].
const known = { even: [100, 100], faster: [100, 200], slower: [200, 100], fresh: [50, 0], gone: [0, 50] };

function compared(html) {
    return html.replace(/(<script type="application\/json" id="data">)(.*?)(<\/script>)/s, (_, begin, json, end) => {
        const data = JSON.parse(json), ns = 1e6;
        Object.assign(data, { title: "Two times", kind: "wall", cpu_ns: 450 * ns, waited_ns: 0, spans: [], lines: [] });
        data.against = { start_ns: data.start_ns - 6e10, duration_ns: 6e10, cpu_ns: 450 * ns, waited_ns: 0, samples: 45, lost: 0 };
        data.frames = [[0, "main", "main.c"], ...Object.keys(known).map((name) => [0, name, "work.c"])];
        data.nodes = [[-1, 0, 0, 0, 0, 0], ...Object.values(known).map(([now, before], i) => [0, i + 1, now * ns, 0, before * ns, 0])];
        return begin + JSON.stringify(data) + end;
    });
}

const enterCompared = () => enter({ before: (page) => page.route(`**/${REPORT}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: compared(await response.text()) });
}) });

/** Of each frame by its name: what it says of its change, and whether it is red or blue. */
const shown = (page) => page.locator(".frame").evaluateAll((all) => Object.fromEntries(all.map((frame) => {
    const [red, , blue] = getComputedStyle(frame).backgroundColor.match(/\d+/g).map(Number);
    return [frame.textContent, [frame.dataset.change ?? "", Math.abs(red - blue) < 12 ? "" : red > blue ? "red" : "blue", frame.getAttribute("aria-label")]];
})));

const checks = {
    /** A differential flame graph, by the widths of now and of before. */
    async compared() {
        const page = await enterCompared();
        const seen = { facts: await page.locator("#facts").textContent(), now: await shown(page) };
        seen.legend = await page.locator(".legend:visible").textContent();
        seen.rows = await page.locator("#heaviest tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
        await page.fill("#search", "slower");
        seen.found = (await shown(page)).slower[1];
        await page.fill("#search", "");
        await page.click("#before");
        seen.before = await shown(page);
        return seen;
    },

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
