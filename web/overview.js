// Who you are, how the system is, and what ran last.
import { call } from "./api.js";
import { h } from "./dom.js";
import { badge, facts, link, time } from "./parts.js";
import { runTable } from "./runs.js";

function you(me) {
  return facts([
    ["Name", me.name], ["Kind", me.kind], ["Tenant", me.tenant.name],
    ["Scopes", me.scopes.join(", ") || "–"], ["Roles", me.roles.join(", ") || "–"], ["Groups", me.groups.join(", ")],
    ["Credential", [me.credential.kind.replaceAll("_", " "), me.credential.name].filter(Boolean).join(" ")],
    ["Ends", me.credential.expires_at && time(me.credential.expires_at)],
  ]);
}

function figures({ metrics, queue }) {
  return facts([
    ["Workflows", metrics.total_workflows.toLocaleString()],
    ["Active runs", metrics.active_executions.toLocaleString()],
    ["Completed in 24 h", metrics.completed_executions_24h.toLocaleString()],
    ["Failed in 24 h", metrics.failed_executions_24h.toLocaleString()],
    ["Success in 24 h", `${metrics.success_rate_24h.toLocaleString(undefined, { maximumFractionDigits: 1 })} %`],
    ["Waiting to be run", queue ? queue.depth.toLocaleString() : null],
  ]);
}

// Components, engines and agents, one line each.
function parts({ components, engines = [], agents = [] }) {
  const line = (name, ...more) => h("li", {}, h("span", {}, name), " ", ...more);
  return h("ul", { class: "states" },
    Object.entries(components).map(([name, status]) => line(name.replaceAll("_", " "), badge(status))),
    engines.map((engine) => line(`engine ${engine.name}`, badge(engine.status))),
    agents.map((agent) => line(`agent ${agent.name}`, badge(agent.availability), agent.reason ? ` ${agent.reason}` : "")));
}

export async function overview({ main, me, signal }) {
  const [status, runs] = await Promise.all([
    call("status", {}, { signal }),
    call("runs", {}, { signal, query: { limit: 10 } }),
  ]);
  main.append(
    h("h1", { tabindex: -1 }, "Overview"),
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "System ", badge(status.data.status)), figures(status.data), parts(status.data),
        h("p", { class: "quiet" }, `Millrace ${status.data.version}, `, time(status.data.timestamp))),
      h("section", {}, h("h2", {}, "You"), you(me))),
    h("section", {}, h("h2", {}, "Latest runs"), runTable("Latest runs", runs.data.items),
      h("p", {}, link("#/runs", "All runs"))));
}
