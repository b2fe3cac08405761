"""The examples of docs/language.md, run: what stands under each is what becomes of it.

A fenced block `json workflow` is a definition; each `json run` after it says what a run of it is started
with (`input`, `signals`, `file`: what is uploaded first, its id being the input's `file_id`) and what comes of it
(`status`, `output`, `error`: those members of it, `steps`: path → status). `json child` is a workflow that the next one calls by its name, `json agent` an agent that it names; `json definition` must be
valid and isn't run; `json refused` is not, at the paths that the `json faults` after it lists.
"""
import json
import pathlib
import re
import uuid

import pytest

TEXT = pathlib.Path(__file__).resolve().parents[2] / "docs/language.md"
FENCE = re.compile(r"^```json (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BASE = "/api/v1/workflows"


def blocks():
    text = TEXT.read_text()
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield line, found.group(1), json.loads(found.group(2))


def cases(wanted):
    """Each block of this kind, with the workflow (and its child) or the refused definition before it."""
    before, child, agent = {}, None, None
    for line, kind, document in blocks():
        if kind == "child":
            child = document
        elif kind == "agent":
            agent = document
        elif kind == "workflow":
            before, child, agent = {"workflow": document, "child": child, "agent": agent}, None, None
        elif kind == "refused":
            before = {"refused": document}
        if kind == wanted:
            yield pytest.param(document, before, id=f"line {line}")


def at_the_receiver(document, receiver):
    """The examples call a service that only the test has."""
    return json.loads(json.dumps(document).replace("https://api.example.com", receiver.url))


def save(api, document):
    return api.ok("POST", BASE, json={**document, "name": f"example-{uuid.uuid4().hex[:12]}"})


def with_child(api, document, child):
    """The child is saved under a name of its own, so that examples can be run twice."""
    if child is None:
        return document
    made = save(api, child)
    return json.loads(json.dumps(document).replace(json.dumps(child["name"]), json.dumps(made["name"])))


def with_agent(api, document, agent):
    """It is registered under a name of its own, too."""
    if agent is None:
        return document
    made = api.ok("POST", "/api/v1/agents", json={**agent, "name": f"example-{uuid.uuid4().hex[:12]}"})
    return json.loads(json.dumps(document).replace(json.dumps(agent["name"]), json.dumps(made["name"])))


def test_there_are_examples():
    kinds = [kind for _, kind, _ in blocks()]
    assert kinds.count("workflow") > 20 and kinds.count("run") >= kinds.count("workflow")
    assert set(kinds) <= {"workflow", "run", "child", "agent", "definition", "refused", "faults"}


def test_every_step_type_has_one():
    text = json.dumps([document for _, kind, document in blocks() if kind != "refused"])
    types = re.findall(r'MR_STEP_TYPE\(\w+, "(\w+)"',
                       (TEXT.parents[1] / "engine/core/step_types.def").read_text())
    missing = [t for t in types if f'"type": "{t}"' not in text]
    assert types and not missing


@pytest.mark.parametrize("expected, before", list(cases("run")))
def test_what_becomes_of_it(api, receiver, expected, before):
    document = with_child(api, at_the_receiver(before["workflow"], receiver), before["child"])
    document = with_agent(api, document, at_the_receiver(before["agent"], receiver))
    given = dict(expected.get("input", {}))
    if "file" in expected:
        file = expected["file"]
        made = api.ok("POST", "/api/v1/files", files={"file": (file["name"], file["content"].encode(), "text/plain")})
        given["file_id"] = made["id"]
    run = api.execute(save(api, document)["id"], input=given)["run_id"]
    for signal in expected.get("signals", ()):
        answer = api.post(f"/api/v1/runs/{run}/signals/{signal['name']}", signal["data"])
        assert answer.status_code == 202, answer.text
    done = api.wait_run(run)
    assert done["status"] == expected["status"], done
    if "output" in expected:
        assert done["result_data"] == expected["output"]
    for member, value in expected.get("error", {}).items():
        assert done["error"][member] == value
    if "steps" in expected:
        listed = api.ok("GET", f"/api/v1/runs/{run}/steps?page_size=100")["items"]
        statuses = {s["path"]: s["status"] for s in listed}
        assert {path: statuses.get(path) for path in expected["steps"]} == expected["steps"]


@pytest.mark.parametrize("document, before", list(cases("definition")))
def test_what_is_valid(api, document, before):
    assert api.ok("POST", f"{BASE}/validate", json={**document, "name": "x"})["valid"] is True


@pytest.mark.parametrize("paths, before", list(cases("faults")))
def test_what_is_refused(api, paths, before):
    answer = api.post(f"{BASE}/validate", {**before["refused"], "name": "x"})
    assert answer.status_code == 400
    assert sorted(answer.json()["details"]) == sorted(paths)
