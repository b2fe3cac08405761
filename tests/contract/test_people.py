"""Users, groups, tenants and oneself: kept through the API, at once in force everywhere."""
import uuid

import pytest

from support.stack import everywhere, wait_until

USERS, GROUPS, TENANTS, KEYS = "/api/v1/users", "/api/v1/groups", "/api/v1/tenants", "/api/v1/api-keys"
STALE = {"If-Match": '"999.0123456789abcdef"'}
NOTHING = 9007199254740991


def some(name):
    return f"{name}-{uuid.uuid4().hex[:8]}"


def user(admin, **more):
    return admin.ok("POST", USERS, json={"name": some("user"), **more})


def group(admin, **more):
    return admin.ok("POST", GROUPS, json={"name": some("group"), **more})


def key_of(admin, stack, person, scopes=("admin",), roles=("admin",)):
    made = admin.ok("POST", KEYS, json={"name": some("key"), "user_id": person["id"], "scopes": list(scopes), "roles": list(roles)})
    return made, stack.with_key(made["key"])


def error(answer):
    return answer.status_code, answer.json().get("error_code")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_users(admin, method):
    made = user(admin, roles=["operator"], description="x")
    assert made["scopes"] == ["workflow-management"] and made["groups"] == [] and made["is_enabled"] is True
    path = f"{USERS}/user_{made['id']}"
    read = admin.get(path)
    assert read.json() == made
    assert admin.get(path, headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    back = admin.request(method, path, json=read.json(), headers={"If-Match": read.headers["ETag"]})
    assert back.status_code == 200, back.text
    changed = admin.request(method, path, json={"roles": ["editor"], "description": None}).json()
    assert changed["roles"] == ["editor"] and changed["description"] is None and changed["name"] == made["name"]
    assert error(admin.request(method, path, json={"name": user(admin)["name"]})) == (409, "CONFLICT")
    assert error(admin.request(method, path, json={}, headers=STALE)) == (412, "PRECONDITION_FAILED")
    assert error(admin.delete(path, headers=STALE)) == (412, "PRECONDITION_FAILED")
    listed = admin.ok("GET", f"{USERS}?search={made['name']}&status=ACTIVE")
    assert [u["id"] for u in listed["items"]] == [made["id"]] and listed["total"] == 1
    gone = admin.delete(path)
    assert gone.status_code == 200 and gone.json()["status"] == "deleted"
    assert error(admin.request(method, path, json={"name": "x"})) == (409, "USER_DELETED")
    assert admin.ok("GET", f"{USERS}?search={made['name']}")["items"] == []
    assert admin.ok("GET", f"{USERS}?search={made['name']}&status=deleted")["total"] == 1
    assert error(admin.request(method, f"{USERS}/{NOTHING}", json={})) == (404, "USER_NOT_FOUND")


def test_faults_quote_no_more_than_a_name(admin):
    for more in ({"groups": ["g" * 100000]}, {"y" * 100000: 1}):
        answer = admin.post(USERS, {"name": some("x"), **more})
        assert answer.status_code == 400 and answer.json()["details"] and len(answer.text) < 4000, answer.text[:4000]


def test_bad_users(admin):
    taken = user(admin)["name"]
    assert error(admin.post(USERS, {"name": taken})) == (409, "CONFLICT")
    for body, where in (({}, "name"), ({"name": "\t"}, "name"), ({"name": "x", "roles": ["king"]}, "roles[0]"),
                        ({"name": "x", "groups": ["no such group"]}, "groups"), ({"name": "x", "kind": "robot"}, "kind"),
                        ({"name": "x", "password": "x"}, "password")):
        answer = admin.post(USERS, body)
        assert answer.status_code == 400 and where in answer.json()["details"], (body, answer.text)
    assert admin.post(KEYS, {"name": some("k"), "scopes": ["admin"], "user_id": NOTHING}).json()["details"]["user_id"]


def test_paging_and_order(admin):
    mark = some("page")
    for i in range(5):
        user(admin, name=f"{mark} {i}", kind="service" if i % 2 else "user")
    first = admin.ok("GET", f"{USERS}?search={mark}&limit=2&ordering=-created_at")
    assert [u["name"][-1] for u in first["items"]] == ["4", "3"] and first["total"] == 5
    second = admin.ok("GET", f"{USERS}?search={mark}&limit=2&ordering=-created_at&cursor={first['next_cursor']}")
    assert [u["name"][-1] for u in second["items"]] == ["2", "1"]
    assert admin.ok("GET", f"{USERS}?search={mark}&kind=service")["total"] == 2


def test_repeating_a_creation(admin):
    headers, body = {"Idempotency-Key": some("i")}, {"name": some("once")}
    for path in (USERS, GROUPS):
        headers = {"Idempotency-Key": some("i")}
        first, again = (admin.post(path, body, headers=headers) for _ in range(2))
        assert first.json() == again.json() and again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_groups(admin, stack, method):
    made = group(admin, roles=["editor"])
    path = f"{GROUPS}/group_{made['id']}"
    assert admin.get(path).json() == made
    ada = user(admin)
    _, hers = key_of(admin, stack, ada)
    assert hers.get("/api/v1/me").json()["roles"] == ["viewer"]
    member = f"{path}/members/user_{ada['id']}"
    assert admin.put(member).json()["effective_roles"] == ["editor", "viewer"]
    assert admin.put(member).status_code == 200
    wait_until(lambda: "editor" in hers.get("/api/v1/me").json()["roles"], 5)
    assert [u["id"] for u in admin.ok("GET", f"{path}/members")["items"]] == [ada["id"]]
    assert admin.ok("GET", f"{USERS}?group={made['name']}&role=editor")["total"] == 1
    changed = admin.request(method, path, json={"name": some("renamed"), "description": "d"}).json()
    assert changed["member_count"] == 1 and changed["roles"] == ["editor"]
    assert admin.ok("GET", f"{USERS}/{ada['id']}")["groups"] == [changed["name"]]
    assert error(admin.request(method, path, json={"name": group(admin)["name"]})) == (409, "CONFLICT")
    assert admin.delete(member).json()["groups"] == [] and admin.delete(member).status_code == 200
    wait_until(lambda: hers.get("/api/v1/me").json()["roles"] == ["viewer"], 5)
    assert error(admin.request(method, path, json={}, headers=STALE)) == (412, "PRECONDITION_FAILED")
    assert error(admin.delete(path, headers=STALE)) == (412, "PRECONDITION_FAILED")
    admin.ok("PUT", member)
    assert admin.delete(path).status_code == 200
    wait_until(lambda: hers.get("/api/v1/me").json()["roles"] == ["viewer"], 5)
    assert error(admin.get(path)) == error(admin.request(method, path, json={})) == (404, "GROUP_NOT_FOUND")


def test_odd_members(admin):
    g, gone = group(admin), user(admin)
    admin.ok("DELETE", f"{USERS}/{gone['id']}")
    for method in ("PUT", "DELETE"):
        assert error(admin.request(method, f"{GROUPS}/{g['id']}/members/{gone['id']}")) == (409, "USER_DELETED")
        assert error(admin.request(method, f"{GROUPS}/{g['id']}/members/{NOTHING}")) == (404, "USER_NOT_FOUND")
        assert error(admin.request(method, f"{GROUPS}/{NOTHING}/members/{gone['id']}")) == (404, "GROUP_NOT_FOUND")
    assert error(admin.get(f"{GROUPS}/{NOTHING}/members")) == (404, "GROUP_NOT_FOUND")
    assert error(admin.post(GROUPS, {"name": g["name"]})) == (409, "CONFLICT")


def test_nobody_locks_themselves_out(admin, stack):
    boss = user(admin, roles=["viewer"])
    admins = group(admin, roles=["admin"])
    admin.ok("PUT", f"{GROUPS}/{admins['id']}/members/{boss['id']}")
    key, me = key_of(admin, stack, boss)
    assert me.get("/api/v1/me").json()["roles"] == ["admin"]
    locked = (409, "SELF_LOCKOUT")
    for method in ("PUT", "PATCH"):
        assert error(me.request(method, f"{USERS}/{boss['id']}", json={"is_enabled": False})) == locked
        assert error(me.request(method, f"{GROUPS}/{admins['id']}", json={"roles": []})) == locked
    assert error(me.delete(f"{USERS}/{boss['id']}")) == locked
    assert error(me.delete(f"{GROUPS}/{admins['id']}")) == locked
    assert error(me.delete(f"{GROUPS}/{admins['id']}/members/{boss['id']}")) == locked
    assert error(me.patch(f"{KEYS}/{key['id']}", {"scopes": ["read-only"]})) == locked
    assert error(me.delete(f"{KEYS}/{key['id']}")) == (409, "API_KEY_IN_USE")
    assert me.get("/api/v1/me").status_code == 200


def test_the_last_administrator_remains(stack, recorder):
    """One who is an administrator by the claims of a token, which no row knows of, meets the last that a row knows."""
    stack.admin("tenant", "create", "--name", "lonely")
    first = stack.client(tenant="lonely", name="first")
    issuer = f"https://{some('issuer')}.test"
    stack.admin("issuer", "create", "--issuer", issuer, "--audience", "millrace", "--tenant", "lonely", "--key-name",
                "dev.key", "--provision")
    by_claims = stack.with_key(stack.make_token(issuer, "millrace", "claims", scope="admin", roles="admin"))
    wait_until(lambda: everywhere(lambda: by_claims.get("/api/v1/me").status_code == 200), 20)
    me = first.ok("GET", "/api/v1/me")
    person, key = f"{USERS}/{me['id']}", f"{KEYS}/{me['credential']['id']}"
    last = (409, "LAST_ADMIN")
    for method in ("PUT", "PATCH"):
        assert error(by_claims.request(method, person, json={"roles": ["editor"]})) == last
    assert error(by_claims.delete(person)) == last
    assert error(by_claims.patch(key, {"roles": ["editor"]})) == last
    assert error(by_claims.delete(key)) == last
    g = group(by_claims, roles=["admin"])
    by_claims.ok("PUT", f"{GROUPS}/{g['id']}/members/{me['id']}")
    by_claims.ok("PATCH", person, json={"roles": ["viewer"]})
    for method in ("PUT", "PATCH"):
        assert error(by_claims.request(method, f"{GROUPS}/{g['id']}", json={"roles": []})) == last
    assert error(by_claims.delete(f"{GROUPS}/{g['id']}")) == last
    assert error(by_claims.delete(f"{GROUPS}/{g['id']}/members/{me['id']}")) == last
    assert first.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_tenants(platform, stack, method):
    made = platform.ok("POST", TENANTS, json={"name": some("tenant"), "description": "x"})
    path = f"{TENANTS}/tenant_{made['id']}"
    assert platform.get(path).json() == made and made["status"] == "active" and made["is_platform"] is False
    assert error(platform.post(TENANTS, {"name": made["name"]})) == (409, "CONFLICT")
    changed = platform.request(method, path, json={"name": some("renamed"), "description": None}).json()
    assert changed["description"] is None and changed["id"] == made["id"]
    assert platform.ok("GET", f"{TENANTS}?search={changed['name']}&status=active")["total"] == 1
    assert error(platform.request(method, path, json={"name": "platform"})) == (409, "CONFLICT")
    inside = stack.client(tenant=changed["name"])
    assert inside.get("/api/v1/workflows").status_code == 200
    for act in (lambda h: platform.request(method, path, json={}, headers=h), lambda h: platform.post(f"{path}/suspend", headers=h),
                lambda h: platform.post(f"{path}/activate", headers=h)):
        assert error(act(STALE)) == (412, "PRECONDITION_FAILED")
    assert platform.post(f"{path}/suspend", {"reason": "unpaid"}).json()["status"] == "suspended"
    wait_until(lambda: inside.get("/api/v1/workflows").status_code == 401, 5)
    assert platform.post(f"{path}/activate").json()["suspended_at"] is None
    wait_until(lambda: everywhere(lambda: inside.get("/api/v1/workflows").status_code == 200), 5)
    own = platform.ok("GET", "/api/v1/me")["tenant"]
    assert own["is_platform"] is True
    assert error(platform.post(f"{TENANTS}/{own['id']}/suspend")) == (409, "TENANT_IS_PLATFORM")
    for m, p, body in (("GET", "", None), (method, "", {}), ("POST", "/suspend", None), ("POST", "/activate", None)):
        assert error(platform.request(m, f"{TENANTS}/{NOTHING}{p}", json=body)) == (404, "TENANT_NOT_FOUND")


def test_a_key_is_for_one_request(admin, platform):
    tenant = f"{TENANTS}/{platform.ok('POST', TENANTS, json={'name': some('tenant')})['id']}"
    for caller, path, body, changed in (
            (admin, USERS, {"name": some("user")}, {"name": some("user")}),
            (admin, GROUPS, {"name": some("group")}, {"name": some("group")}),
            (platform, TENANTS, {"name": some("tenant")}, {"name": some("tenant")}),
            (platform, f"{tenant}/suspend", {}, {"reason": "x"}),
            (platform, f"{tenant}/activate", {}, {"x": 1})):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        first = caller.post(path, body, headers=headers)
        assert first.status_code in (200, 201), f"{path}: {first.text}"
        assert caller.post(path, body, headers=headers).headers.get("Idempotency-Replayed") == "true", path
        assert error(caller.post(path, changed, headers=headers)) == (409, "IDEMPOTENCY_KEY_REUSED"), path


def test_tenants_are_for_the_platform_alone(admin, recorder):
    own = admin.ok("GET", "/api/v1/me")["tenant"]["id"]
    for method, path, operation in recorder.document.operations():
        if operation.get("x-platform"):
            answer = admin.request(method, path.replace("{id}", str(own)))
            assert answer.status_code == 403 and answer.json()["details"] == {"tenant": ["must be the platform's"]}, path


@pytest.mark.parametrize("scope", ["read-only", "workflow-management", "admin"])
@pytest.mark.parametrize("role", ["viewer", "operator", "editor", "admin"])
def test_me_says_what_is_allowed(stack, recorder, scope, role):
    """Derived from the document: what the row asks for, against what the caller has."""
    scopes = ["read-only", "workflow-management", "admin"]
    caller = stack.client(scopes=scope, roles=role)
    me = caller.ok("GET", "/api/v1/me")
    assert me["credential"]["kind"] == "api_key" and me["tenant"]["name"] == "default" and me["roles"] == [role]
    held = set(scopes[:scopes.index(scope) + 1])
    assert set(me["scopes"]) == held
    expected = set()
    for method, path, o in recorder.document.operations():
        if o["security"] and (o["x-scope"] not in held or o.get("x-platform")):
            continue
        if o["security"] and "x-roles" in o and role not in o["x-roles"] and not o.get("x-owner"):
            continue
        expected.add((method, path))
    assert {(o["method"], o["path"]) for o in me["operations"]} == expected
    own = {(o["method"], o["path"]) for o in me["operations"] if o["only_own"]}
    assert bool(own) == (role in ("viewer", "operator") and scope != "read-only")


def test_who_made_it_may_change_it(admin, stack, things):
    maker = user(admin, roles=["editor"])
    _, hers = key_of(admin, stack, maker, ["workflow-management"], ["editor"])
    mine = hers.workflow(things.LOG)["id"]
    admin.ok("PATCH", f"{USERS}/{maker['id']}", json={"roles": ["viewer"]})
    wait_until(lambda: hers.ok("GET", "/api/v1/me")["roles"] == ["viewer"], 5)
    other = things.new_workflow()["id"]
    for method, body in (("PUT", {"description": "a"}), ("PATCH", {"description": "b"}), ("DELETE", None)):
        assert hers.request(method, f"/api/v1/workflows/{other}", json=body).status_code == 403
        assert hers.request(method, f"/api/v1/workflows/wf_{mine}", json=body).status_code == 200
    assert hers.post("/api/v1/workflows", {"name": "x", "steps": []}).status_code == 403


def test_who_registered_an_agent_may_change_it(admin, stack):
    agents, url = "/api/v1/agents", "http://127.0.0.1:9/work"
    maker = user(admin, roles=["editor"])
    _, hers = key_of(admin, stack, maker, ["workflow-management"], ["editor"])
    _, hers_to_read = key_of(admin, stack, maker, ["read-only"], ["editor"])
    mine = hers.ok("POST", agents, json={"name": some("mine"), "url": url})
    other = admin.ok("POST", agents, json={"name": some("other"), "url": url})
    admin.ok("PATCH", f"{USERS}/{maker['id']}", json={"roles": ["viewer"]})
    wait_until(lambda: hers.ok("GET", "/api/v1/me")["roles"] == ["viewer"], 5)
    for method, body, ref in (("PUT", {"description": "a"}, mine["name"]), ("PATCH", {"description": "b"}, f"agent_{mine['id']}"),
                              ("DELETE", None, mine["id"])):
        for theirs in (other["name"], other["id"], "none"):
            assert hers.request(method, f"{agents}/{theirs}", json=body).status_code == 403
        assert hers_to_read.request(method, f"{agents}/{ref}", json=body).status_code == 403
        assert hers.request(method, f"{agents}/{ref}", json=body).status_code == 200
    assert hers.post(agents, {"name": some("x"), "url": url}).status_code == 403
