"""The guides of docs/: what each tells the reader to type, in one shell, on a fresh server. Getting started, which begins with
nothing, is run by test_front_door.py."""
import os
import re
import subprocess

import pytest

from support.stack import ROOT, Stack

# test_bench.py runs these
BENCH = re.compile(r"\./dev bench\b")
WORDS = re.compile(r"^(?:millrace|member)\(\) .*\n", re.M)


@pytest.fixture(scope="module")
def fresh():
    s = Stack("guides")
    try:
        s.start()
        yield s
    finally:
        s.close()


def commands(page):
    """The indented lines of a page, without their indentation."""
    lines = re.findall(r"^    (.*\n)", (ROOT / "docs" / page).read_text(), re.M)
    return "".join(line for line in lines if not BENCH.match(line))


def follow(stack, script):
    environment = {**os.environ, "MILLRACE_URL": stack.url, "MILLRACE_CA": stack.ca, "MILLRACE_KEY": stack.key}
    r = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, (r.stdout[-3000:], r.stderr[-3000:])
    return r.stdout


def test_authentication(fresh):
    words = "".join(WORDS.findall(commands("getting-started.md")))
    assert words.count("\n") == 2
    said = follow(fresh, words + commands("authentication.md"))
    assert re.search(r"FORBIDDEN\nmrk_\w+\nrevoked\n0\n$", said), said


def test_performance(fresh):
    said = follow(fresh, commands("performance.md"))
    assert said.count('"items":') == 2 and "# TYPE millrace_queue_depth gauge" in said, said[-3000:]


def test_migrating(fresh):
    said = follow(fresh, commands("migrating.md"))
    checked, first, second = said.splitlines()[0], said.splitlines()[1:3], said.splitlines()[3:5]
    assert checked == "2 of 2 are valid", said
    assert [line.split("\t")[0] for line in first + second] == ["made", "made", "same", "same"], said
    assert [line.split("\t")[2] for line in first] == ["extractor", "nightly"], said
    assert "Workflow execution started" in said


def test_files_with_faults_change_nothing(fresh, tmp_path):
    (tmp_path / "good.json").write_text('{"steps": [{"name": "a", "type": "log", "config": {"message": "x"}}]}')
    (tmp_path / "bad.json").write_text('{"steps": [{"name": "a", "type": "htp"}, {"name": "b", "agent_name": "nobody"}]}')
    environment = {**os.environ, "MILLRACE_URL": fresh.url, "MILLRACE_CA": fresh.ca, "MILLRACE_KEY": fresh.key}
    r = subprocess.run(["python3", ROOT / "examples/import_workflows.py", tmp_path], env=environment, capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and r.stdout == "1 of 2 are valid\n", (r.stdout, r.stderr)
    assert f"{tmp_path}/bad.json: bad: steps[0].type: " in r.stderr, r.stderr
    assert fresh.api.ok("GET", "/api/v1/workflows?search=good")["items"] == []
