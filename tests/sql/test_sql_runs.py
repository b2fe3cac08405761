"""Runs: started, claimed, flushed, commanded, retried, read back from the journal."""
import pytest


def facts_of_a_step(name, order, output):
    return [("step.completed", name, "new", 1, {"type": "log", "order": order, "input": {"m": 1}, "output": output})]


def test_execute(tenant):
    w = tenant.workflow("w")["body"]["id"]
    r = tenant.one("workflow_execute", id=w, input={"a": 1}, waiter="host.1", traceparent="00-x")
    body = r["body"]
    assert r["status"] == 202 and r["wake"] == f"r:{body['run_id']}" and r["location"] == f"/api/v1/runs/{body['run_id']}"
    assert body == {"message": "Workflow execution started", "execution_id": body["run_id"], "run_id": body["run_id"],
                    "workflow_id": w, "status": "pending"}
    run = tenant.one("run_get", id=body["run_id"])["body"]
    assert run == tenant.one("execution_get", id=body["run_id"])["body"]
    assert (run["workflow_name"], run["version"], run["input_data"], run["triggered_by"], run["correlation_id"]) == (
        "w", 1, {"a": 1}, "root", "c-1")
    assert run["is_terminal"] is False and run["trigger_type"] == "manual"
    events = tenant.one("run_events", id=run["id"])
    assert [(e["seq"], e["event"], e["data"]) for e in events["items"]] == [
        (1, "workflow.created", {"trigger_type": "manual", "triggered_by": "root"})]
    assert tenant.run("workflow_execute", id=w + 1) == []


def test_execute_a_version(tenant):
    w = tenant.workflow("w")["body"]["id"]
    tenant.workflow("w", start=True, digest="d2")
    old = tenant.execute(w, version=1)
    assert tenant.one("run_get", id=old)["body"]["version"] == 1
    assert tenant.one("workflow_execute", id=w, version=3)["error"] == "VERSION_NOT_FOUND"


def test_life_of_a_run(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w, waiter="host.1", input={"x": 1})
    claimed = engine.claim()[run]
    assert (claimed["fence"], claimed["seq"], claimed["waiter"], claimed["input"]) == (0, 1, "host.1", {"x": 1})
    assert tenant.one("run_get", id=run)["body"]["status"] == "pending"
    assert engine.claim() == {}
    facts = [("started", None, None, None, {})]
    facts += facts_of_a_step("a", 1, {"v": 1})
    facts += [("log", "a", None, 1, {"level": "warning", "message": "careful"})]
    facts += facts_of_a_step("b", 2, {"v": 2})
    facts += [("completed", None, None, None, {})]
    engine.finish(claimed, facts=facts, result='{"a": {"v": 1}}', started_us=1735725600000000)
    body = tenant.one("run_get", id=run)["body"]
    assert (body["status"], body["is_terminal"], body["progress"], body["result_data"]) == (
        "completed", True, 100, {"a": {"v": 1}})
    assert body["execution_time_ms"] >= 0 and body["completed_at"].endswith("Z")
    steps = tenant.one("run_steps", id=run)
    assert steps["total"] == 2
    a, b = steps["items"]
    assert (a["step_name"], a["step_order"], a["step_type"], a["status"], a["output_data"], a["input_data"]) == (
        "a", 1, "log", "completed", {"v": 1}, {"m": 1})
    assert (a["execution_time_ms"], a["retry_count"], a["attempt"]) == (1, 0, 1)
    assert a["started_at"] < a["completed_at"] and b["step_name"] == "b"
    logs = tenant.one("run_logs", id=run)["items"]
    assert [(e["kind"], e["level"]) for e in logs] == [
        ("created", "info"), ("started", "info"), ("step.completed", "info"), ("log", "warning"),
        ("step.completed", "info"), ("completed", "info")]
    assert [e["message"] for e in tenant.one("run_logs", id=run, level="warning")["items"]] == ["careful"]
    assert [e["kind"] for e in tenant.one("run_logs", id=run, step="a")["items"]] == ["step.completed", "log"]
    after = tenant.one("run_logs", id=run, after=logs[3]["id"])
    assert [e["seq"] for e in after["items"]] == [5, 6] and after["total"] == 2
    assert [e["seq"] for e in tenant.one("run_events", id=run, after=logs[3]["id"])["items"]] == [5, 6]
    figures = tenant.one("health_figures")["body"]
    assert (figures["completed_executions_24h"], figures["active_executions"], figures["total_workflows"]) == (1, 0, 1)


def test_pages_of_steps_logs_and_events(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    facts = [f for i in range(9) for f in facts_of_a_step(f"s{i}", i + 1, {})]
    engine.finish(engine.claim()[run], facts=facts)
    for name, key in (("run_steps", "step_name"), ("run_logs", "seq"), ("run_events", "seq"), ("workflow_logs", "seq")):
        id = w if name == "workflow_logs" else run
        for order in [v["order"] for v in tenant.db.texts.variants[name] if not v["given"]]:
            whole = tenant.one(name, order, id=id)
            seen, after = [], {}
            for _ in range(10):
                page = tenant.one(name, order, id=id, page_limit=4, **after)
                seen += page["items"]
                if page["next_id"] is None:
                    break
                after = {"after_key": page["next_key"], "after_id": page["next_id"]}
            assert [s[key] for s in seen] == [s[key] for s in whole["items"]], (name, order)
            assert whole["total"] == len(seen) == (9 if name == "run_steps" else 10)
    assert tenant.run("run_steps", id=run + 1) == [] and tenant.run("run_logs", id=run + 1) == []
    assert tenant.run("run_events", id=run + 1) == [] and tenant.run("workflow_logs", id=w + 1) == []


def test_steps_in_every_state(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    c = engine.claim()[run]
    error = {"type": "http.503", "message": "away", "step": "c", "attempt": 1}
    _, ids = engine.flush({"run_id": run, "fence": c["fence"], "status": "running", "seq": 1, "release": False, "facts": [
        ("step.started", "a", "new", 1, {"type": "http_request", "order": 1, "input": {"u": 1}}),
        ("step.waiting", "b", "new", 1, {"type": "delay", "order": 2, "until": "2030-01-01T00:00:00Z"}),
        ("step.started", "c", "new", 1, {"type": "http_request", "order": 3, "input": {"u": 3}}),
        ("step.skipped", "d", "new", 1, {"type": "log", "order": 4, "reason": "when"})]})
    c["fence"] += 1  # the first flush took it
    engine.flush({"run_id": run, "fence": c["fence"], "status": "running", "seq": 5, "release": False, "facts": [
        ("step.retrying", "c", ids[2], 1, {"error": error, "next_at": "2030-01-01T00:00:00Z"})]})
    by_name = lambda: {s["step_name"]: s for s in tenant.one("run_steps", id=run)["items"]}  # noqa: E731
    s = by_name()
    assert {n: x["status"] for n, x in s.items()} == {"a": "running", "b": "waiting", "c": "waiting", "d": "skipped"}
    assert s["c"]["error"] == error and s["c"]["next_at"] and s["c"]["step_type"] == "http_request"
    assert s["c"]["input_data"] == {"u": 3} and s["d"]["reason"] == "when" and s["d"]["started_at"] is None
    assert s["b"]["until"] and s["a"]["completed_at"] is None
    engine.finish({**c, "seq": 6}, "failed", [
        ("step.started", "c", ids[2], 2, {"type": "http_request", "order": 3, "input": {"u": 4}}),
        ("step.failed", "c", ids[2], 2, {"type": "http_request", "order": 3, "error": {**error, "attempt": 2}}),
        ("step.cancelled", "a", ids[0], 1, {"type": "http_request", "order": 1, "reason": "failure"}),
        ("failed", None, None, None, {"error": error})], error='{"type":"http.503","message":"away"}')
    s = by_name()
    assert (s["c"]["status"], s["c"]["retry_count"], s["c"]["attempt"], s["c"]["input_data"]) == ("failed", 1, 2, {"u": 4})
    assert s["a"]["status"] == "cancelled" and s["a"]["id"] == ids[0]
    assert tenant.one("run_get", id=run)["body"]["error"]["type"] == "http.503"


def test_fences_guard_every_write(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    run, second = tenant.execute(w), tenant.execute(w)
    c = engine.claim()
    assert tenant.one("run_cancel", id=run, reason="enough")["wake"] == f"c:{run}"
    held, _ = engine.flush(*({"run_id": i, "fence": c[i]["fence"], "status": "completed", "seq": 1,
                              "facts": [("completed", None, None, None, {})]} for i in (run, second)))
    assert held == [second]
    assert [e["event"] for e in tenant.one("run_events", id=run)["items"]] == ["workflow.created"]
    commands = db.run("engine_commands", engine_id=engine.id)
    assert [(m["run_id"], m["kind"], m["fence"], m["data"]) for m in commands] == [
        (run, "cancel", 1, {"reason": "enough", "by": "root"})]
    engine.finish({**c[run], "fence": 1}, "cancelled", cancelled_by="root")
    body = tenant.one("run_get", id=run)["body"]
    assert (body["status"], body["cancelled_by"]) == ("cancelled", "root") and body["cancelled_at"]
    assert tenant.one("run_cancel", id=run)["error"] == "RUN_NOT_ACTIVE"
    assert tenant.run("run_cancel", id=run + 100) == []


def test_pause_and_resume(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    assert tenant.one("run_resume", id=run)["error"] == "RUN_NOT_PAUSED"
    assert tenant.one("run_pause", id=run)["status"] == 202
    twice = tenant.one("run_pause", id=run)
    assert twice["status"] == 202 and twice["wake"] is None
    c = engine.claim()[run]
    told, ids = engine.commands()
    assert [kind for kind, _ in told[run]] == ["pause"]
    engine.flush({"run_id": run, "fence": c["fence"], "status": "paused", "seq": 1, "state": '{"s": 1}',
                  "facts": [("paused", None, None, None, {})]}, commands=ids)
    assert engine.claim() == {} and engine.commands() == ({}, [])
    assert tenant.one("run_resume", id=run)["status"] == 202
    assert run in engine.claim()
    told, _ = engine.commands()
    assert [kind for kind, _ in told[run]] == ["resume"]
    loaded = db.run("engine_load", run_ids=[run])
    assert [(r["kind"], r["seq"], r["data"]) for r in loaded] == [("state", 2, {"s": 1})]
    tenant.one("run_pause", id=run)
    assert tenant.one("run_resume", id=run)["status"] == 202


def test_waiting_is_a_row(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    c = engine.claim()[run]
    engine.finish(c, "running", [("step.waiting", "a", "new", 1, {"type": "delay", "order": 1})],
                  wake_us=4102444800000000, state='{"at": 2}', progress=0)
    assert tenant.one("run_get", id=run)["body"]["wake_at"] == "2100-01-01T00:00:00Z"
    assert engine.claim() == {}
    db.admin("update runs set wake_at = now() - interval '1 second'")
    assert engine.claim()[run]["fence"] == 1
    state, = db.run("engine_load", run_ids=[run])
    assert (state["kind"], state["seq"], state["data"]) == ("state", 2, {"at": 2})
    engine.finish({**c, "fence": 1, "seq": 2}, "completed")
    assert db.run("engine_load", run_ids=[run])[0]["kind"] == "created"
    assert db.admin("select count(*) as n from run_states")[0]["n"] == 0


def test_a_state_names_rows_that_come_before_it(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    run, other = tenant.execute(w), tenant.execute(w)
    claimed = engine.claim()
    items = {"type": "foreach", "order": 1, "input": {"items": [1, 2]}}
    engine.finish(claimed[run], "running", [("step.started", "a", "new", 1, items), ("log", None, None, None, {})],
                  wake_us=4102444800000000, state='{"facts":[2],"v":3}', progress=0)
    engine.finish(claimed[other], "running", [("step.started", "a", "new", 1, items)],
                  wake_us=4102444800000000, state='{"v":3,"facts":[2]}', progress=0)
    rows = db.run("engine_load", run_ids=[run, other])
    assert [(r["run_id"], r["kind"], r["seq"]) for r in rows] == [(run, "lent", 2), (run, "state", 3), (other, "state", 2)]
    assert rows[0]["data"] == items


def test_run_at(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    later = tenant.execute(w, run_at="2100-01-01T00:00:00Z")
    now = tenant.execute(w, run_at="2020-01-01T00:00:00Z")
    assert sorted(engine.claim()) == [now]
    assert tenant.one("run_get", id=later)["body"]["status"] == "pending"
    assert db.one("engine_reconcile")["violations"] == 0
    tenant.one("run_cancel", id=later)
    assert sorted(engine.claim()) == [later]


def test_claim_is_by_priority_then_fair_then_age(tenant, other, engine):
    mine, theirs = tenant.workflow("w")["body"]["id"], other.workflow("w")["body"]["id"]
    flood = [tenant.execute(mine) for _ in range(50)]
    late = [other.execute(theirs) for _ in range(3)]
    urgent = tenant.execute(mine, priority=5)
    first = engine.claim(11)
    assert urgent in first and len(first) == 11
    second = engine.claim(10)
    got = set(first) | set(second)
    assert set(late) <= got
    assert sorted(got & set(flood)) == flood[:len(got & set(flood))]


def test_engines_have_slices(tenant, db, engine):
    """Two engines claim different runs without having written anything."""
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    runs = {tenant.execute(w) for _ in range(100)}
    another = Engine(db)
    first, second = engine.claim(), another.claim()
    assert first and second and not set(first) & set(second) and set(first) | set(second) == runs


def named(db, engine, runs):
    return {r["run_id"]: r for r in db.run("engine_claim_named", engine_id=engine.id, run_ids=sorted(runs))}


def test_claims_by_name(tenant, db, engine):
    """The same rows as a search finds; and nothing that isn't queued, or isn't there."""
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w, input='{"a": 1}', correlation_id="k", priority=3) for _ in range(3)]
    later, done = tenant.execute(w, run_at="2100-01-01T00:00:00Z"), tenant.execute(w)
    found = engine.claim()
    assert engine.flush({"run_id": done, "fence": found[done]["fence"], "status": "completed", "seq": 1,
                         "facts": [("completed", None, None, None, {})]})[0] == [done]
    assert named(db, engine, [*runs[:2], later, done, 10**12]) == {r: found[r] for r in runs[:2]}
    assert named(db, engine, []) == {}


def test_each_engine_claims_its_slice_by_name(tenant, db, engine):
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    runs = {tenant.execute(w) for _ in range(100)}
    another = Engine(db)
    first, second = named(db, engine, runs), named(db, another, runs)
    assert first and second and not set(first) & set(second) and set(first) | set(second) == runs
    db.admin(f"update engines set lease_until = now() where id = {another.id}")
    assert named(db, another, runs) == {} and set(named(db, engine, runs)) == runs


def test_what_nobody_fetches_is_anybodys(tenant, db, engine):
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    runs = {tenant.execute(w) for _ in range(100)}
    Engine(db)  # lives, and does nothing
    first = engine.claim()
    assert first and set(first) < runs
    db.admin("update runs set created_at = now() - interval '3 seconds'")
    assert set(first) | set(engine.claim()) == runs


def test_what_is_due_and_what_nobody_fetches(tenant, db, engine):
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    runs = {tenant.execute(w, run_at="2100-01-01T00:00:00Z") for _ in range(100)}
    Engine(db)
    db.admin("update runs set wake_at = now()")
    first = engine.claim()
    assert first and set(first) < runs
    db.admin("update runs set wake_at = now() - interval '3 seconds'")
    engine.claim()
    assert set(engine.claim()) | engine.in_hand == runs


def test_of_two_that_claimed_a_run_one_gets_it(tenant, db, engine):
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    c = engine.claim()[run]
    another = Engine(db)
    done = {"run_id": run, "fence": c["fence"], "status": "completed", "seq": 1,
            "facts": [("completed", None, None, None, {})]}
    assert another.flush(done)[0] == [run]
    assert engine.flush(done)[0] == []
    assert db.run("engine_owned", engine_id=engine.id, run_ids=[run]) == []
    assert [e["event"] for e in tenant.one("run_events", id=run)["items"]] == ["workflow.created", "workflow.completed"]


def test_claims_wait_for_nobody(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    runs = {tenant.execute(w) for _ in range(6)}
    busy = db.cluster.connect(db.name)
    busy.execute("begin; select 1 from millrace.runs for update")
    db.conn("engine").execute("set lock_timeout = '100ms'")
    assert set(engine.claim()) == runs
    busy.execute("rollback")
    busy.close()


def test_the_first_flush_takes_a_run(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    c = engine.claim()[run]
    started = {"run_id": run, "fence": c["fence"], "status": "running", "seq": 1, "release": False,
               "started_us": 1735725600000000, "facts": [("started", None, None, None, {})]}
    assert tenant.one("run_get", id=run)["body"]["status"] == "pending"
    assert engine.flush(started)[0] == [run]
    assert engine.flush(started)[0] == [], "sent again, because its answer was lost"
    row, = db.run("engine_owned", engine_id=engine.id, run_ids=[run])
    assert (row["owner_id"], row["fence"], row["seq"]) == (engine.id, c["fence"] + 1, 2)
    body = tenant.one("run_get", id=run)["body"]
    assert (body["status"], body["started_at"]) == ("running", "2025-01-01T10:00:00Z")
    assert engine.claim() == {}


def test_a_dead_engine_loses_its_runs(tenant, db, engine):
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    run, untaken = tenant.execute(w), tenant.execute(w)
    dead = Engine(db, lease_ms=0)
    assert dead.claim() == {}, "without a lease nothing is claimed"
    db.admin(f"update engines set lease_until = now() - interval '1 second' where id = {engine.id}")
    db.admin(f"update engines set lease_until = now() + interval '1 hour' where id = {dead.id}")
    c = dead.take(1)[run]
    other = dead.claim()[untaken]
    db.admin(f"update engines set lease_until = now() + interval '1 hour' where id = {engine.id}")
    assert db.one("engine_reclaim", dead=[]) == {"engines": 0, "runs": 0, "series": 0}
    db.admin(f"update engines set lease_until = now() - interval '1 second' where id = {dead.id}")
    assert db.one("engine_reclaim", dead=[]) == {"engines": 1, "runs": 1, "series": 0}
    assert db.run("engine_renew", engine_id=dead.id, lease_ms=1000, metrics={}) == []
    assert set(engine.claim()) == {run, untaken}
    held, _ = dead.flush(*({"run_id": x["run_id"], "fence": x["fence"], "status": "completed", "seq": x["seq"]} for x in (c, other)))
    assert held == []
    engine.in_hand.clear()
    assert engine.take()[run]["fence"] == c["fence"] + 2
    assert db.one("engine_renew", engine_id=engine.id, lease_ms=1000, metrics={"a": 1})["engine_id"] == engine.id
    assert db.one("engine_unregister", engine_id=engine.id, metrics={})["released"] == 2


def test_what_a_dead_engine_took_last_is_freed_too(tenant, db):
    """Its flush ends between the first look at its row and the lock on it."""
    from database import Engine
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    dead = Engine(db)
    taking, other = (db.cluster.connect(db.name, "engine") for _ in range(2))
    c = dead.claim()[run]
    taking.execute("begin")
    assert dead.flush({"run_id": run, "fence": c["fence"], "status": "running", "seq": 1, "release": False}, conn=taking)[0] == [run]
    other.execute("begin")
    ask = {"dead": [dead.id]}
    assert db.texts.run(other, "engine_reclaim_lock", None, ask) == [], "it is writing: left for the next time"
    taking.execute("commit")
    assert [r["engine_id"] for r in db.texts.run(other, "engine_reclaim_lock", None, ask)] == [dead.id]
    assert db.texts.run(other, "engine_reclaim", None, ask) == [{"engines": 1, "runs": 1, "series": 0}]
    other.execute("commit")
    assert db.one("engine_reconcile")["violations"] == 0
    for conn in (taking, other):
        conn.close()


def test_reconcile_repairs_what_nothing_would_move(tenant, db, engine):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(4)]
    c = engine.claim(3)
    engine.finish(c[runs[0]], "running", wake_us=4102444800000000, progress=0)
    engine.finish(c[runs[1]], "paused", progress=0)
    assert db.one("engine_reconcile")["violations"] == 0
    db.admin(f"update runs set owner_id = 999 where id = {runs[2]}")
    db.admin(f"update runs set wake_at = null where id = {runs[0]}")
    db.admin(f"update runs set queued = false where id = {runs[3]}")
    assert db.one("engine_reconcile")["violations"] == 3
    assert db.one("engine_reconcile")["violations"] == 0
    engine.in_hand.clear()
    assert sorted(engine.claim()) == sorted([runs[0], runs[2], runs[3]])


def failed_run(tenant, engine, w):
    run = tenant.execute(w)
    c = engine.claim()[run]
    ids = engine.finish(c, "failed", [
        ("step.completed", "a", "new", 1, {"type": "log", "order": 1, "output": {}}),
        ("step.failed", "b", "new", 1, {"type": "log", "order": 2, "error": {"type": "x", "message": "m"}}),
        ("step.failed", "b/inner", "new", 1, {"type": "log", "order": 0, "error": {"type": "x", "message": "m"}}),
        ("failed", None, None, None, {"error": {"type": "x", "message": "m"}})], error='{"type":"x","message":"m"}')
    return run, ids


@pytest.mark.parametrize("how", ["run", "step", "inner", "workflow"])
def test_retry(tenant, db, engine, how):
    w = tenant.workflow("w")["body"]["id"]
    run, ids = failed_run(tenant, engine, w)
    if how == "run":
        r = tenant.one("run_retry", id=run, from_step="b", input={"k": None})
    elif how == "step":
        r = tenant.one("step_retry", step_execution_id=ids[1], input={"k": None})
    elif how == "inner":
        r = tenant.one("step_retry", step_execution_id=ids[2], input={"k": None})
    else:
        r = tenant.one("workflow_step_retry", id=w, step="b", input={"k": None})
    assert r["status"] == 202 and r["body"]["run_id"] == run and r["body"]["status"] == "running" and r["wake"] == "r"
    body = tenant.one("run_get", id=run)["body"]
    assert (body["status"], body["retry_count"], body["error"], body["completed_at"]) == ("running", 1, None, None)
    last = tenant.one("run_events", id=run)["items"][-1]
    assert (last["kind"], last["data"]) == ("retried", {"by": "root", "from_step": "b", "input": {"k": None}})
    c = engine.claim()[run]
    assert c["seq"] == last["seq"] == 6
    engine.finish(c, "completed")
    assert tenant.one("run_retry", id=run)["error"] == "RUN_NOT_RETRYABLE"
    assert tenant.one("step_retry", step_execution_id=ids[1])["error"] == "RUN_NOT_RETRYABLE"


def test_retry_forgets_commands_that_came_too_late(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    c = engine.claim()[run]
    tenant.one("run_pause", id=run)
    engine.finish({**c, "fence": c["fence"] + 1}, "failed")
    tenant.one("run_retry", id=run)
    assert run in engine.claim() and engine.commands() == ({}, [])


def test_retry_refusals(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    assert tenant.one("workflow_step_retry", id=w, step="b")["error"] == "RUN_NOT_RETRYABLE"
    assert tenant.run("workflow_step_retry", id=w + 1, step="b") == []
    run, ids = failed_run(tenant, engine, w)
    assert tenant.one("run_retry", id=run, from_step="nosuch")["error"] == "STEP_NOT_FOUND"
    assert tenant.one("workflow_step_retry", id=w, step="nosuch")["error"] == "STEP_NOT_FOUND"
    assert tenant.run("step_retry", step_execution_id=ids[3]) == []
    assert tenant.run("run_retry", id=run + 1) == []
    plain = tenant.one("run_retry", id=run)
    assert plain["status"] == 202
    assert tenant.one("run_events", id=run)["items"][-1]["data"] == {"by": "root"}


@pytest.mark.parametrize("order", ["created_at", "-created_at", "id", "-id"])
def test_lists_page_in_every_order(tenant, engine, order):
    w, v = tenant.workflow("w")["body"]["id"], tenant.workflow("v")["body"]["id"]
    for i in range(6):
        tenant.execute(w, priority=i % 2)
    for i, c in enumerate(engine.claim(4).values()):
        engine.finish(c, ["completed", "failed"][i % 2])
    tenant.execute(v)
    for name, more, total in (("run_list", {}, 7), ("run_list", {"status": ["completed", "failed"]}, 4),
                              ("workflow_executions", {"id": w}, 6), ("run_list", {"workflow_id": v}, 1)):
        whole = tenant.one(name, order, **more)
        assert whole["total"] == len(whole["items"]) == total and whole["next_id"] is None
        key = order.lstrip("-")
        values = [i[key] for i in whole["items"]]
        assert values == sorted(values, reverse=order[0] == "-")
        seen, after = [], {}
        for _ in range(10):
            page = tenant.one(name, order, page_limit=2, **more, **after)
            seen += page["items"]
            if page["next_id"] is None:
                break
            after = {"after_key": page["next_key"], "after_id": page["next_id"]}
        assert [i["id"] for i in seen] == [i["id"] for i in whole["items"]]
        offset = tenant.one(name, order, page_limit=2, page_offset=2, **more)
        assert [i["id"] for i in offset["items"]] == [i["id"] for i in whole["items"]][2:4]


def test_list_filters(tenant):
    w, v = tenant.workflow("alpha")["body"]["id"], tenant.workflow("beta")["body"]["id"]
    a, b = tenant.execute(w), tenant.execute(v, correlation_id="special")
    ids = lambda **f: [i["id"] for i in tenant.one("run_list", **f)["items"]]  # noqa: E731
    assert ids() == [b, a]
    assert ids(workflow_id=w) == [a] and ids(correlation_id="special") == [b]
    assert ids(triggered_by="root") == [b, a] and ids(triggered_by="nobody") == []
    assert ids(search="ALPH") == [a] and ids(search="spec") == [b]
    assert ids(status=["pending"], workflow_id=v) == [b] and ids(status=["failed"]) == []
    assert tenant.one("run_list", **{"from": "2100-01-01T00:00:00Z"})["items"] == []
    assert len(tenant.one("run_list", to="2100-01-01T00:00:00Z")["items"]) == 2
    item = tenant.one("run_list")["items"][0]
    assert "input_data" not in item and item["workflow_name"] == "beta"
    assert tenant.one("workflow_executions", id=w)["items"][0]["input_data"] == {}
    assert tenant.run("workflow_executions", id=w + 100) == []


def test_workflow_logs(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    runs = [failed_run(tenant, engine, w)[0] for _ in range(2)]
    lines = tenant.one("workflow_logs", id=w)
    assert [e["run_id"] for e in lines["items"]] == [runs[1]] * 5 + [runs[0]] * 5 and lines["total"] == 10
    assert [e["seq"] for e in lines["items"]][:5] == [5, 4, 3, 2, 1]
    errors = tenant.one("workflow_logs", id=w, level="error")
    assert {e["level"] for e in errors["items"]} == {"error"} and errors["total"] == 6
    newer = tenant.one("workflow_logs", id=w, after=lines["items"][3]["id"])
    assert [e["seq"] for e in newer["items"]] == [5, 4, 3]
