"""The dashboard in Chromium: signing in, executing, watching, cancelling, and names that would like to be scripts."""
import json
import os
import re
import shutil

from support.stack import ROOT

from .conftest import run

TOOLS = ROOT / "tests/support/docs_tools"
CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=window.ran=1>"
LARGE = "9007199254740993"


def made(api):
    """The workflows that the reader finds: {name: {id, name}}."""
    hello = [{"name": "hello", "type": "log", "config": {"message": HOSTILE}}]
    flows = {
        "hostile": api.workflow(hello, name=HOSTILE, description=HOSTILE),
        "sleeping": api.workflow([{"name": "sleep", "type": "delay", "config": {"seconds": 3000}}], name="sleeps"),
        "many": api.workflow(hello, name="many"),
    }
    for _ in range(25):
        run_id = api.execute(flows["many"]["id"])["run_id"]
        api.wait_run(run_id)
    return {k: {"id": w["id"], "name": w["name"]} for k, w in flows.items()}


def test_the_dashboard_in_chromium(tools, stack, api):
    assert CHROMIUM, "chromium is not installed"
    flows = made(api)
    reader = stack.make_key("default", "reader", "read-only", "viewer")
    r = run("node", TOOLS / "dashboard.js", env={
        **os.environ, "NODE_PATH": str(tools.at / "node_modules"), "CHROMIUM": CHROMIUM, "BASE": stack.url,
        "KEY": stack.key, "READER": reader, "WORKFLOWS": json.dumps(flows)})
    assert r.returncode == 0, r.stdout + r.stderr
    told = json.loads(r.stdout)
    # nothing against the policy, no error, nobody else asked, and no script out of a name
    assert told["complaints"] == [] and told["ran"] is None
    assert "Correlation id" in told["wrongKey"]["problem"] and told["wrongKey"]["stored"] == "{}"
    text = told["overview"]["text"]
    assert "database" in text and "Success in 24 h" in text and "Latest runs" in text
    assert told["overview"]["who"] == "admin (default)"
    assert stack.key not in told["overview"]["url"] and stack.key in told["overview"]["stored"]
    saw_hostile(told["hostile"])
    assert "input.beyond" in told["refused"] and "Correlation id" in told["refused"]
    assert "told-once" in told["sleeping"]["limited"] and "Asked again in 3.0 s" in told["sleeping"]["limited"]
    assert told["sleeping"]["asked"] == 0
    assert told["lists"] == {"first": 20, "next": 5, "reloaded": 5}
    assert told["narrow"]["width"] <= 360 and len(set(told["narrow"]["grounds"])) == 2
    assert told["others"] == {"disabled": True, "stored": "{}"}


def saw_hostile(seen):
    assert seen["names"] == [HOSTILE] and seen["images"] == 0
    assert seen["definition"]["steps"][0]["config"]["message"] == HOSTILE
    assert "JSON" in seen["wrong"] and LARGE in seen["input"]
    assert len(seen["steps"]) == 1 and "completed" in seen["steps"][0] and "log" in seen["steps"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", seen["time"])
