"""The REST endpoints of the workflow API for outside systems: create and start, parameters while running, resume,
logs, agents' load, retry of a step, health, status and metrics."""
import uuid

import pytest

from support.seeds import Seed
from support.shape import like
from support.stack import wait_until


LATER = {"Phase 2: WebSocket Workflow Events (15.1.6.2)": ["/api/v1/workflows/1/events", "/api/v1/workflows/events", "/api/v1/agents/events"]}
"""Heading of an example: the addresses that it is of, which aren't served yet."""


def test_every_example_is_replayed(recorder):
    """It has one alone, of live streams. An agent may have any name, so that the last address is one's, and nobody's."""
    assert [heading for heading, _ in Seed("s0").left()] == list(LATER)
    served = {recorder.document.path_of(path) for paths in LATER.values() for path in paths}
    assert served == {None, "/api/v1/workflows/{id}", "/api/v1/agents/{agent}"}, "streams are served: replay their frames"


@pytest.fixture(scope="module")
def client(stack, recorder):
    return stack.local("management")


def sent(client, method, path, **options):
    answer = client.request(method, path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def started(client, steps, parameters=None):
    body = {"name": uuid.uuid4().hex, "steps": steps, "parameters": parameters or {}}
    made = sent(client, "POST", "/api/v1/workflows", json=body)
    like({"id": 1, "run": {"id": 1, "status": "pending"}, "execution_id": 1}, made)
    return made


WAITING = [{"name": "wait", "type": "wait", "config": {"event": {"type": "go"}}}, {"name": "then", "type": "log", "config": {"message": "done"}}]


def test_create_starts_it(client):
    made = started(client, [{"name": "a", "type": "log", "config": {"message": "{{input.who}}"}}], {"who": "Ada"})
    assert client.wait_run(made["execution_id"])["result_data"]["a"]["message"] == "Ada"
    for spelling in (made["id"], f"wf_{made['id']}", f"workflow_{made['id']}"):
        got = sent(client, "GET", f"/api/v1/workflows/{spelling}")
        assert got["latest_run"]["id"] == made["execution_id"] and got["latest_run"]["status"] == "completed"
    assert made["id"] in [w["id"] for w in sent(client, "GET", "/api/v1/workflows?status=active&limit=1000")["items"]]
    logs = sent(client, "GET", f"/api/v1/workflows/{made['id']}/logs")["items"]
    assert "Ada" in [line["message"] for line in logs]


def test_parameters_while_it_runs(client):
    made = started(client, WAITING, {"limit": 1})
    path = f"/api/v1/workflows/{made['id']}"
    client.wait_run(made["execution_id"], until="running")
    sent(client, "PUT", path, json={"parameters": {"limit": 2}})
    wait_until(lambda: (client.run(made["execution_id"])["vars"] or {}).get("limit") == 2)
    ended = sent(client, "DELETE", path)
    assert ended["cancelled_run_ids"] == [made["execution_id"]]
    assert client.wait_run(made["execution_id"])["status"] == "cancelled"
    other = sent(client, "POST", "/api/v1/workflows", json={"name": uuid.uuid4().hex, "steps": WAITING})
    answer = client.put(f"/api/v1/workflows/{other['id']}", {"parameters": {"limit": 2}})
    assert answer.status_code == 409 and answer.json()["error_code"] == "NO_ACTIVE_RUN"


def test_halted_and_resumed(client):
    made = started(client, WAITING)
    path = f"/api/v1/workflows/{made['id']}"
    sent(client, "POST", path + "/pause")
    assert sent(client, "GET", path)["status"] == "paused"
    sent(client, "POST", path + "/resume")
    assert sent(client, "GET", path)["status"] == "active"
    client.wait_run(made["execution_id"], until="running")
    # a run that was halted by itself is resumed by its workflow's address, too
    sent(client, "POST", f"/api/v1/runs/{made['execution_id']}/pause")
    client.wait_run(made["execution_id"], until="paused")
    assert sent(client, "POST", path + "/resume")["run_ids"] == [made["execution_id"]]
    client.wait_run(made["execution_id"], until="running")
    assert client.post(path + "/resume").json()["error_code"] == "WORKFLOW_NOT_PAUSED"
    sent(client, "DELETE", path)


def test_retry_of_a_step(client, receiver):
    receiver.on("/s", 404, {})
    made = started(client, [{"name": "validate_input", "type": "http_request", "config": {"url": receiver.url + "/s"}}])
    assert client.wait_run(made["execution_id"])["status"] == "failed"
    receiver.on("/s", 200, {})
    sent(client, "POST", f"/api/v1/workflows/{made['id']}/steps/validate_input/retry")
    wait_until(lambda: client.run(made["execution_id"])["status"] == "completed")


def test_agents_and_their_load(client, receiver):
    made = sent(client, "POST", "/api/v1/agents", json={"name": f"agent_{uuid.uuid4().hex[:8]}_x", "url": receiver.url,
                                                        "capabilities": ["validate"]})
    listed = sent(client, "GET", "/api/v1/agents?limit=1000")["items"]
    assert next(a for a in listed if a["id"] == made["id"])["capabilities"] == ["validate"]
    status = sent(client, "GET", f"/api/v1/agents/agent_{made['id']}/status")
    like({"status": "active", "available": True, "load": {"running": 0, "queued": 0}}, status)
    assert made["id"] in [a["id"] for a in sent(client, "GET", "/api/v1/status")["agents"]]
    sent(client, "DELETE", f"/api/v1/agents/{made['id']}")


def test_health_status_metrics(client):
    like({"status": "healthy", "components": {"database": "healthy"}}, sent(client, "GET", "/api/v1/health"))
    like({"status": "healthy", "agents": []}, sent(client, "GET", "/api/v1/status"))
