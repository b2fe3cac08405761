// One run: where it stands, what its steps did, its events and logs. Asked for again until it has ended.
import { call } from "./api.js";
import { fill, h, keep, notice } from "./dom.js";
import {
  act, attempt, badge, duration, facts, folded, json, problemBox, row, runLink, table, time, total, workflowLink,
} from "./parts.js";
import { poll } from "./poll.js";

const PAGE = 100;

// What can be done with a run, and in which of its statuses.
const ACTS = [
  { label: "Cancel", operation: "runCancel", when: ["pending", "running", "paused"] },
  { label: "Pause", operation: "runPause", when: ["pending", "running"] },
  { label: "Resume", operation: "runResume", when: ["paused"] },
  { label: "Retry", operation: "runRetry", when: ["failed", "timed_out", "cancelled", "compensated"] },
];

// ---- the run itself ----

function summary(run, took) {
  return facts([
    ["Workflow", [workflowLink(run), `, version ${run.version}`]],
    ["Started by", run.triggered_by ?? "–"], ["Trigger", run.trigger_type],
    ["Made", time(run.created_at)], ["Started", run.started_at && time(run.started_at)],
    ["Ended", run.completed_at && time(run.completed_at)], ["Took", took],
    ["Waits until", run.wake_at && time(run.wake_at)], ["Awaits", run.awaits ? `${run.awaits} steps' events or runs` : null],
    ["Cancelled by", run.cancelled_by], ["Retries", run.retry_count ? String(run.retry_count) : null],
    ["Part of run", run.parent_run_id && runLink({ id: run.parent_run_id })],
    ["Repeats run", run.rerun_of && runLink({ id: run.rerun_of })],
    ["Correlation id", run.correlation_id && h("code", {}, run.correlation_id)],
  ]);
}

function errorOf(error) {
  return h("div", {}, h("code", {}, error.type), " ", error.step ? [h("strong", {}, error.step), ": "] : "", error.message,
    error.data === undefined || error.data === null ? "" : folded("More about it", error.data));
}

function values(run) {
  return [
    run.error ? h("section", {}, h("h2", {}, "Error"), errorOf(run.error)) : "",
    h("section", {}, h("h2", {}, "Input"), json(run.input_data, "Input")),
    run.status === "completed" ? h("section", {}, h("h2", {}, "Result"), json(run.result_data, "Result")) : "",
  ];
}

// ---- its steps ----

// A result that is too large for the list, asked for when somebody wants it.
function storedOutput(step, signal) {
  const place = h("div");
  const button = h("button", { type: "button", click: () => attempt(place, signal, async () => {
    const { data } = await call("runStepOutput", { id: step.run_id, name: step.name },
      { signal, query: { iteration: step.iteration } });
    button.replaceWith(json(data, "Output"));
  }) }, "Load the output");
  return [button, place];
}

function stepRow(step, signal) {
  const name = step.iteration === null ? step.path : `${step.path} [${step.iteration}]`;
  const took = duration(step.execution_time_ms);
  return row(name, step.type, badge(step.status), String(step.attempt), time(step.started_at), took, [
    step.error ? errorOf(step.error) : null, step.reason ? h("p", {}, step.reason) : null,
    step.until ? h("p", {}, "until ", time(step.until)) : null, step.next_at ? h("p", {}, "again at ", time(step.next_at)) : null,
    step.input_data === null || step.input_data === undefined ? null : folded("Input", step.input_data),
    step.output_stored ? storedOutput(step, signal) : null,
    step.output_data === null || step.output_data === undefined ? null : folded("Output", step.output_data),
  ]);
}

// The steps, a page at a time: the one that is shown is asked for again when something happened.
function stepList(id, signal) {
  const body = h("tbody");
  const count = h("p", { class: "quiet" });
  const problem = h("div");
  const first = h("button", { type: "button", hidden: true, click: () => go(null) }, "First steps");
  const next = h("button", { type: "button", hidden: true, click: () => go(following) }, "Next steps");
  let cursor = null;
  let following = null;
  async function refresh() {
    const { data } = await call("runSteps", { id }, { signal, query: { limit: PAGE, cursor } });
    following = data.next_cursor;
    count.textContent = total(data);
    keep(body, data.items, (step) => stepRow(step, signal));
    first.hidden = cursor === null;
    next.hidden = following === null;
  }
  function go(to) {
    cursor = to;
    return attempt(problem, signal, refresh);
  }
  const element = h("section", {}, h("h2", {}, "Steps"), count,
    table("Steps", ["Step", "Type", "Status", "Attempt", "Started", "Took", "More"], body), problem,
    h("div", { class: "acts" }, first, next));
  return { element, refresh };
}

// ---- its events and logs ----

// What only grows: each line is asked for once, `after` the last that is here.
function growing({ title, operation, columns, line }, id, signal) {
  const body = h("tbody");
  const problem = h("div");
  const more = h("button", { type: "button", hidden: true, click: () => attempt(problem, signal, page) },
    `More ${title.toLowerCase()}`);
  let last;
  let asked = null;
  async function read() {
    const { data } = await call(operation, { id }, { signal, query: { limit: PAGE, after: last } });
    body.append(...data.items.map(line));
    last = data.items.at(-1)?.id ?? last;
    more.hidden = data.next_cursor === null;
    return data.items.length;
  }
  // one at a time: two at once would bring the same lines
  function page() {
    asked ??= read().finally(() => { asked = null; });
    return asked;
  }
  // how many came; null while the reader hasn't asked for those before them
  const refresh = () => (more.hidden ? page() : null);
  const element = h("section", {}, h("h2", {}, title), table(title, columns, body), problem, h("div", { class: "acts" }, more));
  return { element, refresh };
}

const EVENTS = {
  title: "Events", operation: "runEvents", columns: ["#", "Time", "Event", "Step", "Took", "Data"],
  line: (event) => row(String(event.seq), time(event.timestamp), event.event ?? event.kind, event.step ?? "",
    event.duration_ms === null ? "" : duration(event.duration_ms),
    event.data && Object.keys(event.data).length ? folded("Data", event.data) : ""),
};
const LOGS = {
  title: "Logs", operation: "runLogs", columns: ["Time", "Level", "Step", "Message"],
  line: (entry) => row(time(entry.timestamp), badge(entry.level), entry.step ?? "", entry.message),
};

// ---- all of it ----

function acts(run, place, signal, then) {
  return ACTS.filter(({ when }) => when.includes(run.status))
    .map(({ label, operation }) => act({ label, operation, variables: { id: run.id }, place, signal, then }));
}

// Puts other buttons there; the keyboard's focus stays among them.
function refill(place, buttons) {
  const had = place.contains(document.activeElement);
  fill(place, buttons);
  if (had) (place.querySelector("button:enabled") ?? document.querySelector("h1"))?.focus();
}

// Fills the parts with what the run says now. What only time changes leaves the rest alone: nothing goes while it's
// read, selected or pressed.
function show(parts, run, before, act) {
  parts.took.textContent = duration(run.execution_time_ms);
  parts.progress.value = run.progress;
  parts.progress.textContent = `${run.progress} %`;
  const said = (r) => JSON.stringify({ ...r, execution_time_ms: null, progress: null });
  if (before && said(before) === said(run)) return;
  fill(parts.summary, summary(run, parts.took));
  if (before?.status === run.status) return;
  fill(parts.state, badge(run.status));
  refill(parts.acts, act(run));
  fill(parts.values, values(run));
  if (before) notice(`Run ${run.id} is ${run.status.replaceAll("_", " ")}.`);
}

export async function run({ main, id, signal }) {
  const parts = { state: h("span"), progress: h("progress", { max: 100, value: 0, "aria-label": "Progress" }),
    summary: h("div"), took: h("span"), acts: h("div", { class: "acts" }), values: h("div"), problem: h("div"),
    trouble: h("div") };
  const lists = [stepList(id, signal), growing(EVENTS, id, signal), growing(LOGS, id, signal)];
  const [steps, events, logs] = lists;
  let known = null;
  let etag = null;
  let asking = null;
  let stale = false;

  const failed = (problem, wait) => fill(parts.trouble, problem ? problemBox(problem, wait) : "");
  const buttons = (now) => acts(now, parts.problem, signal, () => watch());

  // one look; true when there is nothing more to see
  async function look() {
    const answer = await call("run", { id }, { signal, etag });
    if (answer.unchanged) return known.is_terminal;
    // before the tag is remembered: what fails here is asked for again. Each change of a step is an event.
    stale = await events.refresh() !== 0 || stale;
    if (stale) await Promise.all([steps.refresh(), logs.refresh()]);
    stale = false;
    show(parts, answer.data, known, buttons);
    [known, etag] = [answer.data, answer.etag];
    return known.is_terminal;
  }
  // one watch at a time; after an act it begins anew, and looks at once
  async function watch() {
    asking?.abort();
    asking = new AbortController();
    const both = AbortSignal.any([signal, asking.signal]);
    await poll(look, both, failed);
  }

  await look();
  main.append(h("h1", { tabindex: -1 }, `Run ${known.id} `, parts.state), parts.progress, parts.acts, parts.problem,
    parts.trouble, parts.summary, parts.values, ...lists.map((list) => list.element));
  if (!known.is_terminal) watch();
}
