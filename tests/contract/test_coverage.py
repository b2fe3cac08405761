"""docs/coverage.md: what it names is there, and it names every address of the document."""
import json
import pathlib
import re

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
