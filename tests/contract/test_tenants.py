"""Another tenant's ids on every route, and callers who may do less."""
import uuid

import pytest


@pytest.fixture(scope="module")
def owned(admin, things):
    """Ids of the first tenant, by the variable of the path that takes them."""
    run, mine = things.new_failed(), "mine" + uuid.uuid4().hex[:8]
    upload = admin.request("POST", "/api/v1/files", files={"file": ("a.txt", b"mine", "text/plain")})
    key = admin.ok("POST", "/api/v1/api-keys", json={"name": mine, "scopes": ["read-only"]})
    event = admin.ok("POST", "/api/v1/events/publish", json={"event_type": "mine"})
    saga = admin.ok("POST", "/api/v1/sagas/start", json={"saga_type": "mine", "input_data": {"workflow_id": things.quick}})
    group = admin.ok("POST", "/api/v1/groups", json={"name": mine})
    user = admin.ok("POST", "/api/v1/users", json={"name": mine + "too"})
    tenant = admin.ok("GET", "/api/v1/me")["tenant"]["id"]
    secret = admin.ok("POST", "/api/v1/secrets", json={"name": mine, "value": "of the first tenant"})
    agent = admin.ok("POST", "/api/v1/agents", json={"name": mine, "url": "http://127.0.0.1:9/"})
    issuer = admin.ok("POST", "/api/v1/issuers", json={"issuer": f"https://{mine}.test", "audience": "a", "algorithm": "ES256",
                                                       "jwks_url": "https://tenants.invalid/keys", "is_enabled": False})
    template = admin.ok("POST", "/api/v1/templates", json={"name": mine, "template_config": {"steps": [{"type": "noop"}]}})
    return {"templates": template["id"], "workflow-templates": template["slug"], "from-template": template["id"], "process-templates": template["id"], "issuers": issuer["id"], "audit-logs": admin.ok("GET", "/api/v1/audit-logs?limit=1")["items"][0]["id"], "agents": agent["id"], "secrets": secret["name"], "groups": group["id"], "users": user["id"], "members": user["id"], "tenants": tenant, "workflows": things.quick, "runs": run, "events": event["id"], "sagas": saga["id"], "executions": run, "files": upload.json()["id"],
            "api-keys": key["id"], "steps": admin.steps(run)[0]["id"]}


KINDS = ("templates", "workflow-templates", "from-template", "process-templates", "audit-logs", "issuers", "agents", "secrets", "groups", "users", "members", "tenants", "workflows", "runs", "executions", "files", "api-keys", "steps", "events", "sagas")
BODIES = {"put": {"description": "x"}, "patch": {"name": "x"}}


def body_for(method, path):
    if method == "PATCH" and "/runs/" in path:
        return {"parameters": {}}
    if "/issuers/" in path and method in ("PUT", "PATCH"):
        return {"is_enabled": False}
    return BODIES.get(method.lower())


def filled(path, owned):
    parts = path.split("/")
    for i, part in enumerate(parts):
        if part == "{step}":
            parts[i] = "hello"
        elif part == "{name}":
            parts[i] = "hello"
        elif part in ("{version}", "{base}", "{other}"):
            parts[i] = "1"
        elif part.startswith("{"):
            parts[i] = str(owned[parts[i - 1]])
    return "/".join(parts)


def test_every_route_says_not_found_to_another_tenant(recorder, other, owned, admin):
    kinds = ("workflows", "runs", "files", "api-keys", "groups", "users", "secrets", "agents", "issuers", "templates")
    before = {k: admin.get(filled(f"/api/v1/{k}/{{id}}", owned)).text for k in kinds}
    for method, path, operation in recorder.document.operations():
        if "{" not in path:
            continue
        body = body_for(method, path)
        answer = other.request(method, filled(path, owned), json=body)
        if operation.get("x-platform"):
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text}"
            continue
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.json()["error_code"].endswith("_NOT_FOUND")
    for kind, text in before.items():
        assert admin.get(filled(f"/api/v1/{kind}/{{id}}", owned)).text == text


def caller_for(operation, admin, platform):
    return platform if operation.get("x-platform") else admin


def test_ids_of_nothing(recorder, admin, platform):
    nothing = dict.fromkeys(KINDS, 9007199254740991)
    beyond = dict.fromkeys(nothing, "99999999999999999999")
    for ids in (nothing, beyond):
        for method, path, operation in recorder.document.operations():
            if "{" not in path:
                continue
            body = body_for(method, path)
            answer = caller_for(operation, admin, platform).request(method, filled(path, ids), json=body)
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"


def test_ids_that_are_none(recorder, admin, platform):
    for word in ("abc", "1.5", "-1", "x_1", "%27%20or%201=1", "1%00", "%F0%9F%98%80"):
        for method, path, operation in recorder.document.operations():
            if method != "GET" or "{" not in path or "{secret}" in path or "{agent}" in path or "{template}" in path:  # which takes names too
                continue
            ids = dict.fromkeys(KINDS, word)
            answer = caller_for(operation, admin, platform).request(method, filled(path, ids))
            assert answer.status_code == 400, f"{method} {path} {word}: {answer.status_code} {answer.text}"


def test_lists_show_nothing_of_another_tenant(admin, other, things):
    things.completed()
    assert admin.request("POST", "/api/v1/files", files={"file": ("mine.txt", b"mine", "text/plain")}).status_code == 201
    admin.ok("POST", "/api/v1/events/publish", json={"event_type": "wall", "data": {}})
    for path in ("/api/v1/workflows", "/api/v1/runs", "/api/v1/files", "/api/v1/users", "/api/v1/api-keys", "/api/v1/events"):
        mine, theirs = ({entry["id"] for entry in caller.ok("GET", path + "?limit=1000")["items"]} for caller in (admin, other))
        assert mine and not mine & theirs, path
    assert [k["name"] for k in other.ok("GET", "/api/v1/api-keys")["items"]] != []
    bulk = {"op": "execute", "workflow_id": things.quick, "items": [{}]}
    assert other.post("/api/v1/workflows/bulk", bulk).json()["error_code"] == "WORKFLOW_NOT_FOUND"


def test_the_same_name_in_two_tenants(admin, other):
    body = {"name": f"shared {uuid.uuid4().hex[:8]}", "steps": [{"type": "noop"}]}
    for caller in (admin, other):
        assert caller.post("/api/v1/workflows", body).status_code == 201
    for caller in (admin, other):
        assert caller.post("/api/v1/workflows", body).json()["error_code"] == "WORKFLOW_NAME_TAKEN"


def test_without_or_with_bad_credentials(recorder, stack, owned):
    nobody, stranger = stack.anonymous(), stack.with_key("mrk_00000000_" + "0" * 43)
    for method, path, operation in recorder.document.operations():
        if not operation["security"]:
            continue
        for caller, code in ((nobody, "AUTHENTICATION_REQUIRED"), (stranger, "CREDENTIALS_INVALID")):
            answer = caller.request(method, filled(path, owned) if "{" in path else path)
            assert answer.status_code == 401 and answer.json()["error_code"] == code, f"{method} {path}: {answer.text}"


def test_scope_and_role(recorder, stack, owned):
    reader = stack.client(scopes="read-only", roles="editor")
    viewer = stack.client(scopes="workflow-management", roles="viewer")
    for method, path, operation in recorder.document.operations():
        if not operation["security"]:
            continue
        address = filled(path, owned) if "{" in path else path
        if operation["x-scope"] != "read-only":
            answer = reader.request(method, address)
            assert answer.status_code == 403, f"{method} {path}: {answer.text}"
            assert "scope" in answer.json()["details"]
        if "x-roles" in operation:
            answer = viewer.request(method, address)
            assert answer.status_code == 403 and "role" in answer.json()["details"], f"{method} {path}: {answer.text}"


def test_refusals_are_in_the_audit_log(stack):
    reader = stack.client(scopes="read-only", roles="viewer")
    answer = reader.post("/api/v1/workflows", {"name": "x", "steps": []})
    assert answer.status_code == 403
    rows = stack.rows("select action, changes from millrace.audit_logs where correlation_id = "
                      f"'{answer.headers['X-Request-ID']}'")
    assert rows and rows[0]["action"] == "refused"


def test_changes_are_in_the_audit_log(stack, admin):
    mark = f"audit-{uuid.uuid4().hex[:8]}"
    made = admin.post("/api/v1/workflows", {"name": mark, "steps": [{"type": "noop"}]}, headers={"X-Request-ID": mark})
    assert made.status_code == 201
    row, = stack.rows("select entity_type, entity_id, action, address from millrace.audit_logs "
                      f"where correlation_id = '{mark}'")
    assert row == {"entity_type": "workflow", "entity_id": made.json()["id"], "action": "created", "address": "127.0.0.1"}
