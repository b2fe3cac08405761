// The list of workflows.
import { call } from "./api.js";
import { h } from "./dom.js";
import { badge, choice, filters, link, pages, row, table, time, total, WORKFLOW_STATUSES } from "./parts.js";

function line(workflow) {
  return row(link(`#/workflows/${workflow.id}`, workflow.name), badge(workflow.status), String(workflow.version),
    workflow.tags.join(", "), time(workflow.updated_at), workflow.created_by ?? "–");
}

export async function workflows({ main, query, signal }) {
  const { data } = await call("workflows", {}, { signal, query: { ordering: "-created_at", limit: 50, ...query } });
  main.append(
    h("h1", { tabindex: -1 }, "Workflows"),
    filters("/workflows", [
      ["search", "Name or description", h("input", { type: "search", maxlength: 1000, value: query.search })],
      ["status", "Status", choice(WORKFLOW_STATUSES, query.status)],
    ]),
    h("p", { class: "quiet" }, total(data)),
    data.items.length
      ? table("Workflows, newest first", ["Workflow", "Status", "Version", "Tags", "Changed", "By"],
        h("tbody", {}, data.items.map(line)))
      : h("p", {}, "No workflows."),
    pages("/workflows", query, data) ?? "");
}
