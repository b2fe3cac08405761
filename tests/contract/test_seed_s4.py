"""The workflow management API of automation services (port 8006) and of its saga orchestrator (port 8008): each example
of its document (seeds/s4.md) is sent to its base address, and each answer is like the documented one."""
import json
import uuid
from urllib.parse import quote

import pytest

from support.documents import letter_pdf, letter_scan
from support.seeds import Seed
from support.shape import differences, like
from support.stack import ROOT, wait_until

S4 = Seed("s4")
LISTED = S4.take("List Templates", "Response")
CATEGORIES = S4.take("Get Template Categories", "Response")
CUSTOM = S4.take("Create Template", "Request")
FROM_TEMPLATE = S4.take("Create Workflow from Template", "Request")
DATA_PROCESSING = S4.take("Create Workflow", "Request")
EXECUTE, STARTED = S4.take("Execute Workflow", "Request"), S4.take("Execute Workflow", "Response")
EXECUTIONS = S4.take("Get Workflow Executions", "Response")
STEPS = S4.take("Get Execution Steps (Enhanced tracking)", "Response")
HEALTH = S4.take("Health Check", "Response")
START_SAGA = S4.take("Start SAGA", "Request")
VARIABLES = S4.take("Example Usage")
ERROR = S4.take("Error Response Format")
PIPELINE = S4.take("Example Complete Workflow")
SAGA = {"saga_id": 1, "saga_type": "workflow_execution", "status": "running", "correlation_id": "x", "steps": []}


def test_every_example_is_replayed():
    assert S4.left() == [("Webhook Payload Format", "")], "webhooks aren't served yet"


def at(receiver, example):
    """The example, its services replaced by ours."""
    text = json.dumps(example).replace("https://hooks.slack.com/...", receiver.url + "/hook")
    return json.loads(text.replace("https://api.example.com", receiver.url))


@pytest.fixture(scope="module")
def automation(stack, recorder):
    return stack.local("automation")


@pytest.fixture(scope="module")
def orchestrator(stack, recorder):
    return stack.local("saga")


def sent(client, method, path, **options):
    answer = client.request(method, path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def workflow(automation):
    """The documented one, as it stands; it goes at the end, since its name is taken and uploads start it."""
    made = sent(automation, "POST", "/api/v1/workflows", json=DATA_PROCESSING)
    yield made
    automation.delete(f"/api/v1/workflows/{made['id']}")


def run_it(automation, receiver):
    """The documented workflow and the documented request to execute it, carried out on a real PDF."""
    receiver.on("/sync", 200, {"response_id": "abc123"})
    file = sent(automation, "POST", "/api/v1/files", files={"file": ("a.pdf", letter_pdf(), "application/pdf")})
    made = sent(automation, "POST", "/api/v1/workflows", json={
        **at(receiver, DATA_PROCESSING), "name": f"data-{uuid.uuid4().hex[:8]}",
        "trigger_on_file_upload": False, "trigger_config": {"type": "manual", "enabled": True}})
    request = {"trigger_data": {**EXECUTE["trigger_data"], "file_id": str(file["id"])}}
    started = sent(automation, "POST", f"/api/v1/workflows/{made['id']}/execute", json=request)
    like(STARTED, started)
    assert started["message"] == STARTED["message"] and started["workflow_id"] == made["id"]
    run = automation.wait_run(started["execution_id"])
    assert run["status"] == "completed", run["error"]
    assert run["input_data"] == request["trigger_data"]
    return made["id"], started["execution_id"]


def test_create_list_get_update_delete(automation, workflow):
    like(DATA_PROCESSING, workflow)
    assert all(workflow[k] == v for k, v in DATA_PROCESSING.items())
    for query in ("", "?status=active&limit=100&offset=0", "?status=ACTIVE"):
        listed = sent(automation, "GET", "/api/v1/workflows" + query)
        assert (listed["limit"], listed["offset"]) == (100, 0) and listed["items"]
        # among the first hundred of a tenant that has more it may not be
        found = sent(automation, "GET", f"/api/v1/workflows{query}{'&' if query else '?'}search={quote(workflow['name'])}")
        assert workflow["id"] in [w["id"] for w in found["items"]]
    path = f"/api/v1/workflows/{workflow['id']}"
    got = sent(automation, "GET", path)
    assert got["workflow_config"] == DATA_PROCESSING["workflow_config"]
    got["description"] = "edited"
    assert sent(automation, "PUT", path, json=got)["description"] == "edited"
    assert sent(automation, "DELETE", path)["status"] == "deleted"
    assert workflow["id"] in [w["id"] for w in sent(automation, "GET", "/api/v1/workflows?status=deleted&limit=1000")["items"]]


def test_a_name_that_is_taken(automation, workflow):
    answer = automation.post("/api/v1/workflows", DATA_PROCESSING)
    assert answer.status_code == 409
    like(ERROR, answer.json())


def test_execute_executions_and_steps(automation, receiver):
    workflow, execution = run_it(automation, receiver)
    answer = automation.get(f"/api/v1/workflows/{workflow}/executions?status=completed&limit=50&offset=0")
    assert answer.status_code == 200 and answer.headers["X-Total-Count"] == "1"
    assert answer.json() == automation.get(f"/api/v1/workflows/{workflow}/executions").json(), "these are the defaults"
    # what a service answered is the member "json" of a result; expressions find it without that word, too
    differs = differences(EXECUTIONS, answer.json())
    assert differs == ["$[0].result_data.sync_data.response_id: is missing"], differs
    result = answer.json()[0]["result_data"]
    assert result["sync_data"]["json"]["response_id"] == EXECUTIONS[0]["result_data"]["sync_data"]["response_id"]
    assert (answer.json()[0]["trigger_type"], answer.json()[0]["id"]) == (EXECUTIONS[0]["trigger_type"], execution)
    steps = sent(automation, "GET", f"/api/v1/workflows/executions/{execution}/steps")
    like(STEPS, steps[:2])
    assert [s["step_order"] for s in steps] == [1, 2, 3, 4]
    for example, step in zip(STEPS, steps):
        assert {m: step[m] for m in ("step_order", "step_name", "step_type", "status", "retry_count")} == {
            m: example[m] for m in ("step_order", "step_name", "step_type", "status", "retry_count")}
    assert steps[0]["input_data"]["file_id"] == steps[1]["input_data"]["file_id"] == answer.json()[0]["input_data"]["file_id"]
    assert automation.get(f"/api/v1/workflows/executions/{execution}").json()["id"] == execution
    assert receiver.wait("/sync", 1)[0].json == {"content": result["extract_content"]["content"]}
    assert receiver.wait("/hook", 1)[0].json["message"] == "File processing completed successfully"


def test_retry_a_failed_step(automation, receiver):
    receiver.on("/r", 404, {})
    made = sent(automation, "POST", "/api/v1/workflows", json={"name": f"r-{uuid.uuid4().hex}", "workflow_config": {"steps": [
        {"name": "call", "type": "http_request", "config": {"url": receiver.url + "/r", "method": "GET"}}]}})
    run = sent(automation, "POST", f"/api/v1/workflows/{made['id']}/execute", json={"trigger_data": {}})["execution_id"]
    assert automation.wait_run(run)["status"] == "failed"
    step = sent(automation, "GET", f"/api/v1/workflows/executions/{run}/steps")[0]
    assert step["status"] == "failed"
    receiver.on("/r", 200, {})
    sent(automation, "POST", f"/api/v1/workflows/steps/{step['id']}/retry")
    wait_until(lambda: automation.run(run)["status"] == "completed")


def test_health(automation, receiver):
    run_it(automation, receiver)  # so that there is a rate of success
    body = wait_until(lambda: (h := sent(automation, "GET", "/health"))["metrics"]["success_rate_24h"] is not None and h)
    like(HEALTH, body)
    assert body["status"] == HEALTH["status"] and {body["components"][c] for c in HEALTH["components"]} == {"healthy"}


def test_sagas(automation, orchestrator, receiver):
    workflow, execution = run_it(automation, receiver)
    request = {**START_SAGA, "correlation_id": f"workflow-{workflow}-execution-{execution}",
               "input_data": {**START_SAGA["input_data"], "workflow_id": workflow, "execution_id": execution,
                              "workflow_config": DATA_PROCESSING["workflow_config"]}}
    started = like(SAGA, sent(orchestrator, "POST", "/api/v1/sagas/start", json=request))
    assert (started["correlation_id"], started["tenant_id"]) == (request["correlation_id"], "automation-services")
    assert started["execution_id"] == execution, "it is attached, not started again"
    saga = like(SAGA, sent(orchestrator, "GET", f"/api/v1/sagas/{started['saga_id']}"))
    assert saga["steps"] == sent(automation, "GET", f"/api/v1/workflows/executions/{execution}/steps")
    assert started["saga_id"] in [s["saga_id"] for s in sent(orchestrator, "GET", "/api/v1/sagas/")["items"]]
    del request["input_data"]["execution_id"], request["input_data"]["workflow_id"]
    request["input_data"]["workflow_config"] = {"steps": [{"name": "wait", "type": "delay", "config": {"seconds": 3600}}]}
    waiting = sent(orchestrator, "POST", "/api/v1/sagas/start", json=request)
    like({"saga_id": 1}, sent(orchestrator, "POST", f"/api/v1/sagas/{waiting['saga_id']}/cancel"))
    wait_until(lambda: sent(orchestrator, "GET", f"/api/v1/sagas/{waiting['saga_id']}")["status"] == "cancelled")


def test_publish_an_event(orchestrator):
    published = sent(orchestrator, "POST", "/api/v1/events/publish", json={
        "event_type": "workflow_completed", "source": "automation-services", "data": {"workflow_id": 123}})
    like({"event_id": 1, "event_type": "x", "source": "x", "data": {"workflow_id": 123}}, published)


def test_variables(automation, receiver):
    """The example of context variables, its host replaced by ours."""
    receiver.on("/data/user_456", 200, {"data": {"items": [1, 2]}})
    made = sent(automation, "POST", "/api/v1/workflows", json={
        "name": f"v-{uuid.uuid4().hex}", "workflow_config": at(receiver, VARIABLES)})
    run = sent(automation, "POST", f"/api/v1/workflows/{made['id']}/execute", json={"trigger_data": {"user_id": "user_456"}})
    ended = automation.wait_run(run["execution_id"])
    assert ended["result_data"]["process_response"]["processed_items"] == [1, 2], ended
    assert receiver.wait("/data/user_456", 1)[0].headers["x-execution-id"] == str(run["execution_id"])


def test_errors(automation, stack):
    for answer, status in ((automation.get("/api/v1/workflows/999000999"), 404),
                           (automation.post("/api/v1/workflows", {}), 400),
                           (stack.local("automation", key="").get("/api/v1/workflows"), 401),
                           (stack.local("automation", key="your-api-key-here").get("/api/v1/workflows"), 401)):
        assert answer.status_code == status
        like(ERROR, answer.json())
        assert answer.json()["path"] == answer.request.path_url
    gone = automation.get("/api/v1/workflows/999000999").json()
    assert gone["error_code"] == ERROR["error_code"] and gone["path"] == "/api/v1/workflows/999000999"


@pytest.mark.parametrize("path, rate", [
    ("/api/v1/templates", "templates"), ("/api/v1/workflows", "monitoring"), ("/api/v1/runs", "monitoring")])
def test_limits_are_told(automation, recorder, path, rate):
    answer = automation.get(path)
    assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(answer.headers)
    assert recorder.document.operation("GET", path)[1]["x-rate-limit-class"] == rate


@pytest.mark.parametrize("name, make, media_type", [
    ("letter.pdf", letter_pdf, "application/pdf"), ("scan.png", letter_scan, "image/png")])
def test_document_processing_pipeline(automation, receiver, name, make, media_type):
    """The complete example, as it stands, from the upload that starts it to its notification."""
    definition = json.loads((ROOT / "examples" / "document-processing-pipeline.json").read_text())
    assert definition == PIPELINE
    receiver.on("/documents", 201, {"id": "doc-77"})
    made = sent(automation, "POST", "/api/v1/workflows", json=definition)
    try:
        like(definition, made)
        file = sent(automation, "POST", "/api/v1/files", files={"file": (name, make(), media_type)})
        started = [r["id"] for r in file["runs"] if r["workflow_id"] == made["id"]]
        assert len(started) == 1
        run = automation.wait_run(started[0])
        assert (run["status"], run["trigger_type"]) == ("completed", "file_upload"), run
        saved = receiver.wait("/documents", 1)[0].json
        assert not differences({"extracted_text": "x", "word_count": 1}, saved), saved
        assert saved["word_count"] > 10 and str(saved["processed_at"]) == str(run["id"])
        told = receiver.wait("/webhook", 1)[0].json
        assert told["message"] == f"Document {file['id']} processed successfully. Database ID: doc-77"
    finally:
        automation.delete(f"/api/v1/workflows/{made['id']}")


# ---- templates ----

@pytest.fixture
def template(automation):
    """The documented one, as it stands; it goes at the end."""
    made = sent(automation, "POST", "/api/v1/templates", json=CUSTOM)
    yield made
    automation.delete(f"/api/v1/templates/{made['id']}")


def test_templates(automation, template):
    # what the document sends comes back as it was sent, but for tags, which are a list in answers
    assert {k: template[k] for k in CUSTOM if k != "tags"} == {k: v for k, v in CUSTOM.items() if k != "tags"}
    assert template["tags"] == ["api", "integration", "custom"] and template["usage_count"] == 0
    for query in ("", "?category=integration", "?public_only=true&search=Custom%20Integration&tags=api,custom&page=1&page_size=20"):
        listed = sent(automation, "GET", "/api/v1/templates" + query)
        assert list(listed) == list(LISTED) and (listed["page"], listed["page_size"]) == (1, 20)
        # what a step's config holds is each template's own
        anything = {**LISTED["templates"][0], "template_config": {}}
        like({**LISTED, "templates": [anything]}, {**listed, "templates": [
            {**t, "description": t["description"] or "", "category": t["category"] or ""} for t in listed["templates"]]})
        assert [t["id"] for t in listed["templates"]].count(template["id"]) == 1, query
    assert automation.get("/api/v1/templates?page_size=100").status_code == 200
    assert automation.get("/api/v1/templates?page_size=101").status_code == 400
    path = f"/api/v1/templates/{template['id']}"
    assert sent(automation, "GET", path) == template
    changed = sent(automation, "PUT", path, json={**template, "description": "Another"})
    assert (changed["description"], changed["template_config"]) == ("Another", template["template_config"])
    assert sent(automation, "DELETE", path)["id"] == template["id"]
    assert automation.get(path).status_code == 404


def test_the_documented_template_ships(automation):
    """The one that the document lists is in the library, the same but for its id, its use and its times."""
    example = LISTED["templates"][0]
    found = sent(automation, "GET", "/api/v1/templates?search=Simple%20HTTP%20Request")["templates"]
    shipped = next(t for t in found if t["name"] == example["name"])
    like(example, shipped)
    for member in set(example) - {"id", "usage_count", "created_at", "updated_at"}:
        assert shipped[member] == example[member], member


def test_template_categories(automation, template):
    body = like(CATEGORIES, sent(automation, "GET", "/api/v1/templates/categories"))
    named = {c["name"]: c for c in body["categories"]}
    assert list(body) == list(CATEGORIES) and body["total"] == len(named)
    for example in CATEGORIES["categories"]:
        assert named[example["name"]]["display_name"] == example["display_name"] and named[example["name"]]["count"] >= 1


def test_a_workflow_from_a_template(automation, template):
    request = {**FROM_TEMPLATE, "template_id": template["id"], "workflow_name": f"Daily Data Sync {uuid.uuid4().hex[:6]}"}
    refused = automation.post("/api/v1/templates/create-workflow", request)
    assert refused.status_code == 400 and list(refused.json()["details"]) == ["is_scheduled"], "schedules aren't served yet"
    made = sent(automation, "POST", "/api/v1/templates/create-workflow", json={**request, "is_scheduled": False})
    assert (made["name"], made["description"]) == (request["workflow_name"], FROM_TEMPLATE["workflow_description"])
    assert made["trigger_on_file_upload"] is FROM_TEMPLATE["trigger_on_file_upload"] and made["status"] == "active"
    taken = automation.post("/api/v1/templates/create-workflow", {**request, "is_scheduled": False})
    assert taken.status_code == 409 and list(taken.json()["details"]) == ["workflow_name"], "as the body calls it"
    steps, custom = made["workflow_config"]["steps"], FROM_TEMPLATE["custom_config"]["steps"][0]
    assert steps[0]["config"] == {**CUSTOM["template_config"]["steps"][0]["config"], **custom["config"]}
    assert steps[1] == CUSTOM["template_config"]["steps"][1]
    assert sent(automation, "GET", f"/api/v1/templates/{template['id']}")["usage_count"] == 1
