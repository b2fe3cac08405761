"""Runs through the real engine: done, retried, asleep, cancelled, paused, out of time, shared."""
import os
import signal
import time

import pytest

from support.runs import (Engine, call, check_journal, counters, delay, facts, log, row, start, wait_asleep,
                          wait_fact)
from support.stack import TERMINAL, wait_until


def held_back(receiver, path):
    """Lets calls to `path` wait until the test says go."""
    import threading
    gate = threading.Event()
    receiver.on(path, lambda _: (gate.wait(30), (200, {"ok": True}))[1])
    return gate


@pytest.fixture
def without_engine(stack):
    """The stack's engine stopped; started again afterwards."""
    stack.stop_engine()
    yield stack
    stack.start_engine()


def test_to_completion(stack, receiver):
    run = start(stack, [log("a"), call(stack, "/b"), log("c")])
    done = stack.api.wait_run(run, "completed")
    assert facts(stack, run) == ["created", "started", "step.completed:a", "step.started:b",
                                 "step.completed:b", "step.completed:c", "completed"]
    lines = [e["message"] for e in stack.api.ok("GET", f"/api/v1/runs/{run}/logs")["items"] if e["step"] in ("a", "c")]
    assert sorted(lines) == ["this is a", "this is c"]
    assert done["progress"] == 100 and done["started_at"] and done["completed_at"]
    assert set(done["result_data"]) == {"a", "b", "c"}
    assert len(receiver.of("/b")) == 1
    assert [s["status"] for s in stack.api.steps(run)] == ["completed"] * 3
    check_journal(stack, run, run)


def test_wait_is_answered_at_the_end(stack):
    workflow = stack.api.workflow([delay(0.3)])
    begin = time.monotonic()
    answer = stack.api.execute(workflow["id"], wait=20)
    assert answer["status"] == "completed"
    assert 0.3 <= time.monotonic() - begin < 5


def test_retries_carry_the_same_key(stack, receiver):
    tries = []
    receiver.on("/flaky", lambda r: tries.append(r) or (503 if len(tries) < 3 else 200, {"n": len(tries)}))
    run = start(stack, [call(stack, "/flaky", retry={"max_attempts": 5, "delay": 0.05, "backoff": "constant"})])
    stack.api.wait_run(run, "completed")
    kinds = facts(stack, run)
    assert kinds.count("step.started:flaky") == 3 and kinds.count("step.retrying:flaky") == 2
    assert kinds.count("step.completed:flaky") == 1
    keys = {r.headers["idempotency-key"] for r in tries}
    assert len(tries) == 3 and keys == {f"{run}/flaky/0"}
    executions = stack.rows("select distinct step_execution_id from millrace.journal "
                            f"where run_id = {run} and step = 'flaky'")
    assert len(executions) == 1


def test_retries_end(stack, receiver):
    receiver.on("/broken", 500, {"no": True})
    run = start(stack, [call(stack, "/broken", max_retries=1, retry={"delay": 0.05}), log("after")])
    failed = stack.api.wait_run(run, "failed")
    assert failed["error"]["type"] == "http.500" and failed["error"]["step"] == "broken"
    assert failed["error"]["attempt"] == 2 and failed["error"]["status_code"] == 500
    assert len(receiver.of("/broken")) == 2
    assert "step.completed:after" not in facts(stack, run)


def test_retry_of_a_run_goes_on_where_it_failed(stack, receiver):
    receiver.on("/later", 500, {})
    run = start(stack, [call(stack, "/once"), call(stack, "/later", max_retries=0)])
    stack.api.wait_run(run, "failed")
    receiver.on("/later", 200, {})
    stack.api.ok("POST", f"/api/v1/runs/{run}/retry", json={})
    assert stack.api.wait_run(run, "completed")["retry_count"] == 1
    assert len(receiver.of("/once")) == 1 and len(receiver.of("/later")) == 2
    check_journal(stack, run, run)


def test_a_delay_is_slept_in_the_database(stack):
    run = start(stack, [log("a"), delay(2), log("b")])
    asleep = wait_asleep(stack, run)
    assert asleep["status"] == "running"
    assert stack.rows(f"select seq from millrace.run_states where run_id = {run}") == [{"seq": asleep["seq"]}]
    stack.api.wait_run(run, "completed")
    took = stack.rows("select extract(epoch from completed_at - started_at)::float8 as s "
                      f"from millrace.runs where id = {run}")[0]["s"]
    assert 2 <= took < 4
    assert facts(stack, run).count("step.completed:a") == 1
    assert stack.rows(f"select 1 from millrace.run_states where run_id = {run}") == []
    check_journal(stack, run, run)


# ---- cancel, pause and resume in each state ----

def queued(stack, receiver):
    stack.stop_engine()
    return start(stack, [log("a"), call(stack, "/x")]), stack.start_engine


def under_way(stack, receiver):
    gate = held_back(receiver, "/x")
    run = start(stack, [call(stack, "/x"), log("a")])
    receiver.wait("/x")
    return run, gate.set


def asleep(stack, receiver):
    run = start(stack, [delay(3600), log("a")])
    wait_asleep(stack, run)
    return run, lambda: None


def between_attempts(stack, receiver):
    receiver.on("/x", 503, {})
    run = start(stack, [call(stack, "/x", retry={"max_attempts": 3, "delay": 3600, "max_delay": 3600, "backoff": "constant",
                                                 "jitter": 0})])
    wait_asleep(stack, run)
    return run, lambda: None


STATES = [queued, under_way, asleep, between_attempts]


@pytest.mark.parametrize("state", STATES)
def test_cancel(stack, receiver, state):
    run, go_on = state(stack, receiver)
    stack.api.ok("POST", f"/api/v1/runs/{run}/cancel", json={"reason": "enough"})
    if state is queued:
        go_on()
    begin = time.monotonic()
    cancelled = stack.api.wait_run(run, TERMINAL, timeout=15)
    assert cancelled["status"] == "cancelled" and cancelled["cancelled_by"] and cancelled["cancelled_at"]
    assert time.monotonic() - begin < 5
    calls = len(receiver.of("/x"))
    go_on()
    kinds = facts(stack, run)
    assert kinds[-1] == "cancelled"
    assert stack.rows("select data from millrace.journal where kind = 'cancelled' "
                      f"and run_id = {run}")[0]["data"]["reason"] == "enough"
    assert len(receiver.of("/x")) == calls
    assert stack.rows(f"select 1 from millrace.run_commands where run_id = {run} and applied_at is null") == []
    check_journal(stack, run, run)


@pytest.mark.parametrize("state", STATES)
def test_pause_and_resume(stack, receiver, state):
    run, go_on = state(stack, receiver)
    stack.api.ok("POST", f"/api/v1/runs/{run}/pause", json={})
    if state is queued:
        go_on()
    stack.api.wait_run(run, "paused", timeout=15)
    go_on()
    wait_until(lambda: (lambda r: r["owner_id"] is None and r["wake_at"] is None and not r["queued"])(
        row(stack, run)), 20, message="a paused run is held by nobody")
    calls = len(receiver.of("/x"))
    receiver.on("/x", 200, {})
    stack.api.ok("POST", f"/api/v1/runs/{run}/resume", json={})
    if state in (queued, under_way):
        assert stack.api.wait_run(run, TERMINAL)["status"] == "completed"
        assert len(receiver.of("/x")) == 1
    else:
        wait_asleep(stack, run)
        assert len(receiver.of("/x")) == calls
        stack.api.ok("POST", f"/api/v1/runs/{run}/cancel", json={})
        stack.api.wait_run(run, "cancelled")
    kinds = facts(stack, run)
    assert kinds.index("paused") < kinds.index("resumed")
    check_journal(stack, run, run)


# ---- time ----

def test_out_of_time_during_a_call(stack, receiver):
    gate = held_back(receiver, "/slow")
    run = start(stack, [call(stack, "/slow"), log("a")], timeout_seconds=1)
    late = stack.api.wait_run(run, TERMINAL, timeout=15)
    gate.set()
    assert late["status"] == "timed_out" and late["error"]["type"] == "timeout"
    assert facts(stack, run)[-2:] == ["step.cancelled:slow", "timed_out"]


def test_out_of_time_while_asleep(stack):
    run = start(stack, [delay(3600)], timeout_seconds=2)
    wait_asleep(stack, run)
    assert stack.api.wait_run(run, TERMINAL, timeout=15)["status"] == "timed_out"


# ---- several engines, and their ends ----

def test_two_engines_share_the_work(stack, receiver):
    workflow = stack.api.workflow([call(stack, "/x", timeout_seconds=30)])
    gate = held_back(receiver, "/x")
    stack.configure(engine_max_runs=20)
    stack.restart_engine()
    other = Engine(stack, engine_max_runs=40)
    try:
        answer = stack.api.ok("POST", "/api/v1/workflows/bulk", json={
            "op": "execute", "workflow_id": workflow["id"], "items": [{"input": {"n": n}} for n in range(60)]})
        assert answer
        owned = ("select count(*) as n from millrace.runs where owner_id is not null "
                 f"and workflow_id = {workflow['id']} group by owner_id order by 1")
        wait_until(lambda: stack.rows(owned) == [{"n": 20}, {"n": 40}], 20,
                   message=f"not shared as the engines have room: {stack.rows(owned)}")
        gate.set()
        wait_until(lambda: stack.rows("select count(*) as n from millrace.runs where status = 'completed' "
                                      f"and workflow_id = {workflow['id']}")[0]["n"] == 60, 30)
        assert len(receiver.of("/x")) == 60
    finally:
        gate.set()
        assert other.stop() == 0
        stack.configure(engine_max_runs=5000)
        stack.restart_engine()


def test_sigterm_lets_calls_end(without_engine, receiver):
    stack = without_engine
    engine = Engine(stack)
    receiver.on("/x", lambda _: (time.sleep(0.5), (200, {}))[1])  # the service's own pace
    run = start(stack, [call(stack, "/x"), log("a")])
    receiver.wait("/x")
    assert engine.stop() == 0
    assert row(stack, run)["status"] == "completed"
    assert stack.rows(f"select 1 from millrace.engines where pid = {engine.pid}") == []


def test_sigterm_gives_back_what_goes_on(without_engine, receiver):
    stack = without_engine
    gate = held_back(receiver, "/x")
    engine = Engine(stack)
    run = start(stack, [call(stack, "/x"), log("a")])
    receiver.wait("/x")
    begin = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - begin < 12
    left = row(stack, run)
    assert left["status"] == "running" and left["queued"] and left["owner_id"] is None
    gate.set()
    after = Engine(stack)
    try:
        stack.api.wait_run(run, "completed", timeout=20)
        assert {r.headers["idempotency-key"] for r in receiver.of("/x")} == {f"{run}/x/0"}
        check_journal(stack, run, run)
    finally:
        assert after.stop() == 0


def test_a_stalled_engine_writes_nothing_over_the_next_owner(without_engine, receiver):
    stack = without_engine
    gate = held_back(receiver, "/x")
    stalled = Engine(stack, engine_lease_ms=2000)
    other = None
    try:
        run = start(stack, [call(stack, "/x"), log("a")])
        receiver.wait("/x")
        stalled.signal(signal.SIGSTOP)
        gate.set()
        other = Engine(stack, engine_lease_ms=2000)
        stack.api.wait_run(run, "completed", timeout=20)
        before = facts(stack, run)
        stalled.signal(signal.SIGCONT)
        # it finds its row gone, drops what it had, and registers anew
        wait_until(lambda: len(stack.rows(f"select id from millrace.engines where pid = {stalled.pid}")) == 1,
                   20, message="the stalled engine did not come back")
        assert facts(stack, run) == before
        assert row(stack, run)["status"] == "completed"
        check_journal(stack, run, run)
    finally:
        gate.set()
        assert stalled.stop() == 0
        assert other is None or other.stop() == 0


def test_a_definition_that_is_gone_fails_the_run(stack):
    workflow = stack.api.workflow([log("a")])
    run = stack.api.execute(workflow["id"], wait=20)["run_id"]
    stack.psql(f"""
        set search_path = millrace;
        insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type)
            select nextval('run_id_seq'), tenant_id, workflow_id, 999, 1, 'manual' from runs where id = {run};
        insert into journal (id, tenant_id, run_id, seq, kind, at, data)
            select nextval('journal_id_seq'), tenant_id, id, 1, 'created', now(), '{{}}' from runs
            where workflow_id = {workflow['id']} and version = 999;""")
    lost = stack.rows(f"select id from millrace.runs where workflow_id = {workflow['id']} and version = 999")[0]["id"]
    failed = stack.api.wait_run(lost, TERMINAL, timeout=20)
    assert failed["status"] == "failed" and failed["error"]["type"] == "validation"


def test_a_run_without_a_reason_to_wait_is_repaired(without_engine):
    stack = without_engine
    engine = Engine(stack)
    try:
        run = start(stack, [delay(3600)])
        wait_asleep(stack, run)
    finally:
        engine.stop()
    stack.psql(f"update millrace.runs set wake_at = null where id = {run}")
    engine = Engine(stack)
    try:
        wait_asleep(stack, run)
        stack.api.ok("POST", f"/api/v1/runs/{run}/cancel", json={})
        stack.api.wait_run(run, "cancelled")
    finally:
        engine.stop()


def test_flushes_beside_each_other(without_engine):
    """Many runs, more than one flush takes: two are written at a time, each run in its own order."""
    stack = without_engine
    workflow = stack.api.workflow([log("a"), {"name": "b", "type": "set", "config": {"n": "{{input.n}}"}}, log("c")])
    for _ in range(2):
        stack.api.ok("POST", "/api/v1/workflows/bulk", json={
            "op": "execute", "workflow_id": workflow["id"], "items": [{"input": {"n": n}} for n in range(5000)]})
    engine = Engine(stack)
    try:
        wait_until(lambda: stack.rows("select count(*) as n from millrace.runs where status = 'completed' "
                                      f"and workflow_id = {workflow['id']}")[0]["n"] == 10000, 60)
        ids = [r["id"] for r in stack.rows(f"select id from millrace.runs where workflow_id = {workflow['id']} order by id")]
        check_journal(stack, ids[0], ids[-1])
        assert stack.rows("select count(*) as n from millrace.runs "
                          f"where workflow_id = {workflow['id']} and vars->>'n' is distinct from input->>'n'") == [{"n": 0}]
        wait_until(lambda: engine.samples().get("millrace_engine_flushes_beside_total", 0) > 0, 20)
    finally:
        assert engine.stop() == 0


def test_metrics_of_the_engine(stack):
    workflow = stack.api.workflow([log("a"), log("b")])
    stack.api.execute(workflow["id"], wait=20)
    wait_until(lambda: stack.rows("select metrics from millrace.engines where pid = "
                                  f"{stack.engine_pid} and metrics::text like '%workflow_execution_total%'"), 20)
    samples = counters(stack, stack.engine_pid)
    assert any(k.startswith("workflow_execution_total{") and 'status="completed"' in k for k in samples)
    assert any(k.startswith("action_execution_total{") and 'action_type="log"' in k for k in samples)
    assert samples["millrace_engine_flush_duration_seconds_count"] >= 1
    assert os.path.exists(f"/proc/{stack.engine_pid}")


def test_pause_keeps_the_time_of_a_run_that_starts_later(api):
    """Paused and resumed before its time, a run still starts at its time, not at once."""
    workflow = api.workflow([{"name": "a", "type": "noop"}])
    later = api.execute(workflow["id"], run_at="2099-01-01T00:00:00Z")["run_id"]
    now = api.execute(workflow["id"], wait=10)
    assert now["status"] == "completed"
    for act in ("pause", "resume"):
        api.ok("POST", f"/api/v1/runs/{later}/{act}", json={})
    # another run goes all the way meanwhile: the engine has looked for work
    assert api.execute(workflow["id"], wait=10)["status"] == "completed"
    run = api.run(later)
    assert run["status"] == "pending" and run["started_at"] is None, run
    api.ok("POST", f"/api/v1/runs/{later}/cancel", json={})
    assert api.wait_run(later)["status"] == "cancelled"
