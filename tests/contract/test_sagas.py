"""Sagas: started from a workflow, from a definition, from an execution that is there; listed, read, cancelled."""
import pytest

from support.stack import wait_until

STEPS = [{"name": "one", "type": "log", "config": {"message": "{{trigger.order}}"}}]


def start(client, input_data, **more):
    return client.post("/api/v1/sagas/start", {"saga_type": "workflow_execution", "input_data": input_data, **more})


def test_an_id_may_be_written_as_any_whole_number(admin, things):
    assert start(admin, {"workflow_id": float(things.quick)}).status_code == 201


def test_from_a_workflow(admin, things):
    w = things.new_workflow(STEPS)["id"]
    answer = start(admin, {"workflow_id": f"wf_{w}", "order": 7}, correlation_id="order-7", tenant_id="automation-services")
    assert answer.status_code == 201, answer.text
    saga = answer.json()
    assert answer.headers["Location"] == f"/api/v1/sagas/{saga['saga_id']}" and saga["steps"] == []
    assert (saga["saga_type"], saga["correlation_id"], saga["tenant_id"], saga["workflow_id"], saga["status"]) == (
        "workflow_execution", "order-7", "automation-services", w, "pending")
    run = admin.wait_run(saga["run_id"])
    assert (run["status"], run["mode"], run["correlation_id"], run["input_data"]["order"]) == ("completed", "saga", "order-7", 7)
    read = admin.get(f"/api/v1/sagas/{saga['id']}")
    assert read.headers["ETag"] and read.json()["status"] == "completed" and read.json()["is_terminal"]
    assert [(s["step_name"], s["status"]) for s in read.json()["steps"]] == [("one", "completed")]
    for path in ("/api/v1/sagas/", "/api/v1/sagas?correlation_id=order-7", "/api/v1/sagas?saga_type=workflow_execution&status=COMPLETED"):
        assert saga["id"] in [i["id"] for i in admin.ok("GET", path)["items"]], path
    assert admin.ok("GET", "/api/v1/sagas?saga_type=nosuch")["total"] == 0


def test_from_a_definition(admin):
    config = {"workflow_config": {"steps": STEPS}, "order": 1, "timeout_seconds": 600}
    first, second = (start(admin, config, correlation_id="c").json() for _ in range(2))
    assert first["workflow_id"] == second["workflow_id"] and first["workflow_name"] == "saga: workflow_execution"
    assert second["version"] == first["version"]
    changed = start(admin, {**config, "timeout_seconds": 601}).json()
    assert changed["version"] == first["version"] + 1
    assert admin.wait_run(first["run_id"])["status"] == "completed"
    named = start(admin, {"workflow_config": {"name": "a saga of its own", "steps": STEPS}, "order": 1}).json()
    assert named["workflow_name"] == "a saga of its own"


def test_a_timeout_counts(admin, things):
    w = things.slow
    saga = start(admin, {"workflow_id": w, "timeout_seconds": 1}).json()
    run = admin.wait_run(saga["run_id"])
    assert run["status"] == "timed_out" and run["error"]["message"] == "the run did not end within its timeout"
    again = admin.ok("POST", f"/api/v1/runs/{saga['run_id']}/rerun")
    assert admin.wait_run(again["run_id"])["status"] == "timed_out"
    inline = start(admin, {"workflow_config": {"steps": things.SLOW}, "timeout_seconds": 1.0}).json()
    assert admin.wait_run(inline["run_id"])["status"] == "timed_out"
    for seconds in (600, 6E2, None):
        long = start(admin, {"workflow_id": things.quick, "timeout_seconds": seconds}).json()
        assert admin.wait_run(long["run_id"])["status"] == "completed"


def test_what_a_cancel_undoes(admin, things):
    """Nothing: compensation is for runs that fail, and a timeout is a failure. What the end has to do is done."""
    steps = [{"name": "book", "type": "log", "config": {"message": "booked"},
              "compensate": {"name": "unbook", "type": "log", "config": {"message": "unbooked"}}},
             {"name": "sleep", "type": "delay", "config": {"seconds": 3600}}]
    last = [{"name": "last", "type": "log", "config": {"message": "over"}}]
    w = things.new_workflow(steps, mode="saga", **{"finally": last})["id"]

    def ended(saga):
        run = admin.wait_run(saga["run_id"])
        return run["status"], {s["path"]: s["status"] for s in admin.ok("GET", f"/api/v1/sagas/{saga['id']}")["steps"]}

    saga = start(admin, {"workflow_id": w}).json()
    wait_until(lambda: [s for s in admin.ok("GET", f"/api/v1/sagas/{saga['id']}")["steps"] if s["status"] == "waiting"],
               message="it does not sleep")
    assert admin.post(f"/api/v1/sagas/{saga['id']}/cancel", {"reason": "enough"}).status_code == 202
    assert ended(saga) == ("cancelled", {"book": "completed", "sleep": "cancelled", "finally/last": "completed"})
    assert ended(start(admin, {"workflow_id": w, "timeout_seconds": 1}).json()) == (
        "compensated", {"book": "compensated", "sleep": "cancelled", "book/compensate/unbook": "completed", "finally/last": "completed"})


def test_from_an_execution(admin, things, other):
    w = things.slow
    run = things.new_sleeping(w)
    before = admin.ok("GET", "/api/v1/runs?limit=1")["total"]
    answer = start(admin, {"execution_id": run, "workflow_id": w, "workflow_config": {}, "timeout_seconds": 600},
                   correlation_id="workflow-1-execution-2", tenant_id="x")
    assert answer.status_code == 201, answer.text
    assert answer.json()["saga_id"] == run and answer.json()["correlation_id"] == "workflow-1-execution-2"
    assert admin.ok("GET", "/api/v1/runs?limit=1")["total"] == before, "it isn't started again"
    assert admin.run(run)["mode"] == "saga"
    other_workflow = start(admin, {"execution_id": run, "workflow_id": things.quick})
    assert other_workflow.status_code == 409 and other_workflow.json()["error_code"] == "CONFLICT"
    assert str(w) in other_workflow.json()["details"]["input_data.workflow_id"][0]
    for client, id in ((other, run), (admin, 9007199254740991)):
        assert start(client, {"execution_id": id}).json()["error_code"] == "RUN_NOT_FOUND"
    cancelled = admin.post(f"/api/v1/sagas/{run}/cancel", {"reason": "enough"})
    assert cancelled.status_code == 202 and cancelled.json()["saga_id"] == run
    assert admin.wait_run(run)["status"] == "cancelled"
    assert admin.post(f"/api/v1/sagas/{run}/cancel").json()["error_code"] == "RUN_NOT_ACTIVE"


def test_what_is_no_saga(admin, other, things):
    run = things.completed()
    for method, path in (("GET", f"/api/v1/sagas/{run}"), ("POST", f"/api/v1/sagas/{run}/cancel")):
        assert admin.request(method, path).json()["error_code"] == "SAGA_NOT_FOUND"
    assert start(other, {"workflow_id": things.quick}).json()["error_code"] == "WORKFLOW_NOT_FOUND"
    assert other.ok("GET", "/api/v1/sagas")["items"] == []
    w = things.new_workflow()["id"]
    admin.ok("POST", f"/api/v1/workflows/{w}/pause")
    assert start(admin, {"workflow_id": w}).json()["error_code"] == "WORKFLOW_NOT_ACTIVE"


def test_a_key(admin, things):
    body = {"saga_type": "t", "input_data": {"workflow_id": things.quick}}
    first, second = (admin.post("/api/v1/sagas/start", body, headers={"Idempotency-Key": "saga-1"}) for _ in range(2))
    assert first.json() == second.json() and second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("body, paths", [
    ({}, {"saga_type", "input_data"}), ({"saga_type": "t", "input_data": {}}, {"input_data"}),
    ({"saga_type": "t", "input_data": 1}, {"input_data"}),
    ({"saga_type": "", "input_data": {"workflow_id": "x"}}, {"saga_type", "input_data.workflow_id"}),
    ({"saga_type": "t", "input_data": {"workflow_config": {"steps": [{"type": "nosuch"}]}}},
     {"input_data.workflow_config.steps[0].type"}),
    ({"saga_type": "t", "input_data": {"workflow_config": {}}}, {"input_data.workflow_config.steps"}),
    ({"saga_type": "t", "input_data": {"workflow_config": [], "timeout_seconds": 0}},
     {"input_data.workflow_config", "input_data.timeout_seconds"}),
    ({"saga_type": "t", "input_data": {"workflow_id": 1}, "tenant": "x", "correlation_id": 1}, {"tenant", "correlation_id"})])
def test_bad_sagas(admin, body, paths):
    answer = admin.post("/api/v1/sagas/start", body)
    assert answer.status_code == 400 and set(answer.json()["details"]) == paths, answer.text
