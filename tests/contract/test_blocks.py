"""Real definitions from end to end: events and signals, child runs, sagas, variables, limits, steps inside of
steps, and what explain says of them on the way."""
from support.stack import wait_until


def log(name, message="x", **more):
    return {"name": name, "type": "log", "config": {"message": message}, **more}


FAIL = {"name": "break", "type": "raise", "config": {"type": "broken", "message": "it broke"}, "max_retries": 0}


def why(client, run, step=None):
    path = f"/api/v1/runs/{run}" + (f"/steps/{step.replace('/', '%2F')}" if step else "") + "/explain"
    return client.ok("GET", path)


def until(client, run, code):
    return wait_until(lambda: (lambda t: t["code"] == code and t)(why(client, run)), message=f"run {run} is not {code}: {why(client, run)}")


def start(admin, things, steps, input=None, **more):
    return admin.execute(things.new_workflow(steps, **more)["id"], input=input or {})["run_id"]


def kinds(admin, run):
    return [e["kind"] for e in admin.ok("GET", f"/api/v1/runs/{run}/events?limit=1000")["items"]]


WAIT = [{"name": "paid", "type": "wait", "config": {"event": {"type": "order.paid", "match": "event.data.order == trigger.order"}}},
        log("thanks", "{{steps.paid.event.data.amount}}")]


def test_an_event_wakes_the_run_that_it_is_for(admin, things):
    mine, theirs = (start(admin, things, WAIT, {"order": n}) for n in (1, 2))
    for run in (mine, theirs):
        told = until(admin, run, "WAITING_FOR_EVENT")
        assert told["steps"][0]["waiting_for"] == '"order.paid"' and told["since"]
        assert why(admin, run, "paid")["code"] == "WAITING_FOR_EVENT" and admin.run(run)["awaits"] == 1
    event = admin.ok("POST", "/api/v1/events/publish", json={"event_type": "order.paid", "data": {"order": 1, "amount": 12}})
    assert event["woken_runs"] == 2
    done = admin.wait_run(mine)
    assert done["status"] == "completed" and done["awaits"] == 0
    paid = [s for s in admin.steps(mine) if s["name"] == "paid"][0]
    assert paid["output_data"]["event"]["id"] == event["id"] and paid["output_data"]["event"]["data"] == {"order": 1, "amount": 12}
    assert admin.run(theirs)["status"] == "running"
    until(admin, theirs, "WAITING_FOR_EVENT")
    admin.ok("POST", f"/api/v1/runs/{theirs}/signals/order.paid", json={"order": 2, "amount": 3})
    assert admin.wait_run(theirs)["status"] == "completed"
    assert "signalled" in kinds(admin, theirs)


def test_an_event_before_the_wait_is_kept(admin, things):
    run = start(admin, things, [{"name": "first", "type": "delay", "config": {"seconds": 1}}, *WAIT], {"order": 7})
    admin.ok("POST", "/api/v1/events/publish", json={"event_type": "order.paid", "data": {"order": 7, "amount": 1}})
    assert admin.wait_run(run)["status"] == "completed"


def test_a_signal_to_a_paused_run_waits_for_it(admin, things):
    run = start(admin, things, [{"name": "go", "type": "wait", "config": {"event": {"type": "go"}}}])
    until(admin, run, "WAITING_FOR_EVENT")
    admin.ok("POST", f"/api/v1/runs/{run}/pause")
    until(admin, run, "PAUSED")
    admin.ok("POST", f"/api/v1/runs/{run}/signals/go", json=[1])
    assert why(admin, run)["code"] == "PAUSED"
    admin.ok("POST", f"/api/v1/runs/{run}/resume")
    assert admin.wait_run(run)["status"] == "completed"
    assert admin.steps(run)[0]["output_data"]["event"]["data"] == [1]


def test_emit_reaches_another_run(admin, things):
    waiting = start(admin, things, [{"name": "heard", "type": "wait", "config": {"event": {"type": "told.you"}}}])
    until(admin, waiting, "WAITING_FOR_EVENT")
    speaking = start(admin, things, [{"name": "tell", "type": "emit", "config": {"type": "told.you", "data": {"n": "{{trigger.n}}"}}}], {"n": 5})
    assert admin.wait_run(waiting)["status"] == "completed"
    event = admin.ok("GET", "/api/v1/events?event_type=told.you")["items"][0]
    assert (event["data"], event["run_id"]) == ({"n": 5}, speaking)
    assert admin.steps(waiting)[0]["output_data"]["event"]["data"] == {"n": 5}


def test_a_child_run(admin, things):
    child = things.new_workflow([{"name": "go", "type": "wait", "config": {"event": {"type": "child.go"}}}])
    run = start(admin, things, [{"name": "sub", "type": "subworkflow", "config": {"workflow": child["name"], "input": {"a": 1}}}, log("after")])
    told = until(admin, run, "WAITING_FOR_CHILD")
    child_run = told["steps"][0]["child_run_id"]
    made = admin.run(child_run)
    assert (made["parent_run_id"], made["trigger_type"], made["input_data"], made["workflow_id"]) == (run, "workflow", {"a": 1}, child["id"])
    until(admin, child_run, "WAITING_FOR_EVENT")
    admin.ok("POST", f"/api/v1/runs/{child_run}/signals/child.go")
    assert admin.wait_run(run)["status"] == "completed"
    second = start(admin, things, [{"name": "sub", "type": "subworkflow", "config": {"workflow": child["name"]}}])
    second_child = until(admin, second, "WAITING_FOR_CHILD")["steps"][0]["child_run_id"]
    admin.ok("POST", f"/api/v1/runs/{second}/cancel")
    assert admin.wait_run(second)["status"] == "cancelled" and admin.wait_run(second_child)["status"] == "cancelled"


def test_a_saga_is_undone(admin, things):
    config = {"mode": "saga", "steps": [
        log("reserve", compensate=log("release")), log("pay", compensate={"name": "refund", "type": "log", "config": {"message": "refund"}}),
        FAIL]}
    saga = admin.ok("POST", "/api/v1/sagas/start", json={"saga_type": "order", "input_data": {"workflow_config": config}, "correlation_id": "s-1"})
    assert admin.wait_run(saga["run_id"])["status"] == "compensated"
    read = admin.ok("GET", f"/api/v1/sagas/{saga['saga_id']}")
    by_name = {s["name"]: s["status"] for s in read["steps"]}
    assert read["status"] == "compensated" and by_name["reserve"] == by_name["pay"] == "compensated" and by_name["break"] == "failed"
    assert why(admin, saga["run_id"])["code"] == "COMPENSATED" and why(admin, saga["run_id"])["error"]["message"] == "it broke"
    assert why(admin, saga["run_id"], "pay")["code"] == "COMPENSATED"
    assert why(admin, saga["run_id"], "pay/compensate/refund")["code"] == "COMPLETED"
    order = [e["step"] for e in admin.ok("GET", f"/api/v1/runs/{saga['run_id']}/events")["items"] if e["kind"] == "step.compensated"]
    assert order == ["pay", "reserve"]
    logs = [e["message"] for e in admin.ok("GET", f"/api/v1/runs/{saga['run_id']}/logs")["items"]]
    assert "Run undoes what its steps did" in logs and 'Step "pay" compensated' in logs
    assert admin.ok("POST", f"/api/v1/runs/{saga['run_id']}/retry")["run_id"] == saga["run_id"]
    assert admin.wait_run(saga["run_id"])["status"] == "compensated"
    again = admin.ok("POST", f"/api/v1/runs/{saga['run_id']}/rerun")
    assert admin.wait_run(again["run_id"])["mode"] == "saga"


def test_variables_are_changed_on_the_way(admin, things):
    steps = [{"name": "go", "type": "wait", "config": {"event": {"type": "go"}}}, log("say", "{{vars.limit}}")]
    w = admin.ok("POST", "/api/v1/workflows", json={"name": "variables on the way", "workflow_config": {"vars": {"limit": 1, "other": "x"}, "steps": steps}})["id"]
    for change in (lambda r: ("PATCH", f"/api/v1/runs/{r}"), lambda r: ("PATCH", f"/api/v1/workflows/{w}")):
        run = admin.execute(w)["run_id"]
        until(admin, run, "WAITING_FOR_EVENT")
        method, path = change(run)
        admin.ok(method, path, json={"parameters": {"limit": 5}})
        wait_until(lambda: (admin.run(run)["vars"] or {}).get("limit") == 5, message="the variable is not changed")
        assert admin.run(run)["vars"] == {"limit": 5, "other": "x"} and "variables" in kinds(admin, run)
        admin.ok("POST", f"/api/v1/runs/{run}/signals/go")
        admin.wait_run(run)
        say = [e for e in admin.ok("GET", f"/api/v1/runs/{run}/logs")["items"] if e["step"] == "say"]
        assert [e["message"] for e in say] == ["5"]


def test_a_limit_on_runs_at_once(admin, things):
    config = {"concurrency": {"limit": 1}, "steps": [{"name": "go", "type": "wait", "config": {"event": {"type": "go"}}}]}
    w = admin.ok("POST", "/api/v1/workflows", json={"name": "one at once", "workflow_config": config})["id"]
    first, second, third = (admin.execute(w)["run_id"] for _ in range(3))
    until(admin, first, "WAITING_FOR_EVENT")
    assert until(admin, second, "WAITING_FOR_LIMIT")["position"] == 1
    told = until(admin, third, "WAITING_FOR_LIMIT")
    assert (told["position"], told["limit"]["most"], told["limit"]["taken"], told["status"]) == (2, 1, 1, "pending")
    admin.ok("POST", f"/api/v1/runs/{first}/signals/go")
    assert admin.wait_run(first)["status"] == "completed"
    until(admin, second, "WAITING_FOR_EVENT")
    admin.ok("POST", f"/api/v1/runs/{third}/cancel")
    assert admin.wait_run(third)["status"] == "cancelled"
    admin.ok("POST", f"/api/v1/runs/{second}/signals/go")
    assert admin.wait_run(second)["status"] == "completed"


def test_steps_inside_of_steps(admin, things):
    run = start(admin, things, [
        {"name": "loop", "type": "foreach", "config": {"items": [1, 2], "steps": [log("t1", "{{item}}")]}},
        {"name": "both", "type": "parallel", "config": {"branches": {"left": [log("a")], "right": [log("b")]}}},
        log("skipped", when="false"),
        {**FAIL, "catch": [{"value": {"ok": True}}]}])
    assert admin.wait_run(run)["status"] == "completed", admin.run(run)
    steps = admin.ok("GET", f"/api/v1/runs/{run}/steps")["items"]
    inner = [s for s in steps if s["path"] == "loop/t1"]
    holder = [s for s in steps if s["path"] == "loop"][0]
    assert [s["iteration"] for s in inner] == [0, 1] and {s["parent_id"] for s in inner} == {holder["id"]}
    assert {s["path"]: s["branch"] for s in steps if s["path"].startswith("both/")} == {"both/left/a": "left", "both/right/b": "right"}
    assert why(admin, run, "skipped")["message"] == "It was skipped: its condition was false."
    caught = why(admin, run, "break")
    assert caught["code"] == "COMPLETED_BY_CATCH" and caught["error"]["type"] == "broken"
    assert why(admin, run, "loop/t1")["iteration"] == 1
    assert admin.ok("GET", f"/api/v1/runs/{run}/steps/loop%2Ft1/explain?iteration=0")["iteration"] == 0


def test_on_failure_and_finally_are_seen(admin, things):
    w = admin.ok("POST", "/api/v1/workflows", json={"name": "with an end", "workflow_config": {
        "steps": [log("one"), FAIL], "on_failure": [log("tell", "{{error.message}}")], "finally": [log("clean")]}})["id"]
    run = admin.execute(w)["run_id"]
    assert admin.wait_run(run)["status"] == "failed"
    names = {s["path"]: s["status"] for s in admin.steps(run)}
    assert names["on_failure/tell"] == names["finally/clean"] == "completed"
    assert why(admin, run, "finally/clean")["code"] == "COMPLETED"


def test_results_of_any_size(admin, things, other):
    run = start(admin, things, [
        {"name": "small", "type": "set", "config": {"a": [1, "x"]}},
        {"name": "loop", "type": "foreach", "config": {"items": [1, 2], "steps": [log("t", "{{item}}")]}},
        {"name": "large", "type": "data_transform", "config": {"source_data": "{{trigger.list}}", "transformations": [
            {"type": "map", "template": {"value": "{{item}}", "same": "{{item}}"}}]}}],
        {"list": ["y" * 1000] * 1200})
    assert admin.wait_run(run)["status"] == "completed", admin.run(run)
    path = f"/api/v1/runs/{run}/steps"
    small = admin.get(f"{path}/small/output")
    assert small.json() == {"a": [1, "x"]} and small.headers["Content-Type"].startswith("application/json")
    listed = {s["path"]: s for s in admin.steps(run)}
    assert listed["large"]["output_data"] is None and listed["large"]["output_stored"] is True
    large = admin.get(f"{path}/large/output")
    assert large.status_code == 200 and large.headers["Content-Type"].startswith("application/json")
    assert large.json() and large.text.count("y" * 1000) == 2400
    assert listed["small"]["output_stored"] is False
    for i in (0, 1):
        assert admin.get(f"{path}/loop%2Ft/output?iteration={i}").status_code == 200
    for client, name, code in ((admin, "nosuch", "STEP_NOT_FOUND"), (other, "large", "RUN_NOT_FOUND")):
        assert client.get(f"{path}/{name}/output").json()["error_code"] == code
    assert "has completed" in admin.get(f"{path}/nosuch/output").json()["detail"]
