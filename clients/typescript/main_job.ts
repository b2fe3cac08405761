/**
 * Millrace's main job with the generated TypeScript client.
 *
 * Takes MILLRACE_URL and MILLRACE_KEY (an API key) from the environment; Node.js itself reads the authority of the
 * server's certificate from NODE_EXTRA_CA_CERTS. Prints what it saw as JSON.
 */
import { Configuration, FilesApi, ProblemFromJSON, ResponseError, RunsApi, WorkflowsApi } from "millrace-client";
import type { Problem } from "millrace-client";

const configuration = new Configuration({ basePath: process.env.MILLRACE_URL, apiKey: process.env.MILLRACE_KEY });
const workflows = new WorkflowsApi(configuration);
const runs = new RunsApi(configuration);
const files = new FilesApi(configuration);

/** Every workflow's name, two to a page. */
async function allNames(): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await workflows.listWorkflows({ limit: 2, cursor });
    names.push(...page.items.map((w) => w.name));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return names;
}

/** What the server says to a second workflow of that name. */
async function refused(name: string): Promise<Problem> {
  try {
    await workflows.createWorkflow({ workflowCreate: { name, steps: [{ type: "noop" }] } });
  } catch (e) {
    if (e instanceof ResponseError) return ProblemFromJSON(await e.response.json());
    throw e;
  }
  throw new Error("it was taken");
}

async function main(): Promise<void> {
  const greet = { name: "greet", type: "log", config: { message: "Hello, {{trigger.name}}" } };
  const made = await workflows.createWorkflow({ workflowCreate: { name: "typescript client", steps: [greet] } });
  const accepted = await workflows.executeWorkflow({
    id: String(made.id), wait: 60, workflowExecute: { input: { name: "Ada" } },
  });
  const run = await runs.getRun({ id: String(accepted.runId) });
  const steps = (await runs.listRunSteps({ id: String(run.id) })).items;
  const content = "one,two\r\n1,2\r\n";
  const uploaded = await files.uploadFile({ file: new File([content], "table.csv", { type: "text/csv" }) });
  const back = await (await files.getFileContent({ id: String(uploaded.id) })).text();
  console.log(JSON.stringify({
    workflow: made.name,
    status: run.status,
    steps: steps.map((s) => [s.stepName, s.status, s.outputData]),
    names: await allNames(),
    error: (await refused(made.name)).errorCode,
    file: [uploaded.name, uploaded.size, back === content],
  }));
}

main().catch((e: unknown) => {
  console.error(e);
  process.exitCode = 1;
});
