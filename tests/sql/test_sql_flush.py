"""What a flush writes beside rows and facts: waits, published events, variables, ends of children; all of
it only where the fence still holds."""
import pytest

LATER = 4102444800000000


@pytest.fixture
def claimed(tenant, engine):
    """A claimed run, as a flush of the engine names it."""
    run = tenant.execute(tenant.workflow("w")["body"]["id"])
    c = engine.claim()[run]
    return {"run_id": run, "fence": c["fence"], "status": "running", "seq": c["seq"], "release": False,
            "facts": [("started", None, None, None, {})]}


def later(claimed, facts=1, **more):
    """The same run, for the flush after one with so many facts; the first took the run and raised its fence."""
    return {**claimed, "fence": claimed["fence"] + 1, "seq": claimed["seq"] + facts, **more}


def waits(claimed, *rows, unwaits=(), emits=()):
    """Parameters of a flush: rows are (step execution, event type, child)."""
    run = claimed["run_id"]
    return {"w_run_ids": [run] * len(rows), "w_step_execution_ids": [r[0] for r in rows],
            "w_steps": ["s"] * len(rows), "w_event_types": [r[1] for r in rows],
            "w_child_run_ids": [r[2] for r in rows],
            "u_run_ids": [run] * len(unwaits), "u_step_execution_ids": list(unwaits),
            "e_run_ids": [run] * len(emits), "e_ids": [e[0] for e in emits], "e_types": [e[1] for e in emits],
            "e_data": [e[2] for e in emits]}


def waiting(db, run):
    return [(w["step_execution_id"], w["kind"], w["event_type"], w["child_run_id"], w["checked"])
            for w in db.admin(f"select * from run_waits where run_id = {run} order by 1, 2")]


def test_waits_begin_and_end(db, engine, claimed):
    run = claimed["run_id"]
    engine.flush(claimed, **waits(claimed, (7, "a", 0), (7, "b", 0), (8, "", 5), (9, "a", 0)))
    assert waiting(db, run) == [(7, "event", "a", 0, False), (7, "event", "b", 0, False), (8, "child", "", 5, False),
                                (9, "event", "a", 0, False)]
    engine.flush(later(claimed), **waits(claimed, (10, "c", 0), unwaits=[7]))
    assert [w[0] for w in waiting(db, run)] == [8, 9, 10]
    engine.flush(later(claimed, 2), **waits(claimed, unwaits=[0]))
    assert waiting(db, run) == []


def test_who_lost_the_run_registers_nothing(db, engine, claimed):
    stale = {**claimed, "fence": claimed["fence"] - 1}
    held, _ = engine.flush(stale, **waits(claimed, (7, "a", 0), emits=[(1, "e", "{}")]))
    assert held == [] and waiting(db, claimed["run_id"]) == []
    assert db.admin("select 1 from events") == []
    engine.flush(claimed, **waits(claimed, (7, "a", 0)))
    engine.flush(later(stale), **waits(claimed, unwaits=[7]))
    assert len(waiting(db, claimed["run_id"])) == 1


def test_events_are_published_once(db, engine, claimed, tenant):
    run = claimed["run_id"]
    # by two steps; the second flush is the first one, whose answer was lost
    for _ in range(2):
        engine.flush(claimed, **waits(claimed, emits=[(11, "a", '{"n": 1}'), (12, "b", "2")]))
    rows = db.admin("select run_fact_id, tenant_id, event_type, data, source, run_id, offer from events order by id")
    assert [(e["run_fact_id"], e["tenant_id"], e["event_type"], e["data"], e["run_id"], e["offer"]) for e in rows] == [
        (11, tenant.id, "a", {"n": 1}, run, None), (12, tenant.id, "b", 2, run, None)]
    assert rows[0]["source"] == f"run/{run}"


def test_variables_and_what_is_awaited(db, engine, claimed):
    row = f"select vars, awaits from runs where id = {claimed['run_id']}"
    engine.flush({**claimed, "vars": '{"n": 1}', "awaits": 3})
    assert db.admin(row) == [{"vars": {"n": 1}, "awaits": 3}]
    engine.flush(later(claimed))
    assert db.admin(row) == [{"vars": {"n": 1}, "awaits": 0}]


def test_the_end_of_a_child_is_to_be_looked_at(db, engine, claimed, tenant):
    parent = claimed["run_id"]
    child = tenant.execute(tenant.workflow("child")["body"]["id"])
    c = engine.claim()[child]
    engine.flush(claimed, **waits(claimed, (7, "", child)))
    assert db.run("engine_check_waits", run_ids=[parent], step_execution_ids=[7]) == []
    assert waiting(db, parent) == [(7, "child", "", child, True)]
    engine.flush({"run_id": child, "fence": c["fence"], "status": "completed", "seq": c["seq"],
                  "facts": [("completed", None, None, None, {})]}, ended_child_ids=[child])
    assert waiting(db, parent) == [(7, "child", "", child, False)]
    # the engine was killed before it told the parent: it is found
    db.admin("update run_waits set since = since - interval '3 seconds'")
    assert [(r["kind"], r["run_id"], r["step_execution_id"]) for r in db.run("engine_sweep")] == [("wait", parent, 7)]
    assert [r["run_id"] for r in db.run("engine_check_waits", run_ids=[parent], step_execution_ids=[7])] == [parent]
    told, _ = engine.commands()
    (kind, data), = told[parent]
    assert kind == "child" and data["child_run_id"] == child and data["status"] == "completed"
    assert db.run("engine_sweep") == []


def test_published_events_are_found(db, engine, claimed):
    engine.flush(claimed, **waits(claimed, emits=[(11, "a", "{}")]))
    assert db.run("engine_sweep") == []
    db.admin("update events set published_at = published_at - interval '3 seconds'")
    assert [r["kind"] for r in db.run("engine_sweep")] == ["event"]
    assert db.run("engine_dispatch", batch=10) == [] and db.run("engine_sweep") == []


def test_a_command_that_came_before_the_release(db, engine, claimed, tenant):
    run = claimed["run_id"]
    db.admin(f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'signal')")
    engine.flush({**claimed, "release": True, "awaits": 1}, **waits(claimed, (7, "a", 0)))
    assert db.one("engine_requeue", run_ids=[run])["runs"] == 1
    assert db.admin(f"select queued from runs where id = {run}")[0]["queued"]


def test_children_are_cancelled_for_who_holds_the_parent(db, engine, claimed, tenant):
    parent = claimed["run_id"]
    tenant.workflow("child")
    engine.flush(claimed)
    fence = claimed["fence"] + 1
    spawned, = db.run("engine_spawn", engine_id=engine.id, places=[0], run_ids=[parent], fences=[fence],
                      step_execution_ids=[7], attempts=[1], workflows=["child"], versions=[None], inputs=['{"a": 1}'],
                      cascades=[True], most_below=0)
    child = spawned["child_run_id"]
    assert child and spawned["code"] is None
    seq = claimed["seq"] + 1

    def cancel(fence):
        return [r["run_id"] for r in db.run("engine_cancel_children", run_ids=[parent], fences=[fence], seqs=[seq],
                                            step_execution_ids=[7])]

    assert cancel(fence - 1) == []
    assert cancel(fence) == [child]


def test_each_reason_to_wait_is_one(db, engine, claimed, tenant):
    """What awaits an event is left alone; what awaits nothing is not."""
    run = claimed["run_id"]
    engine.flush({**claimed, "release": True, "awaits": 1}, **waits(claimed, (7, "a", 0)))
    assert db.one("engine_reconcile")["violations"] == 0
    db.admin(f"delete from run_waits where run_id = {run}")
    assert db.one("engine_reconcile")["violations"] == 1
    assert db.admin(f"select queued from runs where id = {run}")[0]["queued"]
    assert db.one("engine_reconcile")["violations"] == 0


def test_many_signals_come_in_pieces(db, engine, claimed, tenant):
    run = claimed["run_id"]
    db.admin(f"insert into run_commands (tenant_id, run_id, kind) select {tenant.id}, {run}, 'signal' from generate_series(1, 100)")
    db.admin(f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'cancel')")
    told, ids = engine.commands()
    assert [k for k, _ in told[run]] == ["signal"] * 64 + ["cancel"] and ids == sorted(ids)


def test_runs_that_are_gone(db, claimed):
    assert [r["run_id"] for r in db.run("engine_runs_gone", run_ids=[claimed["run_id"], 999999999])] == [999999999]
