"""What runs wait for, by real processes: events, signals, child runs; and what comes while they run."""
import os
import signal

import pytest

from support.runs import (Engine, call, check_journal, children, command, delay, facts, log, publish, result, row,
                          signal_run, start, wait_asleep, wait_fact, wait_waiting, waits)
from support.stack import TERMINAL, wait_until


@pytest.fixture
def without_engine(stack):
    """The stack's engine stopped; started again afterwards."""
    stack.stop_engine()
    yield stack
    stack.start_engine()


def wait_for(event_type, name="w", **event):
    return {"name": name, "type": "wait", "config": {"event": {"type": event_type, **event}}}


def sub(workflow, name="s", **config):
    return {"name": name, "type": "subworkflow", "config": {"workflow": workflow, **config}}


def check(stack, *runs):
    for run in runs:
        check_journal(stack, run, run)
        assert waits(stack, run) == []
        # an event may reach a run that is just ending: nobody applies it any more
        assert stack.rows(f"select kind from millrace.run_commands where run_id = {run} and applied_at is null "
                          "and kind <> 'event'") == []


# ---- events and signals ----

def test_an_event_ends_a_wait(stack):
    run = start(stack, [log("a"), wait_for("order.paid"), log("b")])
    released = wait_waiting(stack, run)
    assert released["wake_at"] is None and released["status"] == "running"
    assert waits(stack, run) == [("w", "event", "order.paid", 0)]
    publish(stack, "order.sent")
    event = publish(stack, "order.paid", {"total": 5})
    stack.api.wait_run(run, "completed")
    got = result(stack, run)["w"]
    assert got["reason"] == "event" and got["event"]["id"] == event and got["event"]["data"] == {"total": 5}
    check(stack, run)


def test_an_event_that_came_before_the_wait(stack, receiver):
    receiver.on("/x", lambda _: (publish(stack, "early.bird", {"n": 1}), (200, {}))[1])
    publish(stack, "early.bird", {"n": 0})  # before the run was made: not for it
    run = start(stack, [call(stack, "/x"), wait_for("early.bird")])
    stack.api.wait_run(run, "completed")
    assert result(stack, run)["w"]["event"]["data"] == {"n": 1}
    check(stack, run)


def test_only_what_matches(stack):
    run = start(stack, [wait_for("m", match="event.data.n > 2")])
    wait_waiting(stack, run)
    for n in (1, 2, 3, 4):
        publish(stack, "m", {"n": n})
    stack.api.wait_run(run, "completed")
    assert result(stack, run)["w"]["event"]["data"]["n"] == 3
    check(stack, run)


def test_a_signal_is_an_event_to_one_run(stack):
    first, other = (start(stack, [wait_for("go")]) for _ in range(2))
    wait_waiting(stack, first)
    wait_waiting(stack, other)
    signal_run(stack, first, "go", {"x": 1})
    stack.api.wait_run(first, "completed")
    assert result(stack, first)["w"]["event"]["data"] == {"x": 1}
    assert row(stack, other)["awaits"] == 1
    publish(stack, "go", {"x": 2})
    stack.api.wait_run(other, "completed")
    check(stack, first, other)


def test_first_of_time_and_event(stack):
    step = {"name": "w", "type": "wait", "config": {"any": [{"duration": 2}, {"event": {"type": "never"}}]}}
    run = start(stack, [step])
    asleep = wait_asleep(stack, run)
    assert asleep["awaits"] == 1
    stack.api.wait_run(run, "completed")
    assert result(stack, run)["w"]["reason"] == "time"
    check(stack, run)


def test_many_signals_come_in_order(stack):
    run = start(stack, [wait_for("n", count=200)])
    wait_waiting(stack, run)
    stack.psql("set search_path = millrace; insert into run_commands (tenant_id, run_id, kind, data) "
               f"select r.tenant_id, r.id, 'signal', json_build_object('id', g, 'type', 'n', 'data', g) "
               f"from runs r, generate_series(1, 200) g where r.id = {run} order by g; select wake_runs('{{{run}}}')")
    stack.api.wait_run(run, "completed")
    assert [e["data"] for e in result(stack, run)["w"]["events"]] == list(range(1, 201))
    assert facts(stack, run).count("signalled") == 200
    check(stack, run)


def test_a_paused_run_gets_its_signals_when_it_goes_on(stack):
    run = start(stack, [wait_for("go"), wait_for("go", "w2")])
    wait_waiting(stack, run)
    stack.api.ok("POST", f"/api/v1/runs/{run}/pause", json={})
    stack.api.wait_run(run, "paused")
    signal_run(stack, run, "go", 1)
    signal_run(stack, run, "go", 2)
    wait_until(lambda: row(stack, run)["owner_id"] is None and not row(stack, run)["queued"], 10)
    assert row(stack, run)["status"] == "paused"
    stack.api.ok("POST", f"/api/v1/runs/{run}/resume", json={})
    stack.api.wait_run(run, "completed")
    got = result(stack, run)
    assert [got["w"]["event"]["data"], got["w2"]["event"]["data"]] == [1, 2]
    check(stack, run)


def test_cancelled_while_it_waits(stack):
    run = start(stack, [wait_for("never")])
    wait_waiting(stack, run)
    stack.api.ok("POST", f"/api/v1/runs/{run}/cancel", json={})
    stack.api.wait_run(run, "cancelled")
    check(stack, run)


def test_emitted_events_reach_other_runs(stack):
    waiting = [start(stack, [wait_for("made.by.run")]) for _ in range(3)]
    for run in waiting:
        wait_waiting(stack, run)
    maker = start(stack, [{"name": "e", "type": "emit", "config": {"type": "made.by.run", "data": {"k": "v"}}}])
    stack.api.wait_run(maker, "completed")
    for run in waiting:
        stack.api.wait_run(run, "completed")
        assert result(stack, run)["w"]["event"]["data"] == {"k": "v"}
    rows = stack.rows(f"select run_id, offer from millrace.events where run_id = {maker}")
    assert len(rows) == 1 and rows[0]["offer"]
    check(stack, maker, *waiting)


def test_variables_while_it_runs(stack):
    workflow = stack.api.workflow([wait_for("go"), {"name": "l", "type": "log", "config": {"message": "{{vars.n}}"}}],
                                  vars={"n": 1, "m": "{{input.m ?? 2}}"})
    run = stack.api.execute(workflow["id"])["run_id"]
    wait_waiting(stack, run)
    assert row(stack, run)["vars"] == {"n": 1, "m": 2}
    command(stack, run, "variables", {"vars": {"n": 7}, "by": "test"})
    signal_run(stack, run, "go")
    stack.api.wait_run(run, "completed")
    assert row(stack, run)["vars"] == {"n": 7, "m": 2}
    assert stack.rows(f"select data->'output'->>'message' as m from millrace.journal where run_id = {run} and step = 'l'") == [{"m": "7"}]
    check(stack, run)


# ---- child runs ----

def test_a_child_and_its_result(stack):
    child = stack.api.workflow([delay(0.2), {"name": "r", "type": "set", "config": {"x": "{{input.n + 1}}"}}],
                               output={"got": "{{vars.x}}"})
    run = start(stack, [sub(child["name"], input={"n": 41}), log("after")])
    stack.api.wait_run(run, "completed")
    made, = children(stack, run)
    assert result(stack, run)["s"] == {"got": 42}
    kinds = facts(stack, run)
    assert kinds.index("step.started:s") < kinds.index("step.waiting:s") < kinds.index("step.completed:s")
    assert row(stack, made)["trigger_type"] == "workflow" and stack.api.run(made)["parent_run_id"] == run
    check(stack, run, made)


def test_a_child_that_nobody_waits_for(stack):
    child = stack.api.workflow([delay(3600)])
    run = start(stack, [sub(child["id"], wait=False)])
    stack.api.wait_run(run, "completed")
    made, = children(stack, run)
    assert result(stack, run)["s"] == {"run_id": made}
    assert row(stack, made)["status"] in ("pending", "running")
    stack.api.ok("POST", f"/api/v1/runs/{made}/cancel", json={})
    stack.api.wait_run(made, "cancelled")


def test_a_child_that_fails(stack):
    child = stack.api.workflow([{"name": "r", "type": "raise", "config": {"type": "mine", "message": "no"}}])
    run = start(stack, [sub(child["name"])])
    failed = stack.api.wait_run(run, TERMINAL)
    assert failed["status"] == "failed" and failed["error"]["type"] == "subworkflow"
    assert failed["error"]["data"]["type"] == "mine"
    check(stack, run)


def test_a_workflow_that_is_not_there(stack):
    run = start(stack, [sub("there is no such thing")])
    failed = stack.api.wait_run(run, TERMINAL)
    assert failed["error"]["type"] == "subworkflow" and failed["error"]["data"]["code"] == "SUBWORKFLOW_NOT_FOUND"


@pytest.mark.parametrize("cancel,ends", [("cascade", "cancelled"), ("abandon", "running")])
def test_a_cancelled_parent(stack, cancel, ends):
    child = stack.api.workflow([delay(3600)])
    run = start(stack, [sub(child["name"], cancel=cancel)])
    wait_waiting(stack, run)
    made, = children(stack, run)
    wait_asleep(stack, made)
    stack.api.ok("POST", f"/api/v1/runs/{run}/cancel", json={})
    stack.api.wait_run(run, "cancelled")
    if ends == "cancelled":
        stack.api.wait_run(made, "cancelled")
    else:
        wait_asleep(stack, made)
        stack.api.ok("POST", f"/api/v1/runs/{made}/cancel", json={})
        stack.api.wait_run(made, "cancelled")
    check(stack, run, made)


def test_a_thousand_children(stack):
    child = stack.api.workflow([{"name": "r", "type": "noop"}])
    loop = {"name": "all", "type": "foreach", "config": {"items": {"from": 0, "to": 1000}, "concurrency": 200,
                                                         "steps": [sub(child["name"], input={"n": "{{item}}"})]}}
    run = start(stack, [loop])
    done = stack.api.wait_run(run, TERMINAL, timeout=120)
    assert done["status"] == "completed" and done["result_data"]["all"]["succeeded"] == 1000
    assert stack.rows(f"select count(*) as n, count(distinct id) as d from millrace.runs where parent_run_id = {run} "
                      "and status = 'completed'") == [{"n": 1000, "d": 1000}]
    check(stack, run)


# ---- killed in between ----

def test_killed_after_the_wait_was_written(without_engine):
    """The event was there before; nobody looked for it."""
    stack = without_engine
    workflow = stack.api.workflow([wait_for("crash.a")])
    run = stack.api.execute(workflow["id"])["run_id"]
    publish(stack, "crash.a", 1)
    stack.psql("revoke execute on function millrace.check_waits(bigint[], bigint[]) "
               "from millrace_engine")
    engine = Engine(stack)
    try:
        wait_waiting(stack, run)
        engine.kill()
    finally:
        stack.psql("grant execute on function millrace.check_waits(bigint[], bigint[]) "
                   "to millrace_engine")
    engine = Engine(stack)
    try:
        stack.api.wait_run(run, "completed", timeout=20)
        check(stack, run)
    finally:
        engine.stop()


def test_killed_after_an_event_was_emitted(without_engine):
    stack = without_engine
    waiting = start(stack, [wait_for("crash.b")])
    maker = start(stack, [delay(2), {"name": "e", "type": "emit", "config": {"type": "crash.b", "data": 1}}])
    stack.psql("revoke execute on function millrace.dispatch_events(int) from millrace_engine")
    engine = Engine(stack)
    try:
        wait_waiting(stack, waiting)
        stack.api.wait_run(maker, "completed")
        engine.kill()
    finally:
        stack.psql("grant execute on function millrace.dispatch_events(int) to millrace_engine")
    assert row(stack, waiting)["awaits"] == 1
    engine = Engine(stack)
    try:
        stack.api.wait_run(waiting, "completed", timeout=20)
        check(stack, waiting, maker)
    finally:
        engine.stop()


def test_killed_before_the_parent_was_told(without_engine):
    stack = without_engine
    child = stack.api.workflow([wait_for("crash.c")])
    run = start(stack, [sub(child["name"])])
    stack.psql("revoke execute on function millrace.notify_parents(bigint[]) from millrace_engine")
    engine = Engine(stack)
    try:
        wait_waiting(stack, run)
        made, = children(stack, run)
        wait_waiting(stack, made)
        stack.psql("revoke execute on function millrace.check_waits(bigint[], bigint[]) from millrace_engine")
        signal_run(stack, made, "crash.c")
        stack.api.wait_run(made, "completed")
        engine.kill()
    finally:
        stack.psql("grant execute on function millrace.notify_parents(bigint[]), millrace.check_waits(bigint[], bigint[]) "
                   "to millrace_engine")
    assert row(stack, run)["awaits"] == 1
    engine = Engine(stack)
    try:
        stack.api.wait_run(run, "completed", timeout=20)
        check(stack, run, made)
    finally:
        engine.stop()


def test_killed_again_and_again_with_children(without_engine):
    """Children are neither lost nor started twice."""
    stack = without_engine
    child = stack.api.workflow([delay(0.1)])
    loop = {"name": "all", "type": "foreach", "config": {"items": {"from": 0, "to": 60}, "concurrency": 10,
                                                         "steps": [sub(child["name"])]}}
    run = start(stack, [loop])
    for n in (5, 20, 40):
        engine = Engine(stack)
        wait_until(lambda: len(children(stack, run)) >= n, 30)
        os.kill(engine.pid, signal.SIGKILL)
        engine.kill()
    engine = Engine(stack)
    try:
        stack.api.wait_run(run, "completed", timeout=60)
        assert len(children(stack, run)) == 60
        check(stack, run)
    finally:
        engine.stop()
