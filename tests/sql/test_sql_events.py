"""Events, waits, child runs and limits on runs at once: the functions by which API and engines hand
things to each other, also when two of them come at the same time."""
import json
import re
import threading

import pytest

from database import ROOT
from libpq import DatabaseError, array

LATER = 4102444800000000


class Hands:
    """Calls the functions, as who may: the engine's in units of their own."""

    def __init__(self, db, engine):
        self.db, self.engine = db, engine

    def rows(self, sql, role="engine", conn=None):
        return (conn or self.db.conn(role)).execute(sql)

    def ids(self, call, conn=None):
        return [r["f"] for r in self.rows(f"select f from {call} as f", conn=conn)]

    def publish(self, tenant, type, data="null", conn=None):
        conn = conn or self.db.conn("api")
        conn.execute("begin")
        conn.query("select set_config('app.tenant', $1, true)", [25], [tenant.id])
        row = self.published(tenant, type, data, conn)
        conn.execute("commit")
        return row

    @staticmethod
    def published(tenant, type, data, conn):
        row = conn.execute(f"select (p.event).id as id, p.woken::text as woken from publish_event({tenant.id}, '{type}', 'src', "
                           f"'{data}', 'corr', 'root') p")[0]
        return row["id"], numbers(row["woken"])

    def wait_row(self, tenant, run, step=900, type="", child=0, conn=None):
        kind = "event" if type else "child"
        self.rows(f"insert into run_waits (run_id, step_execution_id, tenant_id, step, kind, event_type, child_run_id) "
                  f"values ({run}, {step}, {tenant.id}, 's', '{kind}', '{type}', {child})", conn=conn)

    def wait(self, tenant, run, step=900, type="", child=0):
        """Registers a wait and checks it. Gives back the runs that this woke."""
        self.wait_row(tenant, run, step, type, child)
        return self.check(run, step)

    def check(self, run, step=900, conn=None):
        return self.ids(f"check_waits('{array([run])}', '{array([step])}')", conn)

    def told(self, run):
        rows = self.db.admin(f"select kind, data from run_commands where run_id = {run} order by id")
        return [(r["kind"], r["data"]) for r in rows]

    def events_told(self, run):
        return [d["data"] for k, d in self.told(run) if k == "event"]

    def run(self, run):
        return self.db.admin(f"select * from runs where id = {run}")[0]

    def own(self):
        """Claims, and takes what was claimed by a flush that writes nothing else."""
        claimed = self.engine.claim()
        if not claimed:
            return {}
        held, _ = self.engine.flush(*({"run_id": i, "fence": c["fence"], "status": "running", "seq": c["seq"], "release": False}
                                      for i, c in claimed.items()))
        return {i: {**claimed[i], "fence": claimed[i]["fence"] + 1} for i in held}

    def sleeping(self, tenant, w=None, hold=False):
        """A run that an engine has claimed and released; it wakes in a long time."""
        w = w or tenant.workflow(f"w{next(counter)}")["body"]["id"]
        run = tenant.execute(w)
        c = self.own()[run]
        if not hold:
            self.engine.finish(c, "running", [("started", None, None, None, {})], wake_us=LATER, progress=0)
        return run if not hold else c


counter = iter(range(1000000))


def numbers(text):
    return [int(n) for n in text.strip("{}").split(",") if n]


@pytest.fixture
def hands(db, engine):
    return Hands(db, engine)


def background(call):
    """Runs CALL beside the test; join() gives back what it gave."""
    result = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    return lambda: (thread.join(20), result[0])[1]


def until_blocked(db):
    """Until somebody waits for a lock."""
    for _ in range(2000):
        if db.admin("select 1 from pg_locks where not granted"):
            return
        db.admin("select pg_sleep(0.005)")
    raise AssertionError("nobody waits")


# ---- waking ----

def test_an_event_wakes_who_waits_for_its_type(hands, tenant, other):
    run, elsewhere = hands.sleeping(tenant), hands.sleeping(tenant)
    theirs = hands.sleeping(other)
    assert hands.wait(tenant, run, type="order.paid") == []
    assert hands.wait(tenant, elsewhere, type="order.sent") == []
    assert hands.wait(other, theirs, type="order.paid") == []
    event, woken = hands.publish(tenant, "order.paid", '{"n": 1}')
    assert woken == [run]
    (kind, data), = hands.told(run)
    assert kind == "event" and data.pop("at").endswith("Z")
    assert data == {"id": event, "type": "order.paid", "data": {"n": 1}, "source": "src", "correlation_id": "corr", "by": "root"}
    r = hands.run(run)
    assert r["queued"] and r["wake_at"] is None
    assert hands.told(theirs) == [] and not hands.run(elsewhere)["queued"] and not hands.run(theirs)["queued"]


def test_waking_leaves_alone_who_must_not_move(hands, tenant, db):
    w = tenant.workflow("w")["body"]["id"]
    later = tenant.execute(w, run_at="2100-01-01T00:00:00Z")
    held = hands.sleeping(tenant, hold=True)["run_id"]
    paused, ended, limited = (hands.sleeping(tenant) for _ in range(3))
    db.admin(f"update runs set status = 'paused', wake_at = null where id = {paused}")
    db.admin(f"update runs set status = 'completed', wake_at = null where id = {ended}")
    db.admin(f"update runs set admitted = false, wake_at = null where id = {limited}")
    hands.rows(f"select wake_runs('{array([later, held, paused, ended, limited])}')")
    assert [hands.run(r)["queued"] for r in (later, held, paused, ended, limited)] == [False] * 5
    assert hands.run(later)["wake_at"] and db.one("engine_reconcile") is not None


def test_a_signal_while_the_run_is_being_released(hands, tenant, db, engine):
    """Told before the flush commits, woken after it: the run is released, and queued."""
    c = hands.sleeping(tenant, hold=True)
    run, conn = c["run_id"], db.cluster.connect(db.name, "engine")
    conn.execute(f"begin; update runs set owner_id = null, wake_at = now() + interval '1 day' where id = {run}")
    other_conn = db.cluster.connect(db.name)
    wake = background(lambda: other_conn.execute(
        f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'signal'); select wake_runs('{{{run}}}')"))
    until_blocked(db)
    assert conn.execute(f"select requeue_released('{{{run}}}') as n")[0]["n"] == 0, "the signal isn't committed yet"
    conn.execute("commit")
    wake()
    r = hands.run(run)
    assert r["queued"] and r["owner_id"] is None and r["wake_at"] is None
    conn.close()
    other_conn.close()


def test_a_signal_before_the_run_is_released(hands, tenant, db):
    """The run was held when it was woken: releasing it sees what was put down."""
    run = hands.sleeping(tenant, hold=True)["run_id"]
    db.admin(f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'signal')")
    hands.rows(f"select wake_runs('{{{run}}}')")
    assert not hands.run(run)["queued"]
    conn = db.conn("engine")
    conn.execute(f"begin; update runs set owner_id = null, wake_at = now() + interval '1 day' where id = {run}")
    assert conn.execute(f"select requeue_released('{{{run}}}') as n")[0]["n"] == 1
    conn.execute("commit")
    assert hands.run(run)["queued"] and hands.run(run)["wake_at"] is None


def test_requeue_respects_pause_and_limit(hands, tenant, db):
    paused, limited = hands.sleeping(tenant), hands.sleeping(tenant)
    db.admin(f"update runs set status = 'paused' where id = {paused}; update runs set admitted = false where id = {limited}")
    for run in (paused, limited):
        db.admin(f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'signal')")
    both = array([paused, limited])
    assert hands.ids(f"requeue_released('{both}')") == [0]
    for run in (paused, limited):
        db.admin(f"insert into run_commands (tenant_id, run_id, kind) values ({tenant.id}, {run}, 'cancel')")
    assert hands.ids(f"requeue_released('{both}')") == [2]


# ---- events before and after the wait ----

def test_events_before_the_wait_are_given_in_order(hands, tenant):
    hands.publish(tenant, "t", "0")
    run = hands.sleeping(tenant)
    for n in (1, 2, 3):
        assert hands.publish(tenant, "t", str(n))[1] == []
    hands.publish(tenant, "other")
    assert hands.wait(tenant, run, type="t") == [run]
    assert hands.events_told(run) == [1, 2, 3], "not what was published before the run was made"
    assert hands.check(run) == [], "once only"
    assert hands.publish(tenant, "t", "4")[1] == [run]
    assert hands.events_told(run) == [1, 2, 3, 4]


def test_a_second_wait_gets_only_what_is_new(hands, tenant, db):
    run = hands.sleeping(tenant)
    hands.publish(tenant, "t", "1")
    hands.wait(tenant, run, type="t")
    hands.publish(tenant, "t", "2")
    db.admin("delete from run_waits; delete from run_commands")  # applied, and a day has passed
    hands.publish(tenant, "t", "3")
    assert hands.wait(tenant, run, step=901, type="t") == [run]
    assert hands.events_told(run) == [3]


def test_an_unchecked_wait_gets_nothing_out_of_order(hands, tenant):
    run = hands.sleeping(tenant)
    hands.publish(tenant, "t", "1")
    hands.wait_row(tenant, run, type="t")
    assert hands.publish(tenant, "t", "2")[1] == []
    assert hands.check(run) == [run]
    assert hands.events_told(run) == [1, 2]


def test_two_steps_that_wait_for_one_type(hands, tenant):
    run = hands.sleeping(tenant)
    hands.wait(tenant, run, step=900, type="t")
    hands.wait(tenant, run, step=901, type="t")
    hands.publish(tenant, "t", "1")
    assert hands.events_told(run) == [1], "the run is told once"


def test_more_than_a_thousand_events(hands, tenant, db):
    run = hands.sleeping(tenant)
    db.admin(f"""insert into events (tenant_id, event_type, data, offer)
        select {tenant.id}, 't', to_json(g), nextval('event_offer_seq') from generate_series(1, 1500) g""")
    assert hands.wait(tenant, run, type="t") == [run]
    assert hands.events_told(run) == list(range(1, 1001))
    assert hands.check(run) == [run] and hands.check(run) == []
    assert hands.events_told(run) == list(range(1, 1501))


@pytest.mark.parametrize("first", ["publish", "check"])
def test_publish_against_check(hands, tenant, db, first):
    """Whoever comes second waits for the first one; the event arrives once."""
    run = hands.sleeping(tenant)
    hands.wait_row(tenant, run, type="t")
    api, eng = db.cluster.connect(db.name, "api"), db.cluster.connect(db.name, "engine")
    if first == "publish":
        api.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
        assert hands.published(tenant, "t", "1", api)[1] == []
        check = background(lambda: hands.check(run, conn=eng))
        until_blocked(db)
        api.execute("commit")
        assert check() == [run]
    else:
        eng.execute("begin")
        assert hands.check(run, conn=eng) == []
        publish = background(lambda: hands.publish(tenant, "t", "1", api))
        until_blocked(db)
        eng.execute("commit")
        assert publish()[1] == [run]
    assert hands.events_told(run) == [1]
    api.close()
    eng.close()


def test_many_publishers_and_waiters(hands, tenant, db):
    """Nothing is lost and nothing comes twice, whatever the order."""
    runs = [hands.sleeping(tenant) for _ in range(6)]

    def publish(n):
        conn = db.cluster.connect(db.name, "api")
        for i in range(20):
            hands.publish(tenant, f"t{i % 2}", str(n * 100 + i), conn)
        conn.close()

    def wait(k):
        conn = db.cluster.connect(db.name, "engine")
        for run in runs[k::2]:
            for step, type in ((900, "t0"), (901, "t1")):
                hands.wait_row(tenant, run, step, type, conn=conn)
                hands.check(run, step, conn)
        conn.close()

    done = [background(lambda n=n: publish(n)) for n in range(3)] + [background(lambda k=k: wait(k)) for k in range(2)]
    for join in done:
        join()
    sent = sorted(n * 100 + i for n in range(3) for i in range(20))
    for run in runs:
        assert sorted(hands.events_told(run)) == sent


def test_emitted_events_are_dispatched(hands, tenant, db):
    run = hands.sleeping(tenant)
    hands.wait(tenant, run, type="t")
    for n in (1, 2):
        hands.rows(f"insert into events (tenant_id, event_type, data, run_id, run_fact_id) values ({tenant.id}, 't', '{n}', 5, {n})")
    with pytest.raises(DatabaseError):
        hands.rows(f"insert into events (tenant_id, event_type, data, run_id, run_fact_id) values ({tenant.id}, 't', '2', 5, 2)")
    late = hands.sleeping(tenant)
    assert hands.ids("dispatch_events(100)") == [run] and hands.ids("dispatch_events(100)") == []
    assert hands.events_told(run) == [1, 2]
    # a run that was made after the emit and before the dispatch doesn't get it
    hands.wait(tenant, late, type="t")
    assert hands.events_told(late) == []


def test_several_events_lock_their_runs_in_order(hands, tenant, db):
    """A flush has the first run and wants the second: whoever waits for the first has not the second."""
    low, high = hands.sleeping(tenant), hands.sleeping(tenant)
    hands.wait(tenant, high, type="first")
    hands.wait(tenant, low, type="second")
    hands.rows("insert into events (tenant_id, event_type, run_fact_id) values "
               f"({tenant.id}, 'first', 1), ({tenant.id}, 'second', 2)")
    flush, eng = db.cluster.connect(db.name), db.cluster.connect(db.name, "engine")
    flush.execute(f"begin; select 1 from runs where id = {low} for update")
    dispatch = background(lambda: hands.ids("dispatch_events(10)", eng))
    until_blocked(db)
    flush.execute(f"set local lock_timeout = '200ms'; select 1 from runs where id = {high} for update")
    flush.execute("commit")
    assert sorted(dispatch()) == sorted([low, high])
    flush.close()
    eng.close()


def test_a_wait_that_ends_while_it_is_checked(hands, tenant, db):
    """A flush has the run and wants its wait: whoever waits for the run has not the wait."""
    run = hands.sleeping(tenant)
    hands.publish(tenant, "t")
    hands.wait_row(tenant, run, type="t")
    flush, eng = db.cluster.connect(db.name), db.cluster.connect(db.name, "engine")
    flush.execute(f"begin; select 1 from runs where id = {run} for update")
    check = background(lambda: hands.check(run, conn=eng))
    until_blocked(db)
    flush.execute(f"set local lock_timeout = '200ms'; delete from run_waits where run_id = {run}")
    flush.execute("commit")
    assert check() == [run]
    flush.close()
    eng.close()


# ---- child runs ----

def spawn(hands, parent, workflow, fence=None, step=900, attempt=1, version="null", conn=None, cascades="true"):
    fence = fence or hands.run(parent)["fence"]
    return hands.rows(f"select * from spawn_run({hands.engine.id}, {parent}, {fence}, {step}, {attempt}, "
                      f"'{workflow}', {version}, '{{\"a\": 1}}', {cascades})", conn=conn)[0]


def test_spawn_run(hands, tenant, other, db):
    w = tenant.workflow("child")["body"]["id"]
    theirs = other.workflow("theirs")["body"]["id"]
    parent = tenant.execute(tenant.workflow("parent")["body"]["id"], priority=3, traceparent="00-x")
    hands.own()
    got = spawn(hands, parent, "child")
    assert got["code"] is None
    child = hands.run(got["child_run_id"])
    assert (child["workflow_id"], child["parent_run_id"], child["parent_step_execution_id"], child["input"], child["trigger_type"],
            child["priority"], child["correlation_id"], child["traceparent"], child["triggered_by"], child["queued"]) == (
        w, parent, 900, {"a": 1}, "workflow", 3, "c-1", "00-x", "root", True)
    assert [e["kind"] for e in tenant.one("run_events", id=child["id"])["items"]] == ["created"]
    assert tenant.one("run_get", id=child["id"])["body"]["parent_run_id"] == parent
    # the same one again; another attempt gets another
    assert spawn(hands, parent, "child")["child_run_id"] == child["id"]
    assert spawn(hands, parent, "child", attempt=2)["child_run_id"] != child["id"]
    for name in (w, f"wf_{w}"):
        assert hands.run(spawn(hands, parent, name, step=901)["child_run_id"])["workflow_id"] == w
    for name, version, code in (("nosuch", "null", "SUBWORKFLOW_NOT_FOUND"), (theirs, "null", "SUBWORKFLOW_NOT_FOUND"),
                                ("child", 9, "SUBWORKFLOW_NOT_FOUND"), ("99999999999999999999", "null", "SUBWORKFLOW_NOT_FOUND")):
        r = spawn(hands, parent, name, step=902, version=version)
        assert (r["code"], r["child_run_id"]) == (code, None) and r["message"]
    db.admin(f"update workflows set status = 'paused' where id = {w}")
    assert spawn(hands, parent, "child", step=902)["code"] == "SUBWORKFLOW_DISABLED"
    assert spawn(hands, parent, "child", fence=99, step=902)["code"] == "PARENT_GONE"
    db.admin(f"update runs set owner_id = null where id = {parent}")
    assert spawn(hands, parent, "child", step=902)["code"] == "PARENT_GONE"


def test_runs_start_each_other_only_so_deep(hands, tenant, db):
    tenant.workflow("w")
    run = tenant.execute(1)
    for depth in range(1, 30):
        hands.own()
        r = spawn(hands, run, "w")
        if r["code"]:
            break
        run = r["child_run_id"]
    assert (depth, r["code"]) == (21, "SUBWORKFLOW_DEPTH")


def test_spawn_against_cancel(hands, tenant, db):
    """A cancel that was answered starts no child."""
    tenant.workflow("w")
    run = tenant.execute(1)
    c = hands.own()[run]
    conn = db.cluster.connect(db.name)
    conn.execute(f"begin; update runs set fence = fence + 1 where id = {run}")
    eng = db.cluster.connect(db.name, "engine")
    spawned = background(lambda: spawn(hands, run, "w", fence=c["fence"], conn=eng))
    until_blocked(db)
    conn.execute("commit")
    assert spawned()["code"] == "PARENT_GONE"
    conn.close()
    eng.close()


def test_the_end_of_a_child_is_told(hands, tenant, db):
    tenant.workflow("w")
    c = hands.sleeping(tenant, hold=True)
    parent = c["run_id"]
    child = spawn(hands, parent, "w")["child_run_id"]
    hands.engine.finish(c, "running", [("started", None, None, None, {})], progress=0)
    assert hands.wait(tenant, parent, child=child) == []
    hands.engine.finish(hands.own()[child], "completed", result='{"x": 1}')
    assert hands.ids(f"notify_parents('{{{child}}}')") == [parent]
    assert hands.ids(f"notify_parents('{{{child}}}')") == [], "once"
    (kind, data), = hands.told(parent)
    assert (kind, data) == ("child", {"step_execution_id": 900, "child_run_id": child, "status": "completed", "output": {"x": 1},
                                      "error": None})
    assert hands.run(parent)["queued"]


def test_a_child_that_ended_before_the_wait(hands, tenant):
    tenant.workflow("w")
    c = hands.sleeping(tenant, hold=True)
    child = spawn(hands, c["run_id"], "w")["child_run_id"]
    hands.engine.finish(hands.own()[child], "failed", error='{"type": "x", "message": "m"}')
    assert hands.ids(f"notify_parents('{{{child}}}')") == []
    hands.engine.finish(c, "running", [("started", None, None, None, {})], progress=0)
    assert hands.wait(tenant, c["run_id"], child=child) == [c["run_id"]]
    assert hands.told(c["run_id"])[0][1]["error"]["type"] == "x"


def test_an_end_is_told_once_by_two_engines(hands, tenant, db):
    tenant.workflow("w")
    c = hands.sleeping(tenant, hold=True)
    child = spawn(hands, c["run_id"], "w")["child_run_id"]
    hands.engine.finish(c, "running", [("started", None, None, None, {})], progress=0)
    assert hands.wait(tenant, c["run_id"], child=child) == []
    hands.engine.finish(hands.own()[child], "completed")
    first, second = (db.cluster.connect(db.name, "engine") for _ in range(2))
    first.execute("begin")
    assert hands.ids(f"notify_parents('{{{child}}}')", first) == [c["run_id"]]
    late = background(lambda: hands.ids(f"notify_parents('{{{child}}}')", second))
    until_blocked(db)
    first.execute("commit")
    assert late() == []
    assert [k for k, _ in hands.told(c["run_id"])] == ["child"]
    first.close()
    second.close()


def test_a_child_that_ends_while_the_wait_is_checked(hands, tenant, db):
    tenant.workflow("w")
    c = hands.sleeping(tenant, hold=True)
    child = spawn(hands, c["run_id"], "w")["child_run_id"]
    ending = db.cluster.connect(db.name)
    ending.execute(f"begin; update runs set status = 'completed', completed_at = now(), queued = false where id = {child}")
    hands.wait_row(tenant, c["run_id"], child=child)
    eng = db.cluster.connect(db.name, "engine")
    check = background(lambda: hands.check(c["run_id"], conn=eng))
    until_blocked(db)
    ending.execute("commit")
    assert check() == [c["run_id"]]
    ending.close()
    eng.close()


def test_cancel_children(hands, tenant, db):
    tenant.workflow("w")
    c = hands.sleeping(tenant, hold=True)
    a, b = (spawn(hands, c["run_id"], "w", step=s)["child_run_id"] for s in (900, 901))
    held = hands.own()[a]
    assert hands.ids(f"cancel_children('{{{c['run_id']}}}', '{{900}}')") == [a]
    assert hands.run(a)["fence"] == held["fence"] + 1 and hands.told(b) == []
    assert hands.told(a) == [("cancel", {"reason": "The step that started it has ended.", "by": None})]
    assert hands.ids(f"cancel_children('{{{c['run_id']}}}', '{{900}}')") == [], "once"
    abandoned = spawn(hands, c["run_id"], "w", step=902, cascades="false")["child_run_id"]
    assert hands.ids(f"cancel_children('{{{c['run_id']}}}', '{{902}}')") == [] and hands.told(abandoned) == []
    # one that somebody has locked is told, and woken by mend()
    conn = db.cluster.connect(db.name)
    db.admin(f"update runs set owner_id = null, queued = false, wake_at = now() + interval '1 day' where id = {b}")
    conn.execute(f"begin; select 1 from runs where id = {b} for update")
    assert hands.ids(f"cancel_children('{{{c['run_id']}}}', '{{901}}')") == [b]
    conn.execute("commit")
    assert not hands.run(b)["queued"]
    db.admin("update run_commands set created_at = now() - interval '5 seconds'")
    assert hands.ids("mend('commands', 100)") == [1] and hands.run(b)["queued"]
    conn.close()


# ---- limits ----

def slot(hands, c, most=1, policy="queue", key="k", conn=None):
    return hands.rows(f"select request_slot({c['run_id']}, {c['fence']}, '{key}', {most}, '{policy}') as f", conn=conn)[0]["f"]


def test_a_limit_admits_by_priority_then_age(hands, tenant):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w, priority=p) for p in (0, 0, 5, 0)]
    c = hands.own()
    assert slot(hands, c[runs[0]]) == "admitted"
    for run in runs[1:]:
        assert slot(hands, c[run]) == "waiting"
        r = hands.run(run)
        assert (r["status"], r["owner_id"], r["queued"], r["admitted"], r["started_at"]) == ("pending", None, False, False, None)
    assert hands.own() == {}
    last = runs[0]
    for expected in (runs[2], runs[1], runs[3]):
        hands.engine.finish({**c[last], "fence": hands.run(last)["fence"]}, "completed")
        assert hands.ids("admit_next('{k,other}')") == [expected] and hands.ids("admit_next('{k}')") == []
        assert sorted(hands.own()) == [expected]
        last = expected


def test_no_one_overtakes_who_waits(hands, tenant):
    w = tenant.workflow("w")["body"]["id"]
    first, second, third = (tenant.execute(w) for _ in range(3))
    c = hands.own()
    slot(hands, c[first]), slot(hands, c[second])
    hands.engine.finish(c[first], "completed")  # and the unit that would admit the next is lost
    assert slot(hands, c[third]) == "waiting"
    assert hands.run(second)["queued"] and hands.run(second)["admitted"], "asking admits those before"


def test_a_place_can_not_leak(hands, tenant, db):
    w = tenant.workflow("w")["body"]["id"]
    first, second = (tenant.execute(w) for _ in range(2))
    c = hands.own()
    assert slot(hands, c[first]) == "admitted" and slot(hands, c[first]) == "admitted", "asked again"
    assert slot(hands, c[second]) == "waiting"
    hands.engine.finish(c[first], "completed")
    assert hands.ids("mend('places', 100)") == [1]
    assert list(hands.own()) == [second]


def test_requests_at_the_same_time(hands, tenant, db):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(12)]
    c = hands.own()

    def ask(some):
        conn = db.cluster.connect(db.name, "engine")
        got = [slot(hands, c[run], most=3, conn=conn) for run in some]
        conn.close()
        return got

    joins = [background(lambda k=k: ask(runs[k::4])) for k in range(4)]
    answers = [a for join in joins for a in join()]
    taken = db.admin("select count(*) as n from runs where admitted and limit_key = 'k'")[0]["n"]
    assert taken == 3 and answers.count("waiting") >= 9


@pytest.mark.parametrize("policy", ["skip", "fail"])
def test_full_means_no(hands, tenant, policy):
    w = tenant.workflow("w")["body"]["id"]
    first, second = (tenant.execute(w) for _ in range(2))
    c = hands.own()
    assert slot(hands, c[first], policy=policy) == "admitted"
    assert slot(hands, c[second], policy=policy) == policy
    kind, data = hands.told(second)[0]
    assert (kind, data.get("reason") or data["type"]) == {"skip": ("cancel", "concurrency limit reached"), "fail": ("fail", "limit")}[policy]
    assert hands.run(second)["owner_id"] == hands.engine.id, "the engine ends it"


def test_the_oldest_goes(hands, tenant):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(4)]
    c = hands.own()
    assert [slot(hands, c[r], most=2, policy="cancel_oldest") for r in runs] == ["admitted", "admitted", "waiting", "waiting"]
    assert [len(hands.told(r)) for r in runs] == [1, 1, 0, 0]
    for r in runs[:2]:
        hands.engine.finish({**c[r], "fence": hands.run(r)["fence"]}, "cancelled")
    assert sorted(hands.ids("admit_next('{k}')")) == runs[2:]


def test_who_lost_the_run_gets_no_place(hands, tenant):
    c = hands.sleeping(tenant, hold=True)
    tenant.one("run_cancel", id=c["run_id"])
    assert slot(hands, c) == "gone"
    assert hands.run(c["run_id"])["limit_key"] is None


def test_a_waiting_run_can_be_cancelled_and_paused(hands, tenant):
    w = tenant.workflow("w")["body"]["id"]
    first, second, third = (tenant.execute(w) for _ in range(3))
    c = hands.own()
    assert [slot(hands, c[r]) for r in (first, second, third)] == ["admitted", "waiting", "waiting"]
    tenant.one("run_cancel", id=second)
    tenant.one("run_pause", id=third)
    assert sorted(hands.own()) == [second, third]


# ---- mending and expiring ----

KINDS = re.findall(r'^\t\{ "(\w+)", \d+ \},$', (ROOT / "engine/housekeeping.c").read_text(), re.M)


def test_mend_knows_what_the_engine_asks_for(db):
    source = db.admin("select prosrc from pg_proc where proname = 'mend'")[0]["prosrc"]
    known = re.findall(r"\bwhat = '(\w+)'", source)
    assert sorted(KINDS) == sorted(known) and KINDS


def test_mend_finds_what_lost_units_left(hands, tenant, db):
    tenant.workflow("w")
    run, c = hands.sleeping(tenant), hands.sleeping(tenant, hold=True)
    child = spawn(hands, c["run_id"], "w")["child_run_id"]
    for what in KINDS:
        assert hands.ids(f"mend('{what}', 100)") == [0], what
    hands.publish(tenant, "t", "1")
    hands.wait_row(tenant, run, type="t")
    assert hands.ids("mend('waits', 100)") == [0], "the one who registered it is at it"
    db.admin("update run_waits set since = now() - interval '3 seconds'")
    assert hands.ids("mend('waits', 100)") == [1] and hands.events_told(run) == [1]
    # the end of a child that nobody told
    hands.wait(tenant, c["run_id"], step=901, child=child)
    hands.engine.finish(hands.own()[child], "completed")
    hands.ids("mend('waits', 100)")
    assert [k for k, _ in hands.told(c["run_id"])] == ["child"]
    # a child whose parent has ended
    orphan = spawn(hands, c["run_id"], "w", step=902)["child_run_id"]
    db.admin(f"update runs set status = 'completed', owner_id = null, completed_at = now() - interval '1 hour' where id = {c['run_id']}")
    assert hands.ids("mend('orphans', 100)") == [0], "it did not wait for it"
    db.admin(f"update runs set status = 'cancelled' where id = {c['run_id']}")
    assert hands.ids("mend('orphans', 100)") == [1] and [k for k, _ in hands.told(orphan)] == ["cancel"]
    # waits of a run that has ended
    db.admin("update run_waits set since = now() - interval '3 minutes'")
    hands.ids("mend('waits', 100)")
    assert db.admin("select distinct run_id from run_waits") == [{"run_id": run}]
    with pytest.raises(DatabaseError):
        hands.ids("mend('nosuch', 1)")


def expire(hands, after=0, most=1000, days="null"):
    r = hands.rows(f"select upto, run_ids::text as ids from expire_runs({after}, {most}, {days})")[0]
    return r["upto"], numbers(r["ids"])


def grow_old(db, days, *runs, **more):
    """These runs were made and ended so many days ago."""
    sets = "".join(f", {column} = {value}" for column, value in more.items())
    db.admin(f"update runs set created_at = now() - interval '{days} days', completed_at = now() - interval '{days} days'{sets} "
             f"where id in ({', '.join(map(str, runs))})")


def test_old_runs_go(hands, tenant, db):
    keeps = tenant.workflow("keeps")["body"]["id"]
    w = tenant.workflow("w")["body"]["id"]
    db.admin(f"update workflows set retention_days = 30 where id = {keeps}")
    old, kept, fresh_one, active = tenant.execute(w), tenant.execute(keeps), tenant.execute(w), tenant.execute(w)
    c = hands.own()
    for r in (old, kept, fresh_one):
        hands.engine.finish(c[r], "completed")
    grow_old(db, 10, old, kept)
    db.admin(f"update runs set created_at = now() - interval '10 days' where id in ({fresh_one}, {active})")
    db.admin(f"insert into run_event_marks values ({old}, 't', {tenant.id}, 1)")
    assert expire(hands) == (None, []), "for ever, where nothing else is said"
    assert expire(hands, after=w, days=7) == (None, [])
    assert expire(hands, days=7) == (None, [old]), "neither what ended lately nor what is active"
    for t in ("runs", "journal", "run_event_marks", "run_commands"):
        column = "id" if t == "runs" else "run_id"
        assert db.admin(f"select 1 from {t} where {column} = {old}") == [], t
    grow_old(db, 40, kept)
    assert expire(hands)[1] == [kept]
    assert {r["id"] for r in db.admin("select id from runs")} == {fresh_one, active}


def test_old_runs_of_many_workflows_go_in_several_turns(hands, tenant, db):
    workflows = [tenant.workflow(f"w{i}")["body"]["id"] for i in range(3)]
    runs = [tenant.execute(w) for w in workflows for _ in range(2)]
    c = hands.own()
    for r in runs:
        hands.engine.finish(c[r], "completed")
    grow_old(db, 10, *runs)
    assert expire(hands, most=3, days=7) == (workflows[1] - 1, runs[:3]), "the second has more"
    assert expire(hands, after=workflows[1] - 1, most=3, days=7) == (workflows[2] - 1, runs[3:]), "it may have more"
    assert expire(hands, after=workflows[2] - 1, most=3, days=7) == (None, [])
    # more workflows than one turn looks at
    db.admin(f"""insert into workflows (tenant_id, name, digest, rendered_definition)
        select {tenant.id}, 'more ' || g, 'd', '"steps":[]' from generate_series(1, 1500) g""")
    upto, gone = expire(hands, days=7)
    assert (upto, gone) == (workflows[0] + 999, [])
    assert expire(hands, after=upto, days=7) == (None, [])
    assert expire(hands) == (None, [])


def test_runs_with_much_history_go_in_several_turns(hands, tenant, db):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(4)]
    c = hands.own()
    for r in runs[:3]:
        hands.engine.finish(c[r], "completed")
    grow_old(db, 10, *runs[:3], seq=150000)
    assert expire(hands, days=7) == (w - 1, runs[:2])
    assert expire(hands, after=w - 1, days=7) == (None, [runs[2]])


def test_old_events_go(hands, tenant, db):
    for _ in range(3):
        hands.publish(tenant, "t")
    db.admin("update events set published_at = now() - interval '10 days' where id <> (select max(id) from events)")
    assert hands.ids("expire_events(1, 7)") == [1] and hands.ids("expire_events(10, 7)") == [1]
    assert db.admin("select count(*) as n from events")[0]["n"] == 1


# ---- the wall ----

def test_events_of_others_are_not_there(hands, tenant, other, db):
    run = hands.sleeping(other)
    hands.wait(other, run, type="t")
    hands.publish(other, "t")
    conn = db.conn("api")
    for table in ("events", "run_waits", "run_event_marks", "run_children"):
        conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
        assert conn.execute(f"select * from {table}") == []
        conn.execute("rollback")
    # publishing for another tenant is refused by the policy
    conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
    with pytest.raises(DatabaseError) as e:
        hands.published(other, "t", "1", conn)
    assert e.value.sqlstate == "42501"
    conn.execute("rollback")


@pytest.mark.parametrize("sql", [
    "select check_waits('{1}', '{1}')", "select dispatch_events(1)", "select cancel_children('{1}', '{1}')",
    "select request_slot(1, 1, 'k', 1, 'queue')", "select spawn_run(1, 1, 1, 1, 1, 'w', null, '{}', true)",
    "select mend('waits', 1)", "select expire_runs(0, 1, 1)", "select notify_parents('{1}')", "update events set data = '1'",
    "delete from events", "insert into run_waits (run_id, step_execution_id, tenant_id, step, kind, event_type) values (1, 1, 1, 's', 'event', 'x')"])
def test_what_the_api_may_not(db, tenant, sql):
    conn = db.conn("api")
    conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
    with pytest.raises(DatabaseError) as e:
        conn.execute(sql)
    assert e.value.sqlstate == "42501"
    conn.execute("rollback")


def test_what_a_run_shows(tenant, db):
    run = tenant.execute(tenant.workflow("w")["body"]["id"])
    body = tenant.one("run_get", id=run)["body"]
    assert (body["mode"], body["awaits"], body["vars"], body["rerun_of"], body["parent_run_id"]) == ("standard", 0, None, None, None)
    db.admin(f"update runs set mode = 'saga', vars = '{json.dumps({'a': 1})}', rerun_of = 7 where id = {run}")
    body = tenant.one("run_get", id=run)["body"]
    assert (body["mode"], body["vars"], body["rerun_of"]) == ("saga", {"a": 1}, 7)


def test_tenants_share_no_limit_by_accident(hands, tenant, other):
    """The key is the engine's; it begins with the workflow's id, so it can't meet another's."""
    a, b = tenant.workflow("w")["body"]["id"], other.workflow("w")["body"]["id"]
    first, second = tenant.execute(a), other.execute(b)
    c = hands.own()
    assert slot(hands, c[first], key=f"{a}:x") == slot(hands, c[second], key=f"{b}:x") == "admitted"


# ---- quotas ----

def spawn_many(hands, db, parents, most_below):
    """One unit: a child for each of these parents, in that order."""
    n = len(parents)
    runs = {p: hands.run(p) for p in parents}
    rows = db.run("engine_spawn", engine_id=hands.engine.id, places=list(range(n)), run_ids=parents,
                  fences=[runs[p]["fence"] for p in parents], step_execution_ids=[hands.step + i for i in range(n)],
                  attempts=[1] * n, workflows=["w"] * n, versions=[None] * n, inputs=["{}"] * n, cascades=[True] * n,
                  most_below=most_below)
    hands.step += n
    return [r["code"] for r in sorted(rows, key=lambda r: r["place"])], [r["child_run_id"] for r in rows if r["child_run_id"]]


def test_so_many_runs_below_one(hands, tenant, db):
    tenant.workflow("w")
    hands.step = 5000
    top, beside = tenant.execute(1), tenant.execute(1)
    hands.own()
    codes, children = spawn_many(hands, db, [top, top], 3)
    assert codes == [None, None]
    assert [hands.run(c)["root_run_id"] for c in children] == [top, top] and hands.run(top)["root_run_id"] is None
    hands.own()
    # grandchildren count for the same one at the top; a batch is cut where it is full; others have their own
    codes, more = spawn_many(hands, db, [children[0], beside, children[0]], 3)
    assert codes == [None, None, "SUBWORKFLOW_LIMIT"]
    assert sorted(hands.run(c)["root_run_id"] for c in more) == sorted([top, beside])
    assert spawn_many(hands, db, [top], 3)[0] == ["SUBWORKFLOW_LIMIT"]
    message = hands.rows(f"select message from spawn_run({hands.engine.id}, {top}, {hands.run(top)['fence']}, 1, 1, 'w', "
                         "null, '{}', true, 4, 3)")[0]["message"]
    assert message == f"At most 3 unfinished runs may be below one run, and run {top} has as many."
    # a place is free as soon as one has ended; what was started before is given back all the same
    db.admin(f"update runs set status = 'completed', owner_id = null, queued = false, completed_at = now() where id = {children[1]}")
    assert spawn_many(hands, db, [top, top], 3)[0] == [None, "SUBWORKFLOW_LIMIT"]
    assert spawn_many(hands, db, [top], 0)[0] == [None]


def test_stored_bytes_are_counted(db, tenant, other):
    def add(*rows):
        return {r["tenant_id"]: r["bytes"] for r in db.run(
            "engine_payloads_add", run_ids=[r[0] for r in rows], tenant_ids=[r[1] for r in rows], sizes=[r[2] for r in rows])}

    def totals():
        return {r["tenant_id"]: r["bytes"] for r in db.run("engine_payloads")}

    mine, theirs = tenant.id, other.id
    tenant.workflow("w")
    living = tenant.execute(1)
    assert add((91, mine, 100), (92, theirs, 7), (91, mine, 50)) == {mine: 150, theirs: 7}
    assert add((93, mine, 1), (91, mine, 9)) == {mine: 160}
    assert totals() == {mine: 160, theirs: 7}
    assert db.run("engine_payloads_gone", run_ids=[91, 92, 99]) and totals() == {mine: 1, theirs: 0}
    assert add((living, mine, 5)) == {mine: 6}
    assert db.run("engine_payloads_gone", run_ids=[91, living]) == [] and totals() == {mine: 6, theirs: 0}
