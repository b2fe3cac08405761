"""Many runs, and many workflows, with one request: one answer for each."""
import pytest

from support.stack import wait_until

RUNS, WORKFLOWS = "/api/v1/runs/bulk", "/api/v1/workflows/bulk"
NOBODY = 9007199254740991


def by_id(answer):
    assert answer.status_code == 202, answer.text
    return {r["id"]: (r["status"], r["error_code"]) for r in answer.json()["results"]}


def test_runs_by_ids(admin, things, other):
    sleeping, ended = [things.new_sleeping() for _ in range(2)], things.completed()
    ids = [f"run_{sleeping[0]}", str(sleeping[1]), ended, NOBODY]
    want = {sleeping[0]: (202, None), sleeping[1]: (202, None), ended: (409, "RUN_NOT_ACTIVE"), NOBODY: (404, "RUN_NOT_FOUND")}
    dry = admin.post(RUNS, {"op": "cancel", "ids": ids, "dry_run": True})
    assert by_id(dry) == want and [r["id"] for r in dry.json()["results"]] == [*sleeping, ended, NOBODY]
    assert (dry.json()["matched"], dry.json()["accepted"], dry.json()["refused"]) == (3, 2, 2)
    assert admin.run(sleeping[0])["status"] == "running"
    assert by_id(other.post(RUNS, {"op": "cancel", "ids": ids})) == dict.fromkeys(want, (404, "RUN_NOT_FOUND"))
    assert by_id(admin.post(RUNS, {"op": "pause", "ids": ids, "reason": "x"})) == want
    for run in sleeping:
        wait_until(lambda: admin.run(run)["status"] == "paused", message="not paused")
    assert by_id(admin.post(RUNS, {"op": "resume", "ids": ids})) == want
    for run in sleeping:
        wait_until(lambda: admin.run(run)["status"] == "running", message="not resumed")
    assert by_id(admin.post(RUNS, {"op": "resume", "ids": sleeping[:1]})) == {sleeping[0]: (409, "RUN_NOT_PAUSED")}
    assert by_id(admin.post(RUNS, {"op": "cancel", "ids": ids})) == want
    for run in sleeping:
        assert admin.wait_run(run)["status"] == "cancelled"
    assert by_id(admin.post(RUNS, {"op": "retry", "ids": [*sleeping, ended]})) == {
        sleeping[0]: (202, None), sleeping[1]: (202, None), ended: (409, "RUN_NOT_RETRYABLE")}
    for run in sleeping:
        assert admin.run(run)["retry_count"] == 1
        admin.post(f"/api/v1/runs/{run}/cancel")


def test_runs_by_filter(admin, things):
    w = things.new_workflow(things.SLOW)["id"]
    runs = sorted(things.new_sleeping(w) for _ in range(3))
    body = {"op": "cancel", "filter": {"workflow_id": f"wf_{w}", "status": "running"}}
    assert sorted(by_id(admin.post(RUNS, {**body, "dry_run": True}))) == runs
    assert by_id(admin.post(RUNS, {**body, "filter": {"workflow_id": w, "status": ["failed", "paused"]}})) == {}
    assert by_id(admin.post(RUNS, {**body, "filter": {"workflow_id": w, "from": "2100-01-01T00:00:00Z"}})) == {}
    answer = admin.post(RUNS, body, headers={"Idempotency-Key": "bulk-1"})
    assert sorted(by_id(answer)) == runs and answer.json()["truncated"] is False
    for run in runs:
        admin.wait_run(run)
    again = admin.post(RUNS, body, headers={"Idempotency-Key": "bulk-1"})
    assert again.json() == answer.json() and again.headers["Idempotency-Replayed"] == "true"
    assert by_id(admin.post(RUNS, body)) == {}, "a filter means those that the act fits"


def test_workflows_by_ids(admin, things, other):
    ids = [things.new_workflow(things.SLOW)["id"] for _ in range(2)]
    both = dict.fromkeys(ids, (202, None))
    assert by_id(admin.post(WORKFLOWS, {"op": "cancel", "ids": ids})) == dict.fromkeys(ids, (409, "NO_ACTIVE_RUN"))
    assert by_id(other.post(WORKFLOWS, {"op": "delete", "ids": ids})) == dict.fromkeys(ids, (404, "WORKFLOW_NOT_FOUND"))
    started = admin.post(WORKFLOWS, {"op": "execute", "ids": [f"wf_{ids[0]}", ids[1], NOBODY], "input": {"a": 1}})
    assert by_id(started) == {**both, NOBODY: (404, "WORKFLOW_NOT_FOUND")}
    runs = [r["run_ids"][0] for r in started.json()["results"][:2]]
    for run in runs:
        assert admin.wait_run(run, until={"running"})["input_data"] == {"a": 1}
    assert by_id(admin.post(WORKFLOWS, {"op": "pause", "ids": ids})) == both
    for run in runs:
        wait_until(lambda: admin.run(run)["status"] == "paused", message="not paused")
    assert by_id(admin.post(WORKFLOWS, {"op": "execute", "ids": ids})) == dict.fromkeys(ids, (409, "WORKFLOW_NOT_ACTIVE"))
    assert by_id(admin.post(WORKFLOWS, {"op": "resume", "ids": ids})) == both
    assert by_id(admin.post(WORKFLOWS, {"op": "resume", "ids": ids})) == dict.fromkeys(ids, (409, "WORKFLOW_NOT_PAUSED"))
    # one that isn't paused, but whose run is
    admin.wait_run(runs[0], until={"running"})
    assert admin.post(f"/api/v1/runs/{runs[0]}/pause").status_code == 202
    assert by_id(admin.post(WORKFLOWS, {"op": "resume", "ids": ids})) == {ids[0]: (202, None), ids[1]: (409, "WORKFLOW_NOT_PAUSED")}
    dry = admin.post(WORKFLOWS, {"op": "cancel", "ids": ids, "dry_run": True})
    assert [r["run_ids"] for r in dry.json()["results"]] == [[run] for run in runs], "whom the act would reach"
    told = admin.post(WORKFLOWS, {"op": "cancel", "ids": ids})
    assert by_id(told) == both and [r["run_ids"] for r in told.json()["results"]] == [[run] for run in runs]
    for run in runs:
        assert admin.wait_run(run)["status"] == "cancelled"
    dry = admin.post(WORKFLOWS, {"op": "delete", "ids": ids, "dry_run": True})
    assert by_id(dry) == both and admin.ok("GET", f"/api/v1/workflows/{ids[0]}")["status"] == "active"
    assert by_id(admin.post(WORKFLOWS, {"op": "delete", "ids": ids})) == both
    assert admin.ok("GET", f"/api/v1/workflows/{ids[0]}")["status"] == "deleted"


def test_workflows_by_filter(admin, things):
    ids = sorted(things.new_workflow(tags=["bulk-filter"])["id"] for _ in range(3))
    body = {"op": "pause", "filter": {"tag": "bulk-filter"}}
    assert sorted(by_id(admin.post(WORKFLOWS, {**body, "dry_run": True}))) == ids
    assert by_id(admin.post(WORKFLOWS, {**body, "filter": {"tag": "bulk-filter", "owner": "nobody"}})) == {}
    assert by_id(admin.post(WORKFLOWS, {**body, "filter": {"tag": "bulk-filter", "search": "nosuch"}})) == {}
    assert sorted(by_id(admin.post(WORKFLOWS, body))) == ids
    assert by_id(admin.post(WORKFLOWS, body)) == {}
    assert sorted(by_id(admin.post(WORKFLOWS, {"op": "delete", "filter": {"tag": "bulk-filter", "status": "paused"}}))) == ids


def test_many_are_made(admin, things):
    taken = things.new_workflow()["name"]
    items = [{"name": "bulk one", "steps": things.LOG, "tags": "a, b", "retention_days": 5, "is_enabled": False},
             {"name": taken, "steps": things.LOG}, {"name": "bulk one", "steps": things.LOG},
             {"name": "bulk two", "workflow_config": {"steps": things.SLOW, "timeout_seconds": 1E2}}]
    body = {"op": "create", "items": items}
    want = [(201, None), (409, "WORKFLOW_NAME_TAKEN"), (409, "WORKFLOW_NAME_TAKEN"), (201, None)]
    dry = admin.post(WORKFLOWS, {**body, "dry_run": True})
    assert [(r["status"], r["error_code"]) for r in dry.json()["results"]] == want
    answer = admin.post(WORKFLOWS, body)
    assert answer.status_code == 202, answer.text
    results = answer.json()["results"]
    assert [(r["status"], r["error_code"]) for r in results] == want and answer.json()["accepted"] == 2
    one, two = (admin.ok("GET", f"/api/v1/workflows/{results[i]['id']}") for i in (0, 3))
    assert (one["tags"], one["retention_days"], one["status"], one["version"]) == (["a", "b"], 5, "inactive", 1)
    assert two["workflow_config"]["timeout_seconds"] == 100 and len(two["steps"]) == 2
    assert admin.wait_run(admin.execute(two["id"])["run_id"], until={"running"})["version"] == 1
    admin.post(f"/api/v1/workflows/{two['id']}/cancel")
    assert len(admin.ok("GET", f"/api/v1/workflows/{one['id']}/versions")["items"]) == 1


def test_a_thousand_are_made(admin, other, things):
    """As many as may be started; the worker answers others meanwhile."""
    items = [{"name": f"thousand {i}", "steps": things.LOG, "timeout_seconds": 6E2} for i in range(1000)]
    answer = other.post(WORKFLOWS, {"op": "create", "items": items})
    assert answer.status_code == 202 and answer.json()["accepted"] == 1000, answer.text[:2000]
    ids = [r["id"] for r in answer.json()["results"]]
    assert other.ok("GET", f"/api/v1/workflows/{ids[999]}")["name"] == "thousand 999"
    assert other.ok("GET", f"/api/v1/workflows/{ids[0]}")["timeout_seconds"] == 600
    assert other.post(WORKFLOWS, {"op": "delete", "ids": ids}).json()["accepted"] == 1000


def test_the_input_of_an_item_has_three_names(admin, things):
    items = [{"input": {"n": 1}, "input_data": None}, {"input_data": {"n": 1}, "trigger_data": {"n": 1}},
             {"trigger_data": {"n": 1}, "input": None}]
    runs = admin.post(WORKFLOWS, {"op": "execute", "workflow_id": things.quick, "items": items}).json()["run_ids"]
    assert [admin.run(run)["input_data"] for run in runs] == [{"n": 1}] * 3


def test_what_one_may_not_do_to_one(stack, things):
    """Making and deleting workflows takes an editor, many at once too."""
    operator = stack.client(scopes="workflow-management", roles="operator")
    for body in ({"op": "create", "items": [{"name": "x", "steps": things.LOG}]}, {"op": "delete", "ids": [things.quick]}):
        answer = operator.post(WORKFLOWS, body)
        assert answer.status_code == 403 and answer.json()["details"] == {"role": ["must be editor or admin"]}, answer.text
        rows = stack.rows(f"select action from millrace.audit_logs where correlation_id = '{answer.headers['X-Request-ID']}'")
        assert [r["action"] for r in rows] == ["refused"]
    assert operator.post(WORKFLOWS, {"op": "execute", "ids": [things.quick]}).status_code == 202


def test_a_dry_run_of_items(admin, things):
    body = {"op": "execute", "workflow_id": things.quick, "items": [{}] * 7, "dry_run": True}
    before = admin.ok("GET", "/api/v1/runs?limit=1")["total"]
    answer = admin.post(WORKFLOWS, body).json()
    assert (answer["accepted"], answer["run_ids"], answer["dry_run"]) == (7, [], True)
    assert admin.ok("GET", "/api/v1/runs?limit=1")["total"] == before


@pytest.mark.parametrize("body, paths", [
    ({}, {"op"}), ({"op": "cancel"}, {"ids"}), ({"op": "cancel", "ids": [1], "filter": {"status": "failed"}}, {"ids"}),
    ({"op": "cancel", "filter": {}}, {"filter"}), ({"op": "cancel", "ids": []}, {"ids"}),
    ({"op": "explode", "ids": ["x", 0, "wf_1"]}, {"op", "ids[0]", "ids[1]", "ids[2]"}),
    ({"op": "retry", "filter": {"status": "bad", "workflow": 1, "from": "yesterday"}}, {"filter.status", "filter.workflow", "filter.from"}),
    ({"op": "pause", "ids": [1] * 10001}, {"ids"}), ({"op": "pause", "ids": [1], "dry_run": "yes", "why": 1}, {"dry_run", "why"})])
def test_bad_bulks_of_runs(admin, body, paths):
    answer = admin.post(RUNS, body)
    assert answer.status_code == 400 and set(answer.json()["details"]) == paths, answer.text


@pytest.mark.parametrize("body, paths", [
    ({}, {"op"}), ({"op": "delete"}, {"ids"}), ({"op": "delete", "filter": {}}, {"filter"}),
    ({"op": "create"}, {"items"}), ({"op": "execute", "workflow_id": 1}, {"items"}), ({"op": "execute"}, {"ids"}),
    ({"op": "execute", "items": [{}]}, {"workflow_id"}),
    ({"op": "execute", "workflow_id": 1, "items": [{"inputs": 1}, {"input": 1}]}, {"items[0].inputs", "items[1].input"}),
    ({"op": "execute", "workflow_id": 1, "items": [{}], "ids": [1], "input": {}}, {"ids", "input"}),
    ({"op": "delete", "ids": [1], "items": [{}], "workflow_id": 1, "input": {}}, {"items", "workflow_id", "input"}),
    ({"op": "create", "items": [{"name": "x", "steps": [{"type": "nosuch"}]}, {"steps": [{"type": "noop"}]}, {"name": "y"}]},
     {"items[1].name"}),
    ({"op": "create", "items": [{"name": "x", "steps": [{"type": "nosuch"}]}, {"name": "y", "steps": [{"type": "noop"}], "start": True}]},
     {"items[0].steps[0].type", "items[1].start"}),
    ({"op": "create", "items": [{"name": "x", "steps": [{"type": "noop"}]}], "ids": [1], "filter": {"tag": "x"}}, {"ids", "filter"}),
    ({"op": "execute", "workflow_id": 1, "items": [{"input": {"a": 1}, "input_data": {"a": 2}, "trigger_data": {"a": 1}}]},
     {"items[0].input_data"}),
    ({"op": "create", "items": [{"name": "\t", "steps": [{"type": "noop"}]}]}, {"items[0].name"}),
    ({"op": "create", "items": [{"name": "x", "steps": [{"type": "noop"}]}] * 10001}, {"items"})])
def test_bad_bulks_of_workflows(admin, body, paths):
    answer = admin.post(WORKFLOWS, body)
    assert answer.status_code == 400 and set(answer.json()["details"]) == paths, answer.text
