"""API keys: shown once, usable at once, ended at once."""
import uuid

from support.stack import wait_until

KEYS = "/api/v1/api-keys"


def make(admin, **more):
    return admin.ok("POST", KEYS, json={"name": f"k-{uuid.uuid4().hex[:8]}", "scopes": ["read-only"], **more})


def test_a_key_is_shown_once_and_works(admin, stack):
    made = make(admin)
    assert made["key"].startswith(made["prefix"] + "_") and len(made["key"]) == 56
    read = admin.ok("GET", f"{KEYS}/{made['id']}")
    assert "key" not in read and read["prefix"] == made["prefix"]
    assert made["key"] not in admin.get(KEYS).text
    client = stack.with_key(made["key"])
    assert client.get("/api/v1/workflows").status_code == 200
    assert client.post("/api/v1/workflows", {"name": "x", "steps": [{"type": "noop"}]}).status_code == 403
    by_header = stack.anonymous(**{"X-API-Key": made["key"]})
    assert by_header.get("/api/v1/workflows").status_code == 200


def test_a_replayed_answer_has_no_secret(admin):
    body = {"name": f"k-{uuid.uuid4().hex[:8]}", "scopes": ["read-only"]}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = admin.post(KEYS, body, headers=headers)
    again = admin.post(KEYS, body, headers=headers)
    assert "key" in first.json() and "key" not in again.json()
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"


def test_revoking_ends_it_within_seconds(admin, stack):
    made = make(admin)
    client = stack.with_key(made["key"])
    assert client.get("/api/v1/workflows").status_code == 200
    gone = admin.delete(f"{KEYS}/{made['id']}")
    assert gone.status_code == 200 and gone.json()["status"] == "revoked"
    wait_until(lambda: client.get("/api/v1/workflows").status_code == 401, 5)
    assert admin.patch(f"{KEYS}/{made['id']}", {"name": "x"}).json()["error_code"] == "API_KEY_REVOKED"
    assert admin.post(f"{KEYS}/{made['id']}/rotate").json()["error_code"] == "API_KEY_REVOKED"
    assert made["id"] in [k["id"] for k in admin.ok("GET", f"{KEYS}?status=REVOKED&limit=1000")["items"]]


def test_a_key_does_not_revoke_itself(admin, stack):
    made = make(admin, scopes=["admin"], roles=["admin"])
    client = stack.with_key(made["key"])
    answer = client.delete(f"{KEYS}/key_{made['id']}")
    assert answer.status_code == 409 and answer.json()["error_code"] == "API_KEY_IN_USE", answer.text
    assert client.get(f"{KEYS}/{made['id']}").json()["status"] == "active"
    assert admin.delete(f"{KEYS}/{made['id']}").status_code == 200


def test_rotating_gives_a_new_secret(admin, stack):
    made = make(admin)
    old = stack.with_key(made["key"])
    assert old.get("/api/v1/workflows").status_code == 200
    rotated = admin.post(f"{KEYS}/{made['id']}/rotate")
    assert rotated.status_code == 200 and rotated.json()["id"] == made["id"]
    assert rotated.json()["key"] != made["key"]
    assert stack.with_key(rotated.json()["key"]).get("/api/v1/workflows").status_code == 200
    wait_until(lambda: old.get("/api/v1/workflows").status_code == 401, 5)


def test_limits_of_its_own(admin, stack):
    limits = {"monitoring": {"limit": 2, "window": 3600}, "standard": None}
    made = make(admin, rate_limits=limits)
    path = f"{KEYS}/{made['id']}"
    assert made["rate_limits"] == limits and admin.ok("GET", path)["rate_limits"] == limits
    client = stack.with_key(made["key"])
    answers = [client.get("/api/v1/workflows") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429] and answers[2].json()["error_code"] == "TOO_MANY_REQUESTS"
    assert client.request("HEAD", "/api/v1/runs").status_code == 429
    assert admin.patch(path, {"rate_limits": None}).json()["rate_limits"] is None
    wait_until(lambda: client.get("/api/v1/workflows").status_code == 200, 10)


def test_changing(admin, stack):
    made = make(admin)
    path = f"{KEYS}/{made['id']}"
    changed = admin.patch(path, {"name": "other", "scopes": ["workflow-management"], "roles": ["editor"],
                                 "expires_at": "2100-01-01T00:00:00Z"})
    assert changed.status_code == 200
    body = changed.json()
    assert body["scopes"] == ["workflow-management"] and body["expires_at"].startswith("2100-01-01T00:00:00")
    assert admin.patch(path, {"expires_at": None}).json()["expires_at"] is None
    client = stack.with_key(made["key"])
    wait_until(lambda: client.post("/api/v1/workflows/validate", {"steps": [{"type": "noop"}]}).status_code == 200, 5)
    stale = {"If-Match": '"999.0123456789abcdef"'}
    assert admin.patch(path, {"name": "x"}, headers=stale).status_code == 412
    assert admin.delete(path, headers=stale).status_code == 412
    assert admin.post(f"{path}/rotate", headers=stale).status_code == 412


def test_two_keys_of_one_name(admin):
    taken, other = make(admin), make(admin)
    for answer in (admin.post(KEYS, {"name": taken["name"], "scopes": ["read-only"]}),
                   admin.patch(f"{KEYS}/{other['id']}", {"name": taken["name"]})):
        assert answer.status_code == 409 and answer.json()["error_code"] == "CONFLICT"


def test_an_expired_key_is_no_key(admin, stack):
    made = make(admin, expires_at="2020-01-01T00:00:00Z")
    assert stack.with_key(made["key"]).get("/api/v1/workflows").status_code == 401


def test_bad_bodies(admin):
    for body, where in (({"scopes": ["read-only"]}, "name"), ({"name": "x"}, "scopes"),
                        ({"name": "x", "scopes": []}, "scopes"), ({"name": "x", "scopes": ["all"]}, "scopes[0]"),
                        ({"name": "", "scopes": ["admin"]}, "name"),
                        ({"name": "x", "scopes": ["admin"], "roles": ["king"]}, "roles[0]"),
                        ({"name": "x", "scopes": ["admin"], "expires_at": "never"}, "expires_at"),
                        ({"name": "x", "scopes": ["admin"], "secret": "s"}, "secret")):
        answer = admin.post(KEYS, body)
        assert answer.status_code == 400 and where in answer.json()["details"], body


def test_only_admins_see_keys(stack, things):
    for scopes, roles in (("workflow-management", "admin"), ("admin", "editor")):
        client = stack.client(scopes=scopes, roles=roles)
        for answer in (client.get(KEYS), client.post(KEYS, {}), client.get(f"{KEYS}/1"), client.patch(f"{KEYS}/1", {}),
                       client.delete(f"{KEYS}/1"), client.post(f"{KEYS}/1/rotate")):
            assert answer.status_code == 403 and answer.json()["details"], answer.text
