"""The plan of the management API (seeds/s2.md): it has no examples, but addresses, and the fields that its tasks name for
agents, workflows, runs, steps, pages and the audit log. Each address is asked at the base address (port 8000), without
credentials. What its tasks ask for beyond that is mapped to tests in docs/coverage.md, task by task."""
import uuid

from support.seeds import Seed, shape
from support.shape import like
from support.stack import wait_until

from .test_seed_s1 import AGENT, PAGE, RUN, executor_file, management  # noqa: F401: management is a fixture

S2 = Seed("s2")
WORKFLOW = {"id": 1, "name": "x", "version": 1, "status": "active", "steps": [{"name": "x"}], "created_at": "x", "updated_at": "x"}
STEP = {"id": 1, "step_name": "x", "status": "completed"}
AUDIT = {"entity_type": "x", "entity_id": 1, "action": "x", "user_id": 1, "changes": {}, "timestamp": "x"}


class Caller:
    """Asks at the addresses of the plan, and knows which."""

    def __init__(self, client):
        self.client, self.asked = client, set()

    def __call__(self, method, template, body=None, query="", **variables):
        self.asked.add((method, shape(template)))
        answer = self.client.request(method, template.format(**variables) + query, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["Content-Type"] else answer.text


def agents(ask, receiver):
    base, one = "/api/v1/agents", "/api/v1/agents/{agent_id}"
    body = {"name": f"planned-{uuid.uuid4().hex[:8]}", "url": receiver.url + "/agent", "description": "carries out steps",
            "auth_type": "none", "timeout_ms": 5000,
            "retry_config": {"max_retries": 0, "initial_delay_ms": 100, "max_delay_ms": 1000, "backoff_multiplier": 2.0}}
    made = like(AGENT, ask("POST", base, body))
    assert made["id"] in [a["id"] for a in like(PAGE, ask("GET", base, query="?status=active&limit=1000"))["items"]]
    assert ask("GET", one, agent_id=made["id"]) == made
    changed = ask("PUT", one, {"timeout_ms": 7000}, agent_id=made["id"])
    assert {m for m in AGENT if changed[m] != made[m]} == {"timeout_ms", "updated_at"}, "what isn't sent is kept"
    assert ask("GET", one + "/health", agent_id=made["id"])["status"] == "healthy"
    return made


def workflows(ask, agent):
    base, one = "/api/v1/workflows", "/api/v1/workflows/{workflow_id}"
    file = executor_file(agent["name"])
    made = like(WORKFLOW, ask("POST", base, file))
    at = {"workflow_id": made["id"]}
    found = like(PAGE, ask("GET", base, query=f"?search={file['name']}&status=active&sort_by=created_at&sort_order=desc"))
    assert [w["id"] for w in found["items"]] == [made["id"]] and ask("GET", one, **at)["name"] == file["name"]
    assert ask("PUT", one, {"description": "planned"}, **at)["description"] == "planned"
    steps = made["steps"][:1]
    assert ask("PUT", one, {"steps": steps}, **at)["version"] == made["version"] + 1
    versions = ask("GET", one + "/versions", **at)
    assert versions["total"] == 2 and {v["version"] for v in versions["items"]} == {1, 2}
    return made["id"]


def runs(ask, client, receiver, workflow):
    one = "/api/v1/runs/{run_id}"
    receiver.on("/agent", 500, {})
    execute = "/api/v1/workflows/{workflow_id}/execute"
    run = ask("POST", execute, {"input_data": {"source": "a"}}, workflow_id=workflow)["run_id"]
    assert client.wait_run(run)["status"] == "failed"
    listed = ask("GET", "/api/v1/runs", query=f"?status=failed&workflow_id={workflow}&from=2025-01-01T00:00:00Z&to=2099-01-01T00:00:00Z")
    assert [r["id"] for r in like({**PAGE, "items": [{m: RUN[m] for m in RUN if m != "input_data"}]}, listed)["items"]] == [run]
    receiver.on("/agent", 200, {"rows": []})
    like({**RUN, "error": {}}, ask("GET", one, run_id=run))
    ask("POST", one + "/retry", run_id=run)
    wait_until(lambda: ask("GET", one, run_id=run)["status"] == "completed", 60)
    steps = like({**PAGE, "items": [STEP]}, ask("GET", one + "/steps", run_id=run))
    assert [(s["step_name"], s["status"]) for s in steps["items"]] == [("extract", "failed"), ("extract", "completed")]
    assert ask("GET", one + "/logs", run_id=run)["items"]
    sleeping = client.workflow([{"name": "sleep", "type": "delay", "config": {"seconds": 3600}}])["id"]
    run = ask("POST", execute, {}, workflow_id=sleeping)["run_id"]
    ask("POST", one + "/cancel", run_id=run)
    like({**RUN, "cancelled_at": "x", "cancelled_by": "x"}, client.wait_run(run))


def test_each_address_of_the_plan(management, receiver, stack):  # noqa: F811
    ask = Caller(management)
    agent = agents(ask, receiver)
    workflow = workflows(ask, agent)
    runs(ask, management, receiver, workflow)
    assert ask("DELETE", "/api/v1/workflows/{workflow_id}", workflow_id=workflow)["status"] == "deleted"
    assert ask("DELETE", "/api/v1/agents/{agent_id}", agent_id=agent["id"])["id"] == agent["id"]
    assert ask("GET", "/health")["status"] == "healthy" and ask("GET", "/health/ready")["components"]["database"] == "healthy"
    assert "http_requests_total" in ask("GET", "/metrics")
    assert S2.addresses() == ask.asked and S2.left() == []
    for kind, id in (("agent", agent["id"]), ("workflow", workflow)):
        rows = stack.api.ok("GET", f"/api/v1/audit-logs?entity_type={kind}&entity_id={id}&from=2025-01-01T00:00:00Z")["items"]
        assert {r["action"] for r in rows} >= {"created", "updated", "deleted"} and len({r["user_id"] for r in rows}) == 1
        like(AUDIT, next(r for r in rows if r["action"] == "updated"))
        user = rows[0]["user_id"]
        by_user = stack.api.ok("GET", f"/api/v1/audit-logs?user_id={user}&entity_type={kind}&limit=1000")["items"]
        assert {r["id"] for r in rows} <= {r["id"] for r in by_user}
