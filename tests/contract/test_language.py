"""The definition language: its JSON Schema, the normal form, and that they agree with the compiler."""
import json
import pathlib
import uuid

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = "/api/v1/workflows"
SCHEMA = json.loads((ROOT / "docs/schemas/workflow-1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CORPUS = ROOT / "tests/fuzz/corpus/definition"
# what is no body of the API: kept for the compiler alone
NOT_FOR_THE_API = {"brackets", "not_an_object", "empty"}


def noop(name="a", **more):
    return {"name": name, "type": "noop", **more}


def step(kind, config, **more):
    return {"type": kind, "config": config, **more}


def definitions():
    """The definitions that ship and those of the corpus, as bodies of the API."""
    for path in sorted(ROOT.glob("examples/*.json")) + sorted(CORPUS.glob("*.json")):
        if path.stem in NOT_FOR_THE_API or "template" in path.stem:
            continue
        yield pytest.param(path, id=path.stem)


def read(path):
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError:
        pytest.skip("no JSON, on purpose")


def body(document):
    return {**document, "name": f"w-{uuid.uuid4().hex[:10]}"}


def complaints(document):
    return [f"{e.json_path}: {e.message[:200]}" for e in VALIDATOR.iter_errors(document)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_anybody_may_read_the_schema_and_keep_it(stack):
    nobody = stack.anonymous()
    answer = nobody.get("/schemas/workflow-1.json")
    assert answer.status_code == 200 and answer.json() == SCHEMA
    assert "public" in answer.headers["Cache-Control"]
    again = nobody.get("/schemas/workflow-1.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", list(definitions()))
def test_what_compiles_is_of_the_schema(admin, path):
    document = read(path)
    answer = admin.post(f"{BASE}/validate", body(document))
    if answer.status_code == 200:
        assert complaints(document) == []
    else:
        assert answer.status_code in (400, 413), answer.text


def block_cases():
    """One wrong definition for each kind of fault that a schema can tell, by its name."""
    inner = noop("x")
    yield "unknown member", [noop(nmae="b")]
    yield "unknown type", [{"type": "nop"}]
    yield "a type of later versions", [{"type": "approval"}]
    yield "no type", [{"name": "a"}]
    yield "an empty name", [noop("")]
    yield "a name too long", [noop("n" * 101)]
    yield "no steps", []
    yield "unknown member of a config", [step("log", {"mesage": "x", "message": "x"})]
    yield "config missing", [{"type": "log"}]
    yield "no url", [step("http_request", {"method": "GET"})]
    yield "no URL", [step("http_request", {"url": "ftp://x"})]
    yield "two bodies", [step("http_request", {"url": "https://x", "data": 1, "json": 2})]
    yield "half a login", [step("http_request", {"url": "https://x", "auth": {"type": "basic", "username": "u"}})]
    yield "a status out of range", [step("http_request", {"url": "https://x", "expected_status": [99]})]
    yield "a transformation that is none", [step("data_transform", {"transformations": [{"type": "reduce"}]})]
    yield "a filter without condition", [step("data_transform", {"transformations": [{"type": "filter"}]})]
    yield "two delays", [step("delay", {"seconds": 1, "until": "2030-01-01T00:00:00Z"})]
    yield "a level that is none", [step("log", {"message": "x", "level": "loud"})]
    yield "a condition that is none", [step("conditional", {"condition": 5})]
    yield "a case without condition", [step("switch", {"cases": [{"steps": [inner]}]})]
    yield "a case with two", [step("switch", {"value": 1, "cases": [{"when": "x", "equals": 1}]})]
    yield "equals without value", [step("switch", {"cases": [{"equals": 1}]})]
    yield "no cases", [step("switch", {"cases": []})]
    yield "steps and next", [step("switch", {"cases": [{"when": "x", "steps": [inner], "next": "b"}]}), noop("b")]
    yield "no branches", [step("parallel", {"branches": {}})]
    yield "an empty branch", [step("parallel", {"branches": {"a": []}})]
    yield "a join that is none", [step("parallel", {"branches": {"a": inner}, "join": "most"})]
    yield "a failure that is none", [step("parallel", {"branches": {"a": inner}, "on_branch_failure": "wait"})]
    yield "no items", [step("foreach", {"steps": [inner]})]
    yield "items that are none", [step("foreach", {"items": 5, "steps": [inner]})]
    yield "a range without an end", [step("foreach", {"items": {"from": 0, "to": 5, "step": 0}, "steps": [inner]})]
    yield "a name that is taken", [step("foreach", {"items": [], "as": "steps", "steps": [inner]})]
    yield "too much at once", [step("foreach", {"items": [], "concurrency": 1001, "steps": [inner]})]
    yield "tolerating two ways", [step("foreach", {"items": [], "tolerate": {"count": 1, "percent": 1},
                                                   "steps": [inner]})]
    yield "a loop without bound", [step("while", {"condition": "true", "steps": [inner]})]
    yield "a loop without steps", [step("while", {"condition": "true", "max_iterations": 2, "steps": []})]
    yield "no workflow", [step("subworkflow", {"input": {}})]
    yield "a wait for nothing", [step("wait", {})]
    yield "a wait for two", [step("wait", {"duration": 1, "event": {"type": "x"}})]
    yield "an event without type", [step("wait", {"event": {}})]
    yield "waits in waits", [step("wait", {"any": [{"any": [{"duration": 1}]}]})]
    yield "nothing to set", [step("set", {})]
    yield "nothing to assert", [step("assert", {"message": "x"})]
    yield "nothing to raise", [step("raise", {"message": "x"})]
    yield "no end", [step("terminate", {"status": "running"})]
    yield "no event", [step("emit", {"data": 1})]
    yield "no agent", [step("agent", {"payload": 1})]
    yield "an agent said twice", [step("agent", {"agent": "a"}, agent_name="a")]
    yield "an agent by two ways", [step("agent", {"agent": "a", "requires": ["b"]})]
    yield "an agent of another type", [noop(agent="a")]
    yield "a wait for a turn where there is none", [noop(timeouts={"start": 1})]
    yield "a join of steps", [noop(), noop("b", join="some")]
    yield "a catch that does nothing", [noop(catch=[{"on": ["timeout"]}])]
    yield "a catch that does two things", [noop(catch=[{"value": 1, "next": "b"}]), noop("b")]
    yield "nothing to undo it", [noop(compensate=[])]
    yield "retries", [noop(retry={"max_attempts": 0})]
    yield "a duration that is none", [noop(timeout_seconds="soon")]
    yield "an outcome that is none", [noop(on_error="ignore")]
    yield "disabled by a text", [noop(disabled="yes")]


@pytest.mark.parametrize("name, steps", list(block_cases()), ids=lambda v: v if isinstance(v, str) else "")
def test_what_the_schema_refuses_the_compiler_refuses(admin, name, steps):
    document = {"steps": steps}
    assert complaints(document), name
    answer = admin.post(f"{BASE}/validate", body(document))
    assert answer.status_code == 400, name
    assert answer.json()["error_code"] == "VALIDATION_FAILED"


@pytest.mark.parametrize("member", [
    {"mode": "sga"}, {"concurrency": {}}, {"concurrency": {"limit": 0}}, {"vars": [1]}, {"secrets": [1]},
    {"finally": [{"type": "nop"}]}, {"on_failure": [5]}, {"timeout_seconds": -1}, {"settings": {"retries": 1}},
    {"stepz": []}], ids=lambda m: next(iter(m)))
def test_members_of_the_whole_too(admin, member):
    document = {"steps": [noop()], **member}
    assert complaints(document)
    assert admin.post(f"{BASE}/validate", body(document)).status_code == 400


def test_the_normal_form_says_everything(admin):
    made = admin.ok("POST", BASE, json=body({
        "settings": {"timeout": 60, "max_retries": 1}, "vars": {"n": 1},
        "process_steps": [
            {"step": 1, "name": "A", "action": "log", "config": {"message": "${workflow.input.x}"}},
            {"name": "each", "type": "foreach", "config": {"items": [1], "steps": noop("in")},
             "compensate": noop("undo")}]}))
    path = f"{BASE}/{made['id']}/normalized"
    normal = admin.ok("GET", path)
    assert complaints(normal) == []
    assert normal["mode"] == "standard" and normal["timeout_seconds"] == 60 and normal["vars"] == {"n": 1}
    first, each = normal["steps"]
    assert first["name"] == "A" and first["type"] == "log" and first["retry"]["max_attempts"] == 2
    assert first["config"] == {"message": "${workflow.input.x}"}
    assert each["depends_on"] == ["A"] and each["join"] == "ok" and each["retry"]["max_attempts"] == 1
    assert each["config"]["as"] == "item" and each["config"]["concurrency"] == 1
    assert each["config"]["steps"][0]["name"] == "in" and each["compensate"][0]["name"] == "undo"
    # it is a definition itself, and its own normal form
    again = admin.ok("POST", BASE, json=body({k: v for k, v in normal.items()}))
    assert admin.ok("GET", f"{BASE}/{again['id']}/normalized") == normal


def test_no_workflow_no_normal_form(admin, other, things):
    assert admin.get(f"{BASE}/999999999/normalized").json()["error_code"] == "WORKFLOW_NOT_FOUND"
    assert other.get(f"{BASE}/{things.quick}/normalized").status_code == 404
