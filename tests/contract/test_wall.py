"""The wall, walked row by row of the route table: callers of another tenant in each scope and role, with ids of
real rows of a tenant that has some of everything. What each answer must be is derived from the row."""
import uuid

import pytest

from .test_tenants import body_for, filled, owned  # noqa: F401

MARK = f"wall{uuid.uuid4().hex[:10]}"
SCOPES = ["read-only", "workflow-management", "admin"]
ROLES = ["viewer", "operator", "editor", "admin"]


@pytest.fixture(scope="module")
def marked(admin, things):
    """Names in the first tenant that nobody of another may ever read."""
    for path, body in (("workflows", {"steps": things.LOG, "tags": [MARK]}), ("users", {}), ("groups", {}),
                       ("api-keys", {"scopes": ["read-only"]})):
        admin.ok("POST", f"/api/v1/{path}", json={"name": MARK, **body})
    admin.ok("POST", "/api/v1/secrets", json={"name": MARK, "value": "x"})
    admin.ok("POST", "/api/v1/events/publish", json={"event_type": MARK})
    assert admin.request("POST", f"/api/v1/files?name={MARK}.txt", data=b"x", headers={"Content-Type": "text/plain"}).status_code == 201
    assert MARK in admin.get("/api/v1/workflows?limit=1000").text and MARK in admin.get("/api/v1/audit-logs?limit=1000").text


def lacking(operation, scope, role):
    """What the row asks for and a caller of another tenant than the platform's lacks."""
    held = SCOPES[:SCOPES.index(scope) + 1]
    return (operation["x-scope"] not in held or operation.get("x-platform", False)
            or ("x-roles" in operation and role not in operation["x-roles"]))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", ROLES)
def test_another_tenant_in_each_scope_and_role(recorder, stack, owned, marked, scope, role):  # noqa: F811
    caller = stack.client(tenant="other", scopes=scope, roles=role)
    for method, path, operation in recorder.document.operations():
        if not operation["security"]:
            continue
        address = filled(path, owned) if "{" in path else path
        answer = caller.request(method, address, json=body_for(method, path))
        what = f"{method} {address} as {role} with {scope}: {answer.status_code} {answer.text[:300]}"
        assert MARK not in answer.text, what
        if lacking(operation, scope, role):
            assert answer.status_code == 403, what
        elif "{" in path:
            assert answer.status_code == 404, what
        else:
            # nothing is named: its own lists, or a body that lacks what it needs
            assert answer.status_code in ((200,) if method == "GET" else (200, 201, 202, 400, 415)), what


def test_nobody_gets_through(recorder, stack, owned, marked, platform):  # noqa: F811
    """No credentials, and those of nobody, on every row; the platform's administrators see no other tenant's rows."""
    for caller in (stack.anonymous(), stack.with_key("mrk_00000000_" + "1" * 43)):
        for method, path, operation in recorder.document.operations():
            if operation["security"]:
                address = filled(path, owned) if "{" in path else path
                assert caller.request(method, address).status_code == 401, f"{method} {path}"
    for method, path, operation in recorder.document.operations():
        if "{" in path and operation["security"] and not operation.get("x-platform"):
            answer = platform.request(method, filled(path, owned), json=body_for(method, path))
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        elif method == "GET" and operation["security"] and not operation.get("x-platform"):
            assert MARK not in platform.request(method, path).text, path
