"""The requests of the workflow management API of automation services (port 8006) and of its saga orchestrator
(port 8008), as they are documented there, sent to their base addresses; answers are like the documented ones."""
import json
import uuid

import pytest

from support.documents import letter_pdf, letter_scan
from support.shape import differences, like
from support.stack import ROOT, wait_until

EXECUTION = {
    "id": 789, "workflow_id": 123, "trigger_type": "manual", "status": "completed", "execution_time_ms": 1500,
    "retry_count": 0, "created_at": "2025-01-08T10:00:00Z", "started_at": "2025-01-08T10:00:01Z",
    "completed_at": "2025-01-08T10:00:02Z",
    "result_data": {"validate_file": {"valid": True, "size": 1024}, "extract_content": {"content": "extracted text"},
                    "sync_data": {"status_code": 200}, "notify_completion": {"sent": True}}}
STEPS = [
    {"id": 1, "step_order": 1, "step_name": "validate_file", "step_type": "file_process", "status": "completed",
     "execution_time_ms": 250, "started_at": "2025-01-08T10:00:01Z", "completed_at": "2025-01-08T10:00:01.250Z",
     "input_data": {"file_id": "123"}, "output_data": {"valid": True, "size": 1024}, "retry_count": 0},
    {"id": 2, "step_order": 2, "step_name": "extract_content", "step_type": "file_process", "status": "completed",
     "execution_time_ms": 800, "started_at": "2025-01-08T10:00:01.250Z", "completed_at": "2025-01-08T10:00:02.050Z",
     "input_data": {"file_id": "123", "action": "extract"},
     "output_data": {"content": "extracted text", "word_count": 150}, "retry_count": 0}]
HEALTH = {
    "status": "healthy", "timestamp": "2025-01-08T10:00:00Z", "service": "automation-services", "version": "1.0.0",
    "components": {"database": "healthy", "redis": "healthy", "scheduler": "healthy", "saga_orchestrator": "healthy"},
    "metrics": {"total_workflows": 25, "active_executions": 3, "completed_executions_24h": 150,
                "failed_executions_24h": 2, "success_rate_24h": 98.7}}
ERROR = {"detail": "Workflow not found", "timestamp": "2025-01-08T10:00:00Z", "path": "/api/v1/workflows/999",
         "error_code": "WORKFLOW_NOT_FOUND"}
STARTED = {"message": "Workflow execution started", "execution_id": 789, "workflow_id": 123}
SAGA = {"saga_id": 1, "saga_type": "workflow_execution", "status": "running", "correlation_id": "x", "steps": []}


TEMPLATE = {
    "id": 1, "name": "Simple HTTP Request", "description": "Execute a simple HTTP request with optional data processing",
    "category": "integration", "template_config": {"steps": [
        {"name": "http_request", "type": "http_request", "config": {"url": "", "method": "GET", "headers": {}}}]},
    "default_trigger_config": {"type": "manual", "enabled": True}, "is_public": True, "version": "1.0.0", "usage_count": 5,
    "created_at": "2025-01-08T10:00:00Z", "updated_at": "2025-01-08T10:00:00Z"}
CATEGORIES = {"categories": [{"name": "integration", "count": 5, "display_name": "Integration"}], "total": 2}
CUSTOM = {
    "name": "Custom Integration Template", "description": "Custom template for API integrations", "category": "integration",
    "template_config": {"steps": [
        {"name": "fetch_data", "type": "http_request",
         "config": {"url": "{{api_endpoint}}", "method": "GET", "headers": {"Authorization": "Bearer {{api_token}}"}}},
        {"name": "process_data", "type": "data_transform",
         "config": {"transformations": [{"type": "extract", "path": "data.items", "key": "extracted_items"}]}}]},
    "default_trigger_config": {"type": "schedule", "enabled": False}, "default_cron_schedule": "0 9 * * 1", "is_public": True,
    "tags": "api,integration,custom"}


def data_processing(sync="https://api.example.com/sync", webhook="https://hooks.slack.com/..."):
    return {
        "name": "Data Processing Workflow", "description": "Process uploaded files and sync with external API",
        "workflow_config": {"steps": [
            {"name": "validate_file", "type": "file_process",
             "config": {"action": "validate", "file_id": "{{trigger.file_id}}"}},
            {"name": "extract_content", "type": "file_process",
             "config": {"action": "extract", "file_id": "{{trigger.file_id}}"}},
            {"name": "sync_data", "type": "http_request",
             "config": {"url": sync, "method": "POST", "data": {"content": "{{steps.extract_content.content}}"}}},
            {"name": "notify_completion", "type": "notification",
             "config": {"type": "webhook", "webhook_url": webhook,
                        "message": "File processing completed successfully"}}]},
        "trigger_config": {"type": "file_upload", "enabled": True}, "trigger_on_file_upload": True,
        "trigger_file_extensions": "pdf,docx,csv", "timeout_seconds": 600, "is_enabled": True}


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
    made = sent(automation, "POST", "/api/v1/workflows", json=data_processing())
    yield made
    automation.delete(f"/api/v1/workflows/{made['id']}")


def run_it(automation, receiver):
    """The documented workflow with a service of ours for its two addresses, carried out on a real PDF."""
    receiver.on("/sync", 200, {"response_id": "abc123"})
    file = sent(automation, "POST", "/api/v1/files", files={"file": ("a.pdf", letter_pdf(), "application/pdf")})
    made = sent(automation, "POST", "/api/v1/workflows", json={
        **data_processing(receiver.url + "/sync", receiver.url + "/hook"), "name": f"data-{uuid.uuid4().hex[:8]}",
        "trigger_on_file_upload": False, "trigger_config": {"type": "manual", "enabled": True}})
    started = sent(automation, "POST", f"/api/v1/workflows/{made['id']}/execute", json={"trigger_data": {
        "file_id": str(file["id"]), "user_id": "user_456", "custom_params": {"priority": "high"}}})
    like(STARTED, started)
    assert started["message"] == STARTED["message"] and started["workflow_id"] == made["id"]
    run = automation.wait_run(started["execution_id"])
    assert run["status"] == "completed", run["error"]
    return made["id"], started["execution_id"]


def test_create_list_get_update_delete(automation, workflow):
    like(data_processing(), workflow)
    assert all(workflow[k] == v for k, v in data_processing().items())
    for query in ("", "?status=active&limit=100&offset=0", "?status=ACTIVE"):
        assert workflow["id"] in [w["id"] for w in sent(automation, "GET", "/api/v1/workflows" + query)["items"]]
    path = f"/api/v1/workflows/{workflow['id']}"
    got = sent(automation, "GET", path)
    assert got["workflow_config"] == data_processing()["workflow_config"]
    got["description"] = "edited"
    assert sent(automation, "PUT", path, json=got)["description"] == "edited"
    assert sent(automation, "DELETE", path)["status"] == "deleted"
    assert workflow["id"] in [w["id"] for w in sent(automation, "GET", "/api/v1/workflows?status=deleted&limit=1000")["items"]]


def test_a_name_that_is_taken(automation, workflow):
    answer = automation.post("/api/v1/workflows", data_processing())
    assert answer.status_code == 409
    like(ERROR, answer.json())


def test_execute_executions_and_steps(automation, receiver):
    workflow, execution = run_it(automation, receiver)
    answer = automation.get(f"/api/v1/workflows/{workflow}/executions?status=completed&limit=50&offset=0")
    like([EXECUTION], answer.json())
    assert answer.status_code == 200 and answer.headers["X-Total-Count"] == "1"
    result = answer.json()[0]["result_data"]
    assert result["sync_data"]["json"]["response_id"] == "abc123"
    steps = sent(automation, "GET", f"/api/v1/workflows/executions/{execution}/steps")
    like(STEPS, steps[:2])
    assert [s["step_order"] for s in steps] == [1, 2, 3, 4]
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
    assert body["status"] == "healthy" and {body["components"][c] for c in HEALTH["components"]} == {"healthy"}


def test_sagas(automation, orchestrator, receiver):
    workflow, execution = run_it(automation, receiver)
    config = {"steps": [{"name": "a", "type": "log", "config": {"message": "x"}}]}
    request = {"saga_type": "workflow_execution", "correlation_id": f"workflow-{workflow}-execution-{execution}",
               "input_data": {"workflow_id": workflow, "execution_id": execution, "workflow_config": config,
                              "timeout_seconds": 600}, "tenant_id": "automation-services"}
    started = like(SAGA, sent(orchestrator, "POST", "/api/v1/sagas/start", json=request))
    assert (started["correlation_id"], started["tenant_id"]) == (request["correlation_id"], "automation-services")
    assert started["execution_id"] == execution, "it is attached, not started again"
    saga = like(SAGA, sent(orchestrator, "GET", f"/api/v1/sagas/{started['saga_id']}"))
    assert [s["step_name"] for s in saga["steps"]] == [s["name"] for s in data_processing()["workflow_config"]["steps"]]
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
    made = sent(automation, "POST", "/api/v1/workflows", json={"name": f"v-{uuid.uuid4().hex}", "workflow_config": {"steps": [
        {"name": "api_call", "type": "http_request",
         "config": {"url": receiver.url + "/data/{{trigger.user_id}}", "headers": {"X-Execution-ID": "{{execution_id}}"}}},
        {"name": "process_response", "type": "data_transform",
         "config": {"source_data": "{{steps.api_call.json}}",
                    "transformations": [{"type": "extract", "path": "data.items", "key": "processed_items"}]}}]}})
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
    gone = automation.get("/api/v1/workflows/999000999").json()
    assert gone["error_code"] == "WORKFLOW_NOT_FOUND" and gone["path"] == "/api/v1/workflows/999000999"


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
    fields = {**TEMPLATE, "template_config": {"steps": [{"name": "x", "type": "x", "config": {}}]}}
    for query in ("", "?category=integration", "?public_only=true&search=Custom%20Integration&tags=api,custom&page=1&page_size=20"):
        listed = sent(automation, "GET", "/api/v1/templates" + query)
        like({"templates": [], "total": 10, "page": 1, "page_size": 20}, listed)
        mine = [t for t in listed["templates"] if t["id"] == template["id"]]
        assert len(mine) == 1, query
        like(fields, {**mine[0], "template_config": {"steps": mine[0]["template_config"]["steps"]}})
    path = f"/api/v1/templates/{template['id']}"
    assert sent(automation, "GET", path) == template
    changed = sent(automation, "PUT", path, json={**template, "description": "Another"})
    assert (changed["description"], changed["template_config"]) == ("Another", template["template_config"])
    assert sent(automation, "DELETE", path)["id"] == template["id"]
    assert automation.get(path).status_code == 404


def test_template_categories(automation, template):
    body = like(CATEGORIES, sent(automation, "GET", "/api/v1/templates/categories"))
    named = {c["name"]: c for c in body["categories"]}
    assert named["integration"]["display_name"] == "Integration" and named["integration"]["count"] >= 1
    assert named["file-processing"]["display_name"] == "File Processing" and body["total"] == len(named)


def test_a_workflow_from_a_template(automation, template):
    made = sent(automation, "POST", "/api/v1/templates/create-workflow", json={
        "template_id": template["id"], "workflow_name": f"Daily Data Sync {uuid.uuid4().hex[:6]}",
        "workflow_description": "Daily synchronization workflow created from template",
        "custom_config": {"steps": [{"name": "fetch_data", "config": {"url": "https://api.example.com/data"}}]},
        "cron_schedule": "0 9 * * *", "is_scheduled": False, "trigger_on_file_upload": False})
    like({"id": 1, "name": "Daily Data Sync", "description": "x", "status": "active", "created_at": "x"}, made)
    steps = made["workflow_config"]["steps"]
    assert steps[0]["config"] == {**CUSTOM["template_config"]["steps"][0]["config"], "url": "https://api.example.com/data"}
    assert steps[1] == CUSTOM["template_config"]["steps"][1]
    assert sent(automation, "GET", f"/api/v1/templates/{template['id']}")["usage_count"] == 1
