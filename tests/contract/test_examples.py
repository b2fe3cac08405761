"""The document's examples: recorded, complete, as their own schemas say, and without anything of a real server."""
import json
import pathlib
import re

import pytest

from support.examples import A_PUBLIC_KEY, CREDENTIAL, ITSELF, NOT_SHOWN, Canon, Examples

from .openapi import Document
from .recorder import OF_FAULTS

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "docs/reference"
DOCUMENT = Document((REFERENCE / "openapi.json").read_text())
TEXT = (REFERENCE / "examples.json").read_text()
RECORDED = json.loads(TEXT)
OPERATIONS = {operation["operationId"]: (method, path, operation) for method, path, operation in DOCUMENT.operations()}
AGAIN = "record what is new: make examples"


def recorded():
    return [(name, status, made) for name, statuses in RECORDED["operations"].items()
            for status, made in statuses.items()]


def success(operation):
    return [status for status in operation["responses"] if status[0] == "2"]


def test_each_operation_and_success_is_recorded():
    """So the examples are never older than the route table."""
    missing = [(name, status) for name, (_, _, operation) in OPERATIONS.items() if name not in ITSELF
               for status in success(operation) if status not in RECORDED["operations"].get(name, {})]
    assert missing == [], AGAIN
    assert set(RECORDED["operations"]) <= set(OPERATIONS), f"operations that are gone; {AGAIN}"


def test_each_fits_its_schemas():
    """Path, media types, the request's body, the answer: as the operation declares them."""
    examples, faults = Examples(DOCUMENT), []
    for name, status, made in recorded():
        method, path, _ = OPERATIONS[name]
        found = examples.faults(made, path, DOCUMENT.operation(method, path)[1], status)
        faults += [(name, status, fault) for fault in found]
    assert faults == [], AGAIN


def test_each_error_is_recorded():
    declared = {code for _, _, operation in DOCUMENT.operations() for response in operation["responses"].values()
                for code in Examples(DOCUMENT).codes(response)}
    assert declared == set(RECORDED["problems"]), AGAIN
    for code, problem in problems():
        assert DOCUMENT.faults({"$ref": "#/components/schemas/Problem"}, problem) == [], code
        assert problem["error_code"] == code and problem["type"] == f"/docs/errors#{code}"


def problems():
    yield from RECORDED["problems"].items()
    for errors in RECORDED["errors"].values():
        yield from errors.items()


def test_each_operation_shows_its_own_errors():
    """Its own input's faults, and what only some operations answer: recorded of that very operation, and shown there."""
    examples, missing = Examples(DOCUMENT), set()
    for name, (method, path, operation) in OPERATIONS.items():
        own = RECORDED["errors"].get(name, {})
        assert set(own) <= examples.own_errors(operation), f"errors that are gone; {AGAIN}"
        missing |= {(name, code) for code in examples.own_errors(operation) - set(own) if name not in ITSELF}
        for status in operation["responses"]:
            response = DOCUMENT.response(operation, status)
            media = response.get("content", {}).get("application/problem+json", {"examples": {}})
            for code, example in media["examples"].items():
                if code in own:
                    assert example["value"] == own[code], (name, code)
                    assert DOCUMENT.path_of(own[code]["path"]) == path, (name, code)
                else:
                    assert example == {"$ref": f"#/components/examples/{code}"}, (name, code)
    assert missing == set(), AGAIN


def shown(media):
    return [m["example"] for m in media.values() if "example" in m]


def test_the_document_shows_them():
    """Every body that is sent or answered has its example there, and it is the recorded one."""
    for name, (_, _, operation) in OPERATIONS.items():
        if "requestBody" in operation:
            assert shown(operation["requestBody"]["content"]), f"{name} shows no request; {AGAIN}"
        for status in success(operation) if name not in ITSELF else ():
            made = RECORDED["operations"][name][status]
            assert shown(operation["responses"][status]["content"]) == [made["answer"]], (name, status)
        first = RECORDED["operations"].get(name, {}).get(success(operation)[0], {"request": {}})["request"]
        if first.get("type") == "application/json":
            assert shown(operation["requestBody"]["content"]) == [first["body"]], name
    # of an error's own operations each has its own; the others refer to these
    examples = DOCUMENT.doc["components"]["examples"]
    assert {code: e["value"] for code, e in examples.items()} == {code: RECORDED["problems"][code] for code in examples}
    assert examples.keys() == set(re.findall(r'"#/components/examples/(\w+)"', json.dumps(DOCUMENT.doc)))


def test_path_parameters_show_what_was_sent():
    for name, status, made in recorded():
        _, path, operation = OPERATIONS[name]
        values = dict(zip(path.split("/"), made["request"]["path"].split("/")))
        for parameter in operation["parameters"] if status == success(operation)[0] else ():
            if parameter["in"] == "path":
                assert str(parameter["example"]) == values["{%s}" % parameter["name"]], (name, parameter)


def test_they_tell_nothing_of_a_server():
    assert re.search(r"127\.0\.0\.1|localhost:\d|/tmp/|/var/lib", TEXT) is None
    assert re.search(r"PRIVATE KEY|mrk_(?!5f1d3c8a\")\w+", TEXT) is None
    left = {m[0] for m in CREDENTIAL.finditer(TEXT.replace(json.dumps(A_PUBLIC_KEY)[1:-1], ""))}
    assert {t for t in left if not re.fullmatch("[0-9a-f]{64}", t)} == set()
    for name in ("createApiKey", "rotateApiKey"):
        assert {m["answer"]["key"] for m in RECORDED["operations"][name].values()} == {NOT_SHOWN}
    assert RECORDED["operations"]["createSecret"]["201"]["request"]["body"]["value"] == NOT_SHOWN


@pytest.mark.parametrize("real, made", [
    ({"id": 4711, "run_ids": [4712, 4711]}, {"id": 12, "run_ids": [13, 12]}),
    ({"workflow_id": "wf_4711", "name": "wf_4711"}, {"workflow_id": "wf_12", "name": "wf_4711"}),
    ("/api/v1/workflows/4711/versions/3", "/api/v1/workflows/12/versions/3"),
    ({"name": "test-5f1d3c8a9b7e", "of": "mine66359c14"}, {"name": "test", "of": "mine-2"}),
    ({"url": "https://127.0.0.1:4711/work"}, {"url": "https://service.example/work"}),
    ({"prefix": "mrk_5APJSQeK", "count": 4711}, {"prefix": "mrk_5f1d3c8a", "count": 4711}),
    ({"password": "hunter2"}, {"password": NOT_SHOWN}),
    ("Bearer mrk_5APJSQeK_0123456789abcdef", f"Bearer {NOT_SHOWN}"),
    ("said by hunter2", f"said by {NOT_SHOWN}"),
    ({"duration_ms": 317, "timeout_ms": 317}, {"duration_ms": 12, "timeout_ms": 317}),
])
def test_what_is_new_each_time_becomes_the_same(real, made):
    assert Canon(DOCUMENT, ["hunter2"]).value(real, answered=True) == made


def test_times_keep_their_order():
    canon = Canon(DOCUMENT)
    real = ["2026-11-27T12:00:00.25Z", "2026-11-27T12:00:07Z", "2026-11-29T13:00:00Z"]
    canon.learn_times(json.dumps(real))
    assert canon.value(real) == ["2025-01-08T10:00:00Z", "2025-01-08T10:00:01Z", "2025-01-10T11:00:00Z"]
