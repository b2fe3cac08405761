"""What is written of a flood of refused attempts, and of reads; how soon who is shut out is out everywhere."""
import uuid

import pytest

from support.stack import Everywhere

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


@pytest.fixture(params=[True, False], ids=["with Redis", "without"])
def redis(request, stack):
    if not request.param:
        stack.stop_redis()
    yield
    if not request.param:
        stack.start_redis()


def test_who_is_shut_out_is_out_everywhere(stack, redis):
    """A user, a group that gave the role, a key, a tenant: each is taken away and, but for the key, given back."""
    stack.admin("tenant", "create", "--name", "operators", "--platform")
    platform, api, name = stack.client(tenant="operators"), stack.client(tenant="shut"), f"u-{uuid.uuid4().hex[:8]}"
    group = api.ok("POST", "/api/v1/groups", json={"name": name, "roles": ["editor"]})["id"]
    person = api.ok("POST", "/api/v1/users", json={"name": name, "groups": [name]})["id"]
    key, short = (api.ok("POST", "/api/v1/api-keys", json={"name": n, "user_id": person, "scopes": ["admin"]})
                  for n in (name, name + " short"))

    def patch(caller, path, **body):
        return lambda: caller.ok("PATCH", f"/api/v1/{path}", json=body)

    def post(caller, path):
        return lambda: caller.ok("POST", f"/api/v1/{path}")

    hers = Everywhere(stack, key["key"]).stops(patch(api, f"users/{person}", is_enabled=False))
    patch(api, f"users/{person}", is_enabled=True)()
    hers.works()
    editors = Everywhere(stack, key["key"], "/api/v1/secrets")  # which a role is needed for
    member = f"/api/v1/groups/{group}/members/{person}"
    editors.stops(lambda: api.ok("DELETE", member), refused=403)
    api.ok("PUT", member)
    editors.stops(lambda: api.ok("DELETE", f"/api/v1/groups/{group}"), refused=403)
    Everywhere(stack, short["key"]).stops(lambda: api.ok("DELETE", f"/api/v1/api-keys/{short['id']}"))
    shut = api.ok("GET", "/api/v1/me")["tenant"]["id"]
    hers.stops(post(platform, f"tenants/{shut}/suspend"))
    assert Everywhere(stack, api.key).statuses() == {401}
    post(platform, f"tenants/{shut}/activate")()
    hers.works().stops(lambda: api.ok("DELETE", f"/api/v1/users/{person}"))
