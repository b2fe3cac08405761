"""Workflows: made, changed, read, listed, deleted."""
import json

import pytest

from libpq import DatabaseError

STEPS = [{"name": "a", "type": "log"}]
SUMMARY = {"id", "name", "description", "status", "is_enabled", "version", "tags", "timeout_seconds", "max_retries", "retention_days",
           "trigger_on_file_upload", "trigger_file_extensions", "created_by", "created_at", "updated_at", "deleted_at"}
WHOLE = SUMMARY | {"trigger_config", "input_schema", "steps", "workflow_config", "latest_run"}


def test_create_and_get(tenant):
    made = tenant.workflow("w", STEPS, description='say "hi"', tags="x, y", timeout_seconds=600, max_retries=2, retention_days=30,
                           trigger_on_file_upload=True, trigger_file_extensions='["PDF", "docx"]',
                           trigger_config={"type": "file_upload"})
    assert made["status"] == 201 and made["error"] is None
    assert made["location"] == f"/api/v1/workflows/{made['body']['id']}"
    body = made["body"]
    assert set(body) == WHOLE
    assert body["tags"] == ["x", "y"] and body["trigger_file_extensions"] == "PDF,docx"
    assert body["description"] == 'say "hi"' and body["is_enabled"] is True and body["version"] == 1
    assert body["steps"] == STEPS and body["workflow_config"] == {"steps": STEPS} and body["latest_run"] is None
    assert body["created_at"].endswith("Z") and body["created_by"] == "root"
    got = tenant.one("workflow_get", id=body["id"])
    assert got["body"] == body and got["version"] == 1


def test_names_are_unique_among_those_not_deleted(tenant, other):
    first = tenant.workflow("w")["body"]["id"]
    with pytest.raises(DatabaseError) as e:
        tenant.workflow("w")
    assert (e.value.sqlstate, e.value.constraint) == ("23505", "workflows_tenant_id_name_key")
    other.workflow("w")
    tenant.one("workflow_delete", id=first)
    tenant.workflow("w")


def test_starting_creates_and_reuses(tenant):
    first = tenant.workflow("w", start=True, input={"n": 1})
    assert first["wake"] == "r" and first["body"]["run"]["input_data"] == {"n": 1}
    assert first["body"]["run"]["status"] == "pending"
    assert first["body"]["run_id"] == first["body"]["execution_id"] == first["body"]["latest_run"]["id"]
    again = tenant.workflow("w", start=True)
    assert again["body"]["id"] == first["body"]["id"] and again["body"]["version"] == 1
    assert again["body"]["run_id"] != first["body"]["run_id"]
    changed = tenant.workflow("w", start=True, digest="d2")
    assert changed["body"]["version"] == 2 and changed["body"]["run"]["version"] == 2
    versions = tenant.one("workflow_versions", id=first["body"]["id"])
    assert [v["version"] for v in versions["items"]] == [2, 1] and versions["total"] == 2


def test_starting_a_paused_one_is_refused_without_effect(tenant):
    w = tenant.workflow("w")["body"]["id"]
    tenant.one("workflow_pause", id=w)
    refused = tenant.workflow("w", start=True, digest="d2")
    assert refused["error"] == "WORKFLOW_NOT_ACTIVE" and refused["status"] is None
    refused = tenant.workflow("v", start=True, is_enabled=False)
    assert refused["error"] == "WORKFLOW_NOT_ACTIVE"
    assert [i["version"] for i in tenant.one("workflow_list")["items"]] == [1]
    assert tenant.one("run_list")["total"] == 0


def update(tenant, id, body, **more):
    return tenant.one("workflow_update", id=id, body=body, **{k: v for k, v in body.items() if k != "steps"}, **more)


def test_update_keeps_what_is_absent_and_null_clears(tenant):
    w = tenant.workflow("w", description="d", tags="x", timeout_seconds=5)["body"]["id"]
    r = update(tenant, w, {"name": "v"})
    assert r["status"] == 200 and r["version"] == 2
    assert (r["body"]["name"], r["body"]["description"], r["body"]["version"]) == ("v", "d", 1)
    r = update(tenant, w, {"description": None, "tags": None, "timeout_seconds": None})
    assert (r["body"]["description"], r["body"]["tags"], r["body"]["timeout_seconds"]) == (None, [], None)
    assert r["body"]["name"] == "v"


def test_only_another_definition_makes_a_version(tenant):
    w = tenant.workflow("w")["body"]["id"]
    same = update(tenant, w, {}, definition={"steps": STEPS}, steps="[]", digest="d1")
    assert same["body"]["version"] == 1
    new = tenant.one("workflow_update", id=w, body={}, definition={"steps": STEPS}, steps='[{"name":"z"}]', digest="d2")
    assert new["body"]["version"] == 2 and new["body"]["steps"] == [{"name": "z"}]
    assert tenant.one("workflow_version_get", id=w, version=1)["body"]["is_current"] is False
    assert tenant.one("workflow_version_get", id=w, version=2)["body"]["steps"] == [{"name": "z"}]
    assert tenant.one("workflow_version_get", id=w, version=3)["error"] == "VERSION_NOT_FOUND"
    assert tenant.run("workflow_version_get", id=w + 1, version=1) == []
    stale = tenant.one("workflow_update", id=w, body={}, definition={"steps": STEPS}, steps="[]", digest="d3",
                       base_version=1)
    assert stale["error"] == "PRECONDITION_FAILED"
    d = tenant.one("workflow_definition", id=w)
    assert (d["version"], d["digest"], d["definition"]) == (2, "d2", {"steps": STEPS})


def test_if_match(tenant):
    w = tenant.workflow("w")["body"]["id"]
    assert update(tenant, w, {"description": "x"}, if_match=7)["error"] == "PRECONDITION_FAILED"
    assert update(tenant, w, {"description": "x"}, if_match=1)["status"] == 200
    assert tenant.one("workflow_delete", id=w, if_match=1)["error"] == "PRECONDITION_FAILED"
    assert tenant.one("workflow_delete", id=w, if_match=2)["status"] == 200


def test_enabling(tenant):
    w = tenant.workflow("w")["body"]["id"]
    r = update(tenant, w, {"is_enabled": False})
    assert r["body"]["status"] == "inactive" and r["body"]["is_enabled"] is False
    assert tenant.one("workflow_execute", id=w)["error"] == "WORKFLOW_NOT_ACTIVE"
    assert tenant.one("workflow_pause", id=w)["error"] == "WORKFLOW_NOT_ACTIVE"
    # a default that was bound for an absent member changes nothing
    assert tenant.one("workflow_update", id=w, body={}, is_enabled=True)["body"]["status"] == "inactive"
    assert update(tenant, w, {"is_enabled": True})["body"]["status"] == "active"
    assert tenant.one("workflow_resume", id=w)["error"] == "WORKFLOW_NOT_PAUSED"


def test_delete_cancels_and_stays_readable(tenant):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(3)]
    gone = tenant.one("workflow_delete", id=w)
    assert gone["body"]["cancelled_run_ids"] == runs and gone["body"]["status"] == "deleted" and gone["wake"]
    assert tenant.one("workflow_get", id=w)["version"] == 2
    assert tenant.one("workflow_list")["items"] == []
    assert [i["id"] for i in tenant.one("workflow_list", status=["deleted"])["items"]] == [w]
    again = tenant.one("workflow_delete", id=w)
    assert again["status"] == 200 and again["body"]["cancelled_run_ids"] == [] and again["version"] == 2
    assert update(tenant, w, {"name": "x"})["error"] == "WORKFLOW_DELETED"
    assert tenant.one("workflow_execute", id=w)["error"] == "WORKFLOW_NOT_ACTIVE"
    assert tenant.run("workflow_delete", id=w + 100) == []


@pytest.mark.parametrize("order", ["created_at", "-created_at", "-id", "id", "updated_at", "-updated_at", "name", "-name"])
def test_list_pages_in_every_order(tenant, order):
    for i in range(7):
        tenant.workflow(f"w{i % 4}{i}", tags="even" if i % 2 == 0 else "odd", is_enabled=i > 2)
    key = order.lstrip("-")
    whole = tenant.one("workflow_list", order)
    assert whole["total"] == 7 and whole["next_id"] is None and len(whole["items"]) == 7
    assert set(whole["items"][0]) == SUMMARY
    assert [i[key] for i in whole["items"]] == sorted((i[key] for i in whole["items"]), reverse=order[0] == "-")
    seen, after = [], {}
    for _ in range(10):
        page = tenant.one("workflow_list", order, page_limit=2, **after)
        seen += page["items"]
        if page["next_id"] is None:
            break
        after = {"after_key": page["next_key"], "after_id": page["next_id"]}
    assert seen == whole["items"]
    offset = tenant.one("workflow_list", order, page_limit=3, page_offset=3, want_total=False)
    assert offset["items"] == whole["items"][3:6] and offset["total"] is None


def test_list_filters(tenant):
    for i in range(4):
        tenant.workflow(f"Report {i}" if i else "other", tags="even,all" if i % 2 == 0 else "odd,all", is_enabled=i != 3)
    names = lambda **f: [i["name"] for i in tenant.one("workflow_list", **f)["items"]]  # noqa: E731
    assert names(search="rep") == ["Report 1", "Report 2", "Report 3"]
    assert names(search="%") == []
    assert names(tag=["even", "all"]) == ["other", "Report 2"]
    assert names(status=["inactive"]) == ["Report 3"]
    assert names(owner="nobody") == [] and len(names(owner="root")) == 4
    assert tenant.one("workflow_list", search="rep", page_limit=1)["total"] == 3


def test_act_on_runs(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    runs = [tenant.execute(w) for _ in range(2)]
    paused = tenant.one("workflow_pause", id=w, reason="why")
    assert paused["status"] == 202 and paused["body"]["run_ids"] == runs and paused["body"]["status"] == "paused"
    assert tenant.one("workflow_execute", id=w)["error"] == "WORKFLOW_NOT_ACTIVE"
    claimed = engine.claim()
    told, ids = engine.commands()
    assert told == {r: [("pause", {"reason": "why", "by": "root"})] for r in runs}
    for c in claimed.values():
        engine.flush({"run_id": c["run_id"], "fence": c["fence"], "status": "paused", "seq": c["seq"],
                      "facts": [("paused", None, None, None, {})]}, commands=ids)
    resumed = tenant.one("workflow_resume", id=w)
    assert resumed["body"]["run_ids"] == runs and resumed["body"]["status"] == "active"
    cancelled = tenant.one("workflow_cancel", id=w)
    assert cancelled["body"]["cancelled_run_ids"] == runs
    claimed = engine.claim()
    told, _ = engine.commands()
    assert {r: [kind for kind, _ in t] for r, t in told.items()} == {r: ["resume", "cancel"] for r in runs}
    for c in claimed.values():
        engine.finish(c, "cancelled")
    assert tenant.one("workflow_cancel", id=w)["error"] == "NO_ACTIVE_RUN"
    assert tenant.run("workflow_cancel", id=w + 1) == []


def test_latest_run(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    tenant.execute(w)
    last = tenant.execute(w)
    for c in engine.claim().values():
        engine.finish(c)
    latest = tenant.one("workflow_get", id=w)["body"]["latest_run"]
    assert latest["id"] == last and latest["status"] == "completed" and latest["completed_at"].endswith("Z")


def test_bulk(tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    items = [{"input": {"n": 0}}, {"trigger_data": {"n": 1}}, {"input_data": {"n": 2}}, {}, {"input": None}]
    r = tenant.one("workflow_bulk_execute", workflow_id=w, items=json.dumps(items))
    ids = r["body"]["run_ids"]
    assert r["status"] == 202 and r["body"]["accepted"] == 5 and ids == sorted(ids)
    assert [tenant.one("run_get", id=i)["body"]["input_data"] for i in ids] == [{"n": 0}, {"n": 1}, {"n": 2}, {}, {}]
    claimed = engine.claim()
    assert sorted(claimed) == ids and all(c["seq"] == 1 for c in claimed.values())
    many = tenant.one("workflow_bulk_execute", workflow_id=w, items="[" + ",".join(["{}"] * 2500) + "]")
    assert many["body"]["accepted"] == 2500
    assert tenant.db.admin("select count(*) = count(distinct id) as ok from journal")[0]["ok"]
    tenant.one("workflow_pause", id=w)
    assert tenant.one("workflow_bulk_execute", workflow_id=w, items="[{}]")["error"] == "WORKFLOW_NOT_ACTIVE"
    assert tenant.run("workflow_bulk_execute", workflow_id=w + 1, items="[{}]") == []
