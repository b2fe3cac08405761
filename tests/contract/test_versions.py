"""Versions of workflows: compared and restored; deleted workflows brought back."""
import uuid

import pytest

BASE = "/api/v1/workflows"
URL = "https://agent.example/"


def log(name, message, **more):
    return {"name": name, "type": "log", "config": {"message": message}, **more}


@pytest.fixture
def made(admin):
    return admin.ok("POST", BASE, json={"name": f"v-{uuid.uuid4().hex[:10]}", "workflow_config": {"steps": [
        log("a", "one"), log("b", "two")]}, "timeout_seconds": 60, "vars": {"k": 1}})


def diff(admin, workflow, a, b):
    return admin.ok("GET", f"{BASE}/{workflow}/versions/{a}/diff/{b}")


# ---- compared ----

def test_what_differs_is_said_leaf_by_leaf(admin, made):
    path = f"{BASE}/{made['id']}"
    admin.ok("PUT", path, json={"workflow_config": {"steps": [
        log("a", "uno", when="vars.k == 1"), log("c", "three", depends_on=["a"])]}, "timeout_seconds": 90, "vars": {"k": 1, "l": [1, 2]}})
    found = diff(admin, made["id"], 1, 2)
    assert {k: found[k] for k in ("workflow_id", "from_version", "to_version", "is_identical")} == {
        "workflow_id": made["id"], "from_version": 1, "to_version": 2, "is_identical": False}
    assert found["steps"] == {"added": ["c"], "removed": ["b"], "changed": ["a"]}
    changes = {c["path"]: c for c in found["changes"]}
    assert changes["steps[a].config.message"] == {"path": "steps[a].config.message", "change": "changed", "from": "one", "to": "uno"}
    assert changes["steps[a].when"] == {"path": "steps[a].when", "change": "added", "to": "vars.k == 1"}
    assert changes["timeout_seconds"] == {"path": "timeout_seconds", "change": "changed", "from": 60, "to": 90}
    assert changes["vars.l"] == {"path": "vars.l", "change": "added", "to": [1, 2]}
    assert changes["steps[b]"]["change"] == "removed" and changes["steps[b]"]["from"]["config"] == {"message": "two"}
    assert changes["steps[c]"]["change"] == "added" and changes["steps[c]"]["to"]["depends_on"] == ["a"]
    assert set(changes) == {"steps[a].config.message", "steps[a].when", "timeout_seconds", "vars.l", "steps[b]", "steps[c]"}

    turned = diff(admin, made["id"], 2, 1)
    assert turned["steps"] == {"added": ["b"], "removed": ["c"], "changed": ["a"]}
    mirror = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(c["path"], mirror[c["change"]], str(c.get("to")), str(c.get("from"))) for c in turned["changes"]} == {
        (c["path"], c["change"], str(c.get("from")), str(c.get("to"))) for c in found["changes"]}


def test_a_version_and_itself_are_identical(admin, made):
    found = diff(admin, made["id"], 1, 1)
    assert found["is_identical"] and found["changes"] == [] and found["steps"] == {"added": [], "removed": [], "changed": []}


def test_dialects_that_say_the_same_differ_only_in_what_is_not_the_steps(admin, made):
    admin.ok("PUT", f"{BASE}/{made['id']}", json={"steps": {"a": {"action": "log", "config": {"message": "one"}, "next_step": "b"},
                                                            "b": {"action": "log", "config": {"message": "two"}}}, "start_step": "a"})
    assert admin.ok("GET", f"{BASE}/{made['id']}")["version"] == 2
    assert diff(admin, made["id"], 1, 2)["changes"] == []


def test_the_order_of_steps_that_follow_nothing(admin):
    steps = [log("a", "x", depends_on=[]), log("b", "x", depends_on=[]), log("c", "x", depends_on=[])]
    made = admin.ok("POST", BASE, json={"name": f"v-{uuid.uuid4().hex[:10]}", "steps": steps})
    admin.ok("PUT", f"{BASE}/{made['id']}", json={"steps": [steps[2], steps[0], steps[1]]})
    assert diff(admin, made["id"], 1, 2)["changes"] == [
        {"path": "steps", "change": "reordered", "from": ["a", "b", "c"], "to": ["c", "a", "b"]}]


def test_steps_within_steps_are_compared_by_name(admin):
    def steps(message):
        return [{"name": "each", "type": "foreach", "config": {"items": "{{[1, 2]}}", "steps": [log("in", message), log("after", "x")]}}]
    made = admin.ok("POST", BASE, json={"name": f"v-{uuid.uuid4().hex[:10]}", "steps": steps("one")})
    admin.ok("PUT", f"{BASE}/{made['id']}", json={"steps": steps("two")})
    found = diff(admin, made["id"], 1, 2)
    assert [(c["path"], c["from"], c["to"]) for c in found["changes"]] == [("steps[each].config.steps[in].config.message", "one", "two")]
    assert found["steps"]["changed"] == ["each"]


def test_many_steps(admin):
    steps = [log(f"s{i}", "x", depends_on=[]) for i in range(1000)]
    made = admin.ok("POST", BASE, json={"name": f"v-{uuid.uuid4().hex[:10]}", "steps": steps})
    for step in steps:
        step["config"] = {"message": "y"}
    admin.ok("PUT", f"{BASE}/{made['id']}", json={"steps": steps})
    assert len(diff(admin, made["id"], 1, 2)["changes"]) == 1000


@pytest.mark.parametrize("a, b, code", [(1, 2, "VERSION_NOT_FOUND"), (2, 1, "VERSION_NOT_FOUND"), (0, 0, "VERSION_NOT_FOUND")])
def test_versions_that_are_not(admin, other, made, a, b, code):
    answer = admin.get(f"{BASE}/{made['id']}/versions/{a}/diff/{b}")
    assert answer.status_code == 404 and answer.json()["error_code"] == code
    for path in (f"{BASE}/{made['id']}/versions/1/diff/1", f"{BASE}/999999999/versions/1/diff/1"):
        answer = other.get(path)
        assert answer.status_code == 404 and answer.json()["error_code"] == "WORKFLOW_NOT_FOUND"


# ---- restored ----

def test_an_earlier_version_becomes_a_new_one(admin, made):
    path = f"{BASE}/{made['id']}"
    changed = admin.ok("PUT", path, json={"workflow_config": {"steps": [log("z", "other")]}, "timeout_seconds": None, "max_retries": 2,
                                          "input_schema": {"type": "object"}, "vars": None, "tags": ["kept"]})
    assert (changed["version"], changed["timeout_seconds"], changed["max_retries"]) == (2, None, 2)
    restored = admin.ok("POST", f"{path}/versions/1/restore")
    assert (restored["version"], restored["timeout_seconds"], restored["max_retries"], restored["input_schema"]) == (3, 60, None, None)
    assert restored["steps"] == made["steps"] and restored["workflow_config"] == made["workflow_config"]
    assert restored["tags"] == ["kept"] and restored["name"] == made["name"]
    assert diff(admin, made["id"], 1, 3)["is_identical"] and not diff(admin, made["id"], 2, 3)["is_identical"]
    assert admin.ok("GET", path)["steps"] == made["steps"]
    entry = admin.ok("GET", "/api/v1/audit-logs", params={"entity_type": "workflow", "entity_id": made["id"], "limit": 1})["items"][0]
    assert entry["action"] == "restored" and entry["changes"]["restored_version"] == 1 and entry["changes"]["version"] == 3
    assert admin.ok("POST", f"{path}/versions/2/restore")["max_retries"] == 2
    run = admin.execute(made["id"], wait=20)
    assert [s["step_name"] for s in admin.steps(run["run_id"])] == ["z"]


def test_what_is_current_makes_no_new_version(admin, made):
    assert admin.ok("POST", f"{BASE}/{made['id']}/versions/1/restore")["version"] == 1
    assert len(admin.ok("GET", f"{BASE}/{made['id']}/versions")["items"]) == 1


def test_restoring_on_condition_and_by_key(admin, made):
    path = f"{BASE}/{made['id']}"
    old = admin.get(path).headers["ETag"]
    admin.ok("PUT", path, json={"steps": [log("z", "other")]})
    assert admin.post(f"{path}/versions/1/restore", headers={"If-Match": old}).status_code == 412
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = admin.post(f"{path}/versions/1/restore", headers=key)
    again = admin.post(f"{path}/versions/1/restore", headers=key)
    assert first.json()["version"] == again.json()["version"] == 3 and again.headers["Idempotency-Replayed"] == "true"
    assert admin.post(f"{path}/versions/2/restore", headers=key).json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"


def test_restoring_what_is_not(admin, other, made):
    path = f"{BASE}/{made['id']}"
    answer = admin.post(f"{path}/versions/7/restore")
    assert answer.status_code == 404 and answer.json()["error_code"] == "VERSION_NOT_FOUND"
    assert other.post(f"{path}/versions/1/restore").json()["error_code"] == "WORKFLOW_NOT_FOUND"
    admin.ok("DELETE", path)
    answer = admin.post(f"{path}/versions/1/restore")
    assert answer.status_code == 409 and answer.json()["error_code"] == "WORKFLOW_DELETED"


# ---- brought back ----

@pytest.mark.parametrize("act, status", [(None, "active"), ("pause", "paused"), ("disable", "inactive")])
def test_a_deleted_workflow_comes_back_as_it_was(admin, made, act, status):
    path = f"{BASE}/{made['id']}"
    if act == "pause":
        admin.ok("POST", f"{path}/pause")
    elif act == "disable":
        admin.ok("PATCH", path, json={"is_enabled": False})
    latest = admin.execute(made["id"], wait=20)["run_id"] if act is None else None
    gone = admin.ok("DELETE", path)
    back = admin.ok("POST", f"{path}/undelete")
    assert (back["status"], back["deleted_at"], back["version"]) == (status, None, 1)
    for shown in (gone, back):  # as GET shows it
        assert (shown["latest_run"] and shown["latest_run"]["run_id"]) == latest and made.keys() <= shown.keys()
    assert admin.ok("GET", path)["steps"] == made["steps"]
    assert made["id"] in [w["id"] for w in admin.ok("GET", BASE, params={"search": made["name"]})["items"]]
    entry = admin.ok("GET", "/api/v1/audit-logs", params={"entity_type": "workflow", "entity_id": made["id"], "limit": 1})["items"][0]
    assert (entry["action"], entry["changes"]) == ("undeleted", {"status": status})
    again = admin.post(f"{path}/undelete")
    assert again.status_code == 200 and again.headers["ETag"] == admin.post(f"{path}/undelete").headers["ETag"]
    if status == "active":
        assert admin.execute(made["id"], wait=20)["status"] == "completed"


def test_a_name_that_was_taken_meanwhile(admin, made):
    path = f"{BASE}/{made['id']}"
    admin.ok("DELETE", path)
    admin.ok("POST", BASE, json={"name": made["name"], "steps": [log("a", "x")]})
    answer = admin.post(f"{path}/undelete")
    assert answer.status_code == 409 and answer.json()["error_code"] == "WORKFLOW_NAME_TAKEN"
    assert admin.ok("GET", path)["status"] == "deleted"


def test_many_deleted_at_once_come_back_too(admin, made):
    admin.ok("POST", f"{BASE}/bulk", json={"op": "delete", "ids": [made["id"]]})
    assert admin.ok("POST", f"{BASE}/{made['id']}/undelete")["status"] == "active"


def test_bringing_back_on_condition_and_by_strangers(admin, other, made):
    path = f"{BASE}/{made['id']}"
    old = admin.get(path).headers["ETag"]
    admin.ok("DELETE", path)
    assert admin.post(f"{path}/undelete", headers={"If-Match": old}).status_code == 412
    assert other.post(f"{path}/undelete").status_code == 404
    assert admin.post(f"{path}/undelete", headers={"If-Match": "*"}).status_code == 200


def test_bringing_back_by_key(admin, made):
    path, key = f"{BASE}/{made['id']}", {"Idempotency-Key": uuid.uuid4().hex}
    admin.ok("DELETE", path)
    first = admin.post(f"{path}/undelete", headers=key)
    assert first.status_code == 200
    admin.ok("DELETE", path)
    again = admin.post(f"{path}/undelete", headers=key)
    assert again.json() == first.json() and again.headers["Idempotency-Replayed"] == "true"
    assert admin.ok("GET", path)["status"] == "deleted"
    copy = admin.ok("POST", BASE, json={"name": f"v-{uuid.uuid4().hex[:10]}", "steps": [log("a", "x")]})
    assert admin.post(f"{BASE}/{copy['id']}/undelete", headers=key).json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"
