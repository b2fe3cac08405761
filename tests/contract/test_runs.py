"""Runs: reading them from every side, and what can be done to them."""
RUNS = "/api/v1/runs"


def test_lists_by_every_filter(admin, things):
    run = admin.run(things.completed())
    for query in (f"workflow_id={run['workflow_id']}", f"workflow_id=wf_{run['workflow_id']}",
                  f"triggered_by={run['triggered_by']}", f"correlation_id={run['correlation_id']}",
                  "status=completed", f"from={run['created_at']}", "to=2100-01-01T00:00:00Z"):
        found = admin.ok("GET", f"{RUNS}?{query}&limit=1000")
        assert run["id"] in [r["id"] for r in found["items"]], query
    for query in ("workflow_id=9007199254740991", "triggered_by=nobody", "correlation_id=none",
                  "to=2000-01-01T00:00:00Z", "from=2100-01-01T00:00:00Z"):
        assert admin.ok("GET", f"{RUNS}?{query}")["items"] == [], query


def test_one_run_is_whole(admin, things):
    run = things.completed()
    for path in (f"{RUNS}/{run}", f"{RUNS}/run_{run}", f"/api/v1/workflows/executions/{run}",
                 f"/api/v1/workflows/executions/execution_{run}"):
        body = admin.ok("GET", path)
        assert body["id"] == run and body["status"] == "completed" and body["is_terminal"] is True
        assert body["result_data"]["hello"]["message"] == "hello you"


def test_steps_in_both_shapes(admin, things):
    run = things.completed()
    listed = admin.ok("GET", f"{RUNS}/{run}/steps")["items"]
    bare = admin.get(f"/api/v1/workflows/executions/{run}/steps")
    assert [s["id"] for s in bare.json()] == [s["id"] for s in listed]
    assert bare.headers["X-Total-Count"] == "1"
    step = listed[0]
    assert step["step_name"] == "hello" and step["step_order"] == 1 and step["status"] == "completed"
    assert step["output_data"]["message"] == "hello you"


def test_logs_and_history(admin, things):
    run = things.completed()
    lines = admin.ok("GET", f"{RUNS}/{run}/logs")["items"]
    assert any(line["message"] == "hello you" and line["step"] == "hello" for line in lines)
    only = admin.ok("GET", f"{RUNS}/{run}/logs?step=hello&level=INFO")["items"]
    assert only and all(line["step"] == "hello" for line in only)
    rest = admin.ok("GET", f"{RUNS}/{run}/logs?after={lines[0]['id']}")["items"]
    assert [line["id"] for line in rest] == [line["id"] for line in lines[1:]]
    events = admin.ok("GET", f"{RUNS}/{run}/events")["items"]
    kinds = [e["kind"] for e in events]
    assert kinds[0] == "created" and kinds[-1] == "completed" and "step.completed" in kinds
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    rest = admin.ok("GET", f"{RUNS}/{run}/events?after={events[1]['id']}")["items"]
    assert [e["seq"] for e in rest] == [e["seq"] for e in events[2:]]


def test_failed_runs_say_why(admin, things):
    run = things.new_failed()
    body = admin.run(run)
    assert body["error"]["step"] == "fail" and body["error"]["message"]
    steps = {s["step_name"]: s for s in admin.steps(run)}
    assert steps["fail"]["status"] == "failed" and steps["fail"]["error"]["type"] == "expression"


def test_cancel_pause_resume(admin, things):
    run = things.new_sleeping()
    path = f"{RUNS}/{run}"
    assert admin.post(f"{path}/resume").json()["error_code"] == "RUN_NOT_PAUSED"
    paused = admin.post(f"{path}/pause", {"reason": "lunch"})
    assert paused.status_code == 202 and paused.json()["run_id"] == run
    admin.wait_run(run, until="paused")
    assert admin.post(f"{path}/pause").status_code == 202
    assert admin.post(f"{path}/resume", {"reason": "after lunch"}).status_code == 202
    admin.wait_run(run, until="running")
    assert admin.post(f"{path}/cancel", {"reason": "enough"}).status_code == 202
    assert admin.wait_run(run)["status"] == "cancelled"
    assert admin.run(run)["cancelled_by"]
    for act in ("cancel", "pause", "resume"):
        refused = admin.post(f"{path}/{act}")
        assert refused.status_code == 409 and refused.json()["error_code"] == "RUN_NOT_ACTIVE", act


def test_retry(admin, things):
    run = things.new_failed()
    path = f"{RUNS}/{run}/retry"
    assert admin.post(path, {"from_step": "nothing"}).json()["error_code"] == "STEP_NOT_FOUND"
    again = admin.post(path, {"input": {"missing": "found"}})
    assert again.status_code == 202
    body = admin.wait_run(run)
    assert body["status"] == "completed" and body["retry_count"] == 1 and body["id"] == run
    assert admin.post(path).json()["error_code"] == "RUN_NOT_RETRYABLE"


def test_retry_from_a_step_execution(admin, things):
    run = things.new_failed()
    failed = [s for s in admin.steps(run) if s["status"] == "failed"][0]
    path = f"/api/v1/workflows/steps/{failed['id']}/retry"
    assert admin.post(path, {"input": {"missing": "found"}}).status_code == 202
    assert admin.wait_run(run)["status"] == "completed"
    refused = admin.post(path)
    assert refused.status_code == 409 and refused.json()["error_code"] == "RUN_NOT_RETRYABLE"


def test_bodies_of_acts_are_checked(admin, things):
    run = things.completed()
    for act in ("cancel", "pause", "resume", "retry"):
        answer = admin.post(f"{RUNS}/{run}/{act}", {"raeson": "x"})
        assert answer.status_code == 400 and "raeson" in answer.json()["details"], act
