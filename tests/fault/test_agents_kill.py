"""SIGKILL of engines while steps call agents and while others wait for their turn.

Turns are given back, whoever waits is served by another engine, a step that was called again carries the same
idempotency key, and nothing is committed twice.
"""
import collections
import threading
import time
import uuid

import pytest

from support.runs import Engine, check_journal
from support.stack import wait_until

RUNS = 40


@pytest.fixture
def whole(stack):
    yield stack
    stack.start()
    wait_until(lambda: stack.api.get("/health/ready").status_code == 200, 30)


def make_agent(stack, receiver, **more):
    return stack.api.ok("POST", "/api/v1/agents", json={"name": f"a-{uuid.uuid4().hex[:8]}", "url": receiver.url + "/work", **more})


def step(agent, name="ask"):
    return {"name": name, "type": "agent", "config": {"agent": agent["name"], "payload": {"n": "{{trigger.n}}", "step": name}}}


def start(stack, workflow, count):
    stack.api.ok("POST", "/api/v1/workflows/bulk", json={
        "op": "execute", "workflow_id": workflow, "items": [{"input": {"n": n}} for n in range(count)]})
    return [r["id"] for r in stack.rows(f"select id from millrace.runs where workflow_id = {workflow} order by id")]


def load(stack, agent):
    return stack.api.ok("GET", f"/api/v1/agents/{agent['id']}/status")["load"]


def wait_load(stack, agent, running, queued):
    def is_so():
        now = load(stack, agent)
        return (now["running"], now["queued"]) == (running, queued)

    wait_until(is_so, 30, message=f"not {running} call and {queued} wait")


def wait_completed(stack, workflow, count):
    def done():
        rows = stack.rows(f"select status, count(*) as n from millrace.runs where workflow_id = {workflow} group by 1")
        return {r["status"]: r["n"] for r in rows} == {"completed": count}

    wait_until(done, 120, every=0.2, message="not all runs completed")


def check(stack, receiver, agent, runs, steps):
    check_journal(stack, runs[0], runs[-1])
    keys = collections.defaultdict(set)
    for r in receiver.of("/work"):
        keys[(r.json["n"], r.json["step"])].add(r.headers["idempotency-key"])
    assert len(keys) == len(runs) * steps and all(len(k) == 1 for k in keys.values()), keys
    done = stack.rows("select count(*) as n from millrace.journal where kind = 'step.completed' "
                      f"and run_id between {runs[0]} and {runs[-1]}")[0]["n"]
    assert done == len(runs) * steps
    wait_load(stack, agent, 0, 0)  # all turns have been given back


def test_killed_while_one_calls_and_others_wait(whole, receiver):
    gate = threading.Event()
    receiver.on("/work", lambda _: (gate.wait(90), (200, {}))[1])
    agent = make_agent(whole, receiver, max_concurrency=1)
    workflow = whole.api.workflow([step(agent)])["id"]
    runs = start(whole, workflow, 4)
    receiver.wait("/work", 1)
    wait_load(whole, agent, 1, 3)
    whole.kill9("engine")
    whole.start_engine()
    receiver.wait("/work", 2, timeout=60)  # the call is made again, and only that one: its turn is kept
    wait_load(whole, agent, 1, 3)
    first, again = receiver.of("/work")
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] and first.json == again.json
    gate.set()
    wait_completed(whole, workflow, 4)
    assert len(receiver.of("/work")) == 5
    check(whole, receiver, agent, runs, 1)


def test_another_engine_goes_on_with_the_turns_of_one_that_was_killed(whole, receiver):
    gate = threading.Event()
    receiver.on("/work", lambda _: (gate.wait(90), (200, {}))[1])
    agent = make_agent(whole, receiver, max_concurrency=1)
    workflow = whole.api.workflow([step(agent)])["id"]
    runs = start(whole, workflow, 3)
    receiver.wait("/work", 1)
    wait_load(whole, agent, 1, 2)
    other = Engine(whole)
    try:
        more = start(whole, workflow, 3)[3:]
        wait_load(whole, agent, 1, 5)
        whole.kill9("engine")
        receiver.wait("/work", 2, timeout=60)  # whosever turn it is now: the other engine calls
        gate.set()
        wait_until(lambda: whole.rows(f"select count(*) as n from millrace.runs where workflow_id = {workflow} "
                                      "and status = 'completed'")[0]["n"] == 6, 90)
        check_journal(whole, runs[0], more[-1])
        wait_load(whole, agent, 0, 0)
    finally:
        other.stop()


def test_engines_killed_again_and_again(whole, receiver):
    receiver.on("/work", lambda _: (time.sleep(0.05), (200, {}))[1])
    agent = make_agent(whole, receiver, max_concurrency=4)
    workflow = whole.api.workflow([step(agent), step(agent, "then")])["id"]
    other = Engine(whole)
    try:
        runs = start(whole, workflow, RUNS)
        for n in (10, 30, 50):
            receiver.wait("/work", n, timeout=60)
            whole.kill9("engine")
            whole.start_engine()
        other.kill()
        wait_completed(whole, workflow, RUNS)
        check(whole, receiver, agent, runs, 2)
    finally:
        other.stop()
    whole.api.ok("DELETE", f"/api/v1/workflows/{workflow}")


def test_postgres_away_while_one_calls_and_others_wait(whole, receiver):
    """What was asked and what had ended meanwhile is asked and told again; nobody waits for ever."""
    gate = threading.Event()
    receiver.on("/work", lambda _: (gate.wait(90), (200, {}))[1])
    agent = make_agent(whole, receiver, max_concurrency=1)
    workflow = whole.api.workflow([step(agent), step(agent, "then")])["id"]
    runs = start(whole, workflow, 4)
    receiver.wait("/work", 1)
    wait_load(whole, agent, 1, 3)
    whole.stop_postgres()
    gate.set()  # the call ends now
    whole.start_postgres()
    wait_completed(whole, workflow, 4)
    check(whole, receiver, agent, runs, 2)
