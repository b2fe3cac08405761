"""Why runs and steps stand where they stand: each reason is brought about and asked for."""
import json
import re

import pytest

from database import ROOT

LATER = 4102444800000000
ERROR = {"type": "http.503", "message": "away", "step": "b", "attempt": 1}
STEPS = [{"name": "a", "type": "log", "depends_on": []}, {"name": "b", "type": "log", "depends_on": ["a"]},
         {"name": "loop", "type": "foreach", "depends_on": ["b"], "config": {"steps": [{"name": "inner"}]}}]


@pytest.fixture
def w(tenant):
    return tenant.workflow("w", STEPS)["body"]["id"]


def why(tenant, run):
    return tenant.one("run_explain", id=run)["body"]


def step(tenant, run, name, **more):
    return tenant.one("step_explain", id=run, name=name, **more)["body"]


def flush(engine, c, status, *facts, **more):
    """The next flush of this run; C goes on."""
    facts = [(*f, None) if len(f) == 4 else f for f in facts]
    values = {"run_id": c["run_id"], "fence": c["fence"], "status": status, "seq": c["seq"], "facts": facts, **more}
    held, ids = engine.flush(values)
    assert held == [c["run_id"]]
    c["seq"] += len(facts)
    return ids


def claimed(tenant, engine, w):
    run = tenant.execute(w)
    return engine.claim()[run]


def test_queued_and_nobody_there(tenant, db, w):
    runs = [tenant.execute(w) for _ in range(3)] + [tenant.execute(w, priority=5)]
    assert [why(tenant, r)["code"] for r in runs] == ["NO_ENGINE"] * 4
    db.one("engine_register", name="e", host="h", pid=1, version="0", lease_ms=60000)
    told = [why(tenant, r) for r in runs]
    assert [(t["code"], t["position"]) for t in told] == [("QUEUED", 2), ("QUEUED", 3), ("QUEUED", 4), ("QUEUED", 1)]
    assert told[0]["message"] == "It is queued, at place 2 of its tenant." and told[0]["since"] and told[0]["eta"] is None


def test_scheduled(tenant, w, engine):
    run = tenant.execute(w, run_at="2100-01-01T00:00:00Z")
    assert (why(tenant, run)["code"], why(tenant, run)["message"]) == ("SCHEDULED", "It starts at 2100-01-01T00:00:00Z.")


def test_in_hand_and_lost(tenant, db, w, engine):
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", ("step.started", "b", "new", 1, {"type": "http_request", "order": 2}), release=False)
    told = why(tenant, c["run_id"])
    assert (told["code"], told["owner"]["alive"], told["owner"]["name"]) == ("RUNNING", True, "e")
    s, = told["steps"]
    assert (s["step"], s["code"], s["attempt"]) == ("b", "RUNNING", 1) and s["message"].startswith("It runs, attempt 1, since ")
    db.admin("update engines set lease_until = now() - interval '1 second'")
    assert why(tenant, c["run_id"])["code"] == "ENGINE_LOST"
    db.admin("delete from engines")
    assert why(tenant, c["run_id"])["code"] == "ENGINE_LOST"


def test_commands_that_are_not_obeyed_yet(tenant, w, engine):
    run = tenant.execute(w)
    tenant.one("run_pause", id=run)
    assert why(tenant, run)["code"] == "PAUSING"
    tenant.one("run_cancel", id=run)
    told = why(tenant, run)
    assert told["code"] == "CANCELLING"
    assert [(c["kind"], c["by"]) for c in told["pending_commands"]] == [("pause", "root"), ("cancel", "root")]


def test_paused(tenant, db, w, engine):
    c = claimed(tenant, engine, w)
    flush(engine, c, "paused", ("paused", None, None, None, {"by": "root", "reason": "lunch"}))
    told = why(tenant, c["run_id"])
    assert told["code"] == "PAUSED" and told["message"].startswith("It is paused by root, since ") and told["message"].endswith(": lunch.")
    tenant.one("run_resume", id=c["run_id"])
    assert why(tenant, c["run_id"])["code"] == "RESUMING"


@pytest.mark.parametrize("kind, data, run_code, step_code, words", [
    ("step.waiting", {"until": "2100-01-01T00:00:00Z"}, "WAITING_FOR_TIME", "WAITING_FOR_TIME", "It waits until 2100-01-01T00:00:00Z."),
    ("step.retrying", {"error": ERROR, "next_at": "2100-01-01T00:00:00Z"}, "RETRYING", "RETRYING",
     "Attempt 1 failed and it will be tried again at 2100-01-01T00:00:00Z: away"),
    ("step.catching", {"error": ERROR, "catch": 1}, "WAITING_FOR_TIME", "CATCHING",
     "It failed, and entry 2 of its catch handles that: away")])
def test_waiting_for_a_time(tenant, w, engine, kind, data, run_code, step_code, words):
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", (kind, "b", "new", 1, {"type": "delay", "order": 2, **data}), wake_us=LATER)
    told = why(tenant, c["run_id"])
    assert told["code"] == run_code and told["wake_at"] == "2100-01-01T00:00:00Z"
    s, = told["steps"]
    assert (s["code"], s["message"]) == (step_code, words)
    one = step(tenant, c["run_id"], "b")
    assert (one["code"], one["message"], one["executions"]) == (step_code, words, 1)
    assert one["error"] == data.get("error")


def test_waiting_for_events_and_children(tenant, db, w, engine):
    c = claimed(tenant, engine, w)
    a, b = flush(engine, c, "running", ("step.waiting", "a", "new", 1, {"type": "wait", "order": 1}),
                 ("step.waiting", "b", "new", 1, {"type": "subworkflow", "order": 2}))
    db.admin(f"""insert into run_waits (run_id, step_execution_id, tenant_id, step, kind, event_type, child_run_id) values
        ({c['run_id']}, {a}, {tenant.id}, 'a', 'event', 'paid', 0), ({c['run_id']}, {a}, {tenant.id}, 'a', 'event', 'sent', 0),
        ({c['run_id']}, {b}, {tenant.id}, 'b', 'child', '', 77); update runs set awaits = 3""")
    told = why(tenant, c["run_id"])
    assert told["code"] == "WAITING_FOR_CHILD" and told["message"].startswith("It waits for run 77, since ")
    assert [(s["code"], s["waiting_for"], s["child_run_id"]) for s in told["steps"]] == [
        ("WAITING_FOR_EVENT", '"paid", "sent"', None), ("WAITING_FOR_CHILD", None, 77)]
    db.admin("delete from run_waits where kind = 'child'")
    told = why(tenant, c["run_id"])
    assert told["code"] == "WAITING_FOR_EVENT" and told["message"].startswith('It waits for "paid", "sent", since ')
    assert step(tenant, c["run_id"], "a")["waiting_for"] == '"paid", "sent"'


def test_waiting_under_a_limit(tenant, db, w, engine):
    runs = [tenant.execute(w) for _ in range(3)]
    db.admin(f"update runs set limit_key = 'k', limit_max = 1, queued = false, admitted = id = {runs[0]}, owner_id = case when id = {runs[0]} then {engine.id} end")
    told = [why(tenant, r) for r in runs]
    assert [(t["code"], t["position"]) for t in told] == [("RUNNING", None), ("WAITING_FOR_LIMIT", 1), ("WAITING_FOR_LIMIT", 2)]
    assert told[2]["limit"] == {"key": "k", "most": 1, "taken": 1, "admitted": False}


def test_nothing_moves_it(tenant, db, w):
    run = tenant.execute(w)
    db.admin("update runs set queued = false")
    assert why(tenant, run)["code"] == "STALLED"


@pytest.mark.parametrize("status, words", [
    ("completed", "It has ended well."), ("failed", "It has failed: away"), ("cancelled", "It was cancelled by root."),
    ("timed_out", "It took longer than it may."), ("compensated", "It failed, and what its steps did was undone: away")])
def test_ended(tenant, db, w, engine, status, words):
    c = claimed(tenant, engine, w)
    flush(engine, c, status, (status, None, None, None, {}), error=json.dumps(ERROR), cancelled_by="root")
    told = why(tenant, c["run_id"])
    assert (told["code"], told["message"], told["is_terminal"], told["steps"], told["eta"]) == (status.upper(), words, True, [], None)
    assert told["since"]
    assert step(tenant, c["run_id"], "a")["code"] == "NOT_REACHED"


@pytest.mark.parametrize("kind, data, code, words", [
    ("step.completed", {"output": {}}, "COMPLETED", "It completed."),
    ("step.completed", {"output": 1, "error": ERROR}, "COMPLETED_BY_CATCH", "It failed, and its catch put that right: away"),
    ("step.failed", {"error": ERROR}, "FAILED", "It failed in attempt 2: away"),
    ("step.failed", {"error": ERROR, "handled": "catch", "catch": 0}, "FAILED_HANDLED",
     "It failed, and entry 1 of its catch says how it goes on: away"),
    ("step.failed", {"error": ERROR, "handled": "continue"}, "FAILED_HANDLED", "It failed, and on_error says to go on: away"),
    ("step.skipped", {"reason": "when"}, "SKIPPED", "It was skipped: its condition was false."),
    ("step.skipped", {"reason": "path_not_taken"}, "SKIPPED", "It was skipped: the run went another way."),
    ("step.skipped", {"reason": "join"}, "SKIPPED", "It was skipped: what its join asks of the steps before it can not come any more."),
    ("step.cancelled", {"reason": "failed"}, "CANCELLED", "It was cancelled: a step beside it failed."),
    ("step.cancelled", {"reason": "cancelled"}, "CANCELLED", "It was cancelled with the run."),
    ("step.cancelled", {"reason": "timed_out"}, "CANCELLED",
     "It was cancelled: the time of the run or of the step that holds it was over."),
    ("step.cancelled", {"reason": "race"}, "CANCELLED",
     "It was cancelled: enough of the branches beside its own were done, and the rest was not wanted any more."),
    ("step.cancelled", {"reason": "terminated"}, "CANCELLED", "It was cancelled: another step ended the run.")])
def test_ended_steps(tenant, w, engine, kind, data, code, words):
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", (kind, "b", "new", 2, {"type": "log", "order": 2, **data}), wake_us=LATER)
    told = step(tenant, c["run_id"], "b")
    assert (told["code"], told["message"]) == (code, words)
    assert told["execution"]["status"] == told["status"] and told["handled"] == data.get("handled")
    assert told["catch"] == (data["catch"] + 1 if "catch" in data else None)


REASONS = [(kind, reason) for kinds, kind in (("SKIP", "step.skipped"), ("CANCEL", "step.cancelled")) for reason in re.findall(
    rf'^MR_{kinds}_REASON\(\w+, "(\w+)"\)', (ROOT / "engine/core/reasons.def").read_text(), re.M)]


@pytest.mark.parametrize("kind, reason", REASONS)
def test_every_reason_of_the_engine_has_words(tenant, w, engine, kind, reason):
    """The list is the engine's table: a reason without words shows as itself."""
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", (kind, "b", "new", 1, {"type": "log", "order": 2, "reason": reason}), wake_us=LATER)
    words = step(tenant, c["run_id"], "b")["message"]
    assert re.fullmatch(r"It was (skipped|cancelled)[: ].*\.", words) and not words.endswith(f": {reason}"), words


def test_the_reasons_are_found():
    assert ("step.cancelled", "race") in REASONS and ("step.skipped", "when") in REASONS and len(REASONS) >= 10


def test_undone_steps(tenant, w, engine):
    c = claimed(tenant, engine, w)
    a, = flush(engine, c, "running", ("step.completed", "a", "new", 1, {"type": "log", "order": 1, "output": {"x": 1}}), wake_us=LATER)
    c = {**c, "fence": tenant.db.admin(f"select fence from runs where id = {c['run_id']}")[0]["fence"]}
    flush(engine, c, "compensating", ("step.compensated", "a", a, 1, {"type": "log", "order": 1}), wake_us=LATER)
    told = step(tenant, c["run_id"], "a")
    assert (told["code"], told["status"]) == ("COMPENSATED", "compensated") and told["execution"]["output_data"] == {"x": 1}
    listed, = tenant.one("run_steps", id=c["run_id"])["items"]
    assert (listed["status"], listed["output_data"]) == ("compensated", {"x": 1}) and listed["completed_at"]
    c["fence"] = tenant.db.admin(f"select fence from runs where id = {c['run_id']}")[0]["fence"]
    flush(engine, c, "compensating", ("step.compensation_failed", "a", a, 1, {"type": "log", "error": ERROR}), wake_us=LATER)
    told = step(tenant, c["run_id"], "a")
    assert (told["code"], told["status"], told["error"]) == ("COMPENSATION_FAILED", "completed", ERROR)


def test_steps_that_have_not_begun(tenant, w, engine):
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", ("step.completed", "a", "new", 1, {"type": "log", "order": 1}), wake_us=LATER)
    told = step(tenant, c["run_id"], "loop")
    assert (told["code"], told["status"], told["depends_on"], told["message"]) == (
        "NOT_STARTED", "pending", ["b"], 'It has not begun: it waits for "b".')
    assert step(tenant, c["run_id"], "b")["message"] == "It has not begun."
    assert step(tenant, c["run_id"], "loop/inner")["code"] == "NOT_STARTED"
    for name in ("nosuch", "loop/nosuch", "inner"):
        assert tenant.one("step_explain", id=c["run_id"], name=name)["error"] == "STEP_NOT_FOUND"
    assert tenant.run("step_explain", id=c["run_id"] + 1, name="a") == []


def test_iterations(tenant, db, w, engine):
    c = claimed(tenant, engine, w)
    for i in range(3):
        flush(engine, c, "running", ("step.completed", "loop/inner", "new", 1, {"type": "log", "order": 0, "output": i}), release=False)
        c["fence"] = db.admin(f"select fence from runs where id = {c['run_id']}")[0]["fence"]
    db.admin(f"update journal set iteration = seq - 2, parent_id = 5 where run_id = {c['run_id']} and step = 'loop/inner'")
    latest, first = step(tenant, c["run_id"], "loop/inner"), step(tenant, c["run_id"], "loop/inner", iteration=0)
    assert (latest["iteration"], latest["executions"], latest["execution"]["output_data"]) == (2, 3, 2)
    assert (first["iteration"], first["execution"]["output_data"]) == (0, 0)
    listed = tenant.one("run_steps", id=c["run_id"])["items"]
    assert [(s["path"], s["iteration"], s["parent_id"]) for s in listed] == [("loop/inner", i, 5) for i in range(3)]


def test_branches_of_a_parallel_step(tenant, db, w, engine):
    c = claimed(tenant, engine, w)
    holder, = flush(engine, c, "running", ("step.started", "p", "new", 1, {"type": "parallel", "order": 1}), release=False)
    c["fence"] = db.admin(f"select fence from runs where id = {c['run_id']}")[0]["fence"]
    flush(engine, c, "running", ("step.completed", "p/left/x", "new", 1, {"type": "log"}), release=False)
    db.admin(f"update journal set parent_id = {holder} where step = 'p/left/x'")
    assert [s["branch"] for s in tenant.one("run_steps", id=c["run_id"])["items"]] == [None, "left"]
    assert step(tenant, c["run_id"], "p/left/x")["execution"]["branch"] == "left"


def test_eta_from_history(tenant, db, w, engine):
    db.admin(f"""insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, status, queued, created_at, started_at, completed_at)
        select 1000 + g, {tenant.id}, {w}, 1, 1, 'manual', 'completed', false, now() - interval '1 hour', now() - interval '1 hour',
            now() - interval '1 hour' + g * interval '1 second' from generate_series(1, 100) g; select setval('run_id_seq', 5000)""")
    c = claimed(tenant, engine, w)
    flush(engine, c, "running", ("started", None, None, None, {}), wake_us=LATER)
    db.admin(f"update runs set started_at = now() - interval '60 seconds' where id = {c['run_id']}")
    told = why(tenant, c["run_id"])["eta"]
    left = db.admin(f"""select extract(epoch from '{told["p50"]}'::timestamptz - now())::float8 as p50,
        extract(epoch from '{told["p90"]}'::timestamptz - now())::float8 as p90""")[0]
    # of those that took longer than 60 s: 61 … 100
    assert told["based_on"] in (39, 40) and 15 < left["p50"] < 23 and 30 < left["p90"] < 40
    db.admin(f"update runs set started_at = now() - interval '200 seconds' where id = {c['run_id']}")
    assert why(tenant, c["run_id"])["eta"] is None, "none took as long"
