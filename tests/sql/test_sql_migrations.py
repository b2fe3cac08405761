"""Deploy, verify, revert, and deploy again: on an empty database and on one with a row in every table."""
import libpq
import pytest

from database import CHANGES, MIGRATIONS


def scripts(cluster, database, kind, changes=CHANGES):
    for change in changes:
        cluster.psql(database, MIGRATIONS / kind / f"{change}.sql", "millrace_owner")


def tables(conn):
    return conn.execute("""select relname as name from pg_class where relnamespace = to_regnamespace('millrace')
        and relkind in ('r', 'p') and not relispartition order by 1""")


def fill(conn):
    conn.execute("""
        insert into tenants (name) values ('t');
        insert into groups (tenant_id, name) values (1, 'g');
        insert into issuers (tenant_id, issuer, algorithm, key_name) values (1, 'i', 'HS256', 'k');
        insert into principals (tenant_id, name) values (1, 'p');
        insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles)
            values (1, 1, 'k', 'mrk_', sha256('x'), '{admin}', '{admin}');
        insert into client_certificates (tenant_id, principal_id, fingerprint, subject, scopes)
            values (1, 1, repeat('a', 64), 's', '{admin}');
        insert into workflows (tenant_id, name, digest, rendered_definition) values (1, 'w', 'd', '');
        insert into workflow_versions (workflow_id, version, tenant_id, definition, steps, digest)
            values (1, 1, 1, '{}', '[]', 'd');
        insert into engines (name, host, pid, version, lease_until) values ('e', 'h', 1, '0', now());
        insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type) values (1, 1, 1, 1, 1, 'manual');
        insert into journal (id, tenant_id, run_id, seq, kind, at) values (1, 1, 1, 1, 'created', now());
        insert into run_states (run_id, tenant_id, seq, state) values (1, 1, 1, '{}');
        insert into run_commands (tenant_id, run_id, kind) values (1, 1, 'cancel');
        insert into run_waits (run_id, step_execution_id, tenant_id, step, kind, event_type) values (1, 1, 1, 's', 'event', 'e');
        insert into run_children (parent_run_id, step_execution_id, attempt, child_run_id, tenant_id, cascades)
            values (1, 1, 1, 2, 1, true);
        insert into events (tenant_id, event_type) values (1, 'e');
        insert into run_event_marks (run_id, tenant_id, event_type, offer) values (1, 1, 'e', 1);
        insert into run_payloads (run_id, tenant_id, bytes) values (1, 1, 1);
        insert into tenant_payloads (tenant_id, bytes) values (1, 1);
        insert into run_tallies (at, tenant_id) values (now(), 1);
        insert into run_ends values (now(), 1, 1, 'completed', '', 0, 1, 5, 5);
        insert into rollup_writers values ('h.1', 1, now());
        insert into rollups values (1, 'request', 'hour', date_trunc('hour', now()), '/r', 'GET', 1, 1, 1, '200', '', 1, 5, 5, array_fill(0, array[15]));
        insert into metric_totals values (1, 'a_total', '{1}');
        insert into files (tenant_id, name, content_type, size, sha256, storage_key)
            values (1, 'f', 'text/plain', 1, repeat('a', 64), 'k');
        insert into secrets (tenant_id, name, sealed) values (1, 's', decode(repeat('00', 40), 'hex'));
        insert into agents (tenant_id, name, url) values (1, 'a', 'http://a/');
        insert into agent_breakers (agent_id, tenant_id) values (1, 1);
        insert into agent_calls (step_execution_id, attempt, tenant_id, agent_id, run_id, engine_id) values (1, 1, 1, 1, 1, 1);
        insert into agent_outcomes (agent_id, tenant_id, ok, duration_ms) values (1, 1, true, 5);
        insert into templates (tenant_id, name, slug, template_config) values (1, 't', 't', '{"steps": []}'), (null, 'u', 'u', '{"steps": []}');
        insert into workflows (tenant_id, name, digest, rendered_definition, template_id, template_version) values (1, 'v', 'd', '', 2, '1.0.0');
        insert into template_runs values (2, 1, 'completed', 1, 5, 5, now());
        insert into audit_logs (tenant_id, entity_type, action) values (1, 'x', 'y');
        insert into idempotency_keys (tenant_id, principal_id, key, request_digest) values (1, 1, 'k', 'x')""")
    for t in tables(conn):
        count = conn.execute(f"select count(*) as n from {t['name']}")[0]["n"]
        assert count > 0, f"{t['name']} is empty: the test forgot it"


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_there_and_back(cluster, filled):
    name = cluster.create()
    for _ in range(2):
        scripts(cluster, name, "deploy")
        scripts(cluster, name, "verify")
        conn = cluster.connect(name)
        if filled:
            fill(conn)
            scripts(cluster, name, "verify")
        assert len(tables(conn)) == 38
        scripts(cluster, name, "revert", reversed(CHANGES))
        assert tables(conn) == []
        assert conn.execute("select 1 from pg_namespace where nspname = 'millrace'") == []
        conn.close()


def counts(conn):
    return {t["name"]: conn.execute(f"select count(*) as n from {t['name']}")[0]["n"] for t in tables(conn)}


def test_a_revert_loses_only_what_its_change_brought(cluster):
    """From the last change to the first, with rows in every table: reverted, deployed and verified beside the
    rows that stay, reverted again."""
    name = cluster.create()
    conn = cluster.connect(name)
    brought = {}
    for change in CHANGES:
        before = {t["name"] for t in tables(conn)}
        scripts(cluster, name, "deploy", [change])
        brought[change] = {t["name"] for t in tables(conn)} - before
    fill(conn)
    for change in reversed(CHANGES):
        have = counts(conn)
        stay = {t: n for t, n in have.items() if t not in brought[change]}
        for kind in ("revert", "deploy", "verify", "revert"):
            scripts(cluster, name, kind, [change])
            now = counts(conn)
            if kind == "revert":
                assert now == stay, f"revert of {change}"
            else:
                assert {t: n for t, n in now.items() if t in stay} == stay, f"{kind} of {change}"
    conn.close()


def test_each_change_alone(cluster):
    """Verify fails before its change is there and after it is gone."""
    name = cluster.create()
    for change in CHANGES:
        with pytest.raises(Exception):
            scripts(cluster, name, "verify", [change])
        scripts(cluster, name, "deploy", [change])
        scripts(cluster, name, "verify", [change])
    for change in reversed(CHANGES):
        scripts(cluster, name, "revert", [change])
        with pytest.raises(Exception):
            scripts(cluster, name, "verify", [change])


def test_every_change_has_its_scripts():
    for kind in ("deploy", "revert", "verify"):
        assert {p.stem for p in (MIGRATIONS / kind).glob("*.sql")} == set(CHANGES)
        for path in (MIGRATIONS / kind).glob("*.sql"):
            assert path.read_text().startswith(f"-- {kind.capitalize()} millrace:{path.stem}\n")
            if kind == "deploy":
                assert "set local lock_timeout = " in path.read_text()


def test_roles_twice(cluster, deployed):
    name = cluster.create(deployed)
    from database import ROOT
    for _ in range(2):
        cluster.psql(name, ROOT / "sql/roles/roles.sql")
    api = cluster.connect(name, "api")
    assert api.execute("show search_path") == [{"search_path": "millrace, pg_temp"}]
    with pytest.raises(libpq.DatabaseError):
        api.execute("create table t (a int)")
    with pytest.raises(libpq.DatabaseError):
        api.execute("create table public.t (a int)")
    api.close()


def test_partitions(cluster, deployed):
    name = cluster.create(deployed)
    conn = cluster.connect(name)
    owner = cluster.connect(name, "owner")
    count = lambda: conn.execute(  # noqa: E731
        "select count(*) as n from pg_inherits where inhparent in ('runs'::regclass, 'journal'::regclass)")[0]["n"]
    assert count() == 4
    assert conn.execute("select partitions_ensure() as made")[0]["made"] == 0
    conn.execute("select setval('run_id_seq', 25000000)")
    assert owner.execute("select partitions_ensure() as made")[0]["made"] == 1
    assert count() == 6
    conn.execute("""insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, status, completed_at)
        values (5, 1, 1, 1, 1, 'manual', 'completed', now() - interval '3 days')""")
    conn.execute("insert into run_states (run_id, tenant_id, seq, state) values (5, 1, 1, '{}')")
    drop = lambda keep: owner.execute(f"select partitions_drop('{keep}') as n")[0]["n"]  # noqa: E731
    assert drop("7 days") == 0
    conn.execute("update runs set status = 'paused'")
    assert drop("1 day") == 0
    conn.execute("update runs set status = 'completed'")
    assert drop("1 day") == 1
    assert count() == 4 and conn.execute("select * from run_states") == []
    # what is attached has the parents' indexes and no way around the wall
    assert conn.execute("""select count(*) as n from pg_index where indrelid = 'runs_p2'::regclass""")[0]["n"] == \
        conn.execute("select count(*) as n from pg_index where indrelid = 'runs'::regclass")[0]["n"]
    for role in ("api", "engine"):
        c = cluster.connect(name, role)
        with pytest.raises(libpq.DatabaseError):
            c.execute("select * from runs_p2")
        c.close()
    conn.close()
    owner.close()
