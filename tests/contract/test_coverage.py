"""docs/coverage.md: what it names is there, and it names every address of the document."""
import json
import pathlib
import re

import pytest

from support.seeds import Seed, shape

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/coverage.md").read_text()


FOLDERS = "|".join(sorted(p.name for p in (ROOT / "tests").iterdir() if p.is_dir()))
# what nginx has itself
PAGES = set(re.findall(r"location ~ \^(/[a-z/]+?)/\?\$ ", (ROOT / "nginx/snippets/locations.conf").read_text()))


def operations():
    """Method and address of each operation of the document."""
    paths = json.loads((ROOT / "docs/reference/openapi.json").read_text())["paths"]
    return {(m.upper(), p) for p, item in paths.items() for m in item}


def addresses_of(text):
    """Whatever it names: with its method, or with "" where it names none."""
    return set(re.findall(r"`(?:([A-Z]+) )?(/[A-Za-z0-9_{}./-]*[A-Za-z0-9_}])`", text))


def test_every_test_that_is_named_exists():
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w/]+\.(?:py|c))(?:::(\w+))?`", TEXT))
    assert len(named) > 140 and {"fault", "registry", "sql"} < {file.split("/")[0] for file, _ in named}
    assert len(re.findall(r"`[\w/]+\.py::", TEXT)) == len(re.findall(rf"`(?:{FOLDERS})/test_\w+\.py::\w+`", TEXT))
    missing = []
    for file, test in sorted(named):
        path = ROOT / "tests" / file
        if not path.is_file() or (test and not re.search(rf"^def {test}\(", path.read_text(), re.MULTILINE)):
            missing.append(f"{file}::{test}")
    assert missing == []


def test_every_operation_is_named():
    said = addresses_of(TEXT)
    assert {(m, p) for m, p in operations() if not {(m, p), ("", p)} & said} == set()


def test_no_operation_is_made_up():
    paths = {p for _, p in operations()}
    assert "/docs" in PAGES
    known = operations() | {("", p) for p in paths} | {(m, p) for p in PAGES for m in ("", "GET")}
    made_up = addresses_of(TEXT) - known
    assert made_up == set()


def test_a_method_that_is_not_there_is_seen():
    named = addresses_of("`DELETE /api/v1/health`, `/api/v1/runs/{id}`, and `GET /health`")
    assert named == {("DELETE", "/api/v1/health"), ("", "/api/v1/runs/{id}"), ("GET", "/health")}
    assert named - operations() == {("DELETE", "/api/v1/health"), ("", "/api/v1/runs/{id}")}


LATER = {f"/api/v1/workflow/{p}" for p in ("action-catalog", "workflow-suggestions", "workflow-simulations", "workflow-slas",
                                           "sla-breaches")}


@pytest.mark.parametrize("seed", ["s0", "s1", "s2", "s3", "s4"])
def test_every_address_that_a_document_names_is_served(seed):
    served = {(m, shape(p)) for m, p in operations()}
    named = Seed(seed).addresses()
    assert len(named) >= 16
    missing = {(m, p) for m, p in named - served if not any(p.startswith(later) for later in LATER)}
    assert missing - {("GET", "/docs"), ("GET", "/redoc")} == set(), "the two are pages, which nginx has"
