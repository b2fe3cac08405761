"""The management API of agents, workflows and runs (port 8000): each of its endpoints, at its base address, without
any credentials, as its first version has it."""
import os
import signal
import uuid

import pytest

from support.shape import like
from support.stack import everywhere, wait_until

AGENT = {"id": 1, "name": "x", "url": "x", "description": "x", "auth_type": "none", "timeout_ms": 30000,
         "retry_config": {"max_retries": 3, "initial_delay_ms": 1000, "max_delay_ms": 30000, "backoff_multiplier": 2.0},
         "status": "active", "created_at": "x", "updated_at": "x"}
RUN = {"id": 1, "run_id": 1, "workflow_id": 1, "workflow_definition_id": 1, "status": "running", "input_data": {},
       "triggered_by": "x", "created_at": "x"}
PAGE = {"items": [], "total": 1, "page": 1, "page_size": 20, "limit": 20, "offset": 0}


@pytest.fixture(scope="module")
def management(stack, recorder):
    """A caller without credentials, who is an editor."""
    user = stack.api.ok("POST", "/api/v1/users", json={"name": f"anybody-{uuid.uuid4().hex[:8]}", "kind": "service",
                                                       "roles": ["editor"], "scopes": ["workflow-management"]})
    client = stack.local("management", key="")

    def set_to(principal, status):
        stack.configure(anonymous_principal=principal)
        os.kill(stack.api_pid, signal.SIGHUP)
        wait_until(lambda: everywhere(lambda: client.get("/api/v1/agents").status_code == status))

    set_to(user["id"], 200)
    yield client
    set_to(0, 401)


def sent(client, method, path, **options):
    answer = client.request(method, path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def make_agent(management, url, **more):
    return sent(management, "POST", "/api/v1/agents", json={
        "name": f"agent-{uuid.uuid4().hex[:8]}", "url": url, "description": "carries out steps", "auth_type": "none",
        "timeout_ms": 5000, "retry_config": {"max_retries": 0, "initial_delay_ms": 100, "max_delay_ms": 1000,
                                             "backoff_multiplier": 2.0}, **more})


def test_agents(management, receiver):
    made = like(AGENT, make_agent(management, receiver.url + "/agent"))
    path = f"/api/v1/agents/{made['id']}"
    like({**PAGE, "items": [{"id": 1, "name": "x", "status": "active"}]}, sent(management, "GET", "/api/v1/agents?status=active"))
    assert sent(management, "GET", path) == sent(management, "GET", f"/api/v1/agents/{made['name']}")
    assert sent(management, "GET", path + "/")["id"] == made["id"]
    assert sent(management, "GET", path + "/health")["status"] == "healthy"
    got = {**sent(management, "GET", path), "timeout_ms": 7000}
    assert sent(management, "PUT", path, json=got)["timeout_ms"] == 7000
    assert sent(management, "DELETE", path)["id"] == made["id"]
    assert made["id"] not in [a["id"] for a in sent(management, "GET", "/api/v1/agents?limit=1000")["items"]], "a soft delete"


@pytest.mark.parametrize("wrong, path", [
    ({"auth_type": "magic"}, "auth_type"), ({"timeout_ms": 1}, "timeout_ms"), ({"timeout_ms": 600001}, "timeout_ms"),
    ({"url": "not a url"}, "url"), ({"retry_config": {"max_retries": -1}}, "retry_config.max_retries")])
def test_agents_are_validated(management, wrong, path):
    answer = management.post("/api/v1/agents", {"name": uuid.uuid4().hex, "url": "https://a.example.com", **wrong})
    assert answer.status_code == 400 and path in answer.json()["details"], answer.text


def executor_file(agent):
    """A workflow as the command line's JSON files have it."""
    return {"name": f"executor-{uuid.uuid4().hex[:8]}", "start_step": "extract", "steps": {
        "extract": {"id": "extract", "agent_name": agent, "next_step": "transform",
                    "input_mapping": {"source": "${workflow.input.source}"}},
        "transform": {"id": "transform", "agent_name": agent, "next_step": None,
                      "input_mapping": {"rows": "${extract.output.rows}", "mode": "full"}}}}


def as_list(file):
    return {**file, "name": file["name"] + "-list", "steps": list(file["steps"].values())}


def as_definition(file):
    return {"name": file["name"] + "-definition", "definition": {"start_step": file["start_step"], "steps": file["steps"]}}


@pytest.mark.parametrize("form", [dict, as_list, as_definition])
def test_executor_files(management, receiver, form):
    receiver.on("/agent", 200, {"rows": [1, 2]})
    agent = make_agent(management, receiver.url + "/agent")
    file = form(executor_file(agent["name"]))
    made = sent(management, "POST", "/api/v1/workflows", json=file)
    assert [s["name"] for s in made["steps"]] == ["extract", "transform"]
    run = sent(management, "POST", f"/api/v1/workflows/{made['id']}/execute", json={"input": {"source": "a.csv"}})
    assert management.wait_run(run["run_id"])["status"] == "completed", management.run(run["run_id"])["error"]
    called = [r.json for r in receiver.wait("/agent", 2)]
    assert called == [{"source": "a.csv"}, {"rows": [1, 2], "mode": "full"}]


def test_workflows_versions_and_audit(management, stack):
    step = {"name": "a", "type": "log", "config": {"message": "one"}}
    made = sent(management, "POST", "/api/v1/workflows", json={"name": uuid.uuid4().hex, "steps": [step]})
    path = f"/api/v1/workflows/{made['id']}"
    like({"id": 1, "name": "x", "version": 1, "status": "active", "created_at": "x", "updated_at": "x"}, made)
    changed = sent(management, "PUT", path, json={"steps": [{**step, "config": {"message": "two"}}]})
    assert changed["version"] == 2
    versions = like({**PAGE, "items": [{"version": 1, "created_at": "x"}]}, sent(management, "GET", path + "/versions"))
    assert sorted(v["version"] for v in versions["items"]) == [1, 2]
    found = sent(management, "GET", f"/api/v1/workflows?search={made['name']}&ordering=-created_at&page=1&page_size=5")
    assert [w["id"] for w in found["items"]] == [made["id"]]
    by = sent(management, "GET", f"/api/v1/workflows?search={made['name']}&sort_by=created_at&sort_order=desc")
    assert [w["id"] for w in by["items"]] == [made["id"]]
    assert sent(management, "DELETE", path)["status"] == "deleted"
    rows = stack.api.ok("GET", f"/api/v1/audit-logs?entity_type=workflow&entity_id={made['id']}")["items"]
    assert {r["action"] for r in rows} >= {"created", "updated", "deleted"}
    like({"entity_type": "x", "entity_id": 1, "action": "x", "user_id": 1, "changes": {}, "timestamp": "x"},
         next(r for r in rows if r["action"] == "updated"))


def test_structure_is_validated(management):
    wrong = [[{"name": "a", "type": "noop", "depends_on": ["b"]}, {"name": "b", "type": "noop", "depends_on": ["a"]}],
             [{"name": "a", "type": "noop", "depends_on": ["nowhere"]}], [{"name": "a", "agent_name": "nobody-here"}]]
    for steps in wrong:
        answer = management.post("/api/v1/workflows", {"name": uuid.uuid4().hex, "steps": steps})
        assert answer.status_code == 400 and answer.json()["details"], answer.text


def test_runs(management, receiver):
    receiver.on("/agent", 500, {})
    agent = make_agent(management, receiver.url + "/agent")
    made = sent(management, "POST", "/api/v1/workflows", json=executor_file(agent["name"]))
    run = sent(management, "POST", f"/api/v1/workflows/{made['id']}/execute", json={"input_data": {"source": "x"}})
    path = f"/api/v1/runs/{run['run_id']}"
    assert management.wait_run(run["run_id"])["status"] == "failed"
    like({**RUN, "error": {}}, sent(management, "GET", path))
    listed = sent(management, "GET", f"/api/v1/runs?status=FAILED&workflow_id={made['id']}&from=2025-01-01T00:00:00Z"
                                     "&to=2099-01-01T00:00:00Z&page=1&page_size=10")
    assert [r["id"] for r in listed["items"]] == [run["run_id"]] and listed["total"] == 1
    steps = sent(management, "GET", path + "/steps")["items"]
    assert steps[0]["status"] == "failed" and steps[0]["step_name"] == "extract"
    assert sent(management, "GET", path + "/logs")["items"]
    receiver.on("/agent", 200, {"rows": []})
    sent(management, "POST", path + "/retry")
    wait_until(lambda: management.run(run["run_id"])["status"] == "completed")


def test_cancel(management):
    made = sent(management, "POST", "/api/v1/workflows", json={
        "name": uuid.uuid4().hex, "steps": [{"name": "wait", "type": "delay", "config": {"seconds": 3600}}]})
    run = sent(management, "POST", f"/api/v1/workflows/{made['id']}/execute", json={})["run_id"]
    sent(management, "POST", f"/api/v1/runs/{run}/cancel")
    ended = management.wait_run(run)
    like({**RUN, "cancelled_at": "x", "cancelled_by": "x"}, ended)
    assert ended["status"] == "cancelled"


def test_system(management):
    assert sent(management, "GET", "/health")["status"] == "healthy"
    assert sent(management, "GET", "/health/ready")["components"]["database"] == "healthy"
    metrics = management.get("/metrics")
    assert metrics.status_code == 200 and "http_requests_total" in metrics.text
    for page in ("/docs", "/redoc"):
        answer = management.get(page)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert sent(management, "GET", "/openapi.json")["openapi"].startswith("3.0")
    refused = management.get("/api/v1/runs/999000999")
    assert refused.status_code == 404 and refused.headers["X-Request-ID"] == refused.json()["correlation_id"]
