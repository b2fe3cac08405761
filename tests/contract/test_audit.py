"""The audit log as it is read: changes, refusals and misses, each by every filter."""
import uuid
from datetime import datetime, timedelta, timezone

AUDIT = "/api/v1/audit-logs"
NOTHING = 9007199254740991


def entries(client, **filters):
    return client.ok("GET", AUDIT, params=filters)["items"]


def test_a_change_is_found_by_each_filter(admin, things):
    mark, before = uuid.uuid4().hex, datetime.now(timezone.utc) - timedelta(minutes=5)
    made = admin.ok("POST", "/api/v1/workflows", json={"name": mark, "steps": things.LOG}, headers={"X-Request-ID": mark})
    me = admin.ok("GET", "/api/v1/me")
    entry, = entries(admin, correlation_id=mark)
    assert (entry["entity_type"], entry["entity_id"], entry["action"], entry["outcome"], entry["user_id"], entry["user_name"],
            entry["address"]) == ("workflow", made["id"], "created", "done", me["id"], me["name"], "127.0.0.1")
    assert admin.ok("GET", f"{AUDIT}/audit_{entry['id']}") == entry
    for filters in ({"entity_type": "workflow", "entity_id": made["id"]}, {"entity_type": "workflow", "action": "created"},
                    {"user_id": f"user_{me['id']}", "outcome": "DONE"}, {"address": "127.0.0.1", "entity_id": made["id"]},
                    {"from": before.isoformat().replace("+00:00", "Z"), "entity_id": made["id"]}):
        assert entry["id"] in [e["id"] for e in entries(admin, limit=1000, **filters)], filters
    for filters in ({"entity_type": "run"}, {"action": "deleted"}, {"outcome": "refused"}, {"user_id": NOTHING},
                    {"address": "192.0.2.1"}, {"to": before.isoformat().replace("+00:00", "Z")}):
        assert entries(admin, correlation_id=mark, **filters) == [], filters


def test_paging(admin, things):
    for _ in range(3):
        things.new_workflow()
    first = admin.ok("GET", f"{AUDIT}?limit=2&entity_type=workflow")
    second = admin.ok("GET", f"{AUDIT}?limit=2&entity_type=workflow&cursor={first['next_cursor']}")
    ids = [e["id"] for e in first["items"] + second["items"]]
    assert len(set(ids)) == 4 and ids == sorted(ids, reverse=True)
    times = [e["timestamp"] for e in first["items"] + second["items"]]
    assert times == sorted(times, reverse=True)


def test_refusals_and_misses(admin, other, stack, things):
    reader = stack.client(scopes="read-only", roles="viewer")
    mark = uuid.uuid4().hex
    path = f"/api/v1/workflows/{things.quick}"
    assert reader.delete(path, headers={"X-Request-ID": f"{mark}-403"}).status_code == 403
    refused, = entries(admin, correlation_id=f"{mark}-403")
    assert (refused["action"], refused["outcome"], refused["entity_type"], refused["entity_id"]) == (
        "refused", "refused", "workflow", things.quick)
    assert refused["changes"]["attempt"] == f"DELETE {path}" and refused["changes"]["status"] == 403
    # behind the wall: whose tries they are reads of them, whose row it is doesn't
    assert other.patch(path, {"name": "x"}, headers={"X-Request-ID": f"{mark}-404", "Idempotency-Key": mark}).status_code == 404
    missed, = entries(other, correlation_id=f"{mark}-404")
    assert (missed["outcome"], missed["entity_id"], missed["changes"]["status"]) == ("not_found", things.quick, 404)
    assert entries(admin, correlation_id=f"{mark}-404") == []


def test_a_key_that_has_ended_is_in_its_tenants_log(admin, stack, platform):
    made = admin.ok("POST", "/api/v1/api-keys", json={"name": uuid.uuid4().hex[:8], "scopes": ["read-only"],
                                                      "expires_at": "2020-01-01T00:00:00Z"})
    mark = uuid.uuid4().hex
    assert stack.with_key(made["key"]).get("/api/v1/runs", headers={"X-Request-ID": mark}).status_code == 401
    entry, = entries(admin, correlation_id=mark)
    assert (entry["outcome"], entry["user_id"], entry["changes"]["key_id"]) == ("refused", made["principal_id"], made["id"])
    assert stack.with_key("mrk_00000000_" + "0" * 43).get("/api/v1/runs", headers={"X-Request-ID": f"{mark}-2"}).status_code == 401
    assert entries(admin, correlation_id=f"{mark}-2") == []
    stranger, = entries(platform, correlation_id=f"{mark}-2")
    assert stranger["user_id"] is None and stranger["changes"]["attempt"] == "GET /api/v1/runs"


def test_only_for_administrators(stack, other, admin, things):
    things.new_workflow()
    mine = entries(admin, limit=1)[0]["id"]
    assert other.get(f"{AUDIT}/{mine}").json()["error_code"] == "AUDIT_LOG_NOT_FOUND"
    for scopes, roles in (("workflow-management", "admin"), ("admin", "editor")):
        assert stack.client(scopes=scopes, roles=roles).get(AUDIT).status_code == 403
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert admin.request(method, f"{AUDIT}/{mine}", json={}).status_code == 405
