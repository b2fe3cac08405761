#!/usr/bin/env python3
"""The Postman collection and its environment: postman.py RAW-COLLECTION OPENAPI.json VERSION FOLDER

openapi-to-postmanv2 makes a request of every operation, in the document's order and for nothing that is there. Here
they are put into an order in which they can be sent: what is made is kept in a variable (its id, its ETag) for the requests
that need it, and is deleted at the end. Each has to be answered by a success. WALK is that order; an operation that it lacks
is an error, so a new one has to find its place. What needs the key of somebody else is passed over where the environment
has none.
"""
import copy
import json
import pathlib
import re
import sys

METHODS = ("get", "post", "put", "patch", "delete")


def step(operation, *, path=None, query=None, body=None, keep=None, headers=None, until=None):
    """path, query: what the address has; body: sent instead of the document's example; keep: {variable: place in the
    answer}, or {variable: "ETag"}; until: the answer's status that is waited for, by asking again."""
    return operation, {"path": path or {}, "query": query or {}, "body": body, "keep": keep or {}, "headers": headers or {}, "until": until}


def family(word, variable, made, body, *between, key="id", change=None, put=True, keep="id"):
    """Make one, list, read, change, whatever else, in the order of their names."""
    at = {key: "{{%s}}" % variable}
    plural = word + "s"
    yield step("list" + plural)
    yield step(made, body=body, keep={variable: keep})
    yield step("get" + word, path=at, keep={variable + "_etag": "ETag"})
    if put:
        yield step("put" + word, path=at, body=change, headers={"If-Match": "{{%s_etag}}" % variable})
    yield step("update" + word, path=at, body=change)
    yield from between


WORKFLOW, RUN, TEMPLATE, PROCESS = ({"id": "{{workflow_id}}"}, {"id": "{{run_id}}"}, {"template": "{{template_id}}"}, {"template": "{{process_id}}"})
GROUP, FAILED = {"id": "{{group_id}}"}, {"id": "{{failed_run_id}}"}
SAID = {"description": "said by Postman"}
# a run of it greets, and then sleeps as long as its input says, or fails where that says nothing
STEPS = [{"name": "greet", "type": "log", "config": {"message": "Hello, {{trigger.name ?? 'you'}}"}},
         {"name": "sleep", "type": "delay", "config": {"seconds": "{{trigger.seconds}}"}}]
SLEEPS, FAILS, ENDS = ({"input": {"name": "Ada", **more}} for more in ({"seconds": 3600}, {}, {"seconds": 0}))


def failing():
    """A run that has failed."""
    yield step("executeWorkflow", path=WORKFLOW, body=FAILS, keep={"failed_run_id": "run_id"})
    yield step("getRun", path=FAILED, until="failed")


WALK = [
    *(step(o) for o in ("getSystemHealth", "getReadiness", "getOpenapi", "getLanguageSchema", "getHealth", "getStatus", "getMetrics", "getMe")),
    step("getSystemMetrics"),
    *family("User", "user_id", "createUser", {"name": "postman-{{run}}"}, change=SAID),
    *family("Group", "group_id", "createGroup", {"name": "postman-{{run}}"}, change=SAID),
    step("putGroupMember", path={**GROUP, "user_id": "{{user_id}}"}), step("listGroupMembers", path=GROUP),
    *family("ApiKey", "key_id", "createApiKey", {"name": "postman-{{run}}", "scopes": ["read-only"]}, change={"name": "postman-{{run}}-2"}, put=False),
    step("rotateApiKey", path={"id": "{{key_id}}"}),
    *family("Issuer", "issuer_id", "createIssuer", {
        "issuer": "https://{{run}}.example.com", "audience": "millrace", "algorithm": "ES256", "jwks_url": "https://id.example.com/keys",
        "is_enabled": False}, change={"is_enabled": False}),
    *family("Secret", "secret_id", "createSecret", {"name": "postman_{{run}}", "value": "not a real one"}, key="secret", change=SAID),
    *family("Agent", "agent_id", "createAgent", {"name": "postman-{{run}}", "url": "https://agents.example.com/work"}, key="agent", change=SAID),
    step("getAgentStatus", path={"agent": "{{agent_id}}"}), step("getAgentHealth", path={"agent": "{{agent_id}}"}),
    step("evaluateExpression"), step("validateWorkflow"),
    *family("Workflow", "workflow_id", "createWorkflow", {"name": "Postman {{run}}", "steps": STEPS}, change=SAID),
    *(step(o, path=WORKFLOW) for o in ("getWorkflowNormalized", "listWorkflowVersions")),
    step("getWorkflowVersion", path={**WORKFLOW, "version": "1"}),
    step("getWorkflowVersionDiff", path={**WORKFLOW, "base": "1", "other": "1"}),
    step("restoreWorkflowVersion", path={**WORKFLOW, "version": "1"}),
    step("executeWorkflow", path=WORKFLOW, body=SLEEPS, keep={"run_id": "run_id"}), step("getRun", path=RUN, until="running"),
    step("listRuns"), *(step(o, path=RUN) for o in ("listRunEvents", "listRunLogs", "explainRun", "getExecution", "listRunSteps")),
    step("listExecutionSteps", path=RUN), step("explainRunStep", path={**RUN, "name": "greet"}),
    step("pauseRun", path=RUN), step("getRun", path=RUN, until="paused"), step("resumeRun", path=RUN), step("getRun", path=RUN, until="running"),
    step("updateRun", path=RUN, body={"parameters": {"limit": 5}}), step("sendRunSignal", path={**RUN, "name": "go"}, body={"ok": True}),
    step("listWorkflowExecutions", path=WORKFLOW), step("listWorkflowLogs", path=WORKFLOW),
    step("pauseWorkflow", path=WORKFLOW), step("resumeWorkflow", path=WORKFLOW),
    step("rerunRun", path=RUN, body={"priority": 3}, keep={"rerun_id": "run_id"}),
    step("cancelRun", path=RUN), step("getRun", path=RUN, until="cancelled"), step("cancelWorkflow", path=WORKFLOW),
    step("getRun", path={"id": "{{rerun_id}}"}, until="cancelled"),
    *failing(), step("getRunStepOutput", path={**FAILED, "name": "greet"}), step("listRunSteps", path=FAILED, keep={"step_execution_id": "items.1.id"}),
    step("retryStep", path={"step_execution_id": "{{step_execution_id}}"}, body=ENDS), step("getRun", path=FAILED, until="completed"),
    *failing(), step("retryWorkflowStep", path={**WORKFLOW, "step": "sleep"}, body=ENDS), step("getRun", path=FAILED, until="completed"),
    *failing(), step("retryRun", path=FAILED, body=ENDS), step("getRun", path=FAILED, until="completed"),
    step("bulkRuns", body={"op": "cancel", "ids": ["{{run_id}}"]}),
    step("bulkWorkflows", body={"op": "pause", "ids": ["{{workflow_id}}"], "dry_run": True}),
    step("startSaga", body={"saga_type": "postman", "input_data": {"workflow_id": "{{workflow_id}}", "seconds": 3600}}, keep={"saga_id": "saga_id"}),
    step("listSagas"), step("getSaga", path={"id": "{{saga_id}}"}), step("cancelSaga", path={"id": "{{saga_id}}"}),
    *family("Template", "template_id", "createTemplate", {"name": "Postman {{run}}", "template_config": {"steps": STEPS}}, key="template", change=SAID),
    step("getTemplateCategories"), step("getTemplateUsage", path=TEMPLATE), step("listWorkflowTemplates"), step("getWorkflowTemplate", path=TEMPLATE),
    step("createWorkflowFromTemplate", body={"template_id": "{{template_id}}", "workflow_name": "Postman {{run}}, of a template"}),
    step("createFromTemplate", path=TEMPLATE, body={"name": "Postman {{run}}, of a template too"}),
    step("listWorkflowProcessTemplates"),
    step("processTemplatesWorkflow", body={"name": "Postman process {{run}}", "process_steps": STEPS}, keep={"process_id": "id"}),
    step("getProcessTemplate", path=PROCESS), step("putProcessTemplate", path=PROCESS, body=SAID), step("updateProcessTemplate", path=PROCESS, body=SAID),
    step("exportBlueprint", path=PROCESS), step("importBlueprint", body={"name": "Postman blueprint {{run}}", "process_steps": STEPS}),
    step("uploadFile", query={"name": "table.csv"}, body="one,two\n1,2\n", headers={"Content-Type": "text/csv"}, keep={"file_id": "id"}),
    step("listFiles"), step("getFile", path={"id": "{{file_id}}"}), step("getFileContent", path={"id": "{{file_id}}"}),
    step("publishEvent", body={"event_type": "postman.{{run}}"}, keep={"event_id": "id"}), step("listEvents"), step("getEvent", path={"id": "{{event_id}}"}),
    step("listAuditLogs", keep={"audit_id": "items.0.id"}), step("getAuditLog", path={"id": "{{audit_id}}"}),
    *(step(o) for o in ("listAnalyticsUsage", "listAnalyticsErrors", "listAnalyticsLatency")),
    *family("Tenant", "tenant_id", "createTenant", {"name": "postman-{{run}}"}, change=SAID),
    step("suspendTenant", path={"id": "{{tenant_id}}"}, body={"reason": "a test"}), step("activateTenant", path={"id": "{{tenant_id}}"}),
    step("deleteWorkflow", path=WORKFLOW), step("undeleteWorkflow", path=WORKFLOW),
    step("deleteGroupMember", path={**GROUP, "user_id": "{{user_id}}"}),
    step("deleteProcessTemplate", path=PROCESS), step("deleteTemplate", path=TEMPLATE), step("deleteFile", path={"id": "{{file_id}}"}),
    step("deleteAgent", path={"agent": "{{agent_id}}"}), step("deleteSecret", path={"secret": "{{secret_id}}"}),
    step("deleteIssuer", path={"id": "{{issuer_id}}"}), step("deleteApiKey", path={"id": "{{key_id}}"}),
    step("deleteGroup", path=GROUP), step("deleteUser", path={"id": "{{user_id}}"}),
]


def requests(node):
    """Every request of a collection, at any depth."""
    for item in node.get("item", []):
        yield from requests(item) if "item" in item else [item]


def address(item):
    return item["request"]["method"], "/" + "/".join(re.sub(r"^:(\w+)$", r"{\1}", p) for p in item["request"]["url"]["path"])


def place(text):
    return f"'{text}'.split('.').reduce((v, k) => v?.[k], pm.response.json())"


def waiting(status):
    """Asks again, a minute long."""
    return [f"if ({place('status')} !== '{status}' && Number(pm.collectionVariables.get('left') ?? 300) > 0) {{",
            "  pm.collectionVariables.set('left', Number(pm.collectionVariables.get('left') ?? 300) - 1);",
            "  pm.execution.setNextRequest(pm.info.requestId);",
            "  setTimeout(() => {}, 200);",
            "} else {",
            "  pm.collectionVariables.unset('left');",
            f"  pm.test('it has come to be {status}', () => pm.expect({place('status')}).to.equal('{status}'));",
            "}"]


def script(operation, told):
    """Checks the answer and keeps what later requests need."""
    good = [int(s) for s in operation["responses"] if s.startswith("2")]
    lines = [f"pm.test('the status is one of {', '.join(map(str, good))}', () => pm.expect(pm.response.code).to.be.oneOf({good}));",
             "pm.test('the request has a name', () => pm.response.to.have.header('X-Request-ID'));"]
    for variable, where in told["keep"].items():
        value = "pm.response.headers.get('ETag')" if where == "ETag" else place(where)
        lines.append(f"pm.test('it tells {variable}', () => pm.expect({value}).to.exist);")
        lines.append(f"pm.collectionVariables.set('{variable}', {value});")
    return lines + (waiting(told["until"]) if told["until"] else [])


def key_of(operation):
    """The environment's variable with what the operation is asked with, where that isn't the key of all the others."""
    if operation["operationId"] == "getSystemMetrics":
        return "metrics_token"
    return "platform_key" if operation.get("x-platform") else None


def scripts(operation, told):
    def listen(event, lines):
        return {"listen": event, "script": {"type": "text/javascript", "exec": lines}}

    key = key_of(operation)
    before = [listen("prerequest", [f"if (!pm.environment.get('{key}')) pm.execution.skipRequest();"])] if key else []
    return [*before, listen("test", script(operation, told))]


def bearer(variable):
    return {"type": "bearer", "bearer": [{"key": "token", "value": "{{%s}}" % variable, "type": "string"}]}


def example(operation):
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example", next((e["value"] for e in content.get("examples", {}).values()), None))


def filled(item, operation, told):
    """The converter's request, with addresses and bodies that can be sent."""
    request = copy.deepcopy(item["request"])
    for variable in request["url"].get("variable", []):
        variable["value"] = told["path"][variable["key"]]
    for argument in request["url"].get("query", []):
        argument["disabled"] = argument["key"] not in told["query"]
        argument["value"] = told["query"].get(argument["key"], argument["value"])
    kept = [h for h in request.get("header", []) if h["key"] in ("Content-Type", "Accept") and h["key"] not in told["headers"]]
    request["header"] = kept + [{"key": k, "value": v} for k, v in told["headers"].items()]
    body = told["body"] if told["body"] is not None else example(operation)
    if body is not None:
        is_text = isinstance(body, str)
        request["body"] = {"mode": "raw", "raw": body if is_text else json.dumps(body, indent=2),
                           "options": {"raw": {"language": "text" if is_text else "json"}}}
    request.pop("auth", None)  # the collection's
    if key_of(operation):
        request["auth"] = bearer(key_of(operation))
    name = f"{operation['tags'][0]}: {operation['summary']}" + (f" Until it is {told['until']}." if told["until"] else "")
    return {"name": name, "request": request, "event": scripts(operation, told), "response": []}


def collection(raw, document, version):
    operations = {o["operationId"]: (m.upper(), p, o) for p, item in document["paths"].items() for m, o in item.items() if m in METHODS}
    found = {address(item): item for item in requests(raw)}
    walked = {name for name, _ in WALK}
    assert walked == set(operations), walked ^ set(operations)
    items = [filled(found[operations[name][:2]], operations[name][2], told) for name, told in WALK]
    begin = ["if (!pm.collectionVariables.get('run')) pm.collectionVariables.set('run', Math.random().toString(36).slice(2, 10));"]
    return {
        "info": {"name": f"Millrace {version}", "description": "Every operation of the API, in an order in which they can be sent one after the other: "
                 "each makes what the next ones need, and the last ones delete it. Choose the environment and set its key; what needs "
                 "platform_key or metrics_token is passed over where they aren't set.",
                 "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "auth": bearer("key"),
        "event": [{"listen": "prerequest", "script": {"type": "text/javascript", "exec": begin}}],
        "variable": [{"key": "run", "value": ""}],
        "item": items,
    }


def environment(version):
    return {"name": f"Millrace {version}", "_postman_variable_scope": "environment", "values": [
        {"key": "baseUrl", "value": "https://localhost", "type": "default", "enabled": True},
        *({"key": key, "value": "", "type": "secret", "enabled": True} for key in ("key", "platform_key", "metrics_token"))]}


def main(raw, document, version, folder):
    read = lambda path: json.loads(pathlib.Path(path).read_text("utf-8"))
    for kind, made in (("collection", collection(read(raw), read(document), version)), ("environment", environment(version))):
        (pathlib.Path(folder) / f"millrace.postman_{kind}.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
