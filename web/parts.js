// What several views show: statuses, times, values, tables, pages of lists, errors and acts.
import { call, may, Problem } from "./api.js";
import { fill, go, h, notice } from "./dom.js";

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const RUN_STATUSES = ["pending", "running", "paused", "completed", "failed", "cancelled", "timed_out",
  "compensating", "compensated"];
export const WORKFLOW_STATUSES = ["active", "inactive", "paused", "deleted"];
const KNOWN = new Set([...RUN_STATUSES, ...WORKFLOW_STATUSES, "waiting", "skipped", "healthy", "degraded", "unhealthy",
  "available", "busy", "unavailable", "debug", "info", "warning", "error"]);

export function badge(status) {
  const known = KNOWN.has(status) ? ` is-${status}` : "";
  return h("span", { class: `badge${known}` }, String(status).replaceAll("_", " "));
}

// A time in the reader's zone; as the server told it when one points at it.
export function time(at) {
  if (!at) return "–";
  return h("time", { datetime: at, title: at }, clock.format(new Date(at)));
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

export function link(to, ...children) {
  return h("a", { href: to }, ...children);
}

export function runLink(run) {
  return link(`#/runs/${run.id}`, String(run.id));
}

export function workflowLink(run) {
  return link(`#/workflows/${run.workflow_id}`, run.workflow_name ?? `workflow ${run.workflow_id}`);
}

export function json(value, label) {
  return h("pre", { tabindex: 0, role: "region", "aria-label": label }, JSON.stringify(value, null, 2));
}

// A value behind a word, made when it is opened.
export function folded(word, value) {
  const details = h("details", {}, h("summary", {}, word));
  details.addEventListener("toggle", () => details.append(json(value, word)), { once: true });
  return details;
}

// Words and what belongs to them; those that nothing belongs to are left out.
export function facts(pairs) {
  return h("dl", {}, pairs.filter(([, value]) => value)
    .map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value))));
}

export function table(caption, columns, body) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))), body));
}

export function row(...cells) {
  return h("tr", {}, cells.map((cell) => h("td", {}, cell)));
}

// How many there are, as exactly as the list says.
export function total(list) {
  return `${list.total_exact === false ? "about " : ""}${list.total.toLocaleString()} in all`;
}

// The way on in a list, as addresses: pages can be shared, and the browser's Back is the way back.
export function pages(path, query, list) {
  const on = list.next_cursor;
  if (!on && !query.cursor) return null;
  return h("nav", { class: "pages", "aria-label": "Pages" },
    query.cursor ? link(hash(path, { ...query, cursor: null }), "First page") : null,
    on ? link(hash(path, { ...query, cursor: on }), "Next page") : null);
}

// An address of the dashboard itself.
export function hash(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

// ---- errors ----

function faults(details) {
  return Object.entries(details).map(([path, sentences]) =>
    h("li", {}, h("code", {}, path || "the whole"), " ", [sentences].flat().map(String).join("; ")));
}

// The page that explains an error: an address of this server only.
function about(problem) {
  const known = /^\/docs\/errors#[A-Z_]+$/.test(problem.type ?? "");
  return known ? h("a", { href: problem.type }, "What to do") : null;
}

export function problemBox(problem, wait = 0) {
  const told = problem instanceof Problem ? problem : new Problem(String(problem), { title: "The dashboard failed" });
  const list = faults(told.details);
  return h("div", { class: "problem", role: "alert" },
    h("strong", {}, told.title), h("p", {}, told.message), list.length ? h("ul", {}, list) : null,
    wait > 0 ? h("p", {}, `Asked again in ${duration(wait)}.`) : null,
    h("p", { class: "quiet" }, told.correlationId ? h("span", {}, "Correlation id ", h("code", {}, told.correlationId)) : null,
      " ", about(told)));
}

// Shows what `work` says went wrong, in `place`; true when nothing did.
export async function attempt(place, signal, work) {
  try {
    await work();
    fill(place);
    return true;
  } catch (problem) {
    // after a 401 the form is there, which says so itself
    if (!signal.aborted) fill(place, problemBox(problem));
    return false;
  }
}

// ---- acts ----

// What a button has when its operation is not the caller's.
export function allowed(operation) {
  return may(operation) ? {} : { disabled: true, title: "Your credential does not allow this." };
}

// A button that carries out an operation, says what the server said, and calls `then`.
export function act({ label, operation, variables, place, signal, then }) {
  // the same key for each try: an act that was done, while its answer was lost, isn't done twice
  let once = crypto.randomUUID();
  let busy = false;
  async function carryOut() {
    const { data } = await call(operation, variables, { once, signal, body: "{}" });
    once = crypto.randomUUID();
    notice(`${data.message}.`);
    then();
  }
  // not disabled while it works, which would take the keyboard's focus away
  return h("button", { type: "button", ...allowed(operation), click: async () => {
    if (busy) return;
    busy = true;
    await attempt(place, signal, carryOut);
    busy = false;
  } }, label);
}

// ---- filters ----

// A form whose fields become the address: `fields` are [name, label, control].
export function filters(path, fields) {
  const form = h("form", { class: "filters", role: "search" },
    fields.map(([name, label, control]) => {
      control.id = `filter-${name}`;
      control.name = name;
      return h("div", {}, h("label", { for: control.id }, label), control);
    }),
    h("button", { type: "submit" }, "Show"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(hash(path, Object.fromEntries(new FormData(form))));
  });
  return form;
}

export function choice(values, chosen) {
  return h("select", {}, h("option", { value: "" }, "all"),
    values.map((value) => h("option", { value, selected: value === chosen }, value.replaceAll("_", " "))));
}
