"""docs/coverage.md: what it names is there, and it names every address of the document."""
import json
import pathlib
import re

import pytest

from support.seeds import Seed, shape

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/coverage.md").read_text()


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`((?:contract|integration|registry|sql)/test_\w+\.py)(?:::(\w+))?`", TEXT))
    assert len(named) > 60
    missing = []
    for file, test in sorted(named):
        path = ROOT / "tests" / file
        if not path.is_file() or (test and not re.search(rf"^def {test}\(", path.read_text(), re.MULTILINE)):
            missing.append(f"{file}::{test}")
    assert missing == []


def test_every_address_is_named():
    said = set(re.findall(r"(/[A-Za-z0-9_{}./-]*[A-Za-z0-9_}])`", TEXT))
    addresses = set(json.loads((ROOT / "docs/reference/openapi.json").read_text())["paths"])
    assert addresses - said == set()


def test_no_address_is_made_up():
    said = set(re.findall(r"(/api/v1/[A-Za-z0-9_{}./-]*[A-Za-z0-9_}])`", TEXT))
    addresses = set(json.loads((ROOT / "docs/reference/openapi.json").read_text())["paths"])
    assert said - addresses == set()


LATER = {f"/api/v1/workflow/{p}" for p in ("action-catalog", "workflow-suggestions", "workflow-simulations", "workflow-slas",
                                           "sla-breaches")}


@pytest.mark.parametrize("seed", ["s0", "s1", "s2", "s3", "s4"])
def test_every_address_that_a_document_names_is_served(seed):
    paths = json.loads((ROOT / "docs/reference/openapi.json").read_text())["paths"]
    served = {(m.upper(), shape(p)) for p, item in paths.items() for m in item}
    named = Seed(seed).addresses()
    assert len(named) >= 16
    missing = {(m, p) for m, p in named - served if not any(p.startswith(later) for later in LATER)}
    assert missing - {("GET", "/docs"), ("GET", "/redoc")} == set(), "the two are pages, which nginx has"
