// Uses the dashboard in Chromium as a person would; prints as JSON what was seen, and all that the console said.
"use strict";
const { main, open, patience } = require("./browser.js");

const { KEY, READER } = process.env;
const flows = JSON.parse(process.env.WORKFLOWS); // {hostile, sleeping, many}: id and name of each

// What is meant to happen: refusals, which the browser tells itself, and what a view that was left no longer needs.
const quiet = (text) => /status of (400|401|429)\b|ERR_ABORTED/.test(text);

const heading = (page, text) => page.locator("h1", { hasText: text }).waitFor();
const status = (page, text) => page.locator("h1 .badge", { hasText: new RegExp(`^${text}$`) }).waitFor();
const stored = (page) => page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
const visit = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);

async function signIn(page, key) {
  await page.getByLabel("API key or token").fill(key);
  await page.getByLabel("API key or token").press("Enter");
}

async function execute(page, flow, input) {
  await visit(page, `#/workflows/${flow.id}`);
  await heading(page, flow.name);
  await page.getByLabel("Input (JSON)").fill(input);
  await page.getByRole("button", { name: "Execute" }).click();
}

async function wrongKey(page) {
  await signIn(page, "not-a-key");
  const seen = { problem: await page.locator(".problem").innerText() };
  seen.stored = await stored(page);
  return seen;
}

async function overview(page) {
  await signIn(page, KEY);
  await heading(page, "Overview");
  const [text, who] = [await page.locator("main").innerText(), await page.locator("#name").innerText()];
  return { text, who, url: page.url(), stored: await stored(page) };
}

// Finds the workflow by its hostile name, is told of faulty JSON, executes it and watches it complete.
async function hostile(page) {
  await page.getByRole("link", { name: "Workflows", exact: true }).click();
  await heading(page, "Workflows");
  await page.getByLabel("Name or description").fill(flows.hostile.name);
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("p", { hasText: /^1 in all/ }).waitFor();
  const seen = { names: await page.locator("tbody td:first-child").allInnerTexts() };
  await page.locator("tbody a").first().click();
  await heading(page, flows.hostile.name);
  seen.definition = JSON.parse(await page.getByLabel("Definition", { exact: true }).innerText());
  await execute(page, flows.hostile, "{");
  seen.wrong = await page.locator(".wrong", { hasText: "not JSON" }).innerText();
  await execute(page, flows.hostile, '{"large": 9007199254740993}');
  await heading(page, "Run");
  await status(page, "completed");
  seen.input = await page.getByLabel("Input", { exact: true }).first().innerText();
  seen.steps = await page.getByRole("table", { name: "Steps", exact: true }).locator("tbody tr").allInnerTexts();
  await page.getByRole("table", { name: "Events", exact: true }).locator("td", { hasText: "workflow.completed" }).waitFor();
  seen.images = await page.locator("main img").count();
  seen.time = await page.locator("time").first().getAttribute("title");
  return seen;
}

// Input that the API doesn't take: each fault by its path.
async function refused(page) {
  await execute(page, flows.many, '{"beyond": 123456789012345678901234567890}');
  return page.locator(".execute .problem").innerText();
}

// A run that sleeps: one refused question is told and repeated; cancelled, it isn't asked for any more; retried, it is.
async function sleeping(page) {
  await execute(page, flows.sleeping, "{}");
  await heading(page, "Run");
  await status(page, "running");
  await page.route(/\/api\/v1\/runs\/\d+$/, (route) => route.fulfill({
    status: 429, headers: { "Retry-After": "3", "Content-Type": "application/problem+json" },
    body: JSON.stringify({ title: "Too many requests", status: 429, detail: "Wait a little.", correlation_id: "told-once" }),
  }), { times: 1 });
  const seen = { limited: await page.locator(".problem", { hasText: "Too many requests" }).innerText() };
  await page.locator(".problem").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Cancel" }).click();
  await status(page, "cancelled");
  await page.locator("#notice", { hasText: "is cancelled" }).waitFor();
  let asked = 0;
  page.on("request", () => asked++);
  await page.waitForTimeout(5000);
  seen.asked = asked;
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByRole("button", { name: "Pause" }).click();
  await status(page, "paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await status(page, "running");
  await page.getByRole("button", { name: "Cancel" }).click();
  await status(page, "cancelled");
  return seen;
}

// Runs of one workflow, page by page; the address says which.
async function lists(page) {
  await page.getByRole("link", { name: "Runs", exact: true }).click();
  await heading(page, "Runs");
  await page.getByLabel("Workflow's id").fill(String(flows.many.id));
  await page.getByLabel("Status", { exact: true }).selectOption("completed");
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("p", { hasText: "25 in all" }).waitFor();
  const seen = { first: await page.locator("tbody tr").count() };
  await page.getByRole("link", { name: "Next page" }).click();
  await page.getByRole("link", { name: "First page" }).waitFor();
  seen.next = await page.locator("tbody tr").count();
  await page.reload();
  await page.getByRole("link", { name: "First page" }).waitFor();
  seen.reloaded = await page.locator("tbody tr").count();
  return seen;
}

async function narrow(page) {
  await page.setViewportSize({ width: 360, height: 640 });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const seen = { width: await page.evaluate(() => document.documentElement.scrollWidth), grounds: [light, await ground()] };
  await page.emulateMedia({ colorScheme: "light" });
  return seen;
}

// A credential that is no good any more is asked for again; one that only reads has no acts; signing out forgets it.
async function others(page) {
  await page.evaluate(() => sessionStorage.setItem("millrace.credential", "ended"));
  await visit(page, `#/workflows/${flows.many.id}`);
  await page.locator(".problem").waitFor();
  await signIn(page, READER);
  await heading(page, flows.many.name);
  const seen = { disabled: await page.getByRole("button", { name: "Execute" }).isDisabled() };
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key or token").waitFor();
  return { ...seen, stored: await stored(page) };
}

main(async (context) => {
  const page = await open(context, "/dashboard", quiet);
  await page.waitForURL(/\/dashboard\/$/, patience);
  const seen = {};
  for (const step of [wrongKey, overview, hostile, refused, sleeping, lists, narrow, others]) seen[step.name] = await step(page);
  return { ...seen, ran: await page.evaluate(() => window.ran ?? null) };
}, { timezoneId: "Asia/Tokyo" });
