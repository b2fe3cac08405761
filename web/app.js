// Starts the dashboard: which view an address shows, signing in and out.
import { allow, call, credential, forget, onRefused, remember } from "./api.js";
import { fill, h, notice } from "./dom.js";
import { link, problemBox } from "./parts.js";
import { overview } from "./overview.js";
import { run } from "./run.js";
import { runs } from "./runs.js";
import { workflow } from "./workflow.js";
import { workflows } from "./workflows.js";

// The part of the address behind # names the view; what else it may say is passed on, and nothing but that.
const VIEWS = [
  { path: /^\/$/, view: overview, query: [] },
  { path: /^\/workflows$/, view: workflows, query: ["search", "status", "cursor"] },
  { path: /^\/workflows\/(\d{1,16})$/, view: workflow, query: ["version", "cursor"] },
  { path: /^\/runs$/, view: runs, query: ["status", "workflow_id", "cursor"] },
  { path: /^\/runs\/(\d{1,16})$/, view: run, query: [] },
];

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const who = document.getElementById("who");

let me = null;
// of the view that is shown: aborted when another one comes
let shown = new AbortController();

function begin() {
  shown.abort();
  shown = new AbortController();
  return shown.signal;
}

function wanted() {
  const [path, search = ""] = (location.hash.slice(1) || "/").split("?", 2);
  const said = new URLSearchParams(search);
  for (const { path: pattern, view, query } of VIEWS) {
    const match = pattern.exec(path);
    if (match === null) continue;
    return { view, path, id: match[1], query: Object.fromEntries(query.map((name) => [name, said.get(name)])) };
  }
  return { view: missing, path, query: {} };
}

async function missing({ main }) {
  main.append(h("h1", { tabindex: -1 }, "There is no such page"), h("p", {}, link("#/", "Overview")));
}

function mark(path) {
  for (const a of nav.querySelectorAll("a")) {
    const to = a.getAttribute("href").slice(1);
    const here = to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
    if (here) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

function signIn(problem) {
  begin();
  main.removeAttribute("aria-busy");
  nav.hidden = who.hidden = true;
  document.title = "Sign in – Millrace";
  const place = h("div", {}, problem ? problemBox(problem) : "");
  const key = h("input", { id: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "sign-in" }, h("h1", {}, "Sign in"), h("label", { for: "key" }, "API key or token"), key,
    h("button", { type: "submit" }, "Sign in"), place,
    h("p", { class: "quiet" },
      "It stays in this tab, is sent to this server only, and is forgotten when you sign out or close the tab."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = key.value.trim();
    // what no header can carry is no key
    if (/^[\x21-\x7e]+$/.test(text)) {
      remember(text);
      show();
    } else fill(place, h("p", { class: "wrong", role: "alert" }, "A key or token is one word of ASCII characters."));
  });
  fill(main, form);
  key.focus();
}

function signOut(problem) {
  forget();
  me = null;
  signIn(problem);
}

async function identify(signal) {
  if (me) return;
  me = (await call("me", {}, { signal })).data;
  allow(me);
  document.getElementById("name").textContent = `${me.name} (${me.tenant.name})`;
  nav.hidden = who.hidden = false;
}

// What could not be shown, and a way to ask again.
function broken(place, problem) {
  fill(place, h("h1", { tabindex: -1 }, "This can't be shown"), problemBox(problem),
    h("p", {}, h("button", { type: "button", click: () => show() }, "Try again")));
}

async function show() {
  if (credential() === null) return signIn(null);
  const signal = begin();
  const { view, path, id, query } = wanted();
  // a place of its own: a view that comes too late fills nothing that is seen
  const place = h("div");
  main.setAttribute("aria-busy", "true");
  mark(path);
  try {
    await identify(signal);
    await view({ main: place, me, id, query, signal });
  } catch (problem) {
    if (signal.aborted) return;
    broken(place, problem);
  }
  if (signal.aborted) return;
  fill(main, place);
  main.removeAttribute("aria-busy");
  const title = place.querySelector("h1");
  document.title = `${title.firstChild.textContent.trim()} – Millrace`;
  title.focus();
}

onRefused(signOut);
document.getElementById("sign-out").addEventListener("click", () => {
  notice("");
  signOut(null);
});
addEventListener("hashchange", () => show());
show();
