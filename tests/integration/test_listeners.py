"""Loopback listeners: plain HTTP for programs written for another server's base address."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import uuid

import pytest

from support.stack import Client, everywhere, wait_until

WHICH = ("management", "automation", "saga")
LOG = {"name": "hello", "type": "log", "config": {"message": "hello"}}


def body(**more):
    return {"name": f"local-{uuid.uuid4().hex[:12]}", "workflow_config": {"steps": [LOG]}, **more}


@pytest.mark.parametrize("which", WHICH)
def test_plain_http_without_a_redirect(stack, which):
    assert stack.local(which, key="").get("/health").status_code == 200
    answer = stack.local(which).get("/api/v1/workflows")
    assert answer.status_code == 200 and "RateLimit-Limit" in answer.headers
    assert "Strict-Transport-Security" not in answer.headers
    refused = stack.local(which, key="").get("/api/v1/workflows")
    assert refused.status_code == 401 and refused.json()["error_code"] == "AUTHENTICATION_REQUIRED"


def test_ipv6(stack):
    has = any(line.startswith("0" * 31 + "1 ") for line in pathlib.Path("/proc/net/if_inet6").read_text().splitlines()) \
        if os.path.exists("/proc/net/if_inet6") else False
    if not has:
        pytest.skip("this host has no IPv6 on its loopback interface")
    client = Client(stack.loopback_url("automation", host="[::1]"), None, stack.key)
    assert client.get("/api/v1/workflows").status_code == 200


def test_every_success_is_200(stack):
    local = stack.local("automation")
    made = local.post("/api/v1/workflows", body())
    assert made.status_code == 200, made.text
    path = f"/api/v1/workflows/{made.json()['id']}"
    assert made.headers["Location"] == path
    key = {"Idempotency-Key": uuid.uuid4().hex}
    started = [local.post(path + "/execute", {}, headers=key) for _ in range(2)]
    assert [a.status_code for a in started] == [200, 200]
    assert started[1].headers["Idempotency-Replayed"] == "true" and started[0].json() == started[1].json()
    # the same stored answer, and the same row, are 202 and 201 elsewhere
    assert stack.api.post(path + "/execute", {}, headers=key).status_code == 202
    assert stack.api.post("/api/v1/workflows", body()).status_code == 201
    # what is no success stays what it is
    assert local.get("/api/v1/workflows/999999999").status_code == 404
    assert local.post("/api/v1/workflows", {"name": 7}).status_code == 400
    tag = local.get(path).headers["ETag"]
    assert local.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_unknown_members_and_arguments_are_ignored(stack):
    local = stack.local("automation")
    odd = {**LOG, "colour": "red", "config": {"message": "hello", "level": "info", "sound": 1}}
    wanted = body(author="me", workflow_config={"steps": [odd], "editor": {"x": 1}})
    made = local.ok("POST", "/api/v1/workflows", json=wanted)
    assert "author" not in made and made["workflow_config"] == wanted["workflow_config"], "it is kept as it was written"
    run = local.ok("POST", f"/api/v1/workflows/{made['id']}/execute?wait=30", json={"trigger_data": {}, "urgent": True})
    assert stack.api.wait_run(run["run_id"])["status"] == "completed"
    assert stack.api.get(f"/api/v1/workflows/{made['id']}/normalized").status_code == 200
    assert local.get("/api/v1/workflows?_=12345&limit=1").status_code == 200
    agent = {"name": f"a-{uuid.uuid4().hex[:8]}", "url": "https://agents.example.com/x", "team": "x",
             "retry_config": {"max_retries": 2, "strategy": "linear"}}
    assert local.post("/api/v1/agents", agent).status_code == 200
    # in lists of bodies, and in definitions that others carry, too
    bulk = {"op": "create", "items": [{**wanted, "name": wanted["name"] + "-2"}], "why": "x"}
    assert local.post("/api/v1/workflows/bulk", bulk).json()["accepted"] == 1
    saga = {"saga_type": "x", "input_data": {"workflow_config": {"steps": [odd]}, "owner": 1}, "colour": 1}
    assert local.post("/api/v1/sagas/start", saga).status_code == 200
    # known ones are checked as ever
    wrong = local.post("/api/v1/workflows", body(timeout_seconds="soon", colour="red"))
    assert wrong.status_code == 400 and list(wrong.json()["details"]) == ["timeout_seconds"]


def test_what_curl_sends_by_itself_is_read(stack):
    """curl -d '{…}' says that it sends a form."""
    def curl(base, key, text):
        out = subprocess.run(["curl", "-s", "--cacert", stack.ca, "-w", "\n%{http_code}", "-X", "POST",
                              base + "/api/v1/workflows", "-H", f"X-API-Key: {key}", "-d", text],
                             check=True, capture_output=True, text=True).stdout
        return int(out.rsplit("\n", 1)[1]), json.loads(out.rsplit("\n", 1)[0])

    local = stack.loopback_url("management")
    assert curl(local, stack.key, json.dumps(body()))[0] == 200
    assert curl(local, stack.key, "name=x&steps=y")[1]["error_code"] == "JSON_INVALID"
    assert curl(stack.url, stack.key, json.dumps(body()))[1]["error_code"] == "MEDIA_TYPE_UNSUPPORTED"
    other = stack.local("management").post("/api/v1/workflows", data="{}", headers={"Content-Type": "text/plain"})
    assert other.status_code == 415


@pytest.mark.parametrize("path, wrong", [
    ("/api/v1/workflows", body(author="me")),
    ("/api/v1/workflows", body(workflow_config={"steps": [{**LOG, "colour": "red"}]})),
    ("/api/v1/workflows?_=1", body())])
def test_elsewhere_they_are_refused(stack, path, wrong):
    assert stack.api.post(path, wrong).json()["error_code"] == "VALIDATION_FAILED"


def test_no_header_makes_a_request_a_local_one(stack):
    spoofed = {"Millrace-Listener": "loopback", "MILLRACE_LISTENER": "loopback", "HTTP_MILLRACE_LISTENER": "loopback",
               "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1;proto=http"}
    answer = stack.api.post("/api/v1/workflows", body(author="me"), headers=spoofed)
    assert answer.status_code == 400
    assert stack.api.post("/api/v1/workflows", body(), headers=spoofed).status_code == 201


# ---- without credentials ----

def set_anonymous(stack, principal, status):
    """Until every request is answered with STATUS: each on a connection of its own, since each process of nginx keeps
    connections to workers, and one that was replaced answers on those until it has heard that it is to end."""
    stack.configure(anonymous_principal=principal)
    os.kill(stack.api_pid, signal.SIGHUP)
    settled = lambda: stack.local("management", key="").get("/api/v1/workflows").status_code == status
    wait_until(lambda: everywhere(settled, 30), message="the workers did not take the setting")


@pytest.fixture(scope="module")
def anybody(stack):
    """anonymous_principal is set, to one that may run workflows and no more."""
    user = stack.api.ok("POST", "/api/v1/users", json={
        "name": f"anybody-{uuid.uuid4().hex[:8]}", "kind": "service", "roles": ["editor"], "scopes": ["workflow-management"]})
    local = stack.local("management", key="")
    assert local.get("/api/v1/workflows").status_code == 401
    set_anonymous(stack, user["id"], 200)
    yield user
    set_anonymous(stack, 0, 401)


def test_anonymous(stack, anybody):
    local = stack.local("management", key="")
    me = local.ok("GET", "/api/v1/me")
    assert me["id"] == anybody["id"] and me["credential"]["kind"] == "anonymous"
    made = local.ok("POST", "/api/v1/workflows", json=body())
    assert made["created_by"] == anybody["name"]
    assert local.get("/api/v1/api-keys").status_code == 403, "it may what that principal may"
    # a credential that came is looked at
    assert stack.local("management", key="mr_wrong").get("/api/v1/workflows").status_code == 401
    assert stack.local("management").ok("GET", "/api/v1/me")["credential"]["kind"] == "api_key"
    # its id, as a key, is nobody's
    assert everywhere(lambda: stack.local("management", key=str(anybody["id"])).get("/api/v1/me").status_code == 401)


@pytest.mark.parametrize("headers", [
    {}, {"Millrace-Listener": "loopback"}, {"MILLRACE_LISTENER": "loopback"}, {"HTTP_MILLRACE_LISTENER": "loopback"},
    {"Host": "localhost"}, {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}])
def test_anonymous_is_nobody_by_https(stack, anybody, headers):
    assert everywhere(lambda: stack.anonymous(**headers).get("/api/v1/workflows").status_code == 401)


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example"},
    {"Host": "localhost.evil.example:8000"}])
def test_no_page_of_others_comes_in(stack, anybody, headers):
    """A browser on this host sends what any page tells it to, also to loopback addresses."""
    local = stack.local("management", key="")
    assert local.get("/api/v1/workflows", headers=headers).status_code == 401
    assert local.post("/api/v1/workflows", body(), headers=headers).status_code == 401


def test_the_own_pages_do(stack, anybody):
    local = stack.local("management", key="")
    own = {"Origin": stack.loopback_url("management"), "Sec-Fetch-Site": "same-origin"}
    assert local.post("/api/v1/workflows", body(), headers=own).status_code == 200


def test_anonymous_ends_with_its_principal(stack, anybody):
    local = stack.local("management", key="")
    user = f"/api/v1/users/{anybody['id']}"
    stack.api.ok("PATCH", user, json={"is_enabled": False})
    wait_until(lambda: everywhere(lambda: local.get("/api/v1/workflows").status_code == 401))
    stack.api.ok("PATCH", user, json={"is_enabled": True})
    wait_until(lambda: everywhere(lambda: local.get("/api/v1/workflows").status_code == 200))


# ---- what nginx is told ----

def rendered(stack, tmp_path, **settings):
    conf = tmp_path / "millrace.conf"
    conf.write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
    return subprocess.run([f"{stack.inst}/sbin/millrace-admin", "nginx-config", "--config", str(conf)],
                          capture_output=True, text=True)


def test_off_unless_switched_on(stack, tmp_path):
    text = rendered(stack, tmp_path).stdout
    assert "listener loopback" not in text and "listen 127." not in text and 'set $mr_listener "";' in text
    on = rendered(stack, tmp_path, loopback_ports="8006 8000", loopback_addresses="127.0.0.1 [::1]").stdout
    for where in ("127.0.0.1:8006", "127.0.0.1:8000", "[::1]:8006", "[::1]:8000"):
        assert f"listen {where} backlog=4096 default_server;" in on


@pytest.mark.parametrize("settings, why", [
    ({"loopback_ports": "8006", "loopback_addresses": "0.0.0.0"}, "0.0.0.0 is no loopback address"),
    ({"loopback_ports": "8006", "loopback_addresses": "127.0.0.1.evil.example"}, "is no loopback address"),
    ({"loopback_ports": "8006", "loopback_addresses": "[::]"}, "[::] is no loopback address"),
    ({"loopback_ports": "8006", "loopback_addresses": ""}, "needs loopback_addresses"),
    ({"loopback_ports": "80061"}, "80061 is no port"), ({"loopback_ports": "http"}, "http is no port")])
def test_nothing_that_others_reach(stack, tmp_path, settings, why):
    r = rendered(stack, tmp_path, **settings)
    assert r.returncode != 0 and why in r.stderr


def test_other_hosts_reach_none(stack):
    """The sockets are bound to loopback addresses alone."""
    ports = {int(stack.ports[f"{w.upper()}_PORT"]) for w in WHICH}
    bound = subprocess.run(["ss", "-Hltn"], check=True, capture_output=True, text=True).stdout.splitlines()
    at = {line.split()[3] for line in bound if int(line.split()[3].rsplit(":", 1)[1]) in ports}
    assert at and all(a.startswith(("127.", "[::1]")) for a in at)
    with socket.create_connection(("127.0.0.1", min(ports)), timeout=10):
        pass
