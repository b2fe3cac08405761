// The list of runs.
import { call } from "./api.js";
import { h } from "./dom.js";
import {
  badge, choice, duration, filters, pages, row, RUN_STATUSES, runLink, table, time, total, workflowLink,
} from "./parts.js";

export function runTable(caption, runs) {
  if (runs.length === 0) return h("p", {}, "No runs.");
  return table(caption, ["Run", "Workflow", "Status", "Made", "Took", "By"], h("tbody", {}, runs.map((run) =>
    row(runLink(run), workflowLink(run), badge(run.status), time(run.created_at), duration(run.execution_time_ms),
      run.triggered_by ?? run.trigger_type))));
}

export async function runs({ main, query, signal }) {
  const { data } = await call("runs", {}, { signal, query });
  main.append(
    h("h1", { tabindex: -1 }, "Runs"),
    filters("/runs", [
      ["status", "Status", choice(RUN_STATUSES, query.status)],
      ["workflow_id", "Workflow's id",
        h("input", { inputmode: "numeric", pattern: "[0-9]+", size: 8, value: query.workflow_id })],
    ]),
    h("p", { class: "quiet" }, total(data)), runTable("Runs, newest first", data.items), pages("/runs", query, data) ?? "");
}
