// Spotlight's page in a real browser, as browser.mjs says: PAGE is Spotlight, SERVICE a memegen whose LLM fails.

import path from "node:path";

import { open, PAGE, problems, run, SCREENSHOTS, SERVICE, WAIT_MS } from "./browser.mjs";

await run({
    /** The list of errors, and an event's own page: it shows what comes while it is open. */
    async error() {
        // Spotlight asks home for news: it is not let out, and that is no problem of ours.
        const alone = (page) => page.route((url) => url.origin !== PAGE && url.protocol !== "data:", (route) => route.abort());
        const page = await open("telemetry/errors", { ready: "text=Connected to Sidecar", before: alone });
        await fetch(`${SERVICE}/api/v1/memes`, { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"topic":"cats"}' });
        const row = page.getByText("status_5xx").first();
        await row.waitFor({ timeout: WAIT_MS });
        const list = await page.locator("body").innerText();
        await row.click();
        await page.getByText("make_call").first().waitFor({ timeout: WAIT_MS });
        const event = await page.locator("body").innerText();
        if (SCREENSHOTS) {
            await page.screenshot({ path: path.join(SCREENSHOTS, "spotlight-error-1440.png") });
        }
        problems.length = 0; // those of Spotlight's own page
        return { list, event, url: page.url() };
    },
});
