// The API as the dashboard uses it: every operation it calls, the credential, and what an error says.

// What is called, by method and path as the API's description has them: this is the only place with addresses.
const OPERATIONS = {
  me: ["GET", "/api/v1/me"],
  status: ["GET", "/api/v1/status"],
  workflows: ["GET", "/api/v1/workflows"],
  workflow: ["GET", "/api/v1/workflows/{id}"],
  versions: ["GET", "/api/v1/workflows/{id}/versions"],
  version: ["GET", "/api/v1/workflows/{id}/versions/{version}"],
  workflowExecute: ["POST", "/api/v1/workflows/{id}/execute"],
  workflowPause: ["POST", "/api/v1/workflows/{id}/pause"],
  workflowResume: ["POST", "/api/v1/workflows/{id}/resume"],
  runs: ["GET", "/api/v1/runs"],
  run: ["GET", "/api/v1/runs/{id}"],
  runSteps: ["GET", "/api/v1/runs/{id}/steps"],
  runStepOutput: ["GET", "/api/v1/runs/{id}/steps/{name}/output"],
  runEvents: ["GET", "/api/v1/runs/{id}/events"],
  runLogs: ["GET", "/api/v1/runs/{id}/logs"],
  runCancel: ["POST", "/api/v1/runs/{id}/cancel"],
  runPause: ["POST", "/api/v1/runs/{id}/pause"],
  runResume: ["POST", "/api/v1/runs/{id}/resume"],
  runRetry: ["POST", "/api/v1/runs/{id}/retry"],
};

// The tab's own storage: it is gone with the tab, and no other tab, address or log sees it.
const STORED = "millrace.credential";

let operations = new Set();
let refused = () => {};

export function credential() {
  return sessionStorage.getItem(STORED);
}

export function remember(key) {
  sessionStorage.setItem(STORED, key);
}

export function forget() {
  sessionStorage.removeItem(STORED);
  operations = new Set();
}

// Calls `then` when an answer says that the credential is not (or no longer) good.
export function onRefused(then) {
  refused = then;
}

// What the caller may do, from its own description.
export function allow(me) {
  operations = new Set(me.operations.map((o) => `${o.method} ${o.path}`));
}

export function may(operation) {
  return operations.has(OPERATIONS[operation].join(" "));
}

// An answer that is no success, or none at all.
export class Problem extends Error {
  constructor(message, more = {}) {
    super(message);
    this.title = more.title ?? "The server did not answer";
    this.status = more.status ?? 0;
    this.type = more.type ?? null;
    this.details = more.details ?? {};
    this.correlationId = more.correlationId ?? null;
    this.retryAfter = more.retryAfter ?? null;
  }
}

// A whole number that a browser's numbers can't hold keeps its digits, where the browser can do that.
function exact(_name, value, context) {
  const digits = context?.source;
  const lost = typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(digits ?? "");
  return lost && JSON.rawJSON ? JSON.rawJSON(digits) : value;
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text, exact);
  } catch {
    return null;
  }
}

function address(path, variables, query) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(variables[name]));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${filled}?${new URLSearchParams(given)}` : filled;
}

function headersOf({ body, etag, once }) {
  const headers = { Accept: "application/json", Authorization: `Bearer ${credential()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag) headers["If-None-Match"] = etag;
  if (once) headers["Idempotency-Key"] = once;
  return headers;
}

async function problemOf(answer) {
  const said = parse(await answer.text()) ?? {};
  const wait = Number.parseInt(answer.headers.get("Retry-After"), 10);
  return new Problem(said.detail ?? `The server answered ${answer.status}.`, {
    title: said.title ?? `Status ${answer.status}`,
    status: answer.status,
    type: said.type,
    details: said.details,
    correlationId: said.correlation_id ?? answer.headers.get("X-Request-ID"),
    retryAfter: Number.isNaN(wait) ? null : wait,
  });
}

async function send(url, init) {
  try {
    return await fetch(url, init);
  } catch (e) {
    if (init.signal?.aborted) throw e;
    throw new Problem("No connection to the server; is it there, and are you on its network?");
  }
}

// Calls one operation. Options: query; body (JSON text); etag, known from an earlier answer; once, an Idempotency-Key;
// signal. Answers { data, etag, unchanged }; throws a Problem for what is no success.
export async function call(operation, variables = {}, { query = {}, signal, ...options } = {}) {
  const [method, path] = OPERATIONS[operation];
  // what is read belongs to the reader of this tab: the browser keeps none of it
  const answer = await send(address(path, variables, query), {
    method, signal, body: options.body, headers: headersOf(options), cache: "no-store", credentials: "omit",
    redirect: "error",
  });
  if (answer.status === 304) return { data: null, etag: options.etag, unchanged: true };
  if (!answer.ok) {
    const problem = await problemOf(answer);
    if (answer.status === 401) refused(problem);
    throw problem;
  }
  return { data: parse(await answer.text()), etag: answer.headers.get("ETag"), unchanged: false };
}
