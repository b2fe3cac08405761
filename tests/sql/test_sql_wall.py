"""The wall between tenants: without a tenant nothing is there, with one nothing of another is."""
import json

import pytest

from database import Engine, Tenant, fresh
from libpq import DatabaseError
from statements import HEADERS, role_of

# Statements of the API that need no tenant, or answer for all: what each of them may tell and change is
# decided by its security definer function, see test_what_needs_no_tenant below.
WITHOUT_TENANT = {
    "auth_by_key", "auth_by_certificate", "auth_by_principal", "auth_by_subject", "auth_issuers", "auth_revision",
    "auth_keys_claim", "auth_keys_store", "bus_listen", "bus_notify", "session_tenant_read", "session_tenant_write",
    "health_figures", "metrics_figures", "metrics_series", "rollups_add", "schema_state", "system_status", "audit_stranger",
}
SAMPLE = {"int8": 1, "int4": 1, "int2": 1, "float8": 1, "bool": True, "text": "x", "json": "{}", "jsonb": "{}",
          "timestamptz": "2025-01-01T00:00:00Z", "bytea": b"x", "text[]": ["admin"], "int8[]": [1]}
SPECIAL = {"template": "1", "view": None, "category": None, "tags": None, "template_type": None, "is_active": None, "public_only": None, "base_revision": None, "template_config": '{"steps": []}', "slug": None, "algorithm": "ES256", "key_name": None, "public_key": None, "jwks_file": None, "jwks_url": "https://x.test/keys", "key_type": None,
           "default_roles": ["viewer"], "ids": "[1]", "sealed": bytes(40), "secret": "x", "names": ["x"], "secrets_max": 10, "force": None, "filter": "{\"search\": \"w\"}", "op": "cancel", "dry_run": None, "items": "[{}]", "steps": "[]", "key_hash": bytes(32), "request_digest": b"x", "scopes": ["admin"],
           "roles": ["admin"], "sha256": "a" * 64, "status": ["active", "pending", "deleted"], "after_key": None,
           "after_id": None, "page_limit": 10, "page_offset": 0, "if_match": None, "base_version": None,
           "idempotency_key": None, "expires_at": None, "run_at": None, "search": None, "after": None, "level": None,
           "trigger_on_file_upload": None, "parameters": None, "version": None, "execution_id": 1, "from": None, "to": None, "triggered_by": None, "correlation_id": None}


def values_for(header, **known):
    values = {}
    for name, kind in header.params:
        if header.name == "audit_log_list" and name in header.optional:
            values[name] = None  # it has more filters than are described together
            continue
        values[name] = known.get(name, SPECIAL.get(name, SAMPLE[kind]))
    return values


@pytest.fixture(scope="module")
def db(cluster, deployed, texts):
    """One database for all tests here: none of them may change it."""
    yield from fresh(cluster, deployed, texts)


@pytest.fixture(scope="module")
def filled(db):
    """The first tenant has one of everything; ids are 1."""
    tenant, engine = Tenant(db, "first"), Engine(db)
    w = tenant.workflow("w", start=True)["body"]
    engine.finish(engine.claim()[w["run_id"]], "failed", [
        ("step.failed", "a", "new", 1, {"type": "log", "order": 1, "error": {"type": "x", "message": "m"}}),
        ("failed", None, None, None, {"error": {"type": "x", "message": "m"}})])
    tenant.one("file_create", storage_key="s", name="f.txt", extension="txt", content_type="text/plain", size=1,
               sha256="a" * 64)
    tenant.one("api_key_create", name="k", key_hash=bytes(range(32)), key_prefix="mrk_", scopes=["admin"])
    tenant.one("secret_create", name="x", sealed=bytes(40), secrets_max=10)
    tenant.one("group_create", name="admin")
    tenant.one("template_create", name="of the first", template_config='{"steps": []}', is_public=True)
    tenant.one("issuer_create", issuer="i", audience="a", algorithm="ES256", jwks_url="https://x.test/keys")
    Tenant(db, "second")
    return w


API = sorted(n for n in HEADERS if role_of(n) == "api" and n not in WITHOUT_TENANT)


def empty(rows):
    """No row; or a list without items; or nothing but nulls; or, of many things asked for, none found."""
    for row in rows:
        body = row.get("body")
        body = json.loads(body) if isinstance(body, str) else body
        if isinstance(body, dict) and body.get("categories") == []:
            continue
        if isinstance(body, dict) and "results" in body:
            if body["matched"] or body["accepted"]:
                return False
            continue
        items = row.get("items")
        items = json.loads(items) if isinstance(items, str) else items
        if items or row.get("total"):
            return False
        if "items" not in row and any(v is not None for v in row.values()):
            return False
    return True


def rows_of(db, tenant=None):
    """Everything the database holds, or all that a tenant has, to see that nothing changed."""
    names = [r["t"] for r in db.admin("""select relname as t from pg_class c where relnamespace = 'millrace'::regnamespace
        and relkind in ('r', 'p') and not relispartition""" + (""" and exists (
            select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')""" if tenant else "") + " order by 1")]
    only = f" where tenant_id = {tenant}" if tenant else ""
    return {n: db.admin(f"select md5(coalesce(string_agg(x::text, '|' order by x::text), '')) as h from {n} x{only}")[0]["h"]
            for n in names}


@pytest.mark.parametrize("name", API)
def test_without_a_tenant_nothing(db, filled, name):
    header = HEADERS[name]
    before = rows_of(db)
    try:
        rows = db.run(name, None, **values_for(header))
    except DatabaseError as e:
        # what would insert a row is refused by the policy
        assert e.sqlstate == "42501" and "write" in header.flags, e
        rows = []
    assert empty(rows) or (name in ("workflow_create", "user_create", "api_key_create") and rows[0]["error"]), rows
    assert rows_of(db) == before


# ---- what needs no tenant ----

# what each is asked for here: whatever of the first tenant can be named
AIMED = {
    "auth_by_key": {"key_hash": bytes(32)}, "auth_by_certificate": {"fingerprint": "f" * 64}, "auth_by_principal": {"principal": 1},
    "auth_by_subject": {"issuer_id": 1, "subject": "s", "name": "n", "tenant": "second"},
    "auth_keys_claim": {"issuer_id": 1, "url": "https://x.test/keys", "max_age_s": None, "retry_s": 1},
    "auth_keys_store": {"issuer_id": 1, "url": "https://x.test/keys", "keys": None, "error": "away"},
    "audit_stranger": {"key_hash": bytes(range(32)), "entity_type": "workflow", "entity_id": 1, "attempt": "GET /x", "answered": 401,
                       "omitted": None, "remote_address": None, "correlation_id": None},
    "rollups_add": {"writer": "w", "batch": 1, "tenants": [1, 999], "hours": [1, 1], "routes": ["/r", "/r"], "methods": ["GET", "GET"],
                    "key_ids": [0, 0], "principal_ids": [0, 0], "workflow_ids": [2, 2], "outcomes": ["200", "200"], "codes": ["", ""],
                    "counts": [1, 1], "sums_us": [1, 1], "most_us": [1, 1], "buckets": ["{1%s}" % (",0" * 14)] * 2},
    "bus_notify": {"payload": "x"}, "session_tenant_read": {"tenant": "1"}, "session_tenant_write": {"tenant": "1"},
    "schema_state": {"needed": "x"},
}
# and where that leaves a trace: in rows of whom the credential, the issuer or the counted request belongs to
LEAVES = {"auth_by_subject": {"principals"}, "auth_keys_claim": {"issuers"}, "auth_keys_store": {"issuers"},
          "audit_stranger": {"audit_logs"}, "rollups_add": {"rollups"}}


@pytest.fixture
def pair(cluster, deployed, texts):
    """Two tenants with a workflow each; whatever the first has carries its mark."""
    for db in fresh(cluster, deployed, texts):
        tenants, engine = [Tenant(db, n) for n in ("first", "second")], Engine(db)
        mark, steps = "marked", [{"name": "marked", "type": "log"}]
        run = tenants[0].workflow(mark, steps, start=True)["body"]["run_id"]
        tenants[1].workflow("w")
        engine.finish(engine.claim()[run], "failed", [("failed", None, None, None, {"error": {"type": mark, "message": mark}})])
        for name, values in {
                "file_create": {"storage_key": mark, "name": mark, "extension": "txt", "content_type": "text/plain", "size": 1, "sha256": "a" * 64},
                "secret_create": {"name": mark, "sealed": bytes(40), "secrets_max": 10}, "group_create": {"name": mark},
                "api_key_create": {"name": mark, "key_hash": bytes(range(32)), "key_prefix": mark, "scopes": ["admin"]},
                "template_create": {"name": mark, "template_config": '{"steps": []}'},
                "agent_create": {"name": mark, "url": "http://x.test/", "auth_type": "none"},
                "issuer_create": {"issuer": "i", "audience": "a", "algorithm": "ES256", "jwks_url": "https://x.test/keys", "provision": True}}.items():
            tenants[0].one(name, **values)
        yield db


@pytest.mark.parametrize("tenant", [None, 2])
def test_what_needs_no_tenant(pair, tenant):
    """None of these statements shows a row of a tenant, or changes one of another than it is about."""
    for name in sorted(WITHOUT_TENANT):
        assert set(AIMED.get(name, ())) == {n for n, _ in HEADERS[name].params}
        first, second, all_rows = rows_of(pair, 1), rows_of(pair, 2), rows_of(pair)
        told = pair.run(name, tenant, **AIMED.get(name, {}))
        assert "marked" not in str(told), (name, told)
        after = rows_of(pair, 1)
        assert {t for t in after if after[t] != first[t]} == LEAVES.get(name, set()), name
        assert rows_of(pair, 2) == second, name
        if name not in LEAVES:
            assert rows_of(pair) == all_rows, name
        assert pair.conn("api").execute("select count(*) as n from workflows") == [{"n": 0}], f"{name}: a tenant stayed set"
    # a workflow of another tenant's isn't counted under its id, and nobody's tenant isn't counted at all
    assert pair.admin("select distinct tenant_id, workflow_id from rollups where what = 'request'") == [{"tenant_id": 1, "workflow_id": 0}]


READS = [n for n in API if HEADERS[n].flags[0] == "read" or n in (
    "workflow_update", "workflow_delete", "workflow_pause", "workflow_resume", "workflow_cancel", "workflow_execute",
    "workflow_bulk_execute", "run_cancel", "run_pause", "run_resume", "run_retry", "step_retry", "workflow_step_retry",
    "runs_bulk", "workflow_bulk_act", "run_signal", "run_update", "run_rerun", "saga_start", "saga_attach", "saga_cancel", "file_delete", "api_key_update", "api_key_delete", "api_key_rotate", "secret_update", "secret_delete", "agent_update", "agent_delete", "agent_health", "issuer_update", "issuer_delete", "template_update", "template_delete", "user_update", "user_delete", "group_update", "group_delete", "group_member_add",
    "group_member_remove", "workflow_undelete")]


@pytest.mark.parametrize("name", READS)
def test_another_tenant_is_not_there(db, filled, name):
    header = HEADERS[name]
    steps = db.admin("select min(id) as id from journal where id = step_execution_id")[0]["id"]
    before = rows_of(db)
    rows = db.run(name, 2, **values_for(header, id=1, workflow_id=1, step_execution_id=steps, tenant_id=2))
    assert empty(rows), rows
    assert rows_of(db) == before


def test_a_stranger_joins_no_group(db, filled):
    """Another tenant's user is none to a group of one's own, and the other way round."""
    group = db.admin("insert into groups (tenant_id, name) values (2, 'of the second') returning id")[0]["id"]
    before = rows_of(db)
    try:
        for name in ("group_member_add", "group_member_remove"):
            told = db.run(name, 2, **values_for(HEADERS[name], id=group, user_id=1, tenant_id=2))
            assert [(r["error"], r["body"]) for r in told] == [("USER_NOT_FOUND", None)]
            assert db.run(name, 2, **values_for(HEADERS[name], id=1, user_id=2, tenant_id=2)) == []
        assert rows_of(db) == before
    finally:
        db.admin(f"delete from groups where id = {group}")


def test_a_forged_tenant_is_refused(db, filled):
    """The tenant in the statement's parameters can't differ from the unit's."""
    for name in ("workflow_create", "file_create", "audit_refused", "secret_create", "agent_create", "event_publish", "idempotency_begin"):
        values = values_for(HEADERS[name], tenant_id=1, idempotency_key="x")
        with pytest.raises(DatabaseError) as e:
            db.run(name, 2, **values)
        assert e.value.sqlstate == "42501"


@pytest.mark.parametrize("sql", [
    "update audit_logs set action = 'x'", "delete from audit_logs", "truncate audit_logs",
    "delete from runs", "delete from journal", "update journal set kind = 'x'", "update runs set tenant_id = 2",
    "delete from workflows", "delete from api_keys", "update principals set tenant_id = 2", "delete from principals",
    "update tenants set is_platform = true", "delete from tenants", "insert into tenants (name) values ('x')", "update groups set tenant_id = 2", "delete from files",
    "alter table runs disable row level security", "alter table audit_logs no force row level security",
    "set role millrace_owner", "set session authorization millrace_owner", "set row_security = off; select * from runs",
    "delete from events", "update events set event_type = 'x'", "delete from run_waits",
    "select * from run_states", "delete from issuers", "update issuers set tenant_id = 2", "select * from client_certificates",
    "delete from run_tallies", "insert into run_tallies (at, tenant_id) values (now(), 1)", "insert into workflow_tallies values (1, 'active', 1)",
    "delete from workflow_tallies", "update template_runs set n = 0", "select tallies_fold()",
    "select housekeeping()", "select partitions_ensure()", "select partitions_drop('1 day')", "select auth_changed()",
    "create function f() returns int language sql as 'select 1'", "copy runs to program 'cat'",
    "select pg_read_file('/etc/passwd')"])
def test_what_the_api_role_cannot_do(db, filled, sql):
    conn = db.conn("api")
    conn.execute("begin; select set_config('app.tenant', '1', true)")
    with pytest.raises(DatabaseError):
        conn.execute(sql)
    conn.execute("rollback")


@pytest.mark.parametrize("sql", [
    "select * from api_keys", "select * from audit_logs", "select * from principals", "select * from issuers",
    "select auth_by_key('x')", "update workflows set name = 'x'", "insert into runs (id) values (1)", "delete from runs",
    "delete from journal", "update runs set tenant_id = 2", "update runs set input = '{}'", "delete from run_commands",
    "set role millrace_owner"])
def test_what_the_engine_role_cannot_do(db, filled, sql):
    with pytest.raises(DatabaseError):
        db.conn("engine").execute(sql)


def test_bad_tenants(db, filled):
    conn = db.conn("api")
    assert conn.execute("select count(*) as n from workflows") == [{"n": 0}]
    for tenant in ("", "2", "999"):
        conn.execute(f"begin; select set_config('app.tenant', '{tenant}', true)")
        assert conn.execute("select count(*) as n from runs") == [{"n": 0}]
        conn.execute("rollback")
    conn.execute("begin; select set_config('app.tenant', '1', true)")
    assert conn.execute("select count(*) as n from runs") == [{"n": 1}]
    conn.execute("commit")
    assert conn.execute("select count(*) as n from runs") == [{"n": 0}], "the setting ends with the transaction"


def test_every_table_of_tenants_is_behind_the_wall(db):
    rows = db.admin("""
        select c.relname as t from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where c.relnamespace = 'millrace'::regnamespace and c.relkind in ('r', 'p')
            and not (c.relrowsecurity and c.relforcerowsecurity)""")
    assert rows == []
    assert db.admin("select viewname as v from pg_views where schemaname = 'millrace'") == []
    definers = {r["f"] for r in db.admin("""select proname as f from pg_proc where pronamespace = 'millrace'::regnamespace
        and prosecdef and has_function_privilege('millrace_api', oid, 'execute')""")}
    assert definers == {"auth_by_key", "auth_by_certificate", "auth_by_principal", "auth_by_subject", "auth_issuers", "auth_keys_claim", "auth_keys_store",
                        "estimate_runs",
                        "health_figures", "metrics_figures", "metrics_series", "tenant_metrics_series", "is_platform", "audit_stranger", "schema_state", "agent_figures", "rollups_add"}


def test_an_estimate_is_of_the_own_tenant(db, filled):
    db.admin("""insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type)
        select g, 1, 1, 1, 1, 'manual' from generate_series(1000, 15000) g; analyze runs""")
    conn = db.conn("api")
    for tenant, low, high in ((1, 12000, 16000), (2, 0, 200)):
        conn.execute(f"begin; select set_config('app.tenant', '{tenant}', true)")
        assert low <= conn.execute("select estimate_runs(null, null) as n")[0]["n"] <= high
        conn.execute("commit")
    db.admin("delete from runs where id >= 1000; analyze runs")


def test_the_library_is_read_by_all_and_changed_by_none(db, filled):
    """Templates without a tenant: everybody's to read, nobody's to change, and not there without a tenant."""
    db.admin("insert into templates (name, slug, template_config, is_public) values ('built in', 'built-in', '{}', true)")
    try:
        for tenant in (1, 2):
            got = db.run("template_get", tenant, template="built-in", principal_is_admin=True)
            assert len(got) == 1 and got[0]["body"]["is_global"] is True
        assert db.run("template_get", None, template="built-in", principal_is_admin=True) == []
        assert db.run("template_get", 2, template="of-the-first", principal_is_admin=True) == []
        conn = db.conn("api")
        for statement in ("update templates set name = 'x' where slug = 'built-in' returning id",
                          "insert into templates (name, slug, template_config) values ('x', 'x', '{}') returning id",
                          "delete from templates where slug = 'built-in' returning id"):
            conn.execute("begin")
            try:
                conn.query("select set_config('app.tenant', $1, true)", [25], ["1"])
                assert conn.execute(statement) == [], statement
            except DatabaseError as e:
                assert e.sqlstate == "42501", e
            finally:
                conn.execute("rollback")
    finally:
        db.admin("delete from templates where slug = 'built-in'")
