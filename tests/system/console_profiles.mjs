// The room of profiles in a real browser: console_profiles.mjs CHECK; see browser.mjs. Judging is the caller's
// (test_console_profiles.py).

import path from "node:path";

import { PAGE, SCREENSHOTS, WAIT_MS, open, run } from "./browser.mjs";

/** A page with no Prometheus: it is not asked. */
const enter = (hash, options = {}) => open(hash, { ready: "h1", ...options, before: (one) => one.route("**/api/prometheus/**", (route) => route.fulfill({
    contentType: "application/json", body: '{"status":"success","data":{"alerts":[]}}',
})) });

/** Where the flame graph that is shown comes from, once that has these words in it and is drawn; and how many frames it has. */
async function drawn(page, wanted) {
    const address = await page.waitForFunction((text) => {
        const src = document.querySelector("iframe")?.getAttribute("src");
        return src?.includes(text) && src;
    }, wanted, { timeout: WAIT_MS });
    const frames = page.frameLocator("iframe").locator("#graph .frame");
    await frames.first().waitFor({ timeout: WAIT_MS });
    return { address: await address.jsonValue(), frames: await frames.count() };
}

const checks = {
    /** What the room shows at first, a time chosen by hand, one that makes no sense, and the way of a slow request. */
    async room() {
        const page = await enter("#/profiles");
        const first = await drawn(page, "from=");
        const from = page.locator('input[name="from"]');
        const before = await from.inputValue();
        await from.fill("2001-01-01T00:00");
        const chosen = await drawn(page, "from=978");
        await page.locator('input[name="to"]').fill("2000-01-01T00:00");
        const wrong = await page.locator('input[name="to"]').evaluate((input) => ({ valid: input.validity.valid, src: document.querySelector("iframe").getAttribute("src") }));
        // From long ago to long from now: an hour before that there is the same, and just before it nothing.
        await page.locator('input[name="to"]').fill("2099-01-01T00:00");
        await page.locator('select[name="against"]').selectOption("an hour before");
        const compared = await drawn(page, "against_from=");
        await page.locator('select[name="against"]').selectOption("the time just before");
        const alone = await drawn(page, "to=407");
        const kept = await page.locator('select[name="against"]').evaluate((select) => select.validity.valid);
        const rows = await page.locator("[data-section=slow] tbody tr").evaluateAll((all) => all.map((row) => ({
            id: row.dataset.id, cells: [...row.cells].map((cell) => cell.textContent), links: [...row.querySelectorAll("a")].map((a) => a.getAttribute("href")),
        })));
        const meme = rows.find(({ cells }) => cells[1] === "POST /api/v1/memes");
        await page.goto(`${PAGE}/#/requests/${encodeURIComponent(meme.id)}`);
        const link = page.locator(".requests dd a", { hasText: "flame graph" });
        await link.waitFor({ timeout: WAIT_MS });
        const [own] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
        await own.locator("#graph .frame").first().waitFor({ timeout: WAIT_MS });
        const slow = { address: own.url().slice(PAGE.length), title: await own.locator("#title").textContent() };
        return { first, before, chosen, wrong, compared, alone, kept, meme, slow };
    },

    /** The heap's section: what it says, and where its links lead; and the flame graph behind the first. */
    async heap() {
        const page = await enter("#/profiles");
        const section = page.locator("[data-section=heap]");
        await section.locator("p").waitFor({ timeout: WAIT_MS });
        const says = await section.textContent();
        const links = await section.locator("a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
        let frames = 0;
        if (links.length > 0) {
            const [own] = await Promise.all([page.context().waitForEvent("page"), section.locator("a").first().click()]);
            await own.locator("#graph .frame").first().waitFor({ timeout: WAIT_MS });
            frames = await own.locator("#graph .frame").count();
        }
        return { says, links, frames };
    },

    async narrow() {
        const page = await enter("#/profiles", { width: 390, height: 844, theme: "light" });
        await drawn(page, "from=");
        return page.evaluate(() => ({
            width: document.documentElement.scrollWidth,
            clipped: [...document.querySelectorAll("iframe, section, .controls")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1).length,
        }));
    },

    async off() {
        const page = await enter("#/profiles");
        await page.waitForSelector(".graph p:not(:empty)", { timeout: WAIT_MS });
        return { says: await page.locator(".graph p").textContent(), frames: await page.locator("iframe:visible").count(), slow: await page.locator("[data-section=slow]").textContent() };
    },

    /** By hand, for the documents. */
    async screenshots() {
        const page = await enter("#/profiles", { height: 1350 });
        await drawn(page, "from=");
        await page.waitForTimeout(500);
        await page.screenshot({ path: path.join(SCREENSHOTS, "page-profiles-1440.png") });
        return { page: PAGE };
    },
};

await run(checks);
