"""Secrets: written, used, never read back."""
import uuid

import pytest

SECRETS = "/api/v1/secrets"
STALE = {"If-Match": '"999.0123456789abcdef"'}


def new_name():
    return f"s_{uuid.uuid4().hex[:12]}"


def make(client, **more):
    return client.ok("POST", SECRETS, json={"name": new_name(), "value": f"value-{uuid.uuid4().hex}", **more})


def test_made_read_changed_deleted(admin):
    value = f"value-{uuid.uuid4().hex}"
    name = new_name()
    answer = admin.post(SECRETS, {"name": name, "value": value, "description": "for a test"})
    assert answer.status_code == 201 and answer.headers["Location"] == f"{SECRETS}/{name}"
    made = answer.json()
    assert made["name"] == name and made["version"] == 1 and made["description"] == "for a test"
    assert made["created_by"] and made["updated_by"] == made["created_by"] and "value" not in made

    read = admin.get(f"{SECRETS}/{name}")
    assert read.json() == made and read.headers["ETag"] == answer.headers["ETag"]
    assert admin.get(f"{SECRETS}/{name}", headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    assert admin.get(f"{SECRETS}/{made['id']}").json() == made == admin.get(f"{SECRETS}/secret_{made['id']}").json()

    other = f"other-{uuid.uuid4().hex}"
    assert admin.put(f"{SECRETS}/{name}", {"value": other}, headers=STALE).status_code == 412
    changed = admin.put(f"{SECRETS}/{name}", {"value": other}, headers={"If-Match": read.headers["ETag"]})
    assert changed.status_code == 200 and changed.headers["ETag"] != read.headers["ETag"]
    assert changed.json()["version"] == 2 and changed.json()["description"] == "for a test"
    assert changed.json()["value_updated_at"] > made["value_updated_at"]

    described = admin.patch(f"{SECRETS}/{made['id']}", {"description": None})
    assert described.json()["description"] is None and described.json()["version"] == 2
    assert described.json()["value_updated_at"] == changed.json()["value_updated_at"]
    back = admin.put(f"{SECRETS}/{name}", described.json())
    assert back.status_code == 200 and back.json()["version"] == 2

    assert admin.delete(f"{SECRETS}/{name}", headers=STALE).status_code == 412
    gone = admin.delete(f"{SECRETS}/{name}")
    assert gone.status_code == 200 and gone.json()["name"] == name
    assert admin.get(f"{SECRETS}/{name}").status_code == 404
    for text in (answer.text, read.text, changed.text, described.text, gone.text):
        assert value not in text and other not in text


def test_lists_have_no_values(admin):
    value = f"value-{uuid.uuid4().hex}"
    made = make(admin, value=value)
    listed = admin.get(f"{SECRETS}?search={made['name']}")
    assert [s["id"] for s in listed.json()["items"]] == [made["id"]] and value not in listed.text
    make(admin)
    page = admin.ok("GET", f"{SECRETS}?limit=1&ordering=-created_at")
    assert len(page["items"]) == 1 and page["next_cursor"]
    more = admin.ok("GET", f"{SECRETS}?limit=1&ordering=-created_at&cursor={page['next_cursor']}")
    assert more["items"][0]["id"] != page["items"][0]["id"]


def test_names_are_taken_once_in_a_tenant(admin, other):
    made = make(admin)
    again = admin.post(SECRETS, {"name": made["name"], "value": "x"})
    assert again.status_code == 409 and again.json()["error_code"] == "SECRET_NAME_TAKEN"
    assert "name" in again.json()["details"]
    assert other.post(SECRETS, {"name": made["name"], "value": "x"}).status_code == 201
    admin.ok("DELETE", f"{SECRETS}/{made['name']}")
    assert admin.post(SECRETS, {"name": made["name"], "value": "x"}).status_code == 201


def test_a_name_that_looks_like_an_id_is_a_name_first(admin):
    first = make(admin)
    name = f"secret_{first['id']}"
    second = make(admin, name=name)
    assert admin.ok("GET", f"{SECRETS}/{name}")["id"] == second["id"]
    assert admin.ok("GET", f"{SECRETS}/{first['id']}")["id"] == first["id"]
    admin.ok("DELETE", f"{SECRETS}/{name}")


@pytest.mark.parametrize("body, member", [
    ({"name": "x"}, "value"),
    ({"value": "leaked-value"}, "name"),
    ({"name": "1x", "value": "leaked-value"}, "name"),
    ({"name": "a-b", "value": "leaked-value"}, "name"),
    ({"name": "", "value": "leaked-value"}, "name"),
    ({"name": "n" * 101, "value": "leaked-value"}, "name"),
    ({"name": "x", "value": ""}, "value"),
    ({"name": "x", "value": None}, "value"),
    ({"name": "x", "value": 12345678}, "value"),
    ({"name": "x", "value": ["leaked-value"]}, "value"),
    ({"name": "x", "value": "leaked-value\u0000"}, "value"),
    ({"name": "x", "value": "v" * 65537}, "value"),
    ({"name": "x", "value": "é" * 65536}, "value"),
    ({"name": "x", "value": "leaked-value", "description": "d" * 1001}, "description"),
    ({"name": "x", "value": "leaked-value", "valeu": "leaked-value"}, "valeu"),
])
def test_what_is_refused(admin, body, member):
    answer = admin.post(SECRETS, body)
    assert answer.status_code == 400, answer.text
    assert list(answer.json()["details"]) == [member]
    assert "leaked-value" not in answer.text and "vvvv" not in answer.text and "éééé" not in answer.text


def test_a_bad_value_changes_nothing(admin):
    made = make(admin)
    for value in (None, "", "x\u0000", "é" * 65536):
        assert admin.patch(f"{SECRETS}/{made['name']}", {"value": value, "description": "no"}).status_code == 400
    assert admin.ok("GET", f"{SECRETS}/{made['name']}") == made
    assert admin.put(f"{SECRETS}/{new_name()}", {"value": "x"}).json()["error_code"] == "SECRET_NOT_FOUND"
    assert admin.patch(f"{SECRETS}/{new_name()}", {"description": "x"}).json()["error_code"] == "SECRET_NOT_FOUND"
    stale = admin.patch(f"{SECRETS}/{made['name']}", {"description": "x"}, headers=STALE)
    assert stale.json()["error_code"] == "PRECONDITION_FAILED"


def test_the_largest_value(admin):
    for value in ("v" * 65536, "é" * 32768, "\u0001" * 65536):
        made = make(admin, value=value)
        assert admin.ok("PUT", f"{SECRETS}/{made['name']}", json={"value": value})["version"] == 2


def test_a_repeated_request(admin):
    body = {"name": new_name(), "value": f"value-{uuid.uuid4().hex}"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = admin.post(SECRETS, body, headers=headers)
    again = admin.post(SECRETS, body, headers=headers)
    assert first.status_code == again.status_code == 201 and again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    reused = admin.post(SECRETS, {**body, "value": "another"}, headers=headers)
    assert reused.status_code == 409 and reused.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"


def test_a_secret_in_use_stays(admin, things):
    made = make(admin)
    steps = [{"name": "call", "type": "http_request", "config": {
        "url": "https://api.internal.com/x", "headers": {"Authorization": "Bearer {{secrets.%s}}" % made["name"]}}}]
    workflow = admin.workflow(steps)
    refused = admin.delete(f"{SECRETS}/{made['name']}")
    assert refused.status_code == 409 and refused.json()["error_code"] == "SECRET_IN_USE"
    assert f"({workflow['id']})" in refused.json()["detail"]
    assert admin.ok("GET", f"{SECRETS}/{made['name']}")["id"] == made["id"]
    admin.ok("DELETE", f"/api/v1/workflows/{workflow['id']}")
    admin.ok("DELETE", f"{SECRETS}/{made['name']}")


@pytest.mark.parametrize("way", ['secrets["%s"]', "secrets['%s']", "secrets [ \"%s\" ]"])
def test_each_way_of_naming_it_is_a_use(admin, way):
    made = make(admin)
    step = {"type": "http_request", "config": {"url": "https://api.internal.com/x", "data": "{{" + way % made["name"] + "}}"}}
    workflow = admin.workflow([step])
    assert admin.delete(f"{SECRETS}/{made['name']}").status_code == 409
    admin.ok("DELETE", f"{SECRETS}/{made['name']}?force=true")
    admin.ok("DELETE", f"/api/v1/workflows/{workflow['id']}")


def test_a_name_that_begins_so_is_no_use(admin):
    made = make(admin)
    longer = make(admin, name=made["name"] + "_more")
    step = {"type": "http_request", "config": {"url": "https://api.internal.com/x", "data": "{{secrets.%s}}" % longer["name"]}}
    workflow = admin.workflow([step])
    admin.ok("DELETE", f"{SECRETS}/{made['name']}")
    admin.ok("DELETE", f"/api/v1/workflows/{workflow['id']}")


def test_who_may(admin, stack):
    made = make(admin)
    for scopes, roles in (("read-only", "viewer"), ("workflow-management", "operator"), ("workflow-management", "viewer")):
        client = stack.client(scopes=scopes, roles=roles, name=f"secrets {scopes} {roles}")
        assert client.get(SECRETS).status_code == 403
        assert client.get(f"{SECRETS}/{made['name']}").status_code == 403
        assert client.post(SECRETS, {"name": new_name(), "value": "x"}).status_code == 403
        assert client.put(f"{SECRETS}/{made['name']}", {"value": "x"}).status_code == 403
        assert client.delete(f"{SECRETS}/{made['name']}").status_code == 403
    editor = stack.client(scopes="workflow-management", roles="editor", name="secrets editor")
    assert make(editor)["created_by"] == "secrets editor"
    assert stack.anonymous().get(SECRETS).status_code == 401


def test_the_audit_tells_who_and_never_what(admin, stack):
    values = [f"value-{uuid.uuid4().hex}", f"value-{uuid.uuid4().hex}"]
    made = make(admin, value=values[0])
    admin.ok("PUT", f"{SECRETS}/{made['name']}", json={"value": values[1]})
    admin.ok("PATCH", f"{SECRETS}/{made['name']}", json={"description": "what for"})
    admin.ok("DELETE", f"{SECRETS}/{made['name']}")
    rows = stack.rows("select action, changes::text as changes, user_name from millrace.audit_logs "
                      f"where entity_type = 'secret' and entity_id = {made['id']} order by id")
    assert [r["action"] for r in rows] == ["created", "updated", "updated", "deleted"]
    assert all(r["user_name"] for r in rows)
    told = " ".join(r["changes"] for r in rows)
    assert "[redacted]" in rows[0]["changes"] and "[redacted]" in rows[1]["changes"] and "[redacted]" not in rows[2]["changes"]
    assert "what for" in rows[2]["changes"] and not any(v in told for v in values)


def test_validation_names_secrets_that_are_not_there(admin):
    made = make(admin)
    name = new_name()
    step = {"type": "http_request", "config": {"url": "https://api.internal.com/x",
                                               "data": "{{secrets.%s}}{{secrets.%s}}" % (made["name"], name)}}
    answer = admin.ok("POST", "/api/v1/workflows/validate", json={"steps": [step]})
    assert answer["valid"] and [w for w in answer["warnings"] if name in w] and made["name"] not in str(answer["warnings"])
    assert not admin.ok("POST", "/api/v1/workflows/validate", json={"steps": [{"type": "noop"}]})["warnings"]
