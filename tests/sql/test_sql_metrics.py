"""What engines counted: it outlives them, whoever takes their row away, and each tenant sees its own."""
import json

from database import Engine

BUCKETS = [1.0] * 15


def counted(*series):
    return {"counted": [list(s) for s in series], "now": {"millrace_engine_held_runs": 3}}


def series(db):
    """(tenant, name) → numbers, as the operator sees them."""
    return {(r["tenant"], r["series"]): numbers(r) for r in db.run("metrics_series")}


def numbers(row):
    told = row["numbers"]
    return [float(n) for n in (told.strip("{}").split(",") if isinstance(told, str) else told)]


def renew(db, engine, metrics):
    assert len(db.run("engine_renew", engine_id=engine.id, lease_ms=60000, metrics=metrics)) == 1


def test_sums_never_fall(db, tenant):
    """Living, reclaimed, ended in good order: the same sum before and after, and what comes is added to it."""
    bare, runs = "millrace_engine_claimed_total", 'workflow_execution_total{workflow_type="a",status="failed"}'
    first, second = Engine(db), Engine(db)
    renew(db, first, counted((0, bare, [5]), (tenant.id, runs, [2]), (tenant.id, "action_execution_duration_seconds", [1.5, *BUCKETS])))
    renew(db, second, counted((0, bare, [7]), (tenant.id, runs, [1])))
    want = {(None, bare): [12], ("first", runs): [3], ("first", "action_execution_duration_seconds"): [1.5, *BUCKETS]}
    assert series(db) == want
    assert db.one("engine_reclaim", dead=[first.id]) == {"engines": 1, "runs": 0, "series": 3}
    assert series(db) == want
    assert db.one("engine_reclaim", dead=[first.id])["engines"] == 0
    assert series(db) == want
    last = counted((0, bare, [9]), (tenant.id, runs, [1]), (tenant.id, "action_execution_duration_seconds", [0.5, *BUCKETS]))
    assert db.one("engine_unregister", engine_id=second.id, metrics=last)["series"] == 3
    want = {(None, bare): [14], ("first", runs): [3], ("first", "action_execution_duration_seconds"): [2, *(2 * b for b in BUCKETS)]}
    assert series(db) == want
    assert db.one("engine_unregister", engine_id=second.id, metrics=last)["series"] == 0, "counted twice"
    assert series(db) == want
    renew(db, Engine(db), counted((0, bare, [1])))
    assert series(db)[None, bare] == [15]


def test_many_dead_engines_at_once(db, tenant):
    engines = [Engine(db) for _ in range(4)]
    for e in engines:
        renew(db, e, counted((tenant.id, "a_total", [e.id]), (0, "b_total", [1])))
    db.one("engine_reclaim", dead=[e.id for e in engines])
    assert series(db) == {("first", "a_total"): [sum(e.id for e in engines)], (None, "b_total"): [4]}


def test_no_counters_leave_those_that_are_there(db):
    """An engine that has no memory to write them sends none."""
    engine = Engine(db)
    renew(db, engine, counted((0, "a_total", [5])))
    renew(db, engine, {})
    assert series(db) == {(None, "a_total"): [5]}
    db.one("engine_unregister", engine_id=engine.id, metrics={})
    assert series(db) == {(None, "a_total"): [5]}


def test_rows_of_an_older_release_are_no_counters(db):
    engine = Engine(db)
    for odd in ({"types": {}, "samples": {"a_total": 5}}, {"counted": {}}, {"counted": None}):
        renew(db, engine, odd)
        assert series(db) == {}
    db.one("engine_reclaim", dead=[engine.id])
    assert series(db) == {}


def test_a_tenants_names_are_bounded(db, tenant):
    """A workflow's type is what its author calls it: the totals don't grow with every name, and lose nothing."""
    for name in "ab":
        engine = Engine(db)
        renew(db, engine, counted(*((tenant.id, f'x_total{{type="{name}{i}"}}', [1]) for i in range(1500))))
        db.one("engine_reclaim", dead=[engine.id])
    found = series(db)
    assert sum(n[0] for n in found.values()) == 3000
    assert len(found) <= 2001 and found["first", "x_total"][0] >= 900
    engine = Engine(db)
    renew(db, engine, counted((tenant.id, 'x_total{type="a0"}', [1])))
    db.one("engine_reclaim", dead=[engine.id])
    assert series(db)["first", 'x_total{type="a0"}'] == [2], "what has its place keeps it"


def test_each_tenant_sees_its_own(db, tenant, other):
    engine = Engine(db)
    renew(db, engine, counted((tenant.id, "a_total", [1]), (other.id, "a_total", [10]), (0, "a_total", [100])))
    for _ in range(2):
        assert {r["series"]: numbers(r) for r in tenant.run("tenant_metrics_series")} == {"a_total": [1]}
        assert {r["series"]: numbers(r) for r in other.run("tenant_metrics_series")} == {"a_total": [10]}
        assert db.run("tenant_metrics_series") == [], "without a tenant there is nothing"
        assert series(db) == {(None, "a_total"): [100], ("first", "a_total"): [1], ("second", "a_total"): [10]}
        db.one("engine_reclaim", dead=[engine.id])  # then from the totals


def test_success_rate(db, tenant, other):
    steps = 'millrace_step_executions_total{{action_type="{}",outcome="{}"}}'
    engine = Engine(db)
    renew(db, engine, counted(
        (tenant.id, steps.format("http", "completed"), [3]), (tenant.id, steps.format("http", "failed"), [1]),
        (tenant.id, steps.format("http", "skipped"), [50]), (tenant.id, steps.format("log", "completed"), [2]),
        (other.id, steps.format("http", "failed"), [1]), (other.id, steps.format("set", "skipped"), [1])))
    rates = {k: v for k, v in series(db).items() if k[1].startswith("action_success_rate")}
    assert rates == {("first", 'action_success_rate{action_type="http"}'): [0.75],
                     ("first", 'action_success_rate{action_type="log"}'): [1],
                     ("second", 'action_success_rate{action_type="http"}'): [0]}


def test_requests_and_ends_come_from_the_sums(db, tenant, other):
    db.admin("""insert into rollups (tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code,
            n, sum_us, max_us, buckets)
        select t, w, g, '-infinity', case w when 'request' then '/a/{id}' else '' end, case w when 'request' then 'GET' else '' end, 0, 0, 0,
            o, '', 2, 3000000, 9, array_fill(1::int8, array[15])
        from unnest('{%d,%d}'::int8[]) t, unnest('{request,run}'::text[]) w, unnest('{ever,day}'::text[]) g, unnest('{200,404}'::text[]) o
        where w = 'request' or o = '200'""" % (tenant.id, other.id))
    found = {r["series"]: numbers(r) for r in tenant.run("tenant_metrics_series")}
    assert found == {'http_requests_total{method="GET",route="/a/{id}",status="200"}': [2],
                     'http_requests_total{method="GET",route="/a/{id}",status="404"}': [2],
                     'http_request_duration_seconds{method="GET",route="/a/{id}"}': [6, *[2] * 15],
                     'millrace_runs_ended_total{status="200"}': [2]}
    assert series(db) == {("first", 'millrace_runs_ended_total{status="200"}'): [2],
                          ("second", 'millrace_runs_ended_total{status="200"}'): [2]}


def test_nobody_else_writes_totals(db, tenant):
    for role in ("api", "engine"):
        conn = db.conn(role)
        for what in ("select 1 from metric_totals", "insert into metric_totals values (0, 'x', '{1}')", "delete from metric_totals"):
            try:
                conn.execute(what)
            except Exception as e:
                assert "permission denied" in str(e)
            else:
                raise AssertionError(f"{role} may {what}")


def test_no_plan_looks_at_runs(db):
    plan = db.admin("explain (format json) select * from metric_series(null)")
    assert "runs" not in json.dumps(plan).replace("millrace_runs", "")
