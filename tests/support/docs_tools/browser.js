// Chromium for the pages' tests: pages whose console, errors and failed or foreign requests are written down.
"use strict";
const { chromium } = require("playwright-core");

const base = process.env.BASE;
const patience = { timeout: 300000 };
const complaints = [];

// Writes down what a page complains of; quiet(text): what is meant to fail.
function listen(page, name, quiet = () => false) {
  const complain = (text) => { if (!quiet(text)) complaints.push(`${name}: ${text}`); };
  page.setDefaultTimeout(patience.timeout);
  page.on("console", (m) => complain(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => complain(String(e)));
  page.on("requestfailed", (r) => complain(`${r.url()}: ${r.failure().errorText}`));
  page.on("request", (r) => {
    if (!/^(data|blob):/.test(r.url()) && !r.url().startsWith(base + "/")) complaints.push(`${name}: asks ${r.url()}`);
  });
}

async function open(context, path, quiet) {
  const page = await context.newPage();
  listen(page, path, quiet);
  await page.goto(base + path, { waitUntil: "load", ...patience });
  return page;
}

// Runs `look` in a browser; prints as JSON what it returns, and the complaints.
async function inBrowser(look, options = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    ...patience,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  try {
    const told = await look(await browser.newContext({ ignoreHTTPSErrors: true, ...options }));
    console.log(JSON.stringify({ ...told, complaints }));
  } finally {
    await browser.close();
  }
}

function main(look, options) {
  inBrowser(look, options).catch((e) => {
    console.error(String(e), complaints);
    process.exit(1);
  });
}

module.exports = { base, main, open, patience };
