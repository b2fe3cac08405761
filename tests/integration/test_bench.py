"""./dev bench in each way that docs/performance.md names: it runs to its end, says a row for all that it measures, and what
was measured whole goes to RESULTS.md. How fast anything is isn't judged here, and each is measured for as short as it can be."""
import json
import re
import subprocess
import sys

import pytest

from support.stack import ROOT
from support.tree import copied_tree

sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/api")]

from mix import Mix  # noqa: E402
from writes import IN_MIX, WRITES, Things  # noqa: E402

SHORT = {"ROUNDS": "1", "SECONDS_EACH": "1", "EVERY_SECONDS": "1", "LOAD_SECONDS": "8"}
SECTIONS = {"./dev bench": "api", "./dev bench api --all": "routes", "./dev bench load": "load", "./dev bench engine": "engine"}
COMMANDS = re.findall(r"^    (\./dev bench.*)$", (ROOT / "docs/performance.md").read_text(), re.M)


@pytest.fixture(scope="module")
def tree():
    """A copy of this one, for its results are written into it."""
    with copied_tree("bench") as (copy, environment):
        (copy / "bench/RESULTS.md").unlink()
        yield copy, {**environment, **SHORT}


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_measures(tree, command):
    copy, environment = tree
    r = subprocess.run(command.split(), cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert r.returncode == 0, r.stdout[-5000:]
    rows = [line for line in r.stdout.splitlines() if line.startswith("| ")]
    assert rows, r.stdout[-5000:]
    if command not in SECTIONS:
        assert "RESULTS.md" not in r.stdout
        return
    section = re.search(f"<!-- {SECTIONS[command]} -->\n(.*?)<!-- end -->", (copy / "bench/RESULTS.md").read_text(), re.S).group(1)
    assert f"Made by `{command}`" in section and set(rows) <= set(section.splitlines()), section


def test_all_ways_are_named():
    assert set(SECTIONS) <= set(COMMANDS) and len(COMMANDS) > len(SECTIONS), COMMANDS


def test_every_operation_has_a_row():
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
                  if method in ("get", "put", "post", "delete", "options", "head", "patch", "trace")}
    missing = operations - {f"GET {path}" for path, _ in Mix.gets()} - set(WRITES)
    assert not missing, f"bench/api/writes.py has no row for {missing}"
    assert not set(WRITES) - operations, f"bench/api/writes.py has rows for what isn't there: {set(WRITES) - operations}"


def test_each_row_says_what_it_is_asked_for_on():
    mix = object.__new__(Mix)
    mix.workflow, mix.workflows = 1, [1]
    assert {what for what, _ in mix.writes()} == {what for what, made in WRITES.items() if made is IN_MIX}
    for what, made in WRITES.items():
        if made is IN_MIX:
            continue
        assert made.of in WRITES or hasattr(Things, made.of or "made"), f"{what}: nothing makes {made.of}"
        assert made.of or "{" not in what, f"{what}: nothing says what stands in its path"
