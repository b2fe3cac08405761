"""Backup and restore as docs/deployment.md has them: its own commands are run, in its order."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from support.stack import Stack

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commands(section):
    """The indented lines of one section of the page."""
    text = (ROOT / "docs/deployment.md").read_text()
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    found = re.findall(r"^    (\S.*)$", part, re.M)
    assert found, section
    return found


@pytest.fixture
def own():
    s = Stack("restore")
    try:
        s.start()
        yield s
    finally:
        s.close()


def run_all(stack, section, folder):
    """With the places of this stack instead of an installation's."""
    environment = {**os.environ, "PGHOST": str(stack.runs), "PGPORT": stack.ports["PG_PORT"], "PGUSER": "postgres",
                   "PGPASSWORD": stack._secret("postgres")}
    for line in commands(section):
        line = line.replace("/var/lib/millrace", str(stack.state)).replace("/usr/share/", f"{stack.inst}/share/")
        if line.startswith("millrace-admin "):
            line = f"{stack.inst}/sbin/{line} --config {stack.config}"
        r = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert r.returncode == 0, (line, r.stdout, r.stderr)


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
