"""Events, signals, variables of runs, and runs that repeat others."""
import pytest

from support.stack import wait_until

JSON_KINDS = [None, True, 7, 1.5, "text", [1, {"a": None}], {"approved": True}]


def test_publish_read_and_list(admin):
    body = {"event_type": "order.paid", "source": "shop", "data": {"n": 1, "x": [None]}, "correlation_id": "order-7"}
    made = admin.post("/api/v1/events/publish", body)
    assert made.status_code == 201, made.text
    event = made.json()
    assert made.headers["Location"] == f"/api/v1/events/{event['id']}" and event["woken_runs"] == 0
    assert {k: event[k] for k in body} == body and event["published_by"] and event["run_id"] is None
    event.pop("woken_runs")
    read = admin.get(f"/api/v1/events/{event['id']}")
    assert read.json() == event and read.headers["ETag"]
    assert admin.get(f"/api/v1/events/{event['id']}", headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    for query in ("event_type=order.paid", "source=shop", "correlation_id=order-7", "search=PAID",
                  f"from={event['published_at']}", "ordering=-published_at"):
        assert event in admin.ok("GET", f"/api/v1/events?{query}")["items"], query
    for query in ("event_type=other", "source=other", "correlation_id=other", f"to={event['published_at']}"):
        assert event not in admin.ok("GET", f"/api/v1/events?{query}")["items"], query
    page = admin.ok("GET", "/api/v1/events?limit=1")
    assert len(page["items"]) == 1 and page["total"] >= 1


def test_an_event_takes_the_requests_correlation_id(admin):
    answer = admin.post("/api/v1/events/publish", {"event_type": "t"}, headers={"X-Request-ID": "asked-1"})
    assert answer.json()["correlation_id"] == "asked-1" and answer.json()["data"] is None


def test_events_of_another_tenant_are_not_there(admin, other):
    event = admin.ok("POST", "/api/v1/events/publish", json={"event_type": "private.thing"})
    assert other.get(f"/api/v1/events/{event['id']}").json()["error_code"] == "EVENT_NOT_FOUND"
    assert other.ok("GET", "/api/v1/events?event_type=private.thing")["items"] == []


def test_publishing_twice_with_a_key(admin):
    first, second = (admin.post("/api/v1/events/publish", {"event_type": "keyed"}, headers={"Idempotency-Key": "event-1"})
                     for _ in range(2))
    assert first.json() == second.json() and second.headers["Idempotency-Replayed"] == "true"
    assert admin.ok("GET", "/api/v1/events?event_type=keyed")["total"] == 1


@pytest.mark.parametrize("body, paths", [
    ({}, {"event_type"}), ({"event_type": ""}, {"event_type"}), ({"event_type": "x" * 201}, {"event_type"}),
    ({"event_type": 1, "source": [], "correlation_id": {}}, {"event_type", "source", "correlation_id"}),
    ({"event_type": "t", "type": "x"}, {"type"}), ([], {""}), ("x", {""})])
def test_bad_events(admin, body, paths):
    answer = admin.post("/api/v1/events/publish", body)
    assert answer.status_code == 400 and set(answer.json()["details"]) == paths, answer.text


@pytest.mark.parametrize("data", JSON_KINDS, ids=str)
def test_a_signal_takes_any_json(admin, things, data):
    run = things.new_sleeping()
    answer = admin.post(f"/api/v1/runs/{run}/signals/approve", data)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["name"], answer.json()["run_id"]) == ("approve", run) and answer.json()["signal_id"] > 0
    admin.post(f"/api/v1/runs/{run}/cancel")


def test_a_signal_without_a_body_and_with_a_strange_name(admin, things):
    run = things.new_sleeping()
    assert admin.request("POST", f"/api/v1/runs/{run}/signals/a%20%2B%20%C3%A9").json()["name"] == "a + é"
    admin.post(f"/api/v1/runs/{run}/cancel")


def test_signals_after_the_end(admin, other, things):
    run = things.completed()
    answer = admin.post(f"/api/v1/runs/{run}/signals/late", {})
    assert answer.status_code == 409 and answer.json()["error_code"] == "RUN_NOT_ACTIVE"
    assert other.post(f"/api/v1/runs/{run}/signals/late", {}).json()["error_code"] == "RUN_NOT_FOUND"
    raw = admin.request("POST", f"/api/v1/runs/{run}/signals/x", data=b"{", headers={"Content-Type": "application/json"})
    assert raw.status_code == 400 and raw.json()["error_code"] == "JSON_INVALID"


def test_variables_of_a_run(admin, other, things):
    run = things.new_sleeping()
    address = f"/api/v1/runs/{run}"
    stale = admin.get(address).headers["ETag"]
    admin.ok("POST", f"{address}/pause")
    wait_until(lambda: admin.run(run)["status"] == "paused", message="the run is not paused")
    answer = admin.request("PATCH", address, json={"parameters": {"limit": 5}}, headers={"If-Match": stale})
    assert answer.status_code == 412
    current = admin.get(address).headers["ETag"]
    answer = admin.request("PATCH", address, json={"parameters": {"limit": 5}}, headers={"If-Match": current})
    assert answer.status_code == 200 and answer.json()["id"] == run and answer.headers["ETag"], answer.text
    for body, paths in (({}, {"parameters"}), ({"parameters": 1}, {"parameters"}), ({"parameters": {}, "vars": 1}, {"vars"})):
        bad = admin.request("PATCH", address, json=body)
        assert bad.status_code == 400 and set(bad.json()["details"]) == paths
    assert other.request("PATCH", address, json={"parameters": {}}).status_code == 404
    admin.post(f"{address}/cancel")
    ended = admin.request("PATCH", f"/api/v1/runs/{things.completed()}", json={"parameters": {}})
    assert ended.json()["error_code"] == "RUN_NOT_ACTIVE"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_parameters_of_a_workflows_runs(admin, things, method):
    w = things.new_workflow(things.SLOW)["id"]
    none = admin.request(method, f"/api/v1/workflows/{w}", json={"parameters": {"a": 1}})
    assert none.status_code == 409 and none.json()["error_code"] == "NO_ACTIVE_RUN"
    version = admin.ok("GET", f"/api/v1/workflows/{w}")["version"]
    run = things.new_sleeping(w)
    changed = admin.request(method, f"/api/v1/workflows/{w}", json={"parameters": {"a": 1}, "description": "x"})
    assert changed.status_code == 200 and changed.json()["description"] == "x" and changed.json()["version"] == version
    bad = admin.request(method, f"/api/v1/workflows/{w}", json={"parameters": [1]})
    assert bad.status_code == 400 and set(bad.json()["details"]) == {"parameters"}
    admin.post(f"/api/v1/runs/{run}/cancel")


def test_rerun(admin, other, things):
    run = admin.execute(things.quick, input={"name": "Ada"})["run_id"]
    admin.wait_run(run)
    answer = admin.post(f"/api/v1/runs/{run}/rerun", {})
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert again["rerun_of"] == run and answer.headers["Location"] == f"/api/v1/runs/{again['run_id']}"
    done = admin.wait_run(again["run_id"])
    assert (done["rerun_of"], done["input_data"], done["status"]) == (run, {"name": "Ada"}, "completed")
    other_input = admin.ok("POST", f"/api/v1/runs/{run}/rerun", json={"trigger_data": {"name": "Bo"}, "priority": 3})
    done = admin.wait_run(other_input["run_id"])
    assert (done["input_data"], done["priority"]) == ({"name": "Bo"}, 3)
    assert admin.request("POST", f"/api/v1/runs/{run}/rerun").status_code == 202
    listed = admin.ok("GET", f"/api/v1/runs?workflow_id={things.quick}")["items"]
    assert {i["rerun_of"] for i in listed} >= {run, None}
    assert other.post(f"/api/v1/runs/{run}/rerun", {}).json()["error_code"] == "RUN_NOT_FOUND"


def test_rerun_refusals(admin, things):
    w = things.new_workflow()["id"]
    run = admin.execute(w)["run_id"]
    admin.wait_run(run)
    address = f"/api/v1/runs/{run}/rerun"
    assert admin.post(address, {"version": 9}).json()["error_code"] == "VERSION_NOT_FOUND"
    conflict = admin.post(address, {"input": {"a": 1}, "trigger_data": {"a": 2}})
    assert conflict.status_code == 400 and set(conflict.json()["details"]) == {"trigger_data"}
    bad = admin.post(address, {"input": 1, "version": "x", "from_step": "a"})
    assert bad.status_code == 400 and set(bad.json()["details"]) == {"input", "version", "from_step"}
    admin.ok("POST", f"/api/v1/workflows/{w}/pause")
    assert admin.post(address, {}).json()["error_code"] == "WORKFLOW_NOT_ACTIVE"


def test_retention_is_kept_and_cleared(admin, things):
    w = things.new_workflow(retention_days=30)["id"]
    assert admin.ok("GET", f"/api/v1/workflows/{w}")["retention_days"] == 30
    assert admin.ok("PATCH", f"/api/v1/workflows/{w}", json={"description": "x"})["retention_days"] == 30
    assert admin.ok("PATCH", f"/api/v1/workflows/{w}", json={"retention_days": None})["retention_days"] is None
    for days in (0, -1, "x", 1.5, 40000):
        assert set(admin.request("PATCH", f"/api/v1/workflows/{w}", json={"retention_days": days}).json()["details"]) == {
            "retention_days"}
