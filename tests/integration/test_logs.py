"""What the processes write down at level debug: one id from a request to the agent's call, every statement, and no value."""
import json
import uuid

import pytest

from support.stack import TERMINAL, Stack, wait_until

CANARY = "canary-5f2b19"


@pytest.fixture(scope="module")
def loud():
    s = Stack("logs", settings={"log_level": "debug", "api_workers": "1"})
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.fixture
def agents(loud):
    loud.receiver.clear()
    return loud.receiver


def lines(stack, service, mark):
    return [json.loads(t) for t in stack.log(service).splitlines() if mark in t]


def test_one_id_from_the_request_to_the_call(loud, agents):
    agents.on("/work", 200, {"summary": "short"})
    made = loud.api.ok("POST", "/api/v1/agents", json={"name": f"a-{uuid.uuid4().hex[:8]}", "url": agents.url + "/work"})
    workflow = loud.api.workflow([{"name": "ask", "type": "agent", "config": {"agent": made["name"], "payload": {"text": "{{trigger.text}}"}}}])["id"]
    mark = "trace-" + uuid.uuid4().hex
    run = loud.api.ok("POST", f"/api/v1/workflows/{workflow}/execute",
                      json={"input": {"text": CANARY}}, headers={"X-Request-ID": mark})["run_id"]
    assert loud.api.wait_run(run, TERMINAL, timeout=60)["status"] == "completed"
    assert agents.wait("/work", 1)[0].headers["x-request-id"] == mark
    access, = wait_until(lambda: lines(loud, "access", mark))
    assert (access["method"], access["path"], access["status"]) == ("POST", f"/api/v1/workflows/{workflow}/execute", 202)

    told = wait_until(lambda: (t := lines(loud, "api", mark)) and any(e["event"] == "request answered" for e in t) and t)
    answered, = [e for e in told if e["event"] == "request answered"]
    assert (answered["method"], answered["route"], answered["status"]) == ("POST", "/api/v1/workflows/{id}/execute", 202)
    assert answered["duration_us"] > 0 and answered["level"] == "debug"
    asked = [e for e in told if e["event"] == "statement"]
    assert "workflow_execute" in {e["statement"] for e in asked}
    assert all("$1" in e["detail"] for e in asked), asked

    facts = wait_until(lambda: (t := lines(loud, "engine", mark)) and "completed" in {e.get("type") for e in t} and t)
    assert [e["type"] for e in facts if e["event"] == "journalled"][0] == "started"
    assert {e["type"] for e in facts} >= {"started", "step.started", "step.completed", "completed"}
    assert all(e["run_id"] == run and e["workflow_id"] == workflow for e in facts if e["event"] == "journalled")
    done, = [e for e in facts if e["type"] == "step.completed"]
    assert done["step"] == "ask" and done["attempt"] == 1 and done["duration_us"] >= 0


def test_a_run_that_fails_is_told_at_info(loud):
    workflow = loud.api.workflow([{"name": "fail", "type": "log", "config": {"message": "{{trigger.missing}}"}}])["id"]
    run = loud.api.execute(workflow, input={})["run_id"]
    assert loud.api.wait_run(run, TERMINAL, timeout=60)["status"] == "failed"
    failed = wait_until(lambda: [e for e in lines(loud, "engine", f'"run_id":{run},') if e.get("type") == "failed"])
    assert failed[0]["level"] == "info"


def test_no_value_is_written_down(loud, agents):
    """In a body, a header, a query, a secret and an agent's answer."""
    agents.on("/work", 200, {"summary": CANARY})
    loud.api.ok("POST", "/api/v1/secrets", json={"name": "hidden", "value": CANARY})
    made = loud.api.ok("POST", "/api/v1/agents", json={"name": f"a-{uuid.uuid4().hex[:8]}", "url": agents.url + "/work", "auth_type": "bearer",
                                                      "auth_config": {"token": CANARY}, "description": CANARY})
    workflow = loud.api.workflow([{"name": "ask", "type": "agent", "config": {"agent": made["name"], "payload": {"text": "{{secrets.hidden}}"}}},
                                  {"name": "say", "type": "log", "config": {"message": "{{steps.ask.summary}}"}}])["id"]
    run = loud.api.execute(workflow, input={"text": CANARY})["run_id"]
    assert loud.api.wait_run(run, TERMINAL, timeout=60)["status"] == "completed"
    loud.api.ok("GET", f"/api/v1/workflows?search={CANARY}", headers={"X-Mine": CANARY})
    loud.api.get("/api/v1/me", headers={"Authorization": f"Bearer {CANARY}"})
    assert loud.api.post("/api/v1/workflows", {"name": CANARY, "steps": [{"name": CANARY, "type": CANARY}]}).status_code == 400
    end = "end-" + uuid.uuid4().hex
    loud.api.get("/api/v1/me", headers={"X-Request-ID": end})
    wait_until(lambda: lines(loud, "access", end) and lines(loud, "api", end))
    for file in loud.log_dir.iterdir():
        assert CANARY not in file.read_text(errors="replace"), file
