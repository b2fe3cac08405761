"""Workflows made of templates, S4's way and S0's: what is laid over them, what is filled in, what is missing."""
import uuid

import pytest

from tests.support.stack import wait_until

from .test_templates import LOG, SEED, TEMPLATES, code, make, unique

USE = f"{TEMPLATES}/create-workflow"
SIMPLE = {"steps": [{"name": "http_request", "type": "http_request", "config": {"url": "", "method": "GET", "headers": {}}}]}


def from_template(client, template, **body):
    return client.post(f"/api/v1/workflows/from-template/{template}", body)


def test_the_seeds_way(admin):
    made = admin.ok("POST", TEMPLATES, json={**SEED, "name": unique()})
    body = {"template_id": made["id"], "workflow_name": unique("Daily Data Sync"),
            "workflow_description": "Daily synchronization workflow created from template",
            "custom_config": {"steps": [{"name": "fetch_data", "config": {"url": "https://api.example.com/data"}}]},
            "cron_schedule": "0 9 * * *", "is_scheduled": False, "trigger_on_file_upload": False}
    answer = admin.post(USE, body)
    assert answer.status_code == 201, answer.text
    w = answer.json()
    assert answer.headers["Location"] == f"/api/v1/workflows/{w['id']}" and w["name"] == body["workflow_name"]
    assert w["description"] == body["workflow_description"] and w["template_id"] == made["id"] and w["template_version"] == "1.0.0"
    first = w["workflow_config"]["steps"][0]["config"]
    assert first["url"] == "https://api.example.com/data" and first["headers"] == {"Authorization": "Bearer {{api_token}}"}
    assert w["trigger_config"] == SEED["default_trigger_config"] and w["tags"] == ["api", "integration", "custom"]
    assert admin.ok("GET", f"{TEMPLATES}/{made['id']}")["usage_count"] == 1
    assert code(admin.post(USE, body)) == (409, "WORKFLOW_NAME_TAKEN")
    assert code(admin.post(USE, {**body, "is_scheduled": True})) == (400, "VALIDATION_FAILED")
    assert admin.ok("GET", f"/api/v1/workflows/{w['id']}")["template_id"] == made["id"]


def test_what_is_filled_in(admin):
    made = make(admin, template_config={"steps": [
        {"name": "call", "type": "http_request", "config": {"url": "", "headers": {"Authorization": "Bearer {{token}} ü {{ token + '!' }}"}}},
        {"name": "say", "type": "log", "config": {"message": "{{greeting}} {{steps.call.status_code}}", "level": "info"}},
        {"name": "each", "type": "foreach", "config": {"items": "{{things}}", "as": "thing", "steps": [
            {"name": "one", "type": "log", "config": {"message": "{{thing}} {{index}} {{greeting}}"}}]}}]},
        variables=[{"name": "greeting", "type": "string", "description": "How to begin", "default": "hello"},
                   {"name": "token", "type": "string", "description": "What the service knows us by"},
                   {"name": "things", "type": "array", "required": False}])
    shown = admin.ok("GET", f"/api/v1/workflow-templates/{made['slug']}")
    schema = shown.pop("parameters")
    assert shown == made and schema["required"] == ["url", "token"] and schema["additionalProperties"] is False
    assert schema["properties"] == {
        "url": {"type": "string", "x-path": "steps[0].config.url"},
        "token": {"type": "string", "description": "What the service knows us by", "x-path": "steps[0].config.headers.Authorization"},
        "greeting": {"type": "string", "description": "How to begin", "default": "hello", "x-path": "steps[1].config.message"},
        "things": {"type": "array", "x-path": "steps[2].config.items"}}
    missing = from_template(admin, made["slug"])
    assert code(missing) == (400, "VALIDATION_FAILED")
    assert missing.json()["details"] == {
        "parameters.url": ["is needed at steps[0].config.url"],
        "parameters.token": ["is needed at steps[0].config.headers.Authorization: What the service knows us by"]}
    wrong = from_template(admin, made["slug"], parameters={"call.url": "", "token": "a {{b}}", "nothing": 1}).json()["details"]
    assert set(wrong) == {"parameters.url", "parameters.token", "parameters.nothing"}
    name = unique("filled")
    answer = from_template(admin, made["slug"], name=name, parameters={
        "call.url": "https://example.com/", "token": "{{secrets.TOKEN}}", "things": [1, 2]})
    assert answer.status_code == 201, answer.text
    steps, config = answer.json()["workflow_config"]["steps"], answer.json()["workflow_config"]
    assert steps[0]["config"] == {"url": "https://example.com/",
                                  "headers": {"Authorization": "Bearer {{(secrets.TOKEN)}} ü {{ (secrets.TOKEN) + '!' }}"}}
    assert steps[1]["config"]["message"] == "{{vars.greeting}} {{steps.call.status_code}}"
    assert steps[2]["config"]["items"] == "{{vars.things}}"
    assert steps[2]["config"]["steps"][0]["config"]["message"] == "{{thing}} {{index}} {{vars.greeting}}"
    assert config["vars"] == {"greeting": "hello", "things": [1, 2]}


def test_it_runs(admin):
    made = make(admin)
    answer = from_template(admin, made["name"].replace(" ", "%20"), name=unique("runs"), parameters={"who": "you"}, start=True)
    assert answer.status_code == 201, answer.text
    run = answer.json()["run_id"]
    assert admin.wait_run(run)["status"] == "completed"
    assert "hello you" in admin.get(f"/api/v1/runs/{run}/logs").text
    left_open = from_template(admin, made["id"], name=unique("open"), input={"who": "there"})  # what is open, the input has
    assert left_open.status_code == 201
    run = left_open.json()["run_id"]
    assert admin.wait_run(run)["status"] == "completed" and "hello there" in admin.get(f"/api/v1/runs/{run}/logs").text
    assert admin.ok("GET", f"{TEMPLATES}/{made['id']}")["usage_count"] == 2


def test_refusals(admin, stack):
    made = make(admin)
    path = f"/api/v1/workflows/from-template/{made['slug']}"
    assert code(admin.post(USE, {"template_id": 9007199254740991, "workflow_name": "x"})) == (404, "TEMPLATE_NOT_FOUND")
    assert code(admin.post(USE, {"template_id": "no-such", "workflow_name": "x"})) == (404, "TEMPLATE_NOT_FOUND")
    assert code(from_template(admin, "no-such")) == (404, "TEMPLATE_NOT_FOUND")
    assert code(admin.get("/api/v1/workflow-templates/no-such")) == (404, "TEMPLATE_NOT_FOUND")
    unknown = admin.post(USE, {"template_id": made["id"], "workflow_name": unique(),
                               "custom_config": {"steps": [{"name": "sya", "config": {}}, {"config": {}}]}})
    assert code(unknown) == (400, "VALIDATION_FAILED")
    assert set(unknown.json()["details"]) == {"custom_config.steps[0].name", "custom_config.steps[1].name"}
    bad = admin.post(USE, {"template_id": made["id"], "workflow_name": unique(),
                           "custom_config": {"steps": [{"name": "say", "config": {"level": "loud"}}]}})
    assert set(bad.json()["details"]) == {"workflow_config.steps[0].config.level"}
    name = unique("taken")
    assert from_template(admin, made["slug"], name=name).status_code == 201
    assert code(from_template(admin, made["slug"], name=name)) == (409, "WORKFLOW_NAME_TAKEN")
    assert from_template(admin, made["slug"], name=name, input={"who": "x"}).status_code == 201  # a starting one uses it
    w = admin.ok("GET", f"/api/v1/workflows?search={name}")["items"][0]
    admin.ok("PATCH", f"/api/v1/workflows/{w['id']}", json={"is_enabled": False})
    assert code(from_template(admin, made["slug"], name=name, start=True)) == (409, "WORKFLOW_NOT_ACTIVE")
    both = from_template(admin, made["slug"], name=name, input={"a": 1}, input_data={"a": 2})
    assert code(both) == (400, "VALIDATION_FAILED")
    for address, body in ((path, {"name": unique()}), (USE, {"template_id": made["slug"], "workflow_name": unique()})):
        key = {"Idempotency-Key": uuid.uuid4().hex}
        first = admin.post(address, body, headers=key)
        assert first.status_code == 201 and admin.post(address, body, headers=key).json()["id"] == first.json()["id"]
        assert code(admin.post(address, {**body, "tags": "x"}, headers=key)) == (409, "IDEMPOTENCY_KEY_REUSED")
    admin.ok("PATCH", f"{TEMPLATES}/{made['id']}", json={"is_active": False})
    assert code(from_template(admin, made["slug"])) == (409, "TEMPLATE_NOT_ACTIVE")
    assert code(admin.post(USE, {"template_id": made["id"], "workflow_name": "x"})) == (409, "TEMPLATE_NOT_ACTIVE")
    admin.ok("PATCH", f"{TEMPLATES}/{made['id']}", json={"is_active": True})


def test_steps_that_come_later_are_named(admin):
    made = make(admin, template_config={"steps": [{"name": "ask", "type": "approval", "approver": "manager"}]})
    answer = from_template(admin, made["slug"], name=unique())
    assert code(answer) == (400, "VALIDATION_FAILED") and "workflow_config.steps[0].type" in answer.json()["details"]


def test_the_list_of_the_library(admin):
    mark = uuid.uuid4().hex[:8]
    made = [make(admin, name=f"{mark} {i}", is_public=i < 2) for i in range(3)]
    got = admin.ok("GET", f"/api/v1/workflow-templates?search={mark}")
    assert got["items"] == made[:2] and got["total"] == 2
    assert admin.ok("GET", f"/api/v1/workflow-templates?search={mark}&public_only=false")["total"] == 3
    page = admin.ok("GET", f"/api/v1/workflow-templates?search={mark}&limit=1")
    assert admin.ok("GET", f"/api/v1/workflow-templates/{page['items'][0]['slug']}")["parameters"]["type"] == "object"
    rest = admin.ok("GET", f"/api/v1/workflow-templates?search={mark}&limit=1&cursor={page['next_cursor']}")
    assert page["items"] + rest["items"] == made[:2] and rest["next_cursor"] is None
    assert code(admin.get("/api/v1/workflow-templates?cursor=x")) == (400, "CURSOR_INVALID")


def test_how_a_template_is_used(admin, other):
    made = make(admin, is_public=True, template_config={"steps": [
        {"name": "judge", "type": "conditional", "config": {
            "condition": "{{trigger.bad}}", "true_action": {"type": "raise", "config": {"type": "refused", "message": "no"}},
            "false_action": {"type": "log", "config": {"message": "well"}}}}]})
    path = f"{TEMPLATES}/{made['id']}/usage-stats"
    nothing = admin.ok("GET", path)
    assert nothing["usage_count"] == nothing["execution_count"] == 0 and nothing["template_name"] == made["name"]
    assert {nothing[k] for k in ("last_used_at", "success_rate", "avg_execution_time_ms", "max_execution_time_ms", "last_execution_at")} == {None}
    workflows = [from_template(admin, made["slug"], name=unique()).json()["id"] for _ in range(2)]
    runs = [admin.execute(w, trigger_data={"bad": bad})["run_id"] for w, bad in zip(workflows * 2, (False, False, False, True))]
    assert [admin.wait_run(r)["status"] for r in runs] == ["completed"] * 3 + ["failed"]
    used = wait_until(lambda: (u := admin.ok("GET", path))["execution_count"] == 4 and u, message="the runs are not counted")
    assert used["usage_count"] == 2 == admin.ok("GET", f"{TEMPLATES}/{made['id']}")["usage_count"]
    assert used["executions"] == {"completed": 3, "failed": 1, "cancelled": 0, "timed_out": 0, "compensated": 0}
    assert used["success_rate"] == 75 and 0 < used["avg_execution_time_ms"] <= used["max_execution_time_ms"]
    assert used["last_execution_at"] >= used["last_used_at"] > "2025"
    assert admin.ok("GET", f"{TEMPLATES}/{made['slug']}/usage-stats") == used
    assert code(other.get(path)) == (404, "TEMPLATE_NOT_FOUND")
