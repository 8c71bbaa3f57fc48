// What the checks of the page in a real browser share: a page that is opened under watch, what a panel shows, and the run of
// one check. PAGE (the admin server), CHROMIUM and PACKAGES are in the environment.
//
// A check prints one JSON object: what it saw, and `problems` that no check may have: messages of the browser's console,
// exceptions, dialogs, requests to anyone else. Judging is the caller's (page.py).

import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.PACKAGES, "index.js"));
const { chromium } = require("playwright-core");

export const { PAGE, SERVICE, SCREENSHOTS } = process.env;
export const WAIT_MS = 60e3;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"];

export const problems = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

export async function open(hash, { width = 1440, height = 1000, theme = "dark", ready = ".panel", before = () => {} } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
    page.on("dialog", (dialog) => {
        problems.push(`dialog: ${dialog.message()}`);
        dialog.dismiss();
    });
    page.on("request", (request) => {
        if (new URL(request.url()).origin !== PAGE && !request.url().startsWith("data:")) {
            problems.push(`request to ${request.url()}`);
        }
    });
    await before(page);
    await page.goto(`${PAGE}/${hash}`);
    await page.waitForSelector(ready);
    return page;
}

/** Scrolls to a panel and waits until it has its answer. */
export async function settle(panel) {
    await panel.scrollIntoViewIfNeeded();
    await panel.page().waitForFunction((element) => element.dataset.state !== "loading", await panel.elementHandle(), { timeout: WAIT_MS });
}

/** What a panel shows: its state, its words, and how many pixels of its canvas have a colour (lines and cells have, axes not). */
export function look(element) {
    const canvas = element.querySelector("canvas");
    let colored = 0;
    if (canvas) {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) {
            colored += data[i + 3] > 60 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60;
        }
    }
    return {
        title: element.dataset.panel, type: element.dataset.type, state: element.dataset.state, colored,
        message: element.querySelector(".message")?.textContent ?? "",
        numbers: [...element.querySelectorAll("strong")].map((n) => n.textContent),
        rows: element.querySelectorAll("tbody tr").length,
        legend: [...element.querySelectorAll(".legend button")].map((b) => b.title),
    };
}

export const named = (page, title) => page.locator(`.panel[data-panel="${title}"]`);
export const range = (minutes) => `from=now-${minutes}m&to=now`;

/** Runs the check that the command line names. */
export async function run(checks) {
    try {
        const seen = await checks[process.argv[2]]();
        console.log(JSON.stringify({ ...seen, problems }));
    } finally {
        await browser.close();
    }
}
