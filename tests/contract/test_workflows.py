"""Workflows: making, reading, changing, deleting, versions, starting."""
import uuid

import pytest

BASE = "/api/v1/workflows"

# S4's own example
DOCUMENTS = {
    "name": "Document Processing Pipeline",
    "description": "Complete document processing with OCR, validation, and notification",
    "workflow_config": {"steps": [
        {"name": "validate_upload", "type": "file_process",
         "config": {"action": "validate", "file_id": "{{trigger.file_id}}",
                    "allowed_types": ["pdf", "jpg", "png"], "max_size_mb": 10}},
        {"name": "extract_text", "type": "file_process",
         "config": {"action": "ocr_extract", "file_id": "{{trigger.file_id}}", "language": "en"}},
        {"name": "validate_content", "type": "conditional",
         "config": {"condition": "{{steps.extract_text.word_count}} > 10",
                    "true_action": {"type": "log", "config": {"message": "Content validation passed"}},
                    "false_action": {"type": "log", "config": {"message": "Content validation failed",
                                                               "level": "warning"}}}},
        {"name": "save_to_database", "type": "http_request",
         "config": {"url": "https://api.internal.com/documents", "method": "POST",
                    "headers": {"Authorization": "Bearer {{env.DATABASE_API_TOKEN}}"},
                    "data": {"file_id": "{{trigger.file_id}}",
                             "extracted_text": "{{steps.extract_text.content}}",
                             "word_count": "{{steps.extract_text.word_count}}",
                             "processed_at": "{{execution_id}}"},
                    "expected_status": [200, 201]}},
        {"name": "send_notification", "type": "notification",
         "config": {"type": "webhook", "webhook_url": "{{env.NOTIFICATION_WEBHOOK_URL}}",
                    "message": "Document {{trigger.file_id}} processed successfully. "
                               "Database ID: {{steps.save_to_database.json.id}}"}}]},
    "trigger_on_file_upload": True,
    "trigger_file_extensions": "pdf,jpg,jpeg,png",
    "timeout_seconds": 300,
    "max_retries": 2,
}


def fresh(**more):
    return {"name": f"w-{uuid.uuid4().hex[:10]}", "steps": [{"type": "noop"}], **more}


def test_the_seeds_example_is_taken_as_it_stands(admin):
    made = admin.post(BASE, DOCUMENTS)
    assert made.status_code == 201
    body = made.json()
    assert made.headers["Location"] == f"{BASE}/{body['id']}"
    read = admin.ok("GET", f"{BASE}/{body['id']}")
    assert read["workflow_config"] == DOCUMENTS["workflow_config"]
    assert read["trigger_on_file_upload"] is True
    assert read["timeout_seconds"] == 300 and read["max_retries"] == 2
    assert [s["name"] for s in read["steps"]] == [s["name"] for s in DOCUMENTS["workflow_config"]["steps"]]
    assert read["latest_run"] is None
    assert admin.delete(f"{BASE}/{body['id']}").status_code == 200


@pytest.mark.parametrize("member", ["steps", "definition", "workflow_config"])
def test_steps_may_come_under_each_of_their_names(admin, member):
    steps = [{"name": "a", "type": "noop"}]
    body = fresh()
    del body["steps"]
    body[member] = steps if member == "steps" else {"steps": steps}
    read = admin.ok("POST", BASE, json=body)
    assert read["workflow_config"] == {"steps": steps}
    assert read["steps"][0]["name"] == "a"


def test_the_same_steps_twice_are_one_definition_and_different_ones_a_fault(admin):
    steps = [{"name": "a", "type": "noop"}]
    assert admin.post(BASE, fresh(steps=steps, workflow_config={"steps": steps})).status_code == 201
    answer = admin.post(BASE, fresh(steps=steps, workflow_config={"steps": [{"name": "b", "type": "noop"}]}))
    assert answer.status_code == 400 and "steps" in answer.json()["details"]


def test_the_definition_comes_back_as_it_was_written(admin):
    text = ('{"name": "' + fresh()["name"] + '", "workflow_config": {"steps": [{"name": "a", "type": "log", '
            '"config": {"message": "x"}, "output": {"n": 1E2, "z": -0, "big": 9007199254740993}}]}}')
    made = admin.post(BASE, data=text, headers={"Content-Type": "application/json"})
    assert made.status_code == 201, made.text
    assert '"n": 1E2, "z": -0, "big": 9007199254740993' in admin.get(made.headers["Location"]).text


@pytest.mark.parametrize("name", [" ", "\t", "\u00a0\u3000", "\u200b", "a\nb", "a\n", "a\u007f", "a\u0085b"])
def test_a_name_can_be_seen(admin, name):
    path = f"{BASE}/{admin.ok('POST', BASE, json=fresh())['id']}"
    for answer in (admin.post(BASE, fresh(name=name)), admin.patch(path, {"name": name}), admin.put(path, {"name": name}),
                   admin.post(f"{BASE}/validate", fresh(name=name)),
                   admin.post("/api/v1/sagas/start", {"saga_type": "t", "input_data": {"workflow_config": fresh(name=name)}})):
        assert answer.status_code == 400, answer.text
        (member, faults), = answer.json()["details"].items()
        assert member in ("name", "input_data.workflow_config.name") and "visible character" in faults[0]


@pytest.mark.parametrize("name", [" a ", "日本", "a\u0301", "\U0001f600", "-"])
def test_other_names_are_taken(admin, name):
    name += uuid.uuid4().hex
    assert admin.ok("POST", BASE, json=fresh(name=name))["name"] == name


def test_a_name_is_unique_until_its_workflow_is_deleted(admin):
    body = fresh()
    first = admin.ok("POST", BASE, json=body)
    again = admin.post(BASE, body)
    assert again.status_code == 409
    assert again.json()["error_code"] == "WORKFLOW_NAME_TAKEN"
    assert "name" in again.json()["details"]
    other = admin.ok("POST", BASE, json=fresh())
    for method in (admin.put, admin.patch):
        assert method(f"{BASE}/{other['id']}", {"name": body["name"]}).json()["error_code"] == "WORKFLOW_NAME_TAKEN"
    assert admin.delete(f"{BASE}/{first['id']}").status_code == 200
    assert admin.post(BASE, body).status_code == 201


def test_a_starting_post_starts_a_run_and_uses_what_is_there(admin):
    body = fresh(steps=[{"name": "a", "type": "log", "config": {"message": "{{trigger.x}}"}}])
    first = admin.ok("POST", BASE, json={**body, "input": {"x": 1}})
    assert first["run_id"] == first["execution_id"] == first["run"]["id"]
    assert admin.wait_run(first["run_id"])["status"] == "completed"
    second = admin.ok("POST", BASE, json={**body, "start": True, "trigger_data": {"x": 2}})
    assert second["id"] == first["id"] and second["version"] == first["version"]
    assert second["run_id"] != first["run_id"]
    body["steps"][0]["config"]["message"] = "other {{trigger.x}}"
    third = admin.ok("POST", BASE, json={**body, "parameters": {"x": 3}})
    assert third["id"] == first["id"] and third["version"] == first["version"] + 1
    assert admin.run(third["run_id"])["version"] == third["version"]
    clash = admin.post(BASE, {**body, "input": {"x": 1}, "input_data": {"x": 2}})
    assert clash.status_code == 400 and "input_data" in clash.json()["details"]


def test_a_starting_post_of_an_inactive_workflow_is_refused(admin):
    body = fresh(is_enabled=False)
    assert admin.ok("POST", BASE, json=body)["status"] == "inactive"
    answer = admin.post(BASE, {**body, "start": True})
    assert answer.status_code == 409 and answer.json()["error_code"] == "WORKFLOW_NOT_ACTIVE"


def test_put_and_patch_keep_what_is_absent_and_null_clears(admin):
    made = admin.ok("POST", BASE, json=fresh(description="d", tags=["a", "b"], timeout_seconds=60))
    path = f"{BASE}/{made['id']}"
    for method in (admin.put, admin.patch):
        changed = method(path, {"description": "e"}).json()
        assert changed["description"] == "e" and changed["tags"] == ["a", "b"]
        assert changed["version"] == made["version"]
    cleared = admin.patch(path, {"description": None, "tags": "x, y"}).json()
    assert cleared["description"] is None and sorted(cleared["tags"]) == ["x", "y"]
    answer = admin.put(path, {"name": None})
    assert answer.status_code == 400 and "name" in answer.json()["details"]


def test_a_changed_definition_makes_a_version(admin):
    made = admin.ok("POST", BASE, json=fresh(timeout_seconds=60))
    path = f"{BASE}/{made['id']}"
    same = admin.put(path, {"steps": [{"type": "noop"}]}).json()
    assert same["version"] == 1
    changed = admin.put(path, {"steps": [{"name": "x", "type": "noop"}]}).json()
    assert changed["version"] == 2 and changed["steps"][0]["name"] == "x"
    assert changed["timeout_seconds"] == 60
    longer = admin.patch(path, {"timeout_seconds": 90}).json()
    assert longer["version"] == 3 and longer["timeout_seconds"] == 90 and longer["steps"][0]["name"] == "x"
    versions = admin.ok("GET", f"{path}/versions")
    assert [v["version"] for v in versions["items"]] == [3, 2, 1]
    assert admin.ok("GET", f"{path}/versions/1")["steps"][0]["name"] == "noop_1"
    assert admin.get(f"{path}/versions/4").json()["error_code"] == "VERSION_NOT_FOUND"


def test_what_was_read_can_be_edited_and_sent_back(admin):
    made = admin.ok("POST", BASE, json=fresh())
    path = f"{BASE}/{made['id']}"
    read = admin.ok("GET", path)
    unchanged = admin.put(path, read)
    assert unchanged.status_code == 200, unchanged.text
    assert unchanged.json()["version"] == 1
    read["workflow_config"]["steps"][0]["name"] = "by_config"
    assert admin.put(path, read).json()["steps"][0]["name"] == "by_config"
    read = admin.ok("GET", path)
    read["steps"][0]["name"] = "by_steps"
    assert admin.put(path, read).json()["steps"][0]["name"] == "by_steps"
    read = admin.ok("GET", path)
    read["workflow_config"]["steps"][0]["name"] = "one"
    read["steps"][0]["name"] = "two"
    both = admin.put(path, read)
    assert both.status_code == 400 and "steps" in both.json()["details"]


def test_is_enabled_switches_the_workflow_off_and_on(admin):
    made = admin.ok("POST", BASE, json=fresh())
    path = f"{BASE}/{made['id']}"
    assert admin.patch(path, {"is_enabled": False}).json()["status"] == "inactive"
    refused = admin.post(f"{path}/execute")
    assert refused.status_code == 409 and refused.json()["error_code"] == "WORKFLOW_NOT_ACTIVE"
    assert admin.post(f"{path}/pause").json()["error_code"] == "WORKFLOW_NOT_ACTIVE"
    assert admin.post(f"{BASE}/bulk", {"op": "execute", "workflow_id": made["id"], "items": [{}]}
                      ).json()["error_code"] == "WORKFLOW_NOT_ACTIVE"
    assert admin.patch(path, {"is_enabled": True}).json()["status"] == "active"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_status_is_changed_as_is_enabled_is(admin, method):
    path = f"{BASE}/{admin.ok('POST', BASE, json=fresh())['id']}"
    change = lambda **members: admin.request(method, path, json=members)
    # what was read, with one of the two edited: that one counts
    for edited in ({"status": "inactive"}, {"status": "active"}, {"is_enabled": False}, {"is_enabled": True}):
        got = change(**{**admin.ok("GET", path), **edited}).json()
        assert {m: got[m] for m in edited} == edited and got["is_enabled"] is (got["status"] == "active")
    for by_act in ("paused", "deleted"):
        assert change(status=by_act).json()["error_code"] == "WORKFLOW_STATUS_BY_ACT"
    assert change(status="asleep").json()["details"]["status"]
    assert admin.post(f"{path}/pause").status_code == 202
    assert change(**{**admin.ok("GET", path), "description": "x"}).json()["status"] == "paused"
    assert change(status="active").json()["error_code"] == "WORKFLOW_STATUS_BY_ACT"
    assert change(status="inactive").json()["status"] == "inactive"


def test_deleting_cancels_active_runs_and_keeps_the_row_readable(admin, things):
    made = things.new_workflow(things.SLOW)
    run = things.new_sleeping(made["id"])
    path = f"{BASE}/{made['id']}"
    gone = admin.delete(path)
    assert gone.status_code == 200
    assert gone.json()["status"] == "deleted" and gone.json()["cancelled_run_ids"] == [run]
    assert admin.wait_run(run)["status"] == "cancelled"
    assert admin.ok("GET", path)["status"] == "deleted"
    names = [w["name"] for w in admin.ok("GET", f"{BASE}?limit=1000")["items"]]
    assert made["name"] not in names
    listed = admin.ok("GET", f"{BASE}?status=DELETED&limit=1000")["items"]
    assert made["name"] in [w["name"] for w in listed]
    for method in (admin.put, admin.patch):
        refused = method(path, {"description": "x"})
        assert refused.status_code == 409 and refused.json()["error_code"] == "WORKFLOW_DELETED"


def test_what_stands_beside_the_steps_is_read_and_kept(admin):
    steps = [{"name": "a", "type": "set", "config": {"n": "{{vars.n + 1}}"}}]
    beside = {"vars": {"n": 1}, "output": "{{vars.n}}"}
    for made in (admin.ok("POST", BASE, json={"name": uuid.uuid4().hex, "steps": steps, "timeout_seconds": 60, **beside}),
                 admin.ok("POST", BASE, json={"name": uuid.uuid4().hex, "definition": {"steps": steps, **beside}, "timeout_seconds": 60})):
        path = f"{BASE}/{made['id']}"
        assert made["workflow_config"] == {"steps": steps, **beside} and made["timeout_seconds"] == 60
        assert admin.ok("GET", f"{path}/versions/1")["workflow_config"] == made["workflow_config"]
        assert admin.ok("PUT", path, json=made)["version"] == 1  # what was read says nothing new
        # other steps alone: the rest stays, and a run has it
        more = [*steps, {"name": "b", "type": "set", "config": {"n": "{{vars.n * 10}}"}}]
        changed = admin.ok("PATCH", path, json={"steps": more})
        assert changed["workflow_config"] == {"steps": more, **beside} and changed["version"] == 2
        assert admin.ok("POST", f"{path}/execute?wait=30", json={})["run"]["result_data"] == 20
        # a part of the rest alone
        changed = admin.ok("PATCH", path, json={"vars": {"n": 2}})
        assert changed["workflow_config"] == {"steps": more, **beside, "vars": {"n": 2}} and changed["version"] == 3
        assert admin.ok("POST", f"{path}/execute?wait=30", json={})["run"]["result_data"] == 30
        # another config says all there is
        changed = admin.ok("PATCH", path, json={"workflow_config": {"steps": [{"name": "c", "type": "noop"}]}})
        assert changed["workflow_config"] == {"steps": [{"name": "c", "type": "noop"}]} and changed["timeout_seconds"] == 60
        assert admin.ok("POST", f"{path}/execute?wait=30", json={})["run"]["vars"] is None


def test_list_filters(admin):
    mark = uuid.uuid4().hex[:8]
    one = admin.ok("POST", BASE, json=fresh(tags=[mark, "one"], description=f"says {mark}"))
    two = admin.ok("POST", BASE, json=fresh(tags=[mark], is_enabled=False))

    def ids(query):
        return sorted(w["id"] for w in admin.ok("GET", f"{BASE}?{query}")["items"])

    assert ids(f"tag={mark}") == sorted([one["id"], two["id"]])
    assert ids(f"tag={mark},one") == [one["id"]]
    assert ids(f"tag={mark}&status=inactive") == [two["id"]]
    assert ids(f"tag={mark}&status=Active,INACTIVE") == sorted([one["id"], two["id"]])
    assert ids(f"search=SAYS+{mark}") == [one["id"]]
    assert ids(f"tag={mark}&owner={one['created_by']}") == sorted([one["id"], two["id"]])
    assert ids(f"tag={mark}&owner=nobody") == []


def test_execute_answers_at_once_or_waits(admin, things):
    path = f"{BASE}/{things.quick}/execute"
    answer = admin.post(path, {"trigger_data": {"name": "you"}})
    assert answer.status_code == 202
    assert answer.json()["execution_id"] == answer.json()["run_id"]
    waited = admin.ok("POST", f"{path}?wait=20", json={"input": {"name": "x"}})
    assert waited["run"]["status"] == "completed" and waited["status"] == "completed"
    assert waited["run"]["input_data"] == {"name": "x"}
    early = admin.ok("POST", f"{BASE}/{things.slow}/execute?wait=1", json={})
    assert early["run"]["is_terminal"] is False
    later = admin.ok("POST", path, json={"run_at": "2100-01-01T00:00:00Z", "priority": 5, "version": 1})
    run = admin.run(later["run_id"])
    assert run["status"] == "pending" and run["priority"] == 5
    wrong = admin.post(path, {"version": 999})
    assert wrong.status_code == 404 and wrong.json()["error_code"] == "VERSION_NOT_FOUND"
    for body in ({"priority": 1000}, {"run_at": "soon"}, {"input": []}, {"inputs": {}}, {"version": 2 ** 31}):
        answer = admin.post(path, body)
        assert answer.status_code == 400 and set(answer.json()["details"]) == set(body), answer.text


def test_a_run_that_starts_with_its_workflow_keeps_its_input_as_written(admin):
    text = '{"name": "%s", "steps": [{"type": "noop"}], "input": {"n": 1E2, "z": -0}}' % fresh()["name"]
    made = admin.ok("POST", BASE, data=text, headers={"Content-Type": "application/json"})
    assert '{"n": 1E2, "z": -0}' in admin.get(f"/api/v1/runs/{made['run_id']}").text


def test_bulk_starts_many_in_one_commit(admin, things):
    body = {"op": "execute", "workflow_id": f"wf_{things.quick}", "items": [{"input": {"name": i}} for i in range(50)]}
    answer = admin.post(f"{BASE}/bulk", body)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 50 and len(set(answer.json()["run_ids"])) == 50
    assert admin.wait_run(answer.json()["run_ids"][-1])["input_data"] == {"name": 49}
    for nobody in (9007199254740991, "wf_9999999999999999", "9999999999999999"):
        answer = admin.post(f"{BASE}/bulk", {**body, "workflow_id": nobody})
        assert answer.status_code == 404, answer.text
    for bad in ({"items": []}, {"items": [1]}, {"op": "explode"}, {"workflow_id": "run_1"}, {"items": [{}] * 10001}):
        assert admin.post(f"{BASE}/bulk", {**body, **bad}).status_code == 400


def test_executions_and_logs(admin, things):
    run = things.completed()
    answer = admin.get(f"{BASE}/{things.quick}/executions?status=COMPLETED&limit=2")
    assert answer.status_code == 200 and isinstance(answer.json(), list)
    assert int(answer.headers["X-Total-Count"]) >= 1
    assert admin.ok("GET", f"{BASE}/{things.quick}/executions?status=failed") == []
    logs = admin.ok("GET", f"{BASE}/{things.quick}/logs?level=info&step=hello")
    assert any(line["run_id"] == run for line in logs["items"]) or logs["next_cursor"]


def test_pause_resume_cancel(admin, things):
    made = things.new_workflow(things.SLOW)
    path = f"{BASE}/{made['id']}"
    assert admin.post(f"{path}/cancel").json()["error_code"] == "NO_ACTIVE_RUN"
    assert admin.post(f"{path}/resume").json()["error_code"] == "WORKFLOW_NOT_PAUSED"
    run = things.new_sleeping(made["id"])
    paused = admin.post(f"{path}/pause", {"reason": "lunch"})
    assert paused.status_code == 202 and paused.json()["status"] == "paused"
    admin.wait_run(run, until="paused")
    assert admin.post(f"{path}/execute").json()["error_code"] == "WORKFLOW_NOT_ACTIVE"
    assert admin.post(f"{path}/resume", {"reason": "after lunch"}).status_code == 202
    admin.wait_run(run, until="running")
    cancelled = admin.post(f"{path}/cancel", {"reason": "enough"})
    assert cancelled.status_code == 202 and run in cancelled.json()["cancelled_run_ids"]
    assert admin.wait_run(run)["status"] == "cancelled"


def test_validate_stores_nothing(admin):
    before = admin.ok("GET", BASE)["total"]
    good = admin.ok("POST", f"{BASE}/validate", json=DOCUMENTS)
    assert good["valid"] is True and len(good["steps"]) == 5
    bad = admin.post(f"{BASE}/validate", fresh(steps=[
        {"name": "a", "type": "log", "config": {"message": "x"}, "depends_on": ["b"]},
        {"name": "b", "type": "log", "config": {"message": "x"}, "depends_on": ["a"]},
        {"name": "b", "type": "strange"}]))
    assert bad.status_code == 400
    assert admin.ok("GET", BASE)["total"] == before


def test_triggers_that_are_not_served_are_refused(admin):
    for extra in ({"trigger_config": {"type": "schedule"}}, {"cron_schedule": "0 9 * * 1"}, {"is_scheduled": True}):
        answer = admin.post(BASE, fresh(**extra))
        assert answer.status_code == 400, extra
    assert admin.post(BASE, fresh(trigger_config={"type": "schedule", "enabled": False}, is_scheduled=False,
                                  cron_schedule=None)).status_code == 201
    made = admin.ok("POST", BASE, json=fresh(trigger_config={"type": "file_upload"}))
    assert made["trigger_on_file_upload"] is True


def test_retry_by_step_name(admin, things):
    path = f"{BASE}/{things.failing}/steps"
    things.new_failed()
    assert admin.post(f"{path}/nothing/retry").json()["error_code"] == "STEP_NOT_FOUND"
    retried = admin.post(f"{path}/fail/retry", {"input": {"missing": "found"}})
    assert retried.status_code == 202, retried.text
    assert admin.wait_run(retried.json()["run_id"])["status"] == "completed"
    made = things.new_workflow()
    answer = admin.post(f"{BASE}/{made['id']}/steps/hello/retry")
    assert answer.status_code == 409 and answer.json()["error_code"] == "RUN_NOT_RETRYABLE"
