"""What is written of a flood of refused attempts, and of reads; how soon who is shut out is out everywhere."""
import uuid

import pytest

from support.stack import wait_until

AUDIT = "/api/v1/audit-logs"


@pytest.fixture
def settings(stack):
    """Settings for one test; the workers are started anew with them, and again without."""
    before = dict(stack.settings)

    def use(**new):
        stack.configure(**new)
        stack.restart("api")
        stack.ready()

    yield use
    stack.settings.clear()
    use(**{"audit_reads": "false", **before})


def count(stack, where):
    return stack.rows(f"select count(*) as n from millrace.audit_logs where {where}")[0]["n"]


def test_a_flood_of_refusals_is_bounded(stack, settings):
    """One address, many bad keys: each of the two workers writes five a minute, and says how many it left out."""
    settings(audit_refused_per_minute=5)
    stranger = stack.with_key("mrk_00000000_" + "2" * 43)
    mark = f"flood-{uuid.uuid4().hex[:8]}"
    for i in range(300):
        assert stranger.get("/api/v1/runs", headers={"X-Request-ID": f"{mark}-{i}"}).status_code == 401
    written = count(stack, f"correlation_id like '{mark}-%'")
    # the minute may have turned once or twice meanwhile
    assert 1 <= written <= 2 * 5 * 3, written
    reader = stack.client(scopes="read-only", roles="viewer")
    assert reader.post("/api/v1/workflows", {}, headers={"X-Request-ID": f"{mark}-known"}).status_code == 403
    assert count(stack, f"correlation_id = '{mark}-known'") == 1, "a known caller has an allowance of its own"


def test_reads_are_written_down_when_asked_for(stack, settings):
    api, mark = stack.api, f"read-{uuid.uuid4().hex[:8]}"
    made = api.workflow([{"name": "a", "type": "noop"}])["id"]
    api.ok("GET", f"/api/v1/workflows/{made}", headers={"X-Request-ID": f"{mark}-off"})
    assert count(stack, f"correlation_id = '{mark}-off'") == 0
    settings(audit_reads="true")
    api.ok("GET", f"/api/v1/workflows/{made}", headers={"X-Request-ID": mark})
    api.ok("GET", "/api/v1/health", headers={"X-Request-ID": f"{mark}-health"})
    entry, = [e for e in api.ok("GET", AUDIT, params={"correlation_id": mark})["items"]]
    assert (entry["action"], entry["outcome"], entry["entity_type"], entry["entity_id"]) == ("read", "done", "workflow", made)
    assert count(stack, f"correlation_id = '{mark}-health'") == 0
    stack.psql("alter table millrace.audit_logs rename to audit_logs_away")
    try:
        assert api.get(f"/api/v1/workflows/{made}").status_code == 503, "a read that can't be written down isn't answered"
    finally:
        stack.psql("alter table millrace.audit_logs_away rename to audit_logs")
    api.ok("GET", f"/api/v1/workflows/{made}")


def everywhere(client, status):
    """Twenty answers in a row, over connections of their own: both workers were asked."""
    for _ in range(20):
        client.session.close()
        if client.get("/api/v1/workflows?limit=1").status_code != status:
            return False
    return True


@pytest.mark.parametrize("redis", [True, False], ids=["with Redis", "without"])
def test_who_is_shut_out_is_out_everywhere(stack, redis):
    stack.admin("tenant", "create", "--name", "operators", "--platform")
    platform, api = stack.client(tenant="operators"), stack.client(tenant="shut", name="boss")
    person = api.ok("POST", "/api/v1/users", json={"name": f"u-{uuid.uuid4().hex[:8]}", "roles": ["editor"]})
    key = api.ok("POST", "/api/v1/api-keys", json={"name": person["name"], "user_id": person["id"], "scopes": ["admin"]})
    hers = stack.with_key(key["key"])
    if not redis:
        stack.stop_redis()
    try:
        wait_until(lambda: everywhere(hers, 200), 15)
        api.ok("PATCH", f"/api/v1/users/{person['id']}", json={"is_enabled": False})
        wait_until(lambda: everywhere(hers, 401), 15)
        api.ok("PATCH", f"/api/v1/users/{person['id']}", json={"is_enabled": True})
        wait_until(lambda: everywhere(hers, 200), 15)
        shut = api.ok("GET", "/api/v1/me")["tenant"]["id"]
        platform.ok("POST", f"/api/v1/tenants/{shut}/suspend")
        wait_until(lambda: everywhere(hers, 401) and everywhere(api, 401), 15)
        platform.ok("POST", f"/api/v1/tenants/{shut}/activate")
        wait_until(lambda: everywhere(hers, 200), 15)
        api.ok("DELETE", f"/api/v1/users/{person['id']}")
        wait_until(lambda: everywhere(hers, 401), 15)
    finally:
        if not redis:
            stack.start_redis()
