"""What comes with every change: audit rows and stored answers. And files, which start workflows."""
import pytest

from libpq import DatabaseError

DIGEST, OTHER = b"d" * 32, b"o" * 32


def audit(db):
    return db.admin("select entity_type, entity_id, action, user_id, user_name, address, correlation_id, changes from audit_logs order by id")


def test_every_change_is_audited(db, tenant):
    w = tenant.workflow("w")["body"]["id"]
    run = tenant.execute(w)
    tenant.one("run_cancel", id=run, reason="r")
    tenant.one("workflow_delete", id=w)
    tenant.one("workflow_execute", id=w)
    rows = audit(db)
    assert [(a["entity_type"], a["entity_id"], a["action"]) for a in rows] == [
        ("workflow", w, "created"), ("run", run, "created"), ("run", run, "cancelled"), ("workflow", w, "deleted")]
    assert {(a["user_id"], a["user_name"], a["address"], a["correlation_id"]) for a in rows} == {
        (tenant.principal, "root", "127.0.0.1", "c-1")}
    assert rows[2]["changes"]["reason"] == "r"
    tenant.run("audit_refused", entity_type="workflow", entity_id=w, outcome="refused", attempt="DELETE /x", answered=403, detail="no scope")
    assert audit(db)[-1]["action"] == "refused"


def unit(db, tenant, key, digest, statement, **values):
    """As the worker does it: key first, then the effect, in one transaction."""
    conn = db.conn("api")
    conn.execute("begin")
    conn.query("select set_config('app.tenant', $1, true)", [25], [tenant.id])
    try:
        db.texts.run(conn, "idempotency_begin", None, {"tenant_id": tenant.id, "principal_id": tenant.principal,
                                                       "idempotency_key": key, "request_digest": digest})
        rows = db.texts.run(conn, statement, None, {**{k: v for k, v in tenant.caller.items()
                                                       if k in db.texts.variants[statement][0]["names"]},
                                                    **values, "idempotency_key": key})
        conn.execute("commit")
        return rows[0]
    except DatabaseError:
        conn.execute("rollback")
        raise


def stored(db, tenant, key, digest):
    rows = db.run("idempotency_get", tenant.id, tenant_id=tenant.id, principal_id=tenant.principal, idempotency_key=key,
                  request_digest=digest)
    return rows[0] if rows else None


def test_a_key_stores_the_answer(db, tenant):
    w = tenant.workflow("w")["body"]["id"]
    answer = unit(db, tenant, "k1", DIGEST, "workflow_execute", id=w)
    got = stored(db, tenant, "k1", DIGEST)
    assert got["same"] and (got["status"], got["body"], got["location"]) == (202, answer["body"], answer["location"])
    assert stored(db, tenant, "k1", OTHER)["same"] is False
    with pytest.raises(DatabaseError) as e:
        unit(db, tenant, "k1", DIGEST, "workflow_execute", id=w)
    assert e.value.sqlstate == "23505"
    assert tenant.one("run_list")["total"] == 1


def test_only_success_is_stored(db, tenant):
    w = tenant.workflow("w")["body"]["id"]
    tenant.one("workflow_pause", id=w)
    assert unit(db, tenant, "k1", DIGEST, "workflow_execute", id=w)["error"] == "WORKFLOW_NOT_ACTIVE"
    assert stored(db, tenant, "k1", DIGEST) is None
    conn = db.conn("api")
    conn.execute("begin")
    conn.query("select set_config('app.tenant', $1, true)", [25], [tenant.id])
    db.texts.run(conn, "idempotency_begin", None, {"tenant_id": tenant.id, "principal_id": tenant.principal,
                                                   "idempotency_key": "k2", "request_digest": DIGEST})
    assert db.texts.run(conn, "workflow_execute", None, {"id": w + 1, "tenant_id": tenant.id, "idempotency_key": "k2",
                                                         "principal_id": tenant.principal}) == []
    conn.execute("commit")
    assert stored(db, tenant, "k2", DIGEST) is None


def test_a_second_request_with_the_key_waits_for_the_first(db, tenant):
    """Until the first has committed nobody can know its answer: the lock's timeout says so."""
    values = {"tenant_id": tenant.id, "principal_id": tenant.principal, "idempotency_key": "k", "request_digest": DIGEST}
    first, second = db.cluster.connect(db.name, "api"), db.cluster.connect(db.name, "api")
    for conn in (first, second):
        conn.execute(f"begin; select set_config('app.tenant', '{tenant.id}', true); set local lock_timeout = '50ms'")
    db.texts.run(first, "idempotency_begin", None, values)
    with pytest.raises(DatabaseError) as e:
        db.texts.run(second, "idempotency_begin", None, values)
    assert e.value.sqlstate == "55P03"
    first.close()
    second.close()


def test_keys_count_for_a_day_and_belong_to_a_principal(db, tenant, other):
    w = tenant.workflow("w")["body"]["id"]
    unit(db, tenant, "k1", DIGEST, "workflow_execute", id=w)
    assert stored(db, other, "k1", DIGEST) is None
    db.admin("update idempotency_keys set created_at = now() - interval '25 hours'")
    unit(db, tenant, "k1", OTHER, "workflow_execute", id=w)
    assert stored(db, tenant, "k1", OTHER)["same"]
    db.admin("update idempotency_keys set created_at = now() - interval '25 hours'")
    assert db.one("engine_housekeeping")["idempotency_keys"] == 1
    assert stored(db, tenant, "k1", OTHER) is None


def upload(tenant, name="scan.PDF", **more):
    values = {"storage_key": f"key-{name}", "name": name, "extension": name.rpartition(".")[2], "content_type": "application/pdf",
              "size": 3, "sha256": "ab" * 32, **more}
    return tenant.one("file_create", **values)


def test_an_upload_starts_what_waits_for_it(tenant, engine):
    pdf = tenant.workflow("pdf", trigger_on_file_upload=True, trigger_file_extensions="docx, .Pdf")["body"]["id"]
    every = tenant.workflow("every", trigger_on_file_upload=True)["body"]["id"]
    tenant.workflow("csv", trigger_on_file_upload=True, trigger_file_extensions='["csv"]')
    tenant.workflow("off", trigger_on_file_upload=True, is_enabled=False)
    tenant.workflow("switched_off", trigger_on_file_upload=True, trigger_config={"type": "file_upload", "enabled": False})
    tenant.workflow("manual")
    made = upload(tenant)
    body = made["body"]
    assert made["status"] == 201 and made["wake"] == "r" and made["location"] == f"/api/v1/files/{body['id']}"
    assert sorted(r["workflow_id"] for r in body["runs"]) == sorted([pdf, every])
    assert body["run_ids"] == body["started_run_ids"] == [r["id"] for r in body["runs"]]
    assert body["extension"] == "pdf" and body["url"] == f"/api/v1/files/{body['id']}/content"
    claimed = engine.claim()
    assert sorted(claimed) == body["run_ids"]
    assert claimed[body["run_ids"][0]]["input"] == {
        "file_id": str(body["id"]), "file_name": "scan.PDF", "extension": "pdf", "size": 3,
        "content_type": "application/pdf", "sha256": "ab" * 32}
    run = tenant.one("run_get", id=body["run_ids"][0])["body"]
    assert run["trigger_type"] == "file_upload" and run["triggered_by"] == "root"
    nothing = upload(tenant, "x.bin", storage_key="other", content_type="a/b")
    assert [r["workflow_id"] for r in nothing["body"]["runs"]] == [every]


def test_files(db, tenant):
    ids = [upload(tenant, f"f{i}.txt", size=i)["body"]["id"] for i in range(5)]
    assert upload(tenant, "none", extension="", size=100)["wake"] is None
    got = tenant.one("file_get", id=ids[0])
    assert got["storage_key"] == "key-f0.txt" and got["body"]["name"] == "f0.txt" and got["version"] == 1
    assert tenant.one("file_content", id=ids[0])["size"] == 0
    page = tenant.one("file_list", "-size", page_limit=2)
    assert [f["size"] for f in page["items"]] == [100, 4] and page["total"] == 6
    page = tenant.one("file_list", "-size", after_key=page["next_key"], after_id=page["next_id"], search="F", want_total=False)
    assert [f["size"] for f in page["items"]] == [3, 2, 1, 0] and page["total"] is None
    assert tenant.one("file_list", search="F")["total"] == 5
    where = db.one("engine_file", tenant_id=tenant.id, file_id=ids[1])
    assert where["storage_key"] == "key-f1.txt"
    assert db.run("engine_file", tenant_id=tenant.id + 1, file_id=ids[1]) == []
    assert tenant.one("file_delete", id=ids[1], if_match=5)["error"] == "PRECONDITION_FAILED"
    gone = tenant.one("file_delete", id=ids[1], if_match=1)
    assert gone["storage_key"] == "key-f1.txt" and gone["body"]["deleted_at"]
    for name in ("file_get", "file_content", "file_delete"):
        assert tenant.run(name, id=ids[1]) == []
    assert db.run("engine_file", tenant_id=tenant.id, file_id=ids[1]) == []
    assert tenant.one("file_list")["total"] == 5


def test_housekeeping_folds_and_forgets(db, tenant, engine):
    w = tenant.workflow("w")["body"]["id"]
    for _ in range(3):
        run = tenant.execute(w)
        engine.finish(engine.claim()[run])
    db.admin("update run_tallies set at = at - interval '2 hours'")
    before = tenant.one("health_figures")["body"]["completed_executions_24h"]
    assert db.one("engine_housekeeping")["tallies"] == 1
    assert db.one("engine_housekeeping")["tallies"] == 0
    assert tenant.one("health_figures")["body"]["completed_executions_24h"] == before == 3
    tenant.execute(w)
    tenant.one("run_cancel", id=run + 1)
    db.admin("update run_commands set applied_at = now() - interval '2 days'")
    assert db.one("engine_housekeeping")["commands"] == 1
    busy = db.cluster.connect(db.name)
    busy.execute("begin; select pg_advisory_xact_lock(hashtext('millrace.housekeeping'))")
    assert db.one("engine_housekeeping") == {"partitions": 0, "idempotency_keys": 0, "commands": 0, "tallies": 0}
    busy.close()


def test_figures(db, tenant, other, engine):
    w = tenant.workflow("w")["body"]["id"]
    for _ in range(3):
        tenant.execute(w)
    engine.take(1)
    figures = tenant.one("metrics_figures")["body"]
    assert figures["queue"][0]["tenant"] == "first" and figures["queue"][0]["depth"] == 2
    assert {(r["status"], r["count"]) for r in figures["runs"]} == {("pending", 2), ("running", 1)}
    assert figures["engines"][0]["alive"] is True and figures["journal_horizon_age_seconds"] >= 0
    mine, theirs = tenant.one("system_status")["body"], other.one("system_status")["body"]
    assert mine["queue"]["depth"] == 2 and theirs["queue"]["depth"] == 0
    assert mine["runs"]["pending"] == 2 and theirs["runs"]["pending"] == 0
    assert mine["workflows"] == {"active": 1} and theirs["workflows"] == {}
    assert mine["engines"] == theirs["engines"]


@pytest.mark.parametrize("role", ["api", "engine"])
def test_wake_ups_need_no_tenant_and_write_nothing(db, role):
    conn = db.conn(role)
    conn.execute("begin; set transaction read only")
    db.texts.run(conn, "bus_listen", None, {})
    db.texts.run(conn, "bus_notify", None, {"payload": "r"})
    conn.execute("commit")
