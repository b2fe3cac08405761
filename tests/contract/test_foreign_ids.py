"""Ids and names of another tenant where requests bring them beside the address: in bodies, filters, queries and
definitions. Each is refused, or finds nothing, in the words that something gets which isn't there at all."""
import json
import re
import uuid

import pytest

from support.stack import TERMINAL

NOBODY = 9007199254740991
VOLATILE = {"request_id", "correlation_id", "timestamp", "from", "to", "generated_at"}


@pytest.fixture(scope="module")
def foreign(admin, things):
    """What the first tenant has; the second knows its ids and names."""
    name = "f" + uuid.uuid4().hex
    workflow = things.new_workflow(things.SLOW, name=name, tags=[name])["id"]
    run = admin.ok("POST", f"/api/v1/workflows/{workflow}/execute", json={}, headers={"X-Request-ID": name})["run_id"]
    admin.wait_run(run, until={"running"})

    def made(path, **body):
        return admin.ok("POST", f"/api/v1/{path}", json={"name": name, **body})["id"]

    user = made("users")
    made("secrets", value="of the first tenant")
    upload = admin.request("POST", "/api/v1/files", files={"file": (name + ".txt", b"mine", "text/plain")})
    return {"name": name, "slug": name, "workflow": workflow, "run": run, "failed": things.new_failed(), "user": user,
            "group": made("groups"), "file": upload.json()["id"], "agent": made("agents", url="http://127.0.0.1:9/"),
            "key": made("api-keys", scopes=["read-only"], user_id=user),
            "template": made("templates", template_config={"steps": [{"type": "noop"}]})}


@pytest.fixture(scope="module")
def nothing(foreign):
    """The same, of nobody."""
    return {k: "f" + uuid.uuid4().hex if isinstance(v, str) else NOBODY for k, v in foreign.items()}


@pytest.fixture(scope="module")
def own(other):
    """A group and a user of the second tenant."""
    name = "o" + uuid.uuid4().hex
    return {k: other.ok("POST", f"/api/v1/{k}s", json={"name": name})["id"] for k in ("group", "user")}


class Asked(dict):
    """Ids, and which of them were asked for."""

    def __init__(self, ids):
        super().__init__(ids)
        self.used = set()

    def __getitem__(self, name):
        self.used.add(name)
        return super().__getitem__(name)

    def plain(self, value, member=""):
        """An answer without what differs each time, and with one word for what was asked for."""
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items() if k not in VOLATILE}
        if isinstance(value, list):
            return [self.plain(v, member) for v in value]
        if isinstance(value, int) and member.endswith("id"):
            return "ID" if value in self.values() else value
        if isinstance(value, str):
            for name in self.used:
                value = re.sub(rf"(?<![0-9A-Za-z]){self.get(name)}(?![0-9A-Za-z])", "ID", value)
        return value


def same_words(ask, foreign, nothing):
    """The answer for what is foreign, which is that for what isn't there."""
    answers, said = [], []
    for ids in (Asked(foreign), Asked(nothing)):
        answers.append(ask(ids))
        said.append((answers[-1].status_code, ids.plain(answers[-1].json())))
    assert said[0] == said[1]
    return answers[0]


def definition(name, **step):
    return {"name": name, "workflow_config": {"steps": [{"name": "a", **step}]}}


def agent_step(ref):
    return {"type": "agent", "config": {"agent": ref, "payload": {}}}


# what is asked: of the second tenant's caller, its own things, and ids; and the code of the refusal
REFUSED = {
    "runs of a workflow": ("WORKFLOW_NOT_FOUND", lambda c, own, x: c.post("/api/v1/workflows/bulk", {
        "op": "execute", "workflow_id": x["workflow"], "items": [{}]})),
    "saga of a workflow": ("WORKFLOW_NOT_FOUND", lambda c, own, x: c.post("/api/v1/sagas/start", {
        "saga_type": "x", "input_data": {"workflow_id": x["workflow"]}})),
    "saga of an execution": ("RUN_NOT_FOUND", lambda c, own, x: c.post("/api/v1/sagas/start", {
        "saga_type": "x", "input_data": {"execution_id": x["run"]}})),
    "saga of an execution of a workflow": ("RUN_NOT_FOUND", lambda c, own, x: c.post("/api/v1/sagas/start", {
        "saga_type": "x", "input_data": {"execution_id": x["run"], "workflow_id": x["workflow"]}})),
    "template by id": ("TEMPLATE_NOT_FOUND", lambda c, own, x: c.post("/api/v1/templates/create-workflow", {
        "template_id": x["template"], "workflow_name": "made of it"})),
    "template by text": ("TEMPLATE_NOT_FOUND", lambda c, own, x: c.post("/api/v1/templates/create-workflow", {
        "template_id": f"tmpl_{x['template']}", "workflow_name": "made of it"})),
    "template by slug or name": ("TEMPLATE_NOT_FOUND", lambda c, own, x: c.post("/api/v1/templates/create-workflow", {
        "template_id": x["slug"], "workflow_name": "made of it"})),
    "key for a user": ("VALIDATION_FAILED", lambda c, own, x: c.post("/api/v1/api-keys", {
        "name": "a key", "scopes": ["read-only"], "user_id": x["user"]})),
    "user into a group": ("USER_NOT_FOUND", lambda c, own, x: c.put(
        f"/api/v1/groups/{own['group']}/members/{x['user']}")),
    "user out of a group": ("USER_NOT_FOUND", lambda c, own, x: c.delete(
        f"/api/v1/groups/{own['group']}/members/{x['user']}")),
    "own user into a group": ("GROUP_NOT_FOUND", lambda c, own, x: c.put(
        f"/api/v1/groups/{x['group']}/members/{own['user']}")),
    "new user in a group": ("VALIDATION_FAILED", lambda c, own, x: c.post("/api/v1/users", {
        "name": "new", "groups": [x["name"]]})),
    "user's groups": ("VALIDATION_FAILED", lambda c, own, x: c.patch(f"/api/v1/users/{own['user']}", {
        "groups": [x["name"]]})),
    "agent by id": ("VALIDATION_FAILED", lambda c, own, x: c.post("/api/v1/workflows", definition(
        "calls", **agent_step(x["agent"])))),
    "agent by name": ("VALIDATION_FAILED", lambda c, own, x: c.post("/api/v1/workflows", definition(
        "calls", **agent_step(x["name"])))),
    "agent of a saga": ("VALIDATION_FAILED", lambda c, own, x: c.post("/api/v1/sagas/start", {
        "saga_type": "x", "input_data": {"workflow_config": {"steps": [{"name": "a", **agent_step(x["agent"])}]}}})),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bodies_are_refused(other, own, foreign, nothing, what):
    code, ask = REFUSED[what]
    answer = same_words(lambda ids: ask(other, own, ids), foreign, nothing)
    assert answer.status_code >= 400 and answer.json()["error_code"] == code, answer.text


@pytest.mark.parametrize("op", ["execute", "pause", "resume", "cancel", "delete"])
def test_many_workflows(other, foreign, nothing, op):
    answer = same_words(lambda x: other.post("/api/v1/workflows/bulk", {"op": op, "ids": [x["workflow"]]}), foreign, nothing)
    result, = answer.json()["results"]
    assert (result["status"], result["error_code"]) == (404, "WORKFLOW_NOT_FOUND") and answer.json()["accepted"] == 0
    for named in ("search", "tag"):
        answer = same_words(lambda x: other.post("/api/v1/workflows/bulk", {"op": op, "filter": {named: x["name"]}}),
                            foreign, nothing)
        assert answer.json()["matched"] == 0 and answer.json()["results"] == []


@pytest.mark.parametrize("op", ["cancel", "pause", "resume", "retry"])
def test_many_runs(other, foreign, nothing, op):
    for which in ("run", "failed"):
        answer = same_words(lambda x: other.post("/api/v1/runs/bulk", {"op": op, "ids": [x[which]]}), foreign, nothing)
        result, = answer.json()["results"]
        assert (result["status"], result["error_code"]) == (404, "RUN_NOT_FOUND") and answer.json()["accepted"] == 0
    for member, of in (("workflow_id", "workflow"), ("correlation_id", "name")):
        answer = same_words(lambda x: other.post("/api/v1/runs/bulk", {"op": op, "filter": {member: x[of]}}), foreign, nothing)
        assert answer.json()["matched"] == 0 and answer.json()["results"] == []


@pytest.mark.parametrize("path", [
    "runs?workflow_id={workflow}", "runs?correlation_id={name}", "sagas?correlation_id={name}", "files?run_id={run}",
    "events?correlation_id={name}", "audit-logs?user_id={user}", "audit-logs?correlation_id={name}",
    "audit-logs?entity_type=run&action=created&entity_id={run}", "workflows?search={name}", "templates?search={name}"])
def test_filters_find_nothing(other, foreign, nothing, path):
    answer = same_words(lambda x: other.get("/api/v1/" + path.format_map(x)), foreign, nothing)
    found, = [v for v in answer.json().values() if isinstance(v, list)]
    assert answer.status_code == 200 and found == []


@pytest.mark.parametrize("query", ["workflow_id={workflow}", "key_id={key}", "principal_id={user}"])
@pytest.mark.parametrize("of", ["usage", "errors", "latency"])
def test_figures_count_nothing(other, foreign, nothing, of, query):
    same_words(lambda x: other.get(f"/api/v1/analytics/{of}?" + query.format_map(x)), foreign, nothing)


@pytest.mark.parametrize("kind, config", [
    ("subworkflow", lambda x: {"workflow": x["workflow"]}), ("subworkflow", lambda x: {"workflow": x["name"]}),
    ("file_process", lambda x: {"action": "checksum", "file_id": x["file"]}),
    ("file_process", lambda x: {"action": "extract", "file_id": "{{trigger.file_id}}"}),
    ("log", lambda x: {"message": "{{secrets.%s}}" % x["name"]})],
    ids=["a workflow by id", "a workflow by name", "a file", "a file of the input", "a secret"])
def test_runs_reach_nothing(other, foreign, nothing, kind, config):
    """Steps fail as they do where there is nothing."""
    said = []
    for x in (Asked(foreign), Asked(nothing)):
        made = other.post("/api/v1/workflows", definition(uuid.uuid4().hex, type=kind, config=config(x)))
        if made.status_code != 201:
            said.append(x.plain(made.json()))
            continue
        run = other.execute(made.json()["id"], input={"file_id": x["file"]})["run_id"]
        ended = other.wait_run(run, TERMINAL)
        assert ended["status"] == "failed", ended
        said.append(x.plain(ended["error"]))
    assert said[0] == said[1]


def test_an_event_of_the_same_name_is_another_one(admin, other, foreign):
    """A run waits for its own tenant's event, whatever the other one publishes under that name."""
    kind, mark = f"paid.{foreign['name']}", uuid.uuid4().hex
    waits = admin.workflow([{"name": "w", "type": "wait", "config": {"event": {"type": kind}}}])
    run = admin.execute(waits["id"])["run_id"]
    admin.wait_run(run, until={"running"})
    event = other.ok("POST", "/api/v1/events/publish", json={"event_type": kind, "data": {"by": "other"}, "correlation_id": foreign["name"]})
    assert other.ok("GET", f"/api/v1/events/{event['id']}")["event_type"] == kind
    admin.ok("POST", "/api/v1/events/publish", json={"event_type": kind, "data": {"by": mark}})
    assert admin.wait_run(run)["status"] == "completed"
    assert mark in json.dumps(admin.steps(run)) and '"other"' not in json.dumps(admin.steps(run))


def test_nothing_of_it_was_changed(admin, foreign):
    """Run as the last of this file: what the first tenant has is as it was made."""
    assert admin.run(foreign["run"])["status"] == "running"
    assert admin.run(foreign["failed"])["status"] == "failed" and admin.run(foreign["failed"])["retry_count"] == 0
    workflow = admin.ok("GET", f"/api/v1/workflows/{foreign['workflow']}")
    assert workflow["status"] == "active" and workflow["version"] == 1
    assert len(admin.ok("GET", f"/api/v1/runs?workflow_id={foreign['workflow']}")["items"]) == 1
    assert admin.ok("GET", f"/api/v1/groups/{foreign['group']}/members")["items"] == []
    assert admin.ok("GET", f"/api/v1/users/{foreign['user']}")["groups"] == []
    admin.ok("POST", f"/api/v1/runs/{foreign['run']}/cancel", json={})
