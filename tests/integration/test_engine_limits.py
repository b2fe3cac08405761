"""Limits on runs at once, by real processes: who waits, who is refused, and what a killed engine leaves."""
import pytest

from support.runs import Engine, call, check_journal, delay, log, row
from support.stack import TERMINAL, wait_until


@pytest.fixture
def without_engine(stack):
    stack.stop_engine()
    yield stack
    stack.start_engine()


def limited(stack, steps, **concurrency):
    return stack.api.workflow(steps, concurrency=concurrency)["id"]


def execute(stack, workflow, **input):
    return stack.api.execute(workflow, input=input)["run_id"]


def held_back(receiver, path):
    import threading
    gate = threading.Event()
    receiver.on(path, lambda _: (gate.wait(30), (200, {}))[1])
    return gate


def wait_queued_for_limit(stack, run):
    wait_until(lambda: (lambda r: not r["admitted"] and r["owner_id"] is None and not r["queued"])(row(stack, run)), 20,
               message=f"run {run} does not wait for a place: {row(stack, run)}")


def at_once(stack, workflow):
    """The most runs of a workflow that were under way at a time, by their journals."""
    return stack.rows(f"""
        with t as (
            select r.id, r.started_at as b, r.completed_at as e from millrace.runs r
            where r.workflow_id = {workflow} and r.status = 'completed')
        select max((select count(*) from t o where o.b <= t.b and o.e > t.b)) as n from t""")[0]["n"]


def test_one_after_the_other(stack):
    workflow = limited(stack, [delay(0.3)], limit=1, on_full="queue")
    runs = [execute(stack, workflow) for _ in range(4)]
    for run in runs:
        stack.api.wait_run(run, "completed", timeout=30)
        check_journal(stack, run, run)
    assert at_once(stack, workflow) == 1
    begun = [row(stack, run)["started_at"] for run in runs]
    assert begun == sorted(begun)


def test_by_key(stack, receiver):
    gate = held_back(receiver, "/x")
    workflow = limited(stack, [call(stack, "/x")], limit=1, key="{{input.customer}}")
    first, second, other = (execute(stack, workflow, customer=c) for c in ("a", "a", "b"))
    receiver.wait("/x", 2)
    wait_queued_for_limit(stack, second)
    assert row(stack, other)["owner_id"]
    gate.set()
    for run in (first, second, other):
        stack.api.wait_run(run, "completed")
    assert len(receiver.of("/x")) == 3


def test_a_key_that_can_not_be_told(stack):
    workflow = limited(stack, [log("a")], limit=1, key="{{input.customer}}")
    run = execute(stack, workflow)
    failed = stack.api.wait_run(run, TERMINAL)
    assert failed["status"] == "failed" and "customer" in failed["error"]["message"]


@pytest.mark.parametrize("on_full,status", [("skip", "cancelled"), ("fail", "failed")])
def test_no_place(stack, receiver, on_full, status):
    gate = held_back(receiver, "/x")
    workflow = limited(stack, [call(stack, "/x")], limit=1, on_full=on_full)
    first = execute(stack, workflow)
    receiver.wait("/x")
    second = execute(stack, workflow)
    ended = stack.api.wait_run(second, TERMINAL)
    assert ended["status"] == status
    if status == "failed":
        assert ended["error"]["type"] == "limit"
    gate.set()
    stack.api.wait_run(first, "completed")
    assert len(receiver.of("/x")) == 1


def test_the_oldest_makes_room(stack):
    workflow = limited(stack, [delay(3600)], limit=1, on_full="cancel_oldest")
    first = execute(stack, workflow)
    wait_until(lambda: row(stack, first)["wake_at"], 10)
    second = execute(stack, workflow)
    stack.api.wait_run(first, "cancelled")
    wait_until(lambda: row(stack, second)["wake_at"] and row(stack, second)["admitted"], 10)
    stack.api.ok("POST", f"/api/v1/runs/{second}/cancel", json={})
    stack.api.wait_run(second, "cancelled")


def test_cancelled_and_paused_while_it_waits(stack, receiver):
    gate = held_back(receiver, "/x")
    workflow = limited(stack, [call(stack, "/x")], limit=1)
    first, second, third = (execute(stack, workflow) for _ in range(3))
    receiver.wait("/x")
    wait_queued_for_limit(stack, second)
    wait_queued_for_limit(stack, third)
    stack.api.ok("POST", f"/api/v1/runs/{second}/cancel", json={})
    stack.api.wait_run(second, "cancelled")
    stack.api.ok("POST", f"/api/v1/runs/{third}/pause", json={})
    stack.api.wait_run(third, "paused")
    gate.set()
    stack.api.wait_run(first, "completed")
    assert row(stack, third)["status"] == "paused" and len(receiver.of("/x")) == 1
    stack.api.ok("POST", f"/api/v1/runs/{third}/resume", json={})
    stack.api.wait_run(third, "completed")
    assert len(receiver.of("/x")) == 2


def test_the_engine_is_killed(without_engine):
    """Places are neither lost nor given twice."""
    stack = without_engine
    workflow = limited(stack, [delay(0.4), log("a")], limit=2)
    engine = Engine(stack)
    runs = [execute(stack, workflow) for _ in range(10)]
    for n in (2, 5):
        wait_until(lambda: stack.rows(f"select count(*) as n from millrace.runs where workflow_id = {workflow} "
                                      "and status = 'completed'")[0]["n"] >= n, 30)
        engine.kill()
        engine = Engine(stack)
    try:
        for run in runs:
            stack.api.wait_run(run, "completed", timeout=40)
            check_journal(stack, run, run)
        assert at_once(stack, workflow) <= 2
    finally:
        engine.stop()


def test_so_many_runs_below_one(without_engine, receiver):
    """The step that would start one too many fails, and says how many there may be."""
    stack = without_engine
    gate = held_back(receiver, "/child")
    stack.api.workflow([call(stack, "/child")], name="leaf-of-many")
    started = {"name": "s", "type": "subworkflow", "config": {"workflow": "leaf-of-many", "wait": False}, "max_retries": 0}
    workflow = stack.api.workflow([{"name": "all", "type": "foreach", "config": {
        "items": {"from": 0, "to": 5}, "steps": [started]}}])["id"]
    engine = Engine(stack, max_runs_below=3)
    try:
        run = execute(stack, workflow)
        failed = stack.api.wait_run(run, TERMINAL, timeout=30)
        assert failed["status"] == "failed" and failed["error"]["type"] == "limit", failed["error"]
        assert failed["error"]["message"] == f"At most 3 unfinished runs may be below one run, and run {run} has as many."
        assert stack.rows(f"select count(*) as n from millrace.runs where root_run_id = {run}") == [{"n": 3}]
    finally:
        gate.set()
        engine.stop()


def test_what_a_tenant_may_store(without_engine, receiver):
    """A result beyond it fails its step, which isn't done again; what goes with its run makes room."""
    stack = without_engine
    receiver.on("/big", 200, {"text": "x" * 100_000})
    workflow = stack.api.workflow([{**call(stack, "/big"), "max_retries": 3}])["id"]
    run = execute(stack, workflow)
    had = (stack.rows("select bytes from millrace.tenant_payloads order by bytes desc") or [{"bytes": 0}])[0]["bytes"]
    engine = Engine(stack, payload_min_bytes=50_000, tenant_payload_max_bytes=had + 350_000)
    try:
        assert stack.api.wait_run(run, TERMINAL, timeout=30)["status"] == "completed"
        kept = stack.rows(f"select tenant_id, bytes from millrace.run_payloads where run_id = {run}")[0]
        assert 200_000 < kept["bytes"] < 210_000
        assert stack.rows("select bytes from millrace.tenant_payloads where tenant_id = %s" % kept["tenant_id"]) == [
            {"bytes": had + kept["bytes"]}]
        seen = len(receiver.of("/big"))
        second = execute(stack, workflow)
        failed = stack.api.wait_run(second, TERMINAL, timeout=30)
        assert failed["status"] == "failed" and failed["error"]["type"] == "limit", failed["error"]
        assert str(had + 350_000) in failed["error"]["message"] and len(receiver.of("/big")) == seen + 1
        check_journal(stack, run, second)
    finally:
        engine.stop()
