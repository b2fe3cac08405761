"""Why a run or a step stands where it stands, with real engines."""
import pathlib

from support.stack import wait_until

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/explain.md"


def why(client, run, step=None, **more):
    path = f"/api/v1/runs/{run}" + (f"/steps/{step}" if step else "") + "/explain"
    return client.ok("GET", path, **more)


def test_every_code_is_documented(recorder):
    text = DOCS.read_text()
    for name in ("RunExplanation", "StepExplanation"):
        for code in recorder.document.judged["components"]["schemas"][name]["properties"]["code"]["enum"]:
            assert f"`{code}`" in text, f"{name}: {code}"


def test_a_sleeping_run(admin, things, other):
    run = things.new_sleeping()
    wait_until(lambda: why(admin, run)["code"] == "WAITING_FOR_TIME", message="the run does not sleep")
    told = why(admin, run)
    assert told["wake_at"] and told["progress"] == 50 and told["steps"][0]["step"] == "sleep"
    assert why(admin, run, "sleep")["code"] == "WAITING_FOR_TIME" and why(admin, run, "sleep")["until"]
    assert why(admin, run, "first")["code"] == "COMPLETED"
    assert admin.get(f"/api/v1/runs/{run}/steps/nosuch/explain").json()["error_code"] == "STEP_NOT_FOUND"
    for path in ("explain", "steps/sleep/explain"):
        assert other.get(f"/api/v1/runs/{run}/{path}").json()["error_code"] == "RUN_NOT_FOUND"
    admin.ok("POST", f"/api/v1/runs/{run}/pause", json={"reason": "lunch"})
    wait_until(lambda: why(admin, run)["code"] == "PAUSED", message="the run is not paused")
    assert why(admin, run)["message"].endswith(": lunch.")
    admin.ok("POST", f"/api/v1/runs/{run}/cancel")
    admin.wait_run(run)
    assert why(admin, run)["code"] == "CANCELLED"
    assert why(admin, run, "sleep")["message"] == "It was cancelled with the run."


def test_an_ended_run(admin, things):
    assert why(admin, things.completed())["code"] == "COMPLETED"
    run = things.new_failed()
    told = why(admin, run)
    assert told["code"] == "FAILED" and told["error"] and told["message"].startswith("It has failed: ")
    assert why(admin, run, "fail")["code"] == "FAILED"


def test_a_name_with_a_slash_and_a_round(admin, things):
    run = admin.execute(things.new_workflow([
        {"name": "if", "type": "conditional", "config": {"condition": "true", "true_action": {
            "name": "then do", "type": "log", "config": {"message": "x"}}}}])["id"])["run_id"]
    admin.wait_run(run)
    told = why(admin, run, "if%2Fthen%20do")
    assert (told["code"], told["path"]) == ("COMPLETED", "if/then do") and told["execution"]["parent_id"] != 0
    assert admin.get(f"/api/v1/runs/{run}/steps/if/explain?iteration=7").status_code in (200, 404)
    bad = admin.get(f"/api/v1/runs/{run}/steps/if/explain?iteration=x")
    assert bad.status_code == 400 and set(bad.json()["details"]) == {"iteration"}
