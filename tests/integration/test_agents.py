"""Steps that agents carry out, by real processes: how each auth_type knows us, limits, breakers, what is kept back."""
import base64
import threading
import uuid

import pytest

from support.stack import TERMINAL, wait_until

CANARY = "canary-a91c7e"


def agent(stack, receiver, path="/work", **more):
    return stack.api.ok("POST", "/api/v1/agents", json={"name": f"a-{uuid.uuid4().hex[:8]}", "url": receiver.url + path, **more})


def step(agent, name="ask", **more):
    return {"name": name, "type": "agent", "config": {"agent": agent, "payload": {"text": "{{trigger.text ?? 'x'}}"}}, **more}


def run(stack, steps, **input):
    workflow = stack.api.workflow(steps)["id"]
    return stack.api.execute(workflow, input=input)["run_id"]


def ended(stack, id):
    return stack.api.wait_run(id, TERMINAL, timeout=60)


def token_endpoint(receiver, **more):
    receiver.on("/token", 200, {"access_token": CANARY + "-token", "token_type": "Bearer", "expires_in": 3600, **more})


@pytest.mark.parametrize("auth_type,config,check", [
    ("none", None, lambda r: "authorization" not in r.headers),
    ("api_key", {"key": CANARY}, lambda r: r.headers["x-api-key"] == CANARY),
    ("api_key", {"key": CANARY, "header": "X-Mine"}, lambda r: r.headers["x-mine"] == CANARY),
    ("api_key", {"key": CANARY, "in": "query", "name": "k"}, lambda r: r.query == f"k={CANARY}"),
    ("bearer", {"token": CANARY}, lambda r: r.headers["authorization"] == f"Bearer {CANARY}"),
    ("basic", {"username": "us", "password": CANARY},
     lambda r: base64.b64decode(r.headers["authorization"][6:]).decode() == f"us:{CANARY}"),
    ("oauth2", {"client_id": "us", "client_secret": CANARY, "scope": "a b"},
     lambda r: r.headers["authorization"] == f"Bearer {CANARY}-token"),
])
def test_each_way_to_know_us(stack, receiver, auth_type, config, check):
    if auth_type == "oauth2":
        config = {**config, "token_url": receiver.url + "/token"}
        token_endpoint(receiver)
    receiver.on("/work", 200, {"summary": "short"})
    made = agent(stack, receiver, auth_type=auth_type, **({"auth_config": config} if config else {}))
    id = run(stack, [step(made["name"]), {"name": "use", "type": "log", "config": {"message": "{{steps.ask.summary}}"}}], text="long")
    assert ended(stack, id)["status"] == "completed"
    asked = receiver.of("/work")[0]
    assert asked.method == "POST" and asked.json == {"text": "long"} and check(asked)
    assert asked.headers["idempotency-key"] and asked.headers["x-request-id"]
    for table in ("journal", "runs", "run_states", "audit_logs", "agent_calls"):
        held = stack.rows(f"select count(*) as n from millrace.{table} t where strpos(t::text, '{CANARY}') > 0")
        assert held[0]["n"] == 0, table
    wait_until(lambda: stack.rows(f"select count(*) as n from millrace.agent_calls where agent_id = {made['id']}")[0]["n"] == 0, 20)
    status = stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")
    assert status["calls"] == 1 and status["success_rate"] == 100


def test_a_token_is_fetched_once_and_again_after_a_refusal(stack, receiver):
    token_endpoint(receiver)
    made = agent(stack, receiver, auth_type="oauth2", auth_config={
        "token_url": receiver.url + "/token", "client_id": "us", "client_secret": CANARY})
    for _ in range(2):
        assert ended(stack, run(stack, [step(made["id"])]))["status"] == "completed"
    assert len(receiver.of("/token")) == 1
    receiver.on("/work", lambda r: (401, {}) if len(receiver.of("/token")) == 1 else (200, {}))
    assert ended(stack, run(stack, [step(made["id"])]))["status"] == "completed"
    assert len(receiver.of("/token")) == 2


def test_a_token_endpoint_that_fails_is_tried_again(stack, receiver):
    receiver.on("/token", lambda r: (503, {"echo": CANARY}) if len(receiver.of("/token")) == 1 else (
        200, {"access_token": "t", "expires_in": 60}))
    made = agent(stack, receiver, auth_type="oauth2", retry_config={"initial_delay_ms": 1}, auth_config={
        "token_url": receiver.url + "/token", "client_id": "us", "client_secret": CANARY})
    assert ended(stack, run(stack, [step(made["id"])]))["status"] == "completed"


def test_the_agents_own_retries(stack, receiver):
    receiver.on("/work", lambda r: (503, {"echo": r.headers["authorization"], "why": "tired"}))
    made = agent(stack, receiver, auth_type="bearer", auth_config={"token": CANARY},
                 retry_config={"max_retries": 1, "initial_delay_ms": 1, "jitter": False})
    failed = ended(stack, run(stack, [step(made["id"])]))
    assert failed["status"] == "failed" and failed["error"]["type"] == "http.503" and failed["error"]["status_code"] == 503
    # what the service says is kept, but for what it knows us by
    assert "tired" in failed["error"]["data"]["body"] and CANARY not in str(failed)
    assert len(receiver.of("/work")) == 2


def test_as_many_calls_as_it_takes(stack, receiver):
    gate = threading.Event()
    receiver.on("/work", lambda _: (gate.wait(60), (200, {}))[1])
    made = agent(stack, receiver, max_concurrency=1)
    runs = [run(stack, [step(made["id"])]) for _ in range(3)]
    receiver.wait("/work", 1)
    wait_until(lambda: stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")["load"]["queued"] == 2, 20)
    status = stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")
    assert status["load"]["running"] == 1 and status["availability"] == "busy" and len(receiver.of("/work")) == 1
    gate.set()
    assert [ended(stack, r)["status"] for r in runs] == ["completed"] * 3


def test_a_breaker_opens_and_closes(stack, receiver):
    receiver.on("/work", 500, {})
    made = agent(stack, receiver)
    failed = ended(stack, run(stack, [step(made["id"], retry={"max_attempts": 5, "delay": 0.001})]))
    assert failed["status"] == "failed"
    wait_until(lambda: stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")["circuit"]["state"] == "open", 20)
    receiver.on("/work", 200, {})
    waiting = run(stack, [step(made["id"])])
    wait_until(lambda: stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")["load"]["queued"] == 1, 20)
    assert len(receiver.of("/work")) == 5
    stack.psql(f"update millrace.agent_breakers set open_until = now() where agent_id = {made['id']}")
    assert ended(stack, waiting)["status"] == "completed"
    wait_until(lambda: stack.api.ok("GET", f"/api/v1/agents/{made['id']}/status")["circuit"]["state"] == "closed", 20)


def test_by_capability(stack, receiver):
    mark = uuid.uuid4().hex
    agent(stack, receiver, path="/other", capabilities=["a" + mark])
    agent(stack, receiver, path="/work", capabilities=["a" + mark, "b" + mark])
    steps = [{"name": "s", "type": "agent", "requires": ["a" + mark, "b" + mark]}]
    assert ended(stack, run(stack, steps))["status"] == "completed"
    assert len(receiver.of("/work")) == 1 and not receiver.of("/other")


def test_agents_exist_and_are_active_when_saved(stack, receiver):
    idle = agent(stack, receiver, status="inactive")
    body = {"name": uuid.uuid4().hex, "steps": [step("nobody-has-this", "a"), step(idle["name"], "b"), {"name": "c", "type": "agent"}]}
    answer = stack.api.post("/api/v1/workflows", body)
    assert answer.status_code == 400 and "steps[2].config" in str(answer.json()["details"]) + "steps[2].config"
    body["steps"] = body["steps"][:2]
    details = stack.api.post("/api/v1/workflows", body).json()["details"]
    assert set(details) == {"steps[0].config.agent", "steps[1].config.agent"}, details


def test_one_that_workflows_use_stays(stack, receiver):
    made = agent(stack, receiver)
    workflow = stack.api.workflow([step(made["name"])])
    for answer in (stack.api.delete(f"/api/v1/agents/{made['id']}"), stack.api.patch(f"/api/v1/agents/{made['id']}", {"name": "n" + uuid.uuid4().hex})):
        assert answer.status_code == 409 and answer.json()["error_code"] == "AGENT_IN_USE", answer.text
    assert stack.api.delete(f"/api/v1/workflows/{workflow['id']}").status_code == 200
    assert stack.api.delete(f"/api/v1/agents/{made['id']}").status_code == 200


def test_an_executor_file(stack, receiver):
    receiver.on("/work", 200, {"summary": "short"})
    made = agent(stack, receiver)
    body = {"name": uuid.uuid4().hex, "start_step": "read", "steps": {
        "read": {"agent_name": made["name"], "next_step": "write", "input_mapping": {"topic": "${workflow.input.topic}"}},
        "write": {"agent_name": made["name"], "next_step": None, "input_mapping": {"text": "${read.output.summary}"}}}}
    workflow = stack.api.ok("POST", "/api/v1/workflows", json=body)
    id = stack.api.execute(workflow["id"], input={"topic": "rivers"})["run_id"]
    assert ended(stack, id)["status"] == "completed"
    assert [r.json for r in receiver.of("/work")] == [{"topic": "rivers"}, {"text": "short"}]


def test_inactive_at_run_time(stack, receiver):
    made = agent(stack, receiver)
    workflow = stack.api.workflow([step(made["name"], retry={"max_attempts": 1})])["id"]
    stack.api.ok("PATCH", f"/api/v1/agents/{made['id']}", json={"status": "maintenance"})
    failed = ended(stack, stack.api.execute(workflow)["run_id"])
    assert failed["status"] == "failed" and failed["error"]["type"] == "agent.unavailable", failed
