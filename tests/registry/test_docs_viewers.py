"""The documentation pages in Chromium, and the document before others' judges."""
import json
import os
import re
import shutil

import pytest

from support.stack import ROOT

from .conftest import run

PINNED = ROOT / "tests/support/docs_tools"
DOCUMENT = ROOT / "docs/reference/openapi.json"
CHROMIUM = shutil.which("chromium")
# Of a member that may be one of several types and that a form of its body names too, Redoc lays each type over each, and
# tells of those that don't go together.
OVERLAID = re.compile(r'''/redoc: warning: (Incompatible types in allOf|Field "[\w-]+" is invalid, skipping\.\s+Field must be an object but '''
                      r'''got undefined) at "#/components/schemas/\w+/oneOf/\d+/properties/\w+/oneOf/\d+/oneOf/\d+"''')


def test_spectral_finds_nothing(tools):
    r = run(tools.npm("spectral"), "lint", "--ruleset", PINNED / "spectral.yaml", "--fail-severity",
            "hint", "--format", "json", "--quiet", DOCUMENT)
    findings = [(f["code"], f["path"], f["message"]) for f in json.loads(r.stdout or "[]")]
    assert r.returncode == 0 and not findings, (findings[:20], r.stderr)


def test_redocly_finds_nothing(tools):
    r = run(tools.npm("redocly"), "lint", "--config", PINNED / "redocly.yaml", "--format", "json",
            DOCUMENT, env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    problems = json.loads(r.stdout)["problems"]
    assert not [(p["ruleId"], p["message"], p["location"][0].get("pointer")) for p in problems]
    assert r.returncode == 0, r.stderr


def test_paths_are_ambiguous_only_for_who_does_not_read_ids():
    """The rule that redocly.yaml switches off: a fixed word against an id, which is a number."""
    doc = json.loads(DOCUMENT.read_text())
    split = [(p, p.strip("/").split("/")) for p in doc["paths"]]
    for i, (path, one) in enumerate(split):
        for other_path, other in split[i + 1:]:
            pairs = list(zip(one, other))
            if len(one) != len(other) or any(a != b and "{" not in a + b for a, b in pairs):
                continue
            apart = [a if "{" in a else b for a, b in pairs if ("{" in a) != ("{" in b)]
            assert any(re.fullmatch(r"\{(\w+_)?id\}|\{version\}", v) for v in apart) or len(apart) == 1, (
                path, other_path)


def test_openapi_spec_validator_takes_it(tools):
    r = run(tools.pypi("openapi-spec-validator"), DOCUMENT)
    assert r.returncode == 0, r.stdout + r.stderr


def test_the_pages_in_chromium(tools, stack, api):
    """Both viewers show the operations, Try it out works with a key, and the console stays empty."""
    assert CHROMIUM, "chromium is not installed"
    api.workflow([{"name": "hello", "type": "log", "config": {"message": "hello"}}], name="seen in Swagger UI")
    made = {"name": "made in Swagger UI", "steps": [{"name": "hello", "type": "log", "config": {"message": "hello"}}]}
    operations = sum(len(item) for item in json.loads(DOCUMENT.read_text())["paths"].values())
    r = run("node", PINNED / "pages.js", env={
        **os.environ, "NODE_PATH": str(tools.at / "node_modules"), "CHROMIUM": CHROMIUM, "BASE": stack.url,
        "KEY": stack.key, "WORKFLOW": json.dumps(made)})
    assert r.returncode == 0, r.stdout + r.stderr
    told = json.loads(r.stdout)
    assert [c for c in told["complaints"] if not OVERLAID.match(c)] == []
    assert told["swagger"]["operations"] == told["redoc"]["operations"] == operations
    assert told["swagger"]["status"] == "200"
    assert "seen in Swagger UI" in told["swagger"]["body"]
    assert told["swagger"]["refused"] == "401"
    refused, done = told["swagger"]["create"]["refused"], told["swagger"]["create"]["made"]
    assert refused["status"] == "400" and '"steps"' in refused["body"] and "VALIDATION_FAILED" in refused["body"]
    assert done["status"] == "201" and made["name"] in done["body"]
    assert [w["name"] for w in api.ok("GET", "/api/v1/workflows?search=made in Swagger UI")["items"]] == [made["name"]]
    assert told["redoc"]["found"] > 0
    assert told["errors"]["target"] == "VALIDATION_FAILED"
