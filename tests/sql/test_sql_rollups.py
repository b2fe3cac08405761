"""Sums of requests and runs: nothing is counted twice or lost, hours become days, another tenant's are not there."""
import json
import random
import re

import pytest

from database import ROOT, Engine, Tenant, fresh
from libpq import DatabaseError, array

HOUR = 480000  # since 1970: 2024-10-04T00:00Z
NAMES = ("tenants", "hours", "routes", "methods", "key_ids", "principal_ids", "workflow_ids", "outcomes", "codes", "counts",
         "sums_us", "most_us", "buckets")


@pytest.fixture
def db(cluster, deployed, texts):
    yield from fresh(cluster, deployed, texts)


def row(tenant, hour=HOUR, route="/r", method="GET", key=0, principal=0, workflow=0, outcome="200", code="", n=1, us=1000, most=None,
        bucket=1):
    buckets = [0] * 15
    buckets[bucket] = n
    return (tenant, hour, route, method, key, principal, workflow, outcome, code, n, us * n, most or us, "{%s}" % ",".join(map(str, buckets)))


def add(db, batch, rows, writer="w"):
    columns = {name: [r[i] for r in rows] for i, name in enumerate(NAMES)}
    db.run("rollups_add", writer=writer, batch=batch, **columns)


def listed(db, tenant, what="usage", **asked):
    values = {n: None for n in ("of", "group_by", "from", "to", "route", "method", "key_id", "principal_id", "workflow_id", "status",
                                "error_code", "after_key", "after_id")}
    values.update({"page_limit": 100, "page_offset": 0, "want_total": True, "from": "2000-01-01T00:00:00Z"})
    values.update({k.rstrip("_"): v for k, v in asked.items()})
    got = db.one(f"analytics_{what}", tenant.id, **values)
    return json.loads(got["items"]) if isinstance(got["items"], str) else got["items"]


def test_a_batch_counts_once(db):
    t = Tenant(db, "t")
    rows = [row(t.id, n=3), row(t.id, outcome="404", code="WORKFLOW_NOT_FOUND", n=2, bucket=0)]
    for batch in (5, 5, 4, 6):  # again, and one from before: neither is new
        add(db, batch, rows)
    add(db, 1, rows, writer="another")
    got = listed(db, t, group_by=["status"])
    assert [(g["status"], g["count"], g["errors"], g["average_ms"]) for g in got] == [("200", 9, 0, 1.0), ("404", 6, 6, 1.0)]
    total, = listed(db, t, group_by=[])
    assert (total["count"], total["error_rate"], total["succeeded"], total["route"]) == (15, 0.4, 9, None)
    errors = listed(db, t, "errors")
    assert [(e["error_code"], e["status"], e["count"], e["share"]) for e in errors] == [("WORKFLOW_NOT_FOUND", "404", 6, 1.0)]


def test_filters_and_groups(db):
    t = Tenant(db, "t")
    w = t.workflow("w")["body"]["id"]
    add(db, 1, [row(t.id, workflow=w, key=3, principal=t.principal), row(t.id, workflow=99, route="/s", method="POST", outcome="500", code="INTERNAL"),
                row(t.id, hour=HOUR + 30, n=4)])
    assert [(g["workflow_id"], g["workflow_name"], g["count"]) for g in listed(db, t, group_by=["workflow"])] == [(None, None, 5), (w, "w", 1)]
    by = lambda **f: sum(g["count"] for g in listed(db, t, **f))
    assert by(route="/r") == 5 and by(method="post") == 1 and by(workflow_id=w) == 1 and by(key_id=3) == 1
    assert by(status=["5xx"]) == 1 and by(status=["200", "500"]) == 6 and by(error_code="INTERNAL") == 1 and by(of="run") == 0
    assert by(to="2024-10-04T01:00:00Z") == 2 and by(from_="2024-10-05T06:30:00Z") == 4 and by(from_="2024-10-05T07:00:00Z") == 0
    days = listed(db, t, group_by=["day"], order="time")
    assert sorted((d["time"], d["count"]) for d in days) == [("2024-10-04T00:00:00Z", 2), ("2024-10-05T00:00:00Z", 4)]
    assert len({(g["time"], g["route"], g["method"]) for g in listed(db, t, group_by=["hour", "route"])}) == 3


def test_of_another_tenant_nothing_is_there(db):
    t, other = Tenant(db, "t"), Tenant(db, "u")
    w = t.workflow("w")["body"]["id"]
    add(db, 1, [row(t.id, workflow=w), row(other.id, workflow=w), row(99)])  # an id of another's workflow, a tenant that is none
    assert [g["workflow_id"] for g in listed(db, other, group_by=["workflow"])] == [None]
    assert sum(g["count"] for g in listed(db, t)) == 1
    assert db.conn("api").query("select count(*)::int4 as n from rollups", [], [])[0]["n"] == 0  # without a tenant
    for sql in ("insert into rollups select * from rollups", "delete from rollups", "update rollups set n = 0", "select * from run_ends",
                "select * from rollup_writers", "select rollups_store(null, 'hour')", "select rollups_upkeep(1, 1, 1)"):
        with pytest.raises(DatabaseError, match="permission denied"):
            db.conn("api").execute(sql)
    for sql in ("select * from rollups", "select * from run_ends", "delete from run_ends"):
        with pytest.raises(DatabaseError, match="permission denied"):
            db.conn("engine").execute(sql)


def sums(db, tenant):
    return db.admin(f"select grain, sum(n)::int8 as n, sum(sum_us)::int8 as us from rollups where tenant_id = {tenant.id} group by 1 order by 1")


def test_hours_become_days_and_days_go(db):
    t = Tenant(db, "t")
    now = int(db.admin("select (extract(epoch from now()) / 3600)::int8 as h")[0]["h"])
    add(db, 1, [row(t.id, hour=now - h, n=1 + h % 3, route=f"/{h % 5}", us=100 + h, bucket=h % 15) for h in range(24 * 30)])
    before = listed(db, t, "latency", group_by=["route"])
    total = sum(b["count"] for b in before)
    for _ in range(100):
        got = db.one("engine_rollups", hours_days=3, days=400, batch=50)
        if got["hours"] == 0:
            break
    assert got["hours"] == 0
    grains = {g["grain"]: g["n"] for g in sums(db, t)}
    assert grains["hour"] + grains["day"] == total == grains["ever"] and grains["day"] > 20 * 24
    assert listed(db, t, "latency", group_by=["route"]) == before
    assert sum(d["count"] for d in listed(db, t, group_by=["day"])) == total
    while db.one("engine_rollups", hours_days=3, days=10, batch=5)["gone"] > 0:
        pass
    left = listed(db, t, group_by=["day"])
    assert 10 <= len(left) <= 12 and {g["grain"]: g["n"] for g in sums(db, t)}["ever"] == total


def test_ends_of_runs(db):
    t, engine = Tenant(db, "t"), Engine(db)
    w = t.workflow("w")["body"]["id"]
    for status in ["completed"] * 3 + ["failed", "cancelled", "timed_out"]:
        run = t.execute(w)
        facts = [("failed", None, None, None, {"error": {"type": "x", "message": "m"}})] if status == "failed" else []
        engine.finish(engine.claim()[run], status, facts)
    assert listed(db, t, of="run") == []
    assert db.one("engine_rollups", hours_days=3, days=400, batch=1000)["ends"] == 6
    assert db.one("engine_rollups", hours_days=3, days=400, batch=1000)["ends"] == 0
    got = {g["status"]: (g["workflow_id"], g["count"], g["errors"]) for g in listed(db, t, of="run", group_by=["workflow", "status"])}
    assert got == {"completed": (w, 3, 0), "failed": (w, 1, 1), "cancelled": (w, 1, 0), "timed_out": (w, 1, 1)}


def test_runs_of_what_was_made_of_a_template(db):
    t, other, engine = Tenant(db, "t"), Tenant(db, "u"), Engine(db)
    db.admin("insert into templates (name, slug, template_config, is_public) values ('built in', 'built-in', '{}', true)")
    made = [t.workflow(f"w{i}", template_id=1, template_version="1.0.0")["body"]["id"] for i in range(2)] + [other.workflow("w", template_id=1)["body"]["id"]]
    plain = t.workflow("plain")["body"]["id"]

    def ended(tenant, workflow, status):
        run = tenant.execute(workflow)
        engine.finish(engine.claim()[run], status, [("failed", None, None, None, {"error": {"type": "x", "message": "m"}})] if status == "failed" else [])

    def used(tenant):
        got = db.one("template_usage", tenant.id, template="1", principal_id=1, principal_is_admin=True)["body"]
        return json.loads(got) if isinstance(got, str) else got

    for tenant, workflow, status in ((t, made[0], "completed"), (t, made[1], "completed"), (t, made[0], "failed"), (t, made[1], "cancelled"),
                                     (other, made[2], "timed_out"), (t, plain, "completed")):
        ended(tenant, workflow, status)
    assert used(t)["execution_count"] == 0
    for batch in (2, 2, 2, 2):  # in pieces, and once more than there is
        db.one("engine_rollups", hours_days=3, days=400, batch=batch)
    assert used(t)["executions"] == {"completed": 2, "failed": 1, "cancelled": 1, "timed_out": 0, "compensated": 0}
    assert (used(t)["success_rate"], used(t)["usage_count"], used(other)["execution_count"], used(other)["success_rate"]) == (66.7, 2, 1, 0)
    ended(t, made[0], "completed")
    db.one("engine_rollups", hours_days=3, days=400, batch=100)
    assert used(t)["executions"]["completed"] == 3


def tallied(db, tenant):
    return {r["status"]: r["n"] for r in db.admin(f"select status, sum(n)::int8 as n from workflow_tallies where tenant_id = {tenant.id} group by 1 having sum(n) <> 0")}


def counted(db, tenant):
    return {r["status"]: r["n"] for r in db.admin(f"select status, count(*) as n from workflows where tenant_id = {tenant.id} group by 1")}


def test_workflows_are_known_without_counting(db):
    """Whatever changes them, in one statement or many, and however often what was added is summed up."""
    t, other = Tenant(db, "t"), Tenant(db, "u")
    rng = random.Random(3)
    ids = [t.workflow(f"w{i}")["body"]["id"] for i in range(6)]
    other.workflow("w")
    for n in range(40):
        some = ",".join(map(str, rng.sample(ids, rng.randint(1, 6))))
        db.admin(rng.choice((f"update workflows set status = '{rng.choice(('active', 'paused', 'inactive', 'deleted'))}' where id in ({some})",
                             f"update workflows set description = 'x' where id in ({some})",
                             f"update workflows set status = case when id % 2 = 0 then 'paused' else 'active' end where id in ({some})")))
        if n % 5 == 0:
            db.one("engine_rollups", hours_days=3, days=400, batch=10)
            assert db.admin("select count(*) as n from workflow_tallies where not is_sum")[0]["n"] == 0
        assert tallied(db, t) == counted(db, t) and tallied(db, other) == {"active": 1}
    assert db.admin("select count(*) as n from workflow_tallies")[0]["n"] < 20
    health = db.one("health_figures")["body"]
    health = json.loads(health) if isinstance(health, str) else health
    alive = sum(n for s, n in counted(db, t).items() if s != "deleted") + 1
    assert (health["total_workflows"], health["success_rate_24h"]) == (alive, 100)
    for table in ("workflow_tallies", "run_tallies", "template_runs"):  # without a tenant
        assert db.conn("api").query(f"select count(*)::int4 as n from {table}", [], [])[0]["n"] == 0


def test_what_ended_in_a_minute_becomes_a_row(db):
    t = Tenant(db, "t")
    db.admin(f"""insert into run_tallies (at, tenant_id, completed) select date_trunc('hour', now()) + make_interval(secs => s + 0.5), {t.id}, 1
        from generate_series(0, extract(epoch from now() - date_trunc('hour', now()))::int - 1) s""")
    before, seconds = db.admin("select sum(completed)::int8 as n, extract(epoch from now() - date_trunc('hour', now()))::int4 as s from run_tallies")[0].values()
    for _ in range(2):
        db.one("engine_rollups", hours_days=3, days=400, batch=10)
    after = db.admin("select coalesce(sum(completed), 0)::int8 as n, count(*) as rows from run_tallies")[0]
    assert (after["n"] or 0) == (before or 0) and after["rows"] <= seconds // 60 + 62


def quantile(buckets, p, most, what="request"):
    return f"select rollup_quantile('{array(buckets)}', rollup_bounds('{what}'), {most}, {p}) as q"


def test_percentiles_lie_between_their_bounds(db):
    """What is drawn by chance, counted as the workers count it: the true percentile lies between the bounds."""
    bounds = db.admin("select rollup_bounds('request') as b")[0]["b"]
    bounds = [int(b) for b in bounds.strip("{}").split(",")]
    rng = random.Random(7)
    for n in (1, 2, 10, 1000):
        took = sorted(int(rng.lognormvariate(8, 2)) + 1 for _ in range(n))
        buckets = [0] * 15
        for us in took:
            buckets[next((i for i, b in enumerate(bounds) if us <= b), 14)] += 1
        for p in (0.5, 0.9, 0.95, 0.99):
            got = db.admin(quantile(buckets, p, took[-1]))[0]["q"]
            estimate, low, high = (float(x) for x in got.strip("{}").split(","))
            true = took[min(n - 1, -(-int(p * n * 100) // 100) - (1 if p * n == int(p * n) else 0))] / 1000
            assert low <= true <= high and low - 0.001 <= estimate <= high + 0.001, (n, p, got, true)
    assert db.admin(quantile([0] * 15, 0.5, 0))[0]["q"] is None


def test_the_bounds_are_those_of_the_workers(db):
    text = re.search(r"\[MR_METRIC_BUCKETS_HTTP\] = \{\s*\d+,\s*\{(.*?)\}", (ROOT / "lib/metric.c").read_text(), re.S).group(1)
    ours = [round(float(seconds) * 1000000) for seconds in text.split(",")]
    assert db.admin("select rollup_bounds('request') as b")[0]["b"] == array(ours).replace('"', "")
    at = db.admin("select run_bucket(u)::text as b from unnest('{0,10000,10001,86400000000,86400000001}'::int8[]) u")
    assert [r["b"] for r in at] == ["0", "0", "1", "13", "14"]  # the bound belongs to its bucket
