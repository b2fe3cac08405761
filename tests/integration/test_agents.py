"""Steps that agents carry out, by real processes: how each auth_type knows us, limits, breakers, what is kept back."""
import base64
import threading
import time
import uuid

import pytest

from support.runs import Engine
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


def test_an_executor_file_that_is_a_list(stack, receiver):
    """The other form of it: ids with hyphens, references to them, and where to begin."""
    receiver.on("/work", lambda r: (200, {"summary": "of " + str(r.json)}))
    made = agent(stack, receiver)
    body = {"name": uuid.uuid4().hex, "start_step": "research-topic", "steps": [
        {"id": "write-report", "agent": made["name"], "next_step": None,
         "input_mapping": {"text": "${research-topic.output.summary}", "for": "${workflow.input.reader}"}},
        {"id": "research-topic", "agent_name": made["name"], "next_step": "write-report",
         "input_mapping": {"topic": "${workflow.input.topic}", "depth": 2}}]}
    workflow = stack.api.ok("POST", "/api/v1/workflows", json=body)
    id = stack.api.execute(workflow["id"], input={"topic": "rivers", "reader": "Ada"})["run_id"]
    assert ended(stack, id)["status"] == "completed"
    first, second = (r.json for r in receiver.of("/work"))
    assert first == {"topic": "rivers", "depth": 2} and second == {"text": f"of {first}", "for": "Ada"}


def test_a_step_that_validates(stack, receiver):
    """The step that the event streams of the API show: validate_input, whose agent answers {status, data}."""
    receiver.on("/work", 200, {"status": "valid", "data": "..."})
    made = agent(stack, receiver, name=f"agent_validator_{uuid.uuid4().hex[:6]}x", capabilities=["validation"])
    id = run(stack, [{"name": "validate_input", "type": "agent", "agent": made["name"], "config": {"payload": "{{trigger}}"}},
                     {"name": "go_on", "type": "log", "config": {"message": "go on"}, "when": "steps.validate_input.status == 'valid'"}],
             order=7)
    assert ended(stack, id)["status"] == "completed"
    assert receiver.of("/work")[0].json == {"order": 7}
    shown = {s["step_name"]: s for s in stack.api.steps(id)}
    assert shown["validate_input"]["status"] == shown["go_on"]["status"] == "completed"
    done = stack.rows(f"select data from millrace.journal where run_id = {id} and kind = 'step.completed' and step = 'validate_input'")
    assert {"status": "valid", "data": "..."} in done[0]["data"].values()


def test_inactive_at_run_time(stack, receiver):
    made = agent(stack, receiver)
    workflow = stack.api.workflow([step(made["name"], retry={"max_attempts": 1})])["id"]
    stack.api.ok("PATCH", f"/api/v1/agents/{made['id']}", json={"status": "maintenance"})
    failed = ended(stack, stack.api.execute(workflow)["run_id"])
    assert failed["status"] == "failed" and failed["error"]["type"] == "agent.unavailable", failed


# ---- whose turn it is, and why one waits ----

def status(stack, agent):
    return stack.api.ok("GET", f"/api/v1/agents/{agent['id']}/status")


def waits(stack, agent, count):
    wait_until(lambda: status(stack, agent)["load"]["queued"] == count, 20, message=f"not {count} steps wait")


def gated(receiver, path="/work"):
    """Calls of it wait until the gate is open."""
    gate = threading.Event()
    receiver.on(path, lambda _: (gate.wait(60), (200, {}))[1])
    return gate


def texts(receiver):
    return [r.json["text"] for r in receiver.of("/work")]


def test_explained_while_its_agent_is_at_its_limit(stack, receiver):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    first, second, third = (run(stack, [step(made["name"])]) for _ in range(3))
    receiver.wait("/work", 1)
    waits(stack, made, 2)
    why = stack.api.ok("GET", f"/api/v1/runs/{third}/steps/ask/explain")
    assert why["code"] == "WAITING_FOR_AGENT" and why["agent"] == made["name"] and why["since"], why
    assert f"agent {made['name']}: as many calls as it takes at a time (1) are under way; 1 step comes before" in why["message"]
    why = stack.api.ok("GET", f"/api/v1/runs/{second}/explain")
    assert why["code"] == "WAITING_FOR_AGENT" and "(1) are under way; 0 steps come before" in why["message"], why
    assert [(s["step"], s["code"], s["agent"]) for s in why["steps"]] == [("ask", "WAITING_FOR_AGENT", made["name"])]
    assert stack.api.ok("GET", f"/api/v1/runs/{first}/steps/ask/explain")["code"] == "RUNNING"
    gate.set()
    assert [ended(stack, r)["status"] for r in (first, second, third)] == ["completed"] * 3


def test_explained_while_its_breaker_is_open_in_a_block_too(stack, receiver):
    made = agent(stack, receiver)
    stack.psql(f"update millrace.agent_breakers set failures = 7, opened_at = now(), open_until = now() + interval '40 s' where agent_id = {made['id']}")
    id = run(stack, [{"name": "each", "type": "foreach", "config": {"items": [1], "steps": [step(made["name"])]}}])
    waits(stack, made, 1)
    why = stack.api.ok("GET", f"/api/v1/runs/{id}/explain")
    inner, = [s for s in why["steps"] if s["step"] == "each/ask"]
    assert why["code"] == inner["code"] == "WAITING_FOR_AGENT" and "failed 7 times in a row and is called again at" in inner["message"], why
    assert inner["until"] == status(stack, made)["circuit"]["open_until"]
    stack.api.ok("POST", f"/api/v1/runs/{id}/cancel")
    assert ended(stack, id)["status"] == "cancelled"
    waits(stack, made, 0)
    assert not receiver.of("/work")


def test_runs_take_turns(stack, receiver):
    """A run with many steps at one agent doesn't keep another, which came later, waiting for all of them."""
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    many = run(stack, [{"name": "each", "type": "foreach", "config": {"items": list(range(12)), "concurrency": 12, "steps": [
        step(made["name"], config={"agent": made["name"], "payload": {"text": "many"}})]}}])
    waits(stack, made, 11)
    few = run(stack, [step(made["name"]), step(made["name"], "again")], text="few")
    waits(stack, made, 12)
    gate.set()
    assert ended(stack, few)["status"] == ended(stack, many)["status"] == "completed"
    places = [n for n, t in enumerate(texts(receiver)) if t == "few"]
    assert len(texts(receiver)) == 14 and places[1] <= 6, texts(receiver)


def test_higher_priority_first(stack, receiver):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    workflow = stack.api.workflow([step(made["name"])])["id"]
    runs = [stack.api.execute(workflow, input={"text": "first"})["run_id"]]
    receiver.wait("/work", 1)
    for n, priority in enumerate((0, 0, 5, 9)):
        runs.append(stack.api.execute(workflow, input={"text": str(priority)}, priority=priority)["run_id"])
        waits(stack, made, n + 1)
    gate.set()
    assert [ended(stack, r)["status"] for r in runs] == ["completed"] * 5
    assert texts(receiver) == ["first", "9", "5", "0", "0"]


def test_one_limit_for_all_engines(stack, receiver):
    under_way, most, lock = [0], [0], threading.Lock()

    def work(_):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        return 200, {}

    receiver.on("/work", work)
    made = agent(stack, receiver, max_concurrency=3)
    workflow = stack.api.workflow([step(made["name"]), step(made["name"], "again")])["id"]
    engines = [Engine(stack) for _ in range(2)]
    try:
        stack.api.ok("POST", "/api/v1/workflows/bulk", json={
            "op": "execute", "workflow_id": workflow, "items": [{"input": {}} for _ in range(60)]})
        wait_until(lambda: stack.rows(f"select count(*) as n from millrace.runs where workflow_id = {workflow} and status = 'completed'"
                                      )[0]["n"] == 60, 90, every=0.2, message="not all runs ended")
    finally:
        for e in engines:
            e.stop()
    assert most[0] == 3 and len(receiver.of("/work")) == 120


@pytest.mark.parametrize("timeouts", [{"start": 0.3}, {"total": 0.5}, {"start": 30, "total": 0.5}])
def test_one_waits_no_longer_than_it_may(stack, receiver, timeouts):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    first = run(stack, [step(made["name"])])
    receiver.wait("/work", 1)
    failed = ended(stack, run(stack, [step(made["name"], timeouts=timeouts, retry={"max_attempts": 1})]))
    assert failed["error"]["type"] == "timeout" and f"Agent {made['name']} had no turn" in failed["error"]["message"], failed
    waits(stack, made, 0)
    gate.set()
    assert ended(stack, first)["status"] == "completed" and len(receiver.of("/work")) == 1


def test_the_time_for_all_attempts_counts_the_wait(stack, receiver):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    first = run(stack, [step(made["name"])])
    receiver.wait("/work", 1)
    second = run(stack, [step(made["name"], timeouts={"total": 3}, retry={"max_attempts": 1})])
    waits(stack, made, 1)
    held = threading.Event()
    receiver.on("/work", lambda _: (held.wait(60), (200, {}))[1])
    gate.set()
    failed = ended(stack, second)
    assert failed["error"]["type"] == "timeout" and failed["execution_time_ms"] < 20000, failed
    held.set()
    assert ended(stack, first)["status"] == "completed"


def test_turns_are_asked_for_together(stack, receiver):
    """One statement for what many steps ask and give back; none at all where there are no such steps."""
    made = agent(stack, receiver)
    workflow = stack.api.workflow([step(made["name"])])["id"]
    none = stack.api.workflow([{"name": "n", "type": "log", "config": {"message": "x"}}])["id"]
    stack.stop_engine()

    def go(workflow):
        stack.api.ok("POST", "/api/v1/workflows/bulk", json={
            "op": "execute", "workflow_id": workflow, "items": [{"input": {}} for _ in range(200)]})

    def done(workflow):
        return stack.rows(f"select count(*) as n from millrace.runs where workflow_id = {workflow} and status = 'completed'")[0]["n"] == 200

    go(none)
    engine = Engine(stack)
    try:
        wait_until(lambda: done(none), 60)
        wait_until(lambda: sum(v for k, v in engine.samples().items() if k.startswith("workflow_execution_total")) == 200, 20)
        assert not [k for k in engine.samples() if k.startswith("millrace_agent_turns_asked")]
        go(workflow)
        wait_until(lambda: done(workflow), 60)
        wait_until(lambda: engine.samples().get("millrace_agent_turns_asked_sum", 0) >= 400, 20)
        assert engine.samples()["millrace_agent_turns_asked_count"] <= 200, "no fewer statements than steps"
    finally:
        engine.stop()
        stack.start_engine()


def test_agents_by_state_for_the_operator(stack, receiver):
    made = agent(stack, receiver)
    before = metric(stack, 'millrace_agents{tenant="default",state="open"}')
    stack.psql(f"update millrace.agent_breakers set open_until = now() + interval '1 hour', failures = 5 where agent_id = {made['id']}")
    wait_until(lambda: metric(stack, 'millrace_agents{tenant="default",state="open"}') == before + 1, 30)
    assert metric(stack, 'millrace_agents{tenant="default",state="closed"}') > 0


def metric(stack, name):
    lines = [line for line in stack.anonymous().get("/metrics").text.splitlines() if line.startswith(name + " ")]
    return float(lines[0].split()[-1]) if lines else 0


# ---- what happens to an agent while steps wait ----

@pytest.mark.parametrize("change,words", [({"status": "inactive"}, "is not active"), (None, "does not exist")])
def test_one_that_goes_while_steps_wait(stack, receiver, change, words):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    first, second = (run(stack, [step(made["id"], retry={"max_attempts": 1})]) for _ in range(2))
    receiver.wait("/work", 1)
    waits(stack, made, 1)
    if change:
        stack.api.ok("PATCH", f"/api/v1/agents/{made['id']}", json=change)
    else:  # the API refuses it: workflows name it
        stack.psql(f"update millrace.agents set deleted_at = now(), status = 'inactive' where id = {made['id']}")
    failed = ended(stack, second)
    assert failed["status"] == "failed" and failed["error"]["type"] == "agent.unavailable" and words in failed["error"]["message"], failed
    gate.set()
    assert ended(stack, first)["status"] == "completed"  # its call was under way


def test_a_limit_that_grows_lets_more_in(stack, receiver):
    gate = gated(receiver)
    made = agent(stack, receiver, max_concurrency=1)
    runs = [run(stack, [step(made["id"])]) for _ in range(3)]
    receiver.wait("/work", 1)
    waits(stack, made, 2)
    stack.api.ok("PATCH", f"/api/v1/agents/{made['id']}", json={"max_concurrency": None})
    receiver.wait("/work", 3)
    gate.set()
    assert [ended(stack, r)["status"] for r in runs] == ["completed"] * 3


def test_by_capability_another_one_takes_it(stack, receiver):
    """What waits for an agent that can't be called goes to another one that can."""
    mark = "c" + uuid.uuid4().hex
    gate = gated(receiver)
    one = agent(stack, receiver, max_concurrency=1, capabilities=[mark])
    first = run(stack, [{"name": "s", "type": "agent", "requires": [mark]}])
    receiver.wait("/work", 1)
    second = run(stack, [{"name": "s", "type": "agent", "requires": [mark]}])
    waits(stack, one, 1)
    agent(stack, receiver, path="/other", capabilities=[mark])
    stack.api.ok("PATCH", f"/api/v1/agents/{one['id']}", json={"status": "maintenance"})
    assert ended(stack, second)["status"] == "completed" and len(receiver.of("/other")) == 1
    gate.set()
    assert ended(stack, first)["status"] == "completed"


def test_work_is_shared_out_by_capability(stack, receiver):
    mark = "c" + uuid.uuid4().hex
    gate = threading.Event()
    for path in ("/one", "/two"):
        receiver.on(path, lambda _: (gate.wait(60), (200, {}))[1])
        agent(stack, receiver, path=path, capabilities=[mark])
    id = run(stack, [{"name": "each", "type": "foreach", "config": {"items": list(range(6)), "concurrency": 6, "steps": [
        {"name": "s", "type": "agent", "requires": [mark]}]}}])
    wait_until(lambda: len(receiver.of("/one")) + len(receiver.of("/two")) == 6, 20)
    gate.set()
    assert ended(stack, id)["status"] == "completed" and len(receiver.of("/one")) == 3


def test_a_half_open_breaker_lets_one_try(stack, receiver):
    gate = gated(receiver)
    made = agent(stack, receiver)
    stack.psql(f"update millrace.agent_breakers set failures = 5, opened_at = now(), open_until = now() + interval '1 hour' where agent_id = {made['id']}")
    runs = [run(stack, [step(made["id"])]) for _ in range(4)]
    waits(stack, made, 4)
    stack.psql(f"update millrace.agent_breakers set open_until = now() where agent_id = {made['id']}")
    receiver.wait("/work", 1)
    shown = status(stack, made)
    assert shown["circuit"]["state"] == "half_open" and shown["load"]["running"] == 1 and shown["load"]["queued"] == 3
    gate.set()
    assert [ended(stack, r)["status"] for r in runs] == ["completed"] * 4
    assert status(stack, made)["circuit"]["state"] == "closed"


def test_settings_of_the_breaker(stack, receiver):
    """Two failures open it; a step waits for it no longer than it may."""
    receiver.on("/work", 500, {})
    made = agent(stack, receiver)
    stack.stop_engine()
    engine = Engine(stack, engine_agent_failures=2, engine_agent_open_ms=86400000, engine_agent_wait_ms=300)
    try:
        failed = ended(stack, run(stack, [step(made["id"], retry={"max_attempts": 3, "delay": 0.001})]))
        assert failed["error"]["type"] == "agent.unavailable" and "too often" in failed["error"]["message"], failed
        assert len(receiver.of("/work")) == 2 and status(stack, made)["circuit"]["state"] == "open"
        wait_until(lambda: engine.samples().get('millrace_agent_breaker_changes_total{change="opened"}') == 1, 20)
        samples = engine.samples()
        assert samples['millrace_agent_calls_total{result="failed"}'] == 2 and samples["millrace_agent_steps_waiting"] == 0
        assert samples["millrace_agent_wait_seconds_count"] == 3
    finally:
        engine.stop()
        stack.start_engine()


def test_by_certificate(stack, receiver):
    pem, key = stack.make_certificate("engine-of-ours")
    made = stack.api.ok("POST", "/api/v1/agents", json={
        "name": f"a-{uuid.uuid4().hex[:8]}", "url": receiver.tls_url + "/work", "auth_type": "mtls",
        "auth_config": {"certificate": open(pem).read(), "key": open(key).read()}})
    assert ended(stack, run(stack, [step(made["name"])]))["status"] == "completed"
    call, = receiver.of("/work")
    assert (("commonName", "engine-of-ours"),) in call.peer["subject"], call.peer
    plain = agent(stack, receiver)  # and nobody else has it
    stack.api.ok("PATCH", f"/api/v1/agents/{plain['id']}", json={"url": receiver.tls_url + "/plain"})
    assert ended(stack, run(stack, [step(plain["name"])]))["status"] == "completed"
    assert receiver.of("/plain")[0].peer is None or not receiver.of("/plain")[0].peer


@pytest.mark.parametrize("body,words", [(b"no json", "is not JSON"), (b"", None)])
def test_answers_without_json(stack, receiver, body, words):
    receiver.on("/work", 200, body)
    made = agent(stack, receiver)
    done = ended(stack, run(stack, [step(made["name"], retry={"max_attempts": 1})]))
    if words:
        assert done["status"] == "failed" and words in done["error"]["message"] and done["error"]["type"] == "validation"
    else:
        assert done["status"] == "completed"


def test_what_it_sends_back_of_what_it_knows_us_by_is_hidden(stack, receiver):
    receiver.on("/work", lambda r: (200, {"sent": r.headers["authorization"], "n": 1}))
    made = agent(stack, receiver, auth_type="basic", auth_config={"username": "us", "password": CANARY})
    id = run(stack, [step(made["name"])])
    assert ended(stack, id)["status"] == "completed"
    kept = stack.api.steps(id)
    assert "[redacted]" in str(kept) and CANARY not in str(kept) and base64.b64encode(f"us:{CANARY}".encode()).decode() not in str(kept)
