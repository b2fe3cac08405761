"""On a few hundred thousand runs every statement that names an index uses it, and none of those that
serve requests or the engine reads a large table whole."""
import json
import re

import pytest

import statements
from database import fresh
from plans import NAMES, PAGE, literal, nodes
from statements import HEADERS, role_of

RUNS = 200000
HUGE = 8 # a workflow of tenant 1
DATA = f"""
insert into tenants (name) select 'tenant ' || g from generate_series(1, 4) g;
insert into principals (tenant_id, name, roles) select id, 'root', '{{admin}}' from tenants;
insert into workflows (tenant_id, name, digest, rendered_definition, trigger_on_file_upload)
	select g % 4 + 1, 'workflow ' || g, 'd', '"steps":[],"workflow_config":{{}}', g % 50 = 0 from generate_series(1, 2000) g;
insert into workflow_versions (workflow_id, version, tenant_id, definition, steps, digest)
	select id, 1, tenant_id, '{{"steps":[]}}', '[]', 'd' from workflows;
insert into files (tenant_id, name, content_type, size, sha256, storage_key)
	select g % 4 + 1, 'f' || g, 'text/plain', g, repeat('a', 64), 'k' || g from generate_series(1, 5000) g;
insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles)
	select p.tenant_id, p.id, 'k' || g, 'mrk_', sha256(g::text::bytea), '{{admin}}', '{{admin}}'
	from generate_series(1, 1000) g join principals p on p.id = g % 4 + 1;
insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, status, queued, wake_at,
		created_at, started_at, completed_at, correlation_id)
	select g, w.tenant_id, w.id, 1, 4, 'manual', 'root', s.status, s.status = 'pending',
		case when s.status = 'running' then now() + g * interval '1 second' end,
		now() - ({RUNS} - g) * interval '1 second', now(), case when s.status in ('completed', 'failed') then now() end, 'c' || g
	from generate_series(1, {RUNS}) g
	-- the fourth tenant has few runs, all of them old
	join workflows w on w.id = case when g <= 200 then (g % 100) * 4 + 3 else (g % 499) * 4 + 4 + g % 3 end
	cross join lateral (select case when g % 1000 = 0 then 'failed' when g > {RUNS} - 3000 and g % 3 = 0 then 'pending'
		when g > {RUNS} - 10000 and g % 10 = 1 then 'running' else 'completed' end as status) s;
-- one of the tenant's workflows has most of the runs
update runs set workflow_id = {HUGE} where tenant_id = 1 and id % 2 = 0;
update runs set triggered_by = 'rare' where id = (select min(id) from runs where tenant_id = 1);
insert into journal (id, tenant_id, run_id, seq, kind, step, step_execution_id, at, data)
	select r.id * 10 + k, r.tenant_id, r.id, k, (array['created', 'started', 'step.completed', 'completed'])[k],
		case when k = 3 then 'a' end, case when k = 3 then r.id * 10 + k end, now(), '{{"type": "log", "order": 1}}'
	from runs r cross join generate_series(1, 4) k where r.id % 5 = 0;
insert into run_states (run_id, tenant_id, seq, state) select id, tenant_id, seq, '{{}}' from runs where wake_at is not null;
insert into run_commands (tenant_id, run_id, kind, applied_at)
	select tenant_id, id, 'cancel', case when id % 100 <> 0 then now() end from runs where id % 20 = 0;
insert into events (tenant_id, event_type, offer) select g % 4 + 1, 'type ' || g % 100, g from generate_series(1, 20000) g;
update runs set mode = 'saga', saga_type = 't' where id % 50 = 0;
insert into engines (name, host, pid, version, lease_until) values ('e', 'h', 1, '0', now() + interval '1 day');
select setval('run_id_seq', {RUNS});
analyze;
"""
LARGE = {"runs", "journal", "run_states", "run_commands", "workflows", "workflow_versions", "files", "api_keys"}


@pytest.fixture(scope="module")
def db(cluster, deployed, texts):
    for d in fresh(cluster, deployed, texts):
        d.admin(DATA)
        yield d


@pytest.fixture(scope="module")
def parents(db):
    """Partition's relation or index → the parent's name."""
    rows = db.admin("""select c.relname as child, coalesce(p.relname, c.relname) as parent from pg_class c
        left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
        where c.relnamespace = 'millrace'::regnamespace""")
    return {r["child"]: r["parent"] for r in rows}


def explain(db, statement, /, order=None, tenant=1, run=False, **values):
    v = db.texts.find(statement, values, order)
    conn = db.conn(role_of(statement))
    conn.execute(f"begin; select set_config('app.tenant', '{tenant}', true)")
    try:
        types = ",".join(NAMES[o] for o in v["oids"])
        conn.execute(f"prepare p{'(' + types + ')' if types else ''} as {v['text']}")
        given = ",".join(literal(values.get(n)) for n in v["names"])
        options = "format json, costs off" + (", analyze, timing off, buffers" if run else "")
        plan = conn.execute(f"explain ({options}) execute p{'(' + given + ')' if given else ''}")
        return list(nodes(plan[0]["QUERY PLAN"][0]["Plan"]))
    finally:
        conn.execute("rollback; deallocate all")


AFTER = {"after_key": "2100-01-01T00:00:00Z", "after_id": 5000}
CALLER = {"tenant_id": 1, "principal_id": 1, "principal_name": "root", "reason": None}
VALUES = {
    "run_list": PAGE, "workflow_executions": {"id": 3, **PAGE}, "workflow_list": PAGE, "file_list": PAGE, "api_key_list": PAGE, "secret_list": PAGE, "agent_list": PAGE, "template_list": PAGE, "user_list": PAGE, "audit_log_list": PAGE,
    "group_list": PAGE, "group_members": {"id": 1, **PAGE}, "tenant_list": PAGE,
    "workflow_versions": {"id": 3, **PAGE}, "run_steps": {"id": 1000, **PAGE},
    "run_logs": {"id": 1000, **PAGE}, "run_events": {"id": 1000, **PAGE}, "workflow_logs": {"id": 3, **PAGE},
    "run_get": {"id": 1000}, "execution_get": {"id": 1000}, "workflow_get": {"id": 3}, "file_get": {"id": 3},
    "file_content": {"id": 3}, "run_cancel": {"id": 1000, **CALLER}, "run_pause": {"id": 1000, **CALLER},
    "run_resume": {"id": 1000, **CALLER}, "run_retry": {"id": 1000, **CALLER}, "workflow_delete": {"id": 3, **CALLER},
    "workflow_cancel": {"id": 3, **CALLER}, "workflow_pause": {"id": 3, **CALLER}, "workflow_resume": {"id": 3, **CALLER},
    "step_retry": {"step_execution_id": 10003, **CALLER},
    "run_signal": {"id": 1000, "name": "x", "body": "{}", **CALLER}, "run_update": {"id": 1000, "parameters": "{}", **CALLER},
    "run_explain": {"id": 1000}, "step_explain": {"id": 1000, "name": "a"}, "step_output": {"id": 1000, "name": "a"}, "event_get": {"id": 1000}, "event_list": PAGE, "saga_list": PAGE, "saga_get": {"id": 1000}, "saga_cancel": {"id": 1000, **CALLER},
    "saga_attach": {"execution_id": 1000, "saga_type": "x", **CALLER},
    "file_create": {"storage_key": "x", "name": "x", "extension": "", "content_type": "a", "size": 1, "sha256": "a" * 64, **CALLER},
    "engine_claim": {"engine_id": 1, "batch": 500, "held": [1, 2]}, "engine_claim_named": {"engine_id": 1, "run_ids": [1, 2]},
    "engine_reconcile": {},
    "engine_spawn": {"engine_id": 1, "places": [0], "run_ids": [1000], "fences": [1], "step_execution_ids": [7], "attempts": [1],
                     "workflows": ["w"], "versions": [None], "inputs": ["{}"], "cascades": [True], "most_below": 100000},
}
NAMED = sorted(n for n in HEADERS if HEADERS[n].index)


def known(name, values):
    names = dict(HEADERS[name].params)
    return {k: v for k, v in values.items() if k in names}


def used(plan, parents):
    return {parents[n["Index Name"]] for n in plan if "Index Name" in n}


def read_whole(plan, parents):
    return {parents[n["Relation Name"]] for n in plan if n["Node Type"] == "Seq Scan"} & LARGE


@pytest.mark.parametrize("name", NAMED)
def test_the_named_index_is_used(db, parents, name):
    plan = explain(db, name, **known(name, VALUES[name]))
    assert HEADERS[name].index in used(plan, parents), json.dumps(plan[0], indent=1)[:3000]
    assert not read_whole(plan, parents)


@pytest.mark.parametrize("status", [None, ["failed"], ["pending", "running"]])
@pytest.mark.parametrize("after", [{}, AFTER], ids=["first", "next"])
@pytest.mark.parametrize("tenant", [1, 4])
def test_a_page_of_runs_costs_a_page(db, parents, status, after, tenant):
    """Also for a tenant whose few runs are older than all others, and however deep the page is."""
    values = {**PAGE, "want_total": False, **after}
    if status:
        values["status"] = status
    plan = explain(db, "run_list", tenant=tenant, run=True, **values)
    assert ("runs_status_idx" if status else "runs_tenant_idx") in used(plan, parents)
    read = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"]
               for n in plan if parents.get(n.get("Relation Name")) == "runs")
    assert read <= 51 * (len(status) if status else 1) + 10
    if after:
        assert any("ROW" in n.get("Index Cond", "") for n in plan)


def test_what_is_rare_is_found_page_by_page(db):
    """Each page looks at ten thousand runs; the total is what the first of them found."""
    runs = db.admin("select count(*) as n from runs where tenant_id = 1")[0]["n"]
    assert runs > 50000
    found, pages, place = [], 0, {}
    while True:
        page = db.run("run_list", 1, triggered_by="rare", **{**PAGE, **place, "want_total": not place})[0]
        if not place:
            assert page["total"] == 10001 and page["total_estimate"] == 0
        found, pages = found + json.loads(page["items"]), pages + 1
        if page["next_id"] is None:
            break
        place = {"after_key": page["next_key"], "after_id": page["next_id"]}
    assert [r["triggered_by"] for r in found] == ["rare"] and pages == runs // 10000 + 1


def rows_read(plan, parents):
    return sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"]
               for n in plan if parents.get(n.get("Relation Name")) == "runs")


@pytest.mark.parametrize("status,index", [("failed", "runs_workflow_ended_idx"), ("running", "runs_active_idx"),
                                          ("completed", "runs_workflow_idx")])
@pytest.mark.parametrize("after", [{}, AFTER], ids=["first", "next"])
def test_runs_of_a_workflow_by_status(db, parents, status, index, after):
    """One workflow has most of the runs, and few of them are active or have failed."""
    active = db.admin(f"select count(*) as n from runs where workflow_id = {HUGE} and status in ('pending', 'running')")[0]["n"]
    assert 100 < active < 1000
    values = {"id": HUGE, **PAGE, **after, "status": [status], "page_limit": 10, "want_total": not after}
    plan = explain(db, "workflow_executions", run=True, **values)
    read = [n for n in plan if parents.get(n.get("Relation Name")) == "runs" and n["Actual Loops"] and n["Actual Rows"]]
    assert {parents[n["Index Name"]] for n in read} <= {index}
    most = {"failed": 100, "running": 2 * active, "completed": 2 * active + (11 if after else 11 + 10001)}
    assert rows_read(plan, parents) <= most[status]


def test_runs_of_a_workflow_are_found_beside_a_large_one(db, parents):
    plan = explain(db, "run_list", run=True, workflow_id=4, **{**PAGE, "want_total": False})
    assert "runs_workflow_idx" in used(plan, parents)
    assert rows_read(plan, parents) <= 210
    # another tenant's
    plan = explain(db, "run_list", tenant=4, run=True, workflow_id=HUGE, **PAGE)
    assert rows_read(plan, parents) == 0


@pytest.mark.parametrize("name,values", [
    ("run_get", {"id": 1000}), ("engine_owned", {"engine_id": 1, "run_ids": [1, 2, 3]}), ("engine_runs_gone", {"run_ids": [1]}),
    ("engine_claim", VALUES["engine_claim"]), ("run_cancel", VALUES["run_cancel"])])
def test_ids_are_looked_up_in_the_primary_key(db, parents, name, values):
    """Also in the next partition, whose statistics say that it is empty when plans are made for it."""
    db.admin("vacuum (analyze) runs_p1")
    plan = explain(db, name, **values)
    looked = [n for n in plan if re.match(r"\(+id = ", n.get("Index Cond", "")) and parents.get(n.get("Relation Name")) == "runs"]
    assert looked and {parents[n["Index Name"]] for n in looked} == {"runs_pkey"}


def test_queue_is_vacuumed_however_large_the_table_is(db):
    for p in (0, 1):
        options = db.admin(f"select reloptions::text as o from pg_class where oid = 'millrace.runs_p{p}'::regclass")[0]["o"]
        assert "autovacuum_vacuum_scale_factor=0," in options + "," and "vacuum_index_cleanup=on" in options


@pytest.mark.parametrize("name,values,most", [
    ("workflow_get", {"id": 3}, 30), ("run_get", {"id": 1000}, 20),
    ("workflow_execute", {"id": 3, **CALLER}, None),
    ("engine_load", {"run_ids": list(range(5, 500, 5))}, None),
    ("engine_definitions", {"workflow_ids": [1, 2, 3], "versions": [1, 1, 1]}, None),
    ("engine_commands", {"engine_id": 1}, None),
    ("engine_owned", {"engine_id": 1, "run_ids": [1, 2, 3]}, None),
])
def test_nothing_is_read_whole(db, parents, name, values, most):
    values = known(name, values)
    plan = explain(db, name, run="write" not in HEADERS[name].flags, **values)
    assert not read_whole(plan, parents)
    if most:
        assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] <= most


def test_flush_finds_its_runs_by_id(db, parents):
    v = db.texts.find("engine_flush", {})
    values = {n: [] for n in v["names"] if n not in ("engine_id", "states", "ended_ids", "command_ids", "w_run_ids", "ended_child_ids")}
    plan = explain(db, "engine_flush", engine_id=1, **values)
    assert "runs_pkey" in used(plan, parents) and not read_whole(plan, parents)
    # the rows of the journal are matched to their runs by hash or merge, not one by one
    values["states"] = []
    plan = explain(db, "engine_flush", engine_id=1, ended_ids=[], command_ids=[], **values)
    for table in ("run_states", "run_commands"):  # what ended, what was obeyed: one look-up each
        changes = [n for n in plan if n.get("Relation Name") == table and n.get("Operation") in ("Delete", "Update")]
        assert len(changes) == 1 and not any(n.get("CTE Name") == "held" and n.get("Parent Relationship") != "SubPlan"
                                             for n in nodes(changes[0])), json.dumps(changes)[:3000]
    for table in ("journal", "run_states"):
        inserts = [n for n in plan if n.get("Relation Name") == table and n["Node Type"] == "ModifyTable"]
        assert inserts and any(n["Node Type"] in ("Hash Join", "Merge Join") for n in nodes(inserts[0])), table


def test_plans_are_those_of_the_roles(db):
    for role in ("api", "engine"):
        assert db.conn(role).execute("show plan_cache_mode") == [{"plan_cache_mode": "force_generic_plan"}]


def test_every_order_of_a_list_is_described():
    for name, header in HEADERS.items():
        if header.kind == "list":
            assert re.match(r"-?\w+ = .+ \w+", header.fields["order"]), name


assert set(VALUES) >= set(NAMED), set(NAMED) - set(VALUES)
assert statements.QUERIES
