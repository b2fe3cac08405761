// Opens the documentation pages in Chromium; prints as JSON what was seen, and all that the console said.
"use strict";
const { main, open, patience } = require("./browser.js");

// Executes the open operation again and waits for its answer's status.
async function execute(page, operation, method = "GET") {
  const answered = page.waitForResponse(
    (r) => new URL(r.url()).pathname === "/api/v1/workflows" && r.request().method() === method, patience);
  await operation.locator("button.execute").click();
  const status = String((await answered).status());
  await operation.locator(`.live-responses-table .response-col_status:has-text("${status}")`).first().waitFor();
  return status;
}

// What the operation's answer shows.
function shown(operation) {
  return operation.locator(".live-responses-table .highlight-code").first().innerText();
}

// Makes a workflow: first with a body that is refused, then with a good one.
async function create(page) {
  const operation = page.locator("#operations-workflows-createWorkflow");
  await operation.locator(".opblock-summary-control").click();
  await operation.locator("button.try-out__btn").click();
  const seen = {};
  for (const [word, body] of [["refused", { name: "made in Swagger UI" }], ["made", JSON.parse(process.env.WORKFLOW)]]) {
    await operation.locator("textarea.body-param__text").fill(JSON.stringify(body));
    seen[word] = { status: await execute(page, operation, "POST"), body: await shown(operation) };
  }
  return seen;
}

async function swagger(context) {
  // the first attempt has no key, and a body is refused: the browser says so itself
  const page = await open(context, "/docs", (text) => /\b40[01]\b/.test(text));
  await page.locator(".opblock").first().waitFor();
  // it draws those in view only, and knows them all
  const seen = { operations: await page.evaluate(() => window.ui.getSystem().specSelectors.operations().size) };
  await page.locator("input.operation-filter-input").fill("workflows");
  const operation = page.locator("#operations-workflows-listWorkflows");
  await operation.locator(".opblock-summary-control").click();
  await operation.locator("button.try-out__btn").click();
  seen.refused = await execute(page, operation);
  await page.locator("button.authorize").first().click();
  const dialog = page.locator(".dialog-ux");
  await dialog.locator("input[type=text]").first().fill(process.env.KEY);
  await dialog.locator("button.authorize[type=submit]").first().click();
  await dialog.locator("button.btn-done").first().click();
  seen.status = await execute(page, operation);
  seen.body = await shown(operation);
  seen.create = await create(page);
  return seen;
}

async function redoc(context) {
  const page = await open(context, "/redoc");
  await page.locator("[data-section-id*='/operation/'], [data-section-id*='/paths/']").first().waitFor();
  const ids = await page.locator("[data-section-id]").evaluateAll(
    (all) => all.map((e) => e.getAttribute("data-section-id")));
  const seen = { operations: new Set(ids.filter((i) => /\/(operation|paths)\//.test(i))).size };
  await page.locator("[role=search] input").fill("workflow"); // its worker
  await page.locator("[role=search] [role=menuitem]").first().waitFor();
  seen.found = await page.locator("[role=search] [role=menuitem]").count();
  return seen;
}

async function errors(context) {
  const page = await open(context, "/docs/errors#VALIDATION_FAILED");
  return { target: await page.locator(":target").getAttribute("id") };
}

main(async (context) => ({ swagger: await swagger(context), redoc: await redoc(context), errors: await errors(context) }));
