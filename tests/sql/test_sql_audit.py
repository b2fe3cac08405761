"""The audit log: what it tells, that a page costs a page, and that nobody changes it."""
import json

import pytest

from database import fresh
from libpq import DatabaseError
from test_sql_plans import explain, read_whole, used

ROWS = 200000
PAGE = {"page_limit": 50, "page_offset": 0, "want_total": False}
LATE = {"after_key": "2025-01-02T00:10:00Z", "after_id": 10}


@pytest.fixture(scope="module")
def full(cluster, deployed, texts):
    """Three tenants' entries, most of them of one kind, some so rare that a walk would read nearly all."""
    for d in fresh(cluster, deployed, texts):
        d.admin(f"""insert into audit_logs (tenant_id, at, entity_type, entity_id, action, outcome, user_id, user_name, address, correlation_id)
            select g % 3 + 1, '2025-01-01'::timestamptz + g * interval '1 second', case when g % 997 = 0 then 'api_key' else 'run' end, g % 5000,
                case when g % 991 = 0 then 'deleted' else 'created' end, case when g % 983 = 0 then 'refused' else 'done' end,
                case when g % 977 = 0 then 9 else 1 end, 'u', case when g % 971 = 0 then '192.0.2.9' else '192.0.2.1' end, 'c' || g
            from generate_series(1, {ROWS}) g; analyze audit_logs""")
        yield d


@pytest.fixture(scope="module")
def parents(full):
    rows = full.admin("select relname as n from pg_class where relnamespace = 'millrace'::regnamespace")
    return {r["n"]: r["n"] for r in rows}


FILTERS = [({}, "at"), ({"entity_type": "api_key"}, "type"), ({"entity_id": 7}, "entity"),
           ({"user_id": 9}, "user"), ({"action": "deleted"}, "action"),
           ({"address": "192.0.2.9"}, "address"), ({"correlation_id": "c150000"}, "correlation"),
           ({"outcome": "refused"}, "outcome"), ({"from": "2025-01-01T01:00:00Z"}, "at"), ({"to": "2025-01-01T02:00:00Z"}, "at")]


@pytest.mark.parametrize("values,index", FILTERS, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "none")
@pytest.mark.parametrize("after", [{}, LATE], ids=["first", "deep"])
def test_a_page_costs_a_page(full, parents, values, index, after):
    plan = explain(full, "audit_log_list", run=True, **{**PAGE, **values, **after})
    assert f"audit_logs_{index}_idx" in used(plan, parents), json.dumps(plan[0], indent=1)[:3000]
    assert not read_whole(plan, parents)
    read = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"]
               for n in plan if n.get("Relation Name") == "audit_logs")
    assert read <= 51 + 10


@pytest.mark.parametrize("values,index", FILTERS, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "none")
def test_filters_tell_what_they_say(full, values, index):
    where = {"from": "at >= '2025-01-01T01:00:00Z'", "to": "at < '2025-01-01T02:00:00Z'"}
    sql = " and ".join(["tenant_id = 1"] + [where.get(k, f"{k} = '{v}'") for k, v in values.items()])
    wanted = [r["id"] for r in full.admin(f"select id from audit_logs where {sql} order by at desc, id desc limit 120")]
    got, after = [], {}
    while len(got) < 120:
        row = full.one("audit_log_list", 1, **{**PAGE, **values, **after})
        got += [i["id"] for i in row["items"]]
        if row["next_id"] is None:
            break
        after = {"after_key": row["next_key"], "after_id": row["next_id"]}
    assert got[:120] == wanted and wanted


def test_one_entry_and_its_form(db, tenant, other):
    w = tenant.workflow()["body"]["id"]
    entry, = tenant.one("audit_log_list")["items"]
    assert {k: entry[k] for k in ("entity_type", "entity_id", "action", "outcome", "user_id", "user_name", "address", "correlation_id")} == {
        "entity_type": "workflow", "entity_id": w, "action": "created", "outcome": "done", "user_id": tenant.principal,
        "user_name": "root", "address": "127.0.0.1", "correlation_id": "c-1"}
    assert tenant.one("audit_log_get", id=entry["id"])["body"] == entry
    assert other.run("audit_log_get", id=entry["id"]) == [] and other.one("audit_log_list")["items"] == []


def test_refusals_and_reads(tenant):
    tenant.run("audit_refused", entity_type="workflow", entity_id=5, outcome="not_found", attempt="GET /x", answered=404, omitted=3)
    tenant.run("audit_read", entity_type="workflow", entity_id=5, attempt="GET /x")
    read, refused = tenant.one("audit_log_list", entity_id=5)["items"]
    assert (read["action"], read["outcome"], refused["action"], refused["outcome"]) == ("read", "done", "not_found", "not_found")
    assert refused["changes"] == {"attempt": "GET /x", "status": 404, "omitted": 3}


def test_strangers_go_to_whom_their_key_was_of(db, tenant):
    def strange(key_hash=None):
        db.run("audit_stranger", key_hash=key_hash, entity_type="workflow", entity_id=1, attempt="GET /x", answered=401,
               remote_address="192.0.2.1", correlation_id="c")
        return db.admin("select * from audit_logs order by id desc limit 1")[0]

    assert strange()["tenant_id"] == 0, "of nobody, while there is no platform"
    tenant.one("api_key_create", name="k", key_hash=bytes(32), key_prefix="mrk_", scopes=["read-only"])
    of_key = strange(bytes(32))
    assert (of_key["tenant_id"], of_key["user_name"], of_key["changes"]["key_id"]) == (tenant.id, "k", 1)
    platform = db.one("admin_tenant_create", name="platform", platform=True)["tenant_id"]
    row = strange(b"x" * 32)
    assert (row["tenant_id"], row["user_id"], row["entity_id"], row["outcome"]) == (platform, None, None, "refused")


CHANGES = ["update audit_logs set action = 'x'", "delete from audit_logs", "truncate audit_logs",
           "delete from audit_logs where false", "merge into audit_logs a using tenants t on a.tenant_id = t.id when matched then delete"]
WAYS_ROUND = ["alter table audit_logs disable trigger all", "alter table audit_logs disable trigger audit_logs_append_only",
              "drop trigger audit_logs_append_only on audit_logs", "drop table audit_logs", "alter table audit_logs drop column action",
              "set session_replication_role = replica", "alter table audit_logs no force row level security",
              "create or replace function audit_is_append_only() returns trigger language plpgsql as 'begin return old; end'",
              "create rule x as on insert to audit_logs do instead nothing", "set role millrace_owner"]


@pytest.mark.parametrize("role", ["api", "engine", "owner"])
@pytest.mark.parametrize("sql", CHANGES)
def test_nobody_changes_it(db, tenant, role, sql):
    tenant.workflow()
    before = db.admin("select * from audit_logs")
    conn = db.conn(role)
    conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
    with pytest.raises(DatabaseError) as e:
        conn.execute(sql)
    assert e.value.sqlstate == "42501"
    conn.execute("rollback")
    assert db.admin("select * from audit_logs") == before and before


@pytest.mark.parametrize("role", ["api", "engine"])
@pytest.mark.parametrize("sql", WAYS_ROUND)
def test_nor_takes_away_what_keeps_it(db, tenant, role, sql):
    with pytest.raises(DatabaseError) as e:
        db.conn(role).execute(sql)
    assert e.value.sqlstate in ("42501", "42P01"), e.value


def test_an_entry_of_another_tenant_cannot_be_forged(db, tenant, other):
    conn = db.conn("api")
    conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
    with pytest.raises(DatabaseError) as e:
        conn.execute(f"insert into audit_logs (tenant_id, entity_type, action) values ({other.id}, 'x', 'y')")
    assert e.value.sqlstate == "42501"
    conn.execute("rollback")


