"""Docs/deployment.md is true: its own commands are run, in its order. Those of an installation (make install, units)
are run by tests/dist."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from support.plans import CHANGES
from support.stack import Stack

ROOT = pathlib.Path(__file__).resolve().parents[2]


HERE = {"Database", "Upgrade", "Backup", "Restore"}
BY_DIST = {"Install", "Configure", "systemd"}


def commands(section):
    """The indented lines of one section of the page."""
    text = (ROOT / "docs/deployment.md").read_text()
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    found = re.findall(r"^ {4,}(\S.*)$", part, re.M)
    assert found, section
    return found


def test_no_command_is_left_out():
    text = (ROOT / "docs/deployment.md").read_text()
    parts = re.split(r"^## (.*)$", text, flags=re.M)[1:]
    assert {name for name, part in zip(parts[::2], parts[1::2]) if re.search(r"^ {4,}\S", part, re.M)} == HERE | BY_DIST


@pytest.fixture
def own():
    s = Stack("restore")
    try:
        s.start()
        yield s
    finally:
        s.close()


def service(stack, line):
    """What systemctl would do, done to the stack."""
    verb, *units = line.split()[1:]
    names = [u.removeprefix("millrace-") for u in units]
    if verb == "restart":
        stack.restart(*names)
    else:
        assert (verb, names) == ("reload", ["nginx"]), line
        stack.sh("start", *names)


def run_all(stack, section, folder):
    """With the places of this stack instead of an installation's. What was printed."""
    environment = {**os.environ, "PGHOST": str(stack.runs), "PGPORT": stack.ports["PG_PORT"], "PGUSER": "postgres",
                   "PGPASSWORD": stack._secret("postgres")}
    printed = []
    for line in commands(section):
        line = line.replace("/var/lib/millrace", str(stack.state)).replace("/usr/share/", f"{stack.inst}/share/")
        if line.startswith("systemctl "):
            service(stack, line)
            continue
        if line.startswith("millrace-admin "):
            line = f"{stack.inst}/sbin/{line} --config {stack.config}"
        r = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert r.returncode == 0, (line, r.stdout, r.stderr)
        printed.append(r.stdout)
    return printed


def test_a_new_database(own, tmp_path):
    own.stop("api", "engine")
    own.sh("psql", "-d", "postgres", "-c", "drop database millrace with (force)")
    key = run_all(own, "Database", tmp_path)[-1].split()[-1]
    own.start()
    api = own.with_key(key)
    w = api.workflow([{"name": "a", "type": "log", "config": {"message": "x"}}])
    assert api.execute(w["id"], wait=60)["status"] == "completed"


def test_an_upgrade(own, tmp_path):
    """From the schema of the last change but two; the programs of this release refuse that one."""
    done = own.api.workflow([{"name": "a", "type": "log", "config": {"message": "before"}}])
    admin = lambda *a: own.admin("migrate", *a)  # noqa: E731
    own.stop("api", "engine")
    admin("revert", "--to", CHANGES[-3], "--yes")
    printed = run_all(own, "Upgrade", tmp_path)
    assert any(f"pending   {CHANGES[-1]}" in text for text in printed)
    own.ready()
    assert own.api.execute(done["id"], wait=60)["status"] == "completed"


def test_what_was_backed_up_comes_back(own, tmp_path):
    api = own.api
    w = api.workflow([{"name": "a", "type": "log", "config": {"message": "{{trigger.x}}"}}])
    done = api.execute(w["id"], wait=60, trigger_data={"x": 1})["run"]["id"]
    file = api.ok("POST", "/api/v1/files", files={"file": ("a.txt", b"what was stored", "text/plain")})
    run_all(own, "Backup", tmp_path)
    late = api.workflow([{"name": "a", "type": "log", "config": {"message": "after the backup"}}])
    own.stop("api", "engine")
    own.sh("psql", "-d", "postgres", "-c", "drop database millrace with (force)")
    shutil.rmtree(own.state / "files")
    run_all(own, "Restore", tmp_path)
    own.start()
    assert api.run(done)["status"] == "completed"
    assert api.get(f"/api/v1/files/{file['id']}/content").content == b"what was stored"
    assert api.get(f"/api/v1/workflows/{late['id']}").status_code == 404
    assert api.execute(w["id"], wait=60, trigger_data={"x": 2})["status"] == "completed"
