"""The README's first workflow: its own commands, in a shell, after what ./dev up leaves."""
import json
import os
import re
import subprocess

import pytest

from support.stack import ROOT, Stack


def commands(section):
    """The indented commands of one section that call the API; a line may go on in the next."""
    text = (ROOT / "README.md").read_text()
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    blocks = re.findall(r"(?:^    .*\n)+", part, re.M)
    found = [c for b in blocks for c in re.split(r"^    (?=\S)", b, flags=re.M) if c.startswith("curl ")]
    assert found, section
    return found


@pytest.fixture(scope="module")
def fresh():
    s = Stack("readme")
    try:
        s.start()
        s.api.ok("POST", "/api/v1/workflows",
                 json=json.loads((ROOT / "examples/document-processing-pipeline.json").read_text()))
        yield s
    finally:
        s.close()


def answer(stack, command):
    environment = {**os.environ, "MILLRACE_URL": stack.url, "MILLRACE_CA": stack.ca, "MILLRACE_KEY": stack.key}
    r = subprocess.run(["sh", "-c", command.replace("curl ", "curl -sS --fail-with-body ", 1)], env=environment,
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, (command, r.stdout, r.stderr)
    return json.loads(r.stdout)


def test_first_workflow(fresh):
    (listing,) = commands("In one command")
    assert [w["id"] for w in answer(fresh, listing)["items"]] == [1]
    make, execute = commands("A first workflow")
    made = answer(fresh, make)
    assert f"/workflows/{made['id']}/execute" in execute
    run = answer(fresh, execute)["run"]
    assert run["status"] == "completed", run
    said = [s["output_data"] for s in fresh.api.steps(run["id"])]
    assert {"message": "Hello, Ada"}.items() <= said[-1].items(), said
