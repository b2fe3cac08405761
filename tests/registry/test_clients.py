"""The generated clients: got from /clients/ and used as docs/clients.md says, each doing the main job over TLS."""
import hashlib
import json
import os
import re
import shutil
import uuid

import pytest

from support.stack import RATE_CLASSES, ROOT, Stack

from .conftest import run

GUIDE = (ROOT / "docs/clients.md").read_text()
SAID = {"status": "completed", "error": "WORKFLOW_NAME_TAKEN", "file": ["table.csv", 14, True]}


def commands(section):
    """The commands of one section of docs/clients.md, in order."""
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S).group(1)
    found = [line.strip() for line in part.splitlines() if line.startswith("    ")]
    assert found, section
    return found


def follow(stack, section, folder):
    """Runs them there, each as a person would; returns what the last one printed."""
    environment = {**os.environ, "MILLRACE_URL": stack.url, "MILLRACE_CA": stack.ca, "MILLRACE_KEY": stack.key}
    for command in commands(section):
        r = run("bash", "-c", command, cwd=folder, env=environment)
        assert r.returncode == 0, (command, r.stdout[-3000:], r.stderr[-3000:])
    return r.stdout


@pytest.fixture(scope="module")
def some_workflows(stack):
    """So many that a list of two has several pages."""
    return [stack.api.workflow([{"type": "noop"}], name=f"for clients {n}")["name"] for n in range(5)]


def did_the_main_job(printed, name, there):
    told = json.loads(printed)
    assert {k: told[k] for k in SAID} == SAID
    assert told["workflow"] == name
    ((step, status, output),) = told["steps"]
    assert (step, status, output["message"]) == ("greet", "completed", "Hello, Ada")
    assert {name, *there} <= set(told["names"]) and len(told["names"]) == len(set(told["names"]))


def example(language, tmp_path):
    folder = tmp_path / language
    shutil.copytree(ROOT / "clients" / language, folder)
    return folder


def test_listing(stack):
    """/clients/ is open to all, names every package with its size and digest, and lets nothing else run there."""
    anyone = stack.anonymous()
    page = anyone.get("/clients/")
    assert page.status_code == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"] and "script" not in page.text
    listing = anyone.get("/clients/index.json").json()
    sums = dict(reversed(line.split("  ")) for line in anyone.get("/clients/SHA256SUMS").text.splitlines())
    assert len(listing["files"]) == len(sums) >= 3
    for f in listing["files"]:
        answer = anyone.get(f"/clients/{f['name']}")
        digest = hashlib.sha256(answer.content).hexdigest()
        assert answer.status_code == 200
        assert (f["size"], f["sha256"], sums[f["name"]]) == (len(answer.content), digest, digest)
        assert all(str(f[k]) in page.text for k in ("name", "version", "size", "sha256")), f
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == f"attachment; filename={f['name']}"


def test_python(stack, tools, tmp_path, some_workflows, pins):
    folder = example("python", tmp_path)
    did_the_main_job(follow(stack, "Python", folder), "python client", some_workflows)
    python = folder / ".venv/bin/python"
    stubs = f"types-python-dateutil=={pins['types-python-dateutil']}"
    r = run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", stubs)
    assert r.returncode == 0, r.stderr
    for what in (["--strict", "main_job.py"], ["--check-untyped-defs", "-p", "millrace_client"]):
        r = run(tools.pypi("mypy"), "--python-executable", python, *what, cwd=folder)
        assert r.returncode == 0, r.stdout + r.stderr


def test_python_takes_words_of_later_versions(stack, tmp_path):
    """An answer with a status, and a member, that this version doesn't have."""
    folder = example("python", tmp_path)
    environment = {**os.environ, "MILLRACE_URL": stack.url, "MILLRACE_CA": stack.ca}
    for command in commands("Python")[:3]:
        assert run("bash", "-c", command, cwd=folder, env=environment).returncode == 0, command
    workflow = stack.api.workflow([{"type": "noop"}])["id"]
    made = stack.api.ok("POST", f"/api/v1/workflows/{workflow}/execute?wait=20")["run"]
    said = run(folder / ".venv/bin/python", "-c", "import json, sys; from millrace_client import Run; "
               "print(Run.from_dict(json.loads(sys.argv[1])).status)", json.dumps({**made, "status": "hibernating", "dreams": 2}))
    assert said.stdout == "hibernating\n", said.stderr


def test_typescript(stack, tmp_path, some_workflows, pins):
    said = GUIDE.split("## TypeScript")[1]
    assert all(f"{p}@{pins[p]}" in said for p in ("typescript", "@types/node"))
    did_the_main_job(follow(stack, "TypeScript", example("typescript", tmp_path)), "typescript client", some_workflows)


def test_go(stack, tmp_path, some_workflows):
    folder = example("go", tmp_path)
    did_the_main_job(follow(stack, "Go", folder), "go client", some_workflows)
    (client,) = folder.glob("millrace-client-go-*/")
    r = run("go", "vet", "./...", cwd=client)
    assert r.returncode == 0, r.stderr


@pytest.fixture(scope="module")
def fresh():
    """A stack as it is installed, with its limits, and with the two who are asked with keys of their own."""
    s = Stack("postman", settings={"metrics_token": "of-the-operator"})
    for rate in RATE_CLASSES:
        del s.settings[f"rate_limit_{rate}"]
    try:
        s.start()
        s.admin("tenant", "create", "--name", "platform", "--platform")
        yield s
    finally:
        s.close()


def sent_by_newman(stack, newman, folder, times, **keys):
    """Follows the guide; returns what newman tells of each time. Each has a key with its limits to itself."""
    environment = {**os.environ, "MILLRACE_URL": stack.url, "MILLRACE_CA": stack.ca, "MILLRACE_PLATFORM_KEY": "",
                   "MILLRACE_METRICS_TOKEN": "", **keys}
    *downloads, send = commands("Postman")
    for command in downloads:
        assert run("bash", "-c", command, cwd=folder, env=environment).returncode == 0, command
    told, report = [], "report.json"
    for _ in range(times):
        send_and_tell = f"{send.replace('npx newman', str(newman))} --reporters cli,json --reporter-json-export {report}"
        key = stack.make_key("default", f"postman-{uuid.uuid4().hex[:8]}", "admin", "admin")
        r = run("bash", "-c", send_and_tell, cwd=folder, env={**environment, "MILLRACE_KEY": key})
        assert r.returncode == 0, (r.stdout[-6000:], r.stderr[-2000:])
        told.append(json.loads((folder / report).read_text())["run"]["executions"])
    return told


def called(executions):
    """(name of the request, status) of all that were sent."""
    return {(e["item"]["name"], e["response"]["code"]) for e in executions if "response" in e}


def test_postman(fresh, tools, tmp_path):
    """newman sends the whole collection, twice, since what it makes it also deletes; each operation is answered by a success,
    whatever the collection's own scripts say of that."""
    platform = fresh.make_key("platform", "postman", "admin", "admin")
    first, second = sent_by_newman(fresh, tools.npm("newman"), tmp_path, 2, MILLRACE_PLATFORM_KEY=platform,
                                   MILLRACE_METRICS_TOKEN="of-the-operator")
    items = json.loads((tmp_path / "millrace.postman_collection.json").read_text())["item"]
    assert called(first) == called(second) and {name for name, _ in called(first)} == {i["name"] for i in items}
    assert {(name, status) for name, status in called(first) if not 200 <= status < 300} == set()
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    operations = [o for item in document["paths"].values() for m, o in item.items() if m in ("get", "post", "put", "patch", "delete")]
    assert {f"{o['tags'][0]}: {o['summary']}" for o in operations} <= {re.sub(r" Until it is \w+\.$", "", i["name"]) for i in items}
    assert all(a["assertion"] and "error" not in a for e in first for a in e.get("assertions", ()))


def test_postman_without_other_keys(fresh, tools, tmp_path):
    """Who isn't the platform's administrator sends all else, and that is green, too."""
    executions, = sent_by_newman(fresh, tools.npm("newman"), tmp_path, 1)
    items = json.loads((tmp_path / "millrace.postman_collection.json").read_text())["item"]
    passed_over = {i["name"] for i in items} - {name for name, _ in called(executions)}
    assert len(passed_over) == 8 and all(name.startswith(("tenants: ", "system: ")) for name in passed_over), passed_over


def test_the_same_version_everywhere(stack):
    """The guide's commands name the packages that there are."""
    names = {f["name"] for f in stack.anonymous().get("/clients/index.json").json()["files"]}
    assert set(re.findall(r"URL/clients/([a-z][\w.-]+)\"", GUIDE)) == names
