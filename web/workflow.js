// One workflow: its definition and versions, its runs, and what can be done with it.
import { call } from "./api.js";
import { go, h, notice } from "./dom.js";
import { act, allowed, attempt, badge, facts, folded, hash, json, link, pages, row, table, time, total } from "./parts.js";
import { runTable } from "./runs.js";

// The text as JSON's object, else what is wrong with it.
function checked(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value)
      ? null : "The input must be an object: { … }.";
  } catch (e) {
    return `This is not JSON: ${e.message}`;
  }
}

// The form that starts a run. What was typed is sent as it is, so no number in it changes on its way.
function execute(workflow, signal) {
  let once = crypto.randomUUID();
  const input = h("textarea", { id: "input", rows: 6, spellcheck: "false", "aria-describedby": "input-wrong" });
  const wrong = h("p", { id: "input-wrong", class: "wrong", "aria-live": "polite" });
  const place = h("div");
  const form = h("form", { class: "execute", novalidate: true },
    h("label", { for: "input" }, "Input (JSON)"), input, wrong,
    workflow.input_schema ? folded("Schema of the input", workflow.input_schema) : null,
    h("div", { class: "acts" }, h("button", { type: "submit", ...allowed("workflowExecute") }, "Execute")), place);
  input.value = "{}";
  input.addEventListener("input", () => {
    once = crypto.randomUUID();
    tell(null);
  });
  function tell(fault) {
    wrong.textContent = fault ?? "";
    input.setAttribute("aria-invalid", String(fault !== null));
  }
  async function start() {
    const { data } = await call("workflowExecute", { id: workflow.id }, { once, signal, body: `{"input": ${input.value}}` });
    notice(`${data.message}: run ${data.run_id}.`);
    go(`#/runs/${data.run_id}`);
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fault = checked(input.value);
    tell(fault);
    if (fault === null) attempt(place, signal, start);
    else input.focus();
  });
  return form;
}

function acts(workflow, signal) {
  const place = h("div");
  const variables = { id: workflow.id };
  const then = () => go(location.hash);
  const common = { variables, place, signal, then };
  return h("div", {}, h("div", { class: "acts" },
    workflow.status === "active" ? act({ label: "Pause", operation: "workflowPause", ...common }) : null,
    workflow.status === "paused" ? act({ label: "Resume", operation: "workflowResume", ...common }) : null), place);
}

function versionTable(workflow, shown, list) {
  const path = `/workflows/${workflow.id}`;
  return table("Versions, newest first", ["Version", "Made", "By"], h("tbody", {}, list.items.map((v) => row(
    v.version === shown ? h("strong", {}, `${v.version}, shown`) : link(hash(path, { version: v.version }), String(v.version)),
    time(v.created_at), v.created_by ?? "–"))));
}

async function versionShown(workflow, query, signal) {
  if (!query.version || query.version === String(workflow.version)) return workflow;
  return (await call("version", { id: workflow.id, version: query.version }, { signal })).data;
}

export async function workflow({ main, id, query, signal }) {
  const [one, versions, runs] = await Promise.all([
    call("workflow", { id }, { signal }),
    call("versions", { id }, { signal, query: { cursor: query.cursor } }),
    call("runs", {}, { signal, query: { workflow_id: id, limit: 10 } }),
  ]);
  const flow = one.data;
  const shown = await versionShown(flow, query, signal);
  main.append(
    h("h1", { tabindex: -1 }, flow.name, " ", badge(flow.status)),
    flow.description ? h("p", {}, flow.description) : "",
    facts([["Id", String(flow.id)], ["Version", String(flow.version)], ["Tags", flow.tags.join(", ")],
      ["Made", time(flow.created_at)], ["Changed", time(flow.updated_at)], ["By", flow.created_by],
      ["Deleted", flow.deleted_at && time(flow.deleted_at)]]),
    acts(flow, signal),
    flow.status === "active" ? h("section", {}, h("h2", {}, "Execute"), execute(flow, signal)) : "",
    h("section", {}, h("h2", {}, "Runs"), h("p", { class: "quiet" }, total(runs.data)), runTable("Latest runs", runs.data.items),
      h("p", {}, link(hash("/runs", { workflow_id: id }), "All runs of this workflow"))),
    h("section", {}, h("h2", {}, `Definition, version ${shown.version}`), json(shown.workflow_config, "Definition")),
    h("section", {}, h("h2", {}, "Versions"), versionTable(flow, shown.version, versions.data),
      pages(`/workflows/${id}`, query, versions.data) ?? ""));
}
