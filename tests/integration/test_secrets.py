"""Secrets by real processes: where their values arrive, and that they are nowhere else."""
import base64
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import urllib.parse
import uuid

import pytest

from support.runs import Engine
from support.stack import Stack, wait_until

SECRETS = "/api/v1/secrets"


def new_value():
    """Recognizable, and changed by every way of writing it differently."""
    return f"cleartext/{uuid.uuid4().hex}+\"{uuid.uuid4().hex}\" é"


def make(api, value, **more):
    return api.ok("POST", SECRETS, json={"name": f"s_{uuid.uuid4().hex[:10]}", "value": value, **more})["name"]


def call(stack, path, **config):
    return {"name": "call", "type": "http_request", "max_retries": 0,
            "config": {"url": f"{stack.receiver.url}{path}", "method": "POST", **config}}


def forms(value):
    """The value as it may be written."""
    raw = value.encode()
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1],
             urllib.parse.quote(value, safe=""), urllib.parse.quote(value, safe="").lower(),
             urllib.parse.quote_plus(value), raw.hex()}
    for before in range(3):
        text = base64.b64encode(b"." * before + raw).decode()
        inner = text[[0, 2, 3][before]:-4]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {f.encode() for f in found}


def echo(received):
    """All that came, in as many ways as a service might say it."""
    auth = received.headers.get("authorization", "")
    body = received.body.decode()
    return 200, {"headers": dict(received.headers), "query": received.query, "body": body, "json": received.json,
                 "url": urllib.parse.quote(body, safe=""), "b64": base64.b64encode(received.body).decode(),
                 "b64url": base64.urlsafe_b64encode(b"x" + received.body).decode(), body[:3000]: "a key",
                 "form": urllib.parse.quote_plus(body)}, {"X-Echo": urllib.parse.quote(auth), "Content-Type": "application/json"}


def everything(stack):
    """(where, bytes) of all that is kept: the database, logs, files, nginx's folders."""
    dump = subprocess.run(["pg_dump", "--data-only", "--inserts", "-d", stack.dsn], check=True, capture_output=True).stdout
    yield "the database", dump
    root = pathlib.Path(stack.log_dir).parent
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and "pg" not in path.relative_to(root).parts[:1]:
            yield str(path), path.read_bytes()
    pg_log = root / "pg" / "log"
    for path in pg_log.rglob("*") if pg_log.is_dir() else ():
        yield str(path), path.read_bytes()


def assert_nowhere(where, values):
    needles = set().union(*(forms(v) for v in values))
    for place, data in where:
        for needle in needles:
            assert needle not in data, f"{needle[:40]} is in {place}"


def test_a_value_arrives_and_is_nowhere_else(stack, receiver):
    api, answers = stack.api, []
    value, password, digits = new_value(), new_value(), str(uuid.uuid4().int)[:15]
    receiver.on("/echo", echo)
    receiver.on("/fail", lambda r: (500, {"detail": f"no such key: {r.json['k']}"}))
    names = [make(api, v) for v in (value, password, digits)]
    s = [f"{{{{secrets.{n}}}}}" for n in names]
    url = stack.receiver.url
    workflow = api.workflow([
        {"name": "all", "type": "http_request", "config": {
            "url": f"{url}/echo", "method": "POST", "headers": {"X-Token": f"t {{{{base64.encode(bytes(secrets.{names[0]}))}}}}"},
            "auth": {"type": "basic", "username": "u", "password": s[1]},
            "query": {"q": s[0]}, "json": {"k": s[0], "n": f"{{{{int(secrets.{names[2]})}}}}", "deep": [{"x": f"<{s[0]}>"}]}}},
        {"name": "again", "type": "http_request", "config": {"url": f"{url}/echo", "method": "POST",
                                                             "json": {"seen": "{{steps.all.json}}"}}},
        {"name": "fails", "type": "http_request", "max_retries": 1, "retry": {"max_attempts": 2, "delay": 0.05},
         "on_error": "continue", "config": {"url": f"{url}/fail", "method": "POST", "json": {"k": s[0]}}},
        {"name": "nowhere", "type": "http_request", "max_retries": 0, "on_error": "continue",
         "config": {"url": f"http://127.0.0.1:1/{s[2]}?k={s[0]}"}},
        {"name": "bad", "type": "http_request", "max_retries": 0, "on_error": "continue", "config": {"url": s[0]}},
        {"name": "wrong", "type": "http_request", "max_retries": 0, "on_error": "continue",
         "config": {"url": f"{url}/echo", "data": f"{{{{int(secrets.{names[0]})}}}}"}},
        {"name": "told", "type": "notification", "on_error": "continue", "config": {"type": "log", "message": f"it is {s[0]}"}},
        {"name": "line", "type": "log", "config": {"message": f"it is {s[0]}, answered {{{{steps.all.json}}}}"}},
        {"name": "chosen", "type": "conditional", "config": {
            "condition": f"secrets.{names[0]} == 'x'", "true_action": {"type": "noop"}, "false_action": {"type": "noop"}}},
    ], output={"all": "{{steps.all}}", "again": "{{steps.again.json}}"})
    run = api.execute(workflow["id"])["run_id"]
    ended = api.wait_run(run, {"completed", "failed"})
    assert ended["status"] == "completed", ended

    # it arrived
    first, second = receiver.of("/echo")[:2]
    assert first.json["k"] == value and first.json["n"] == int(digits) and first.json["deep"][0]["x"] == f"<{value}>"
    assert urllib.parse.parse_qs(first.query)["q"] == [value]
    assert first.headers["authorization"] == "Basic " + base64.b64encode(f"u:{password}".encode()).decode()
    assert first.headers["x-token"] == "t " + base64.b64encode(value.encode()).decode()
    assert receiver.of("/fail")[0].json == {"k": value}
    # what comes after sees what is recorded
    assert value not in second.body.decode() and "[redacted]" in second.body.decode()

    for path in (f"/runs/{run}", f"/runs/{run}/steps", f"/runs/{run}/events", f"/runs/{run}/logs", f"/runs/{run}/explain",
                 f"/workflows/{workflow['id']}", f"/workflows/{workflow['id']}/normalized", f"/workflows/{workflow['id']}/logs",
                 f"/workflows/executions/{run}", f"/workflows/executions/{run}/steps", "/secrets", f"/secrets/{names[0]}",
                 f"/runs/{run}/steps/fails/explain", "/metrics", "/status"):
        answers.append((path, api.get(f"/api/v1{path}").content))
    answers.append(("evaluate", api.post("/api/v1/expressions/evaluate", {"expression": f"secrets.{names[0]}"}).content))
    answers.append(("metrics", stack.anonymous().get("/metrics").content))
    assert_nowhere(answers, [value, password, digits])
    assert_nowhere(everything(stack), [value, password, digits])
    shown = api.ok("GET", f"/api/v1/runs/{run}/steps")
    assert "[redacted]" in json.dumps(shown)


def test_large_results_are_redacted_before_they_are_stored(stack, receiver):
    value = new_value()
    receiver.on("/large", lambda r: (200, {"padding": "x" * 1500000, "k": r.json["k"]}))
    name = make(stack.api, value)
    run = stack.api.execute(stack.api.workflow([call(stack, "/large", json={"k": "{{secrets.%s}}" % name})])["id"])["run_id"]
    stack.api.wait_run(run, "completed")
    assert receiver.of("/large")[0].json["k"] == value
    assert_nowhere(everything(stack), [value])


def test_a_change_is_seen_soon(stack, receiver):
    name = make(stack.api, "value-before")
    receiver.on("/x", 200, {})
    workflow = stack.api.workflow([call(stack, "/x", json={"k": "{{secrets.%s}}" % name})])["id"]
    stack.api.wait_run(stack.api.execute(workflow)["run_id"], "completed")
    assert receiver.of("/x")[-1].json == {"k": "value-before"}
    for value in ("value-after-1", "value-after-2"):
        stack.api.ok("PUT", f"{SECRETS}/{name}", json={"value": value})

        def arrives():
            stack.api.wait_run(stack.api.execute(workflow)["run_id"], "completed")
            return receiver.of("/x")[-1].json == {"k": value}

        wait_until(arrives, 20, message=f"{value} does not arrive")


def test_a_missing_secret_fails_the_step_by_name(stack, receiver):
    name = f"gone_{uuid.uuid4().hex[:8]}"
    workflow = stack.api.workflow([call(stack, "/x", json={"k": "{{secrets.%s}}" % name})])["id"]
    failed = stack.api.wait_run(stack.api.execute(workflow)["run_id"], "failed")
    assert failed["error"]["type"] == "expression" and f"secrets.{name}" in failed["error"]["message"], failed["error"]
    assert not receiver.of("/x")
    stack.api.ok("POST", SECRETS, json={"name": name, "value": "value-here"})
    wait_until(lambda: stack.api.wait_run(stack.api.execute(workflow)["run_id"])["status"] == "completed", 20)
    assert receiver.of("/x")[0].json == {"k": "value-here"}


def test_another_tenants_secret_is_not_there(stack, receiver):
    other = stack.client(tenant="secrets-other")
    name = make(other, "value-of-the-other")
    workflow = stack.api.workflow([call(stack, "/x", json={"k": "{{secrets.%s}}" % name})])["id"]
    failed = stack.api.wait_run(stack.api.execute(workflow)["run_id"], "failed")
    assert f"secrets.{name}" in failed["error"]["message"] and not receiver.of("/x")


def test_after_a_takeover_it_is_rendered_anew(stack, receiver):
    """The key and all else are as they were recorded; the secret is the present one."""
    name = make(stack.api, "value-before")
    gate = {"open": False}

    def hold(_):
        wait_until(lambda: gate["open"], 60)
        return 200, {}

    receiver.on("/x", hold)
    workflow = stack.api.workflow([
        {"name": "set", "type": "set", "config": {"v": "{{trigger.v}}"}},
        call(stack, "/x", json={"k": "{{secrets.%s}}" % name, "v": "{{vars.v}}", "at": "{{string(now())}}"})], vars={"v": 0})["id"]
    run = stack.api.execute(workflow, input={"v": 1})["run_id"]
    receiver.wait("/x")
    stack.kill9("engine")
    stack.api.ok("PUT", f"{SECRETS}/{name}", json={"value": "value-after"})
    stack.start_engine()
    first, second = receiver.wait("/x", 2, timeout=60)[:2]
    gate["open"] = True
    stack.api.wait_run(run, "completed", timeout=60)
    assert first.json["k"] == "value-before" and second.json["k"] == "value-after"
    assert {k: first.json[k] for k in ("v", "at")} == {k: second.json[k] for k in ("v", "at")}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_keys_are_changed_while_everything_runs(stack, receiver):
    receiver.on("/x", 200, {})
    names = [make(stack.api, f"value-{i}") for i in range(3)]
    workflow = stack.api.workflow([call(stack, "/x", json=["{{secrets.%s}}" % n for n in names])])["id"]
    keys = lambda: {r["k"] for r in stack.rows("select distinct encode(substring(sealed from 2 for 8), 'hex') as k from millrace.secrets")}

    def works():
        stack.api.wait_run(stack.api.execute(workflow)["run_id"], "completed")
        assert receiver.of("/x")[-1].json == ["value-0", "value-1", "value-2"]

    works()
    old = keys()
    stack.admin("secrets-key", "rotate", "--stage")
    make(stack.api, "value-by-the-old-key")
    assert keys() == old
    stack.admin("secrets-key", "rotate")
    make(stack.api, "value-by-the-new-key")
    assert keys() > old
    works()
    assert "sealed anew" in stack.admin("secrets-key", "reseal")
    new = keys()
    assert len(new) == 1 and not new & old
    assert "is gone" in stack.admin("secrets-key", "retire")
    works()
    assert "secret: 0 sealed anew" in stack.admin("secrets-key", "reseal")
    assert stack.admin("secrets-key", "retire") == ""
    # nothing else was lost
    stack.restart("api", "engine")
    stack.ready()
    works()


@pytest.fixture
def own():
    s = Stack("secrets", settings={"tenant_secrets_max": 2})
    yield s
    s.close()


def test_without_a_key_and_too_many(own):
    key = pathlib.Path(own.config).parent / "secrets/seal.key"
    own.start()
    make(own.api, "value-1")
    make(own.api, "value-2")
    full = own.api.post(SECRETS, {"name": "x", "value": "value-3"})
    assert full.status_code == 409 and full.json()["error_code"] == "SECRETS_FULL"
    away = key.with_name("seal.away")
    key.rename(away)
    own.sh("restart", "api", "engine")
    own.ready()
    refused = own.api.post(SECRETS, {"name": "x", "value": "value-3"})
    assert refused.status_code == 503 and refused.json()["error_code"] == "SECRETS_UNAVAILABLE"
    own.receiver.on("/x", 200, {})
    name = own.api.ok("GET", SECRETS)["items"][0]["name"]
    workflow = own.api.workflow([call(own, "/x", json={"k": "{{secrets.%s}}" % name})])["id"]
    run = own.api.execute(workflow)["run_id"]
    wait_until(lambda: "a secret can't be opened" in own.log("engine"), 20)
    assert own.api.run(run)["status"] in ("pending", "running")
    away.rename(key)  # what needed it goes on
    own.api.wait_run(run, "completed", timeout=60)


# ---- bodies on disk ----

LARGEST = 512 * 1024  # of what nginx takes for these routes


@contextlib.contextmanager
def files_made_in(folder):
    """How many files were made there, also those that were gone at once: nginx unlinks what it has just opened."""
    libc, made, event = ctypes.CDLL(None, use_errno=True), [], 16
    fd = libc.inotify_init1(os.O_NONBLOCK)
    assert fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(folder), 0x100) >= 0, os.strerror(ctypes.get_errno())
    try:
        yield made
        with contextlib.suppress(BlockingIOError):
            while data := os.read(fd, 65536):
                while data:
                    length = event + int.from_bytes(data[12:16], "little")
                    made.append(data[event:length].rstrip(b"\0"))
                    data = data[length:]
    finally:
        os.close(fd)


def pieces(body, size):
    for i in range(0, len(body), size):
        yield body[i:i + size]


@pytest.mark.parametrize("size", [None, 65536, 7], ids=["with its length", "in large chunks", "in small chunks"])
def test_no_body_with_a_secret_is_on_disk(stack, size):
    """The largest bodies that are taken stay in nginx's memory; those of other routes don't, which shows that the
    watch sees them."""
    folder, api = stack.state / "nginx/body", stack.api
    secret = {"name": f"s_{uuid.uuid4().hex[:10]}", "value": "v" * 65536}
    agent = {"name": uuid.uuid4().hex, "url": "http://127.0.0.1:9/", "auth_type": "bearer", "auth_config": {"token": "t" * 2000}}
    for method, path, body in (("POST", SECRETS, secret), ("PUT", f"{SECRETS}/{secret['name']}", {"value": "w" * 65536}),
                               ("POST", "/api/v1/agents", agent)):
        whole = json.dumps(body).encode().ljust(LARGEST)
        with files_made_in(folder) as made:
            answer = api.request(method, path, data=pieces(whole, size) if size else whole,
                                 headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 201), answer.text
        assert made == [], f"{method} {path}"
    with files_made_in(folder) as made:
        assert api.post("/api/v1/workflows/validate", {"name": "x", "steps": [], "description": "x" * 200000}).status_code < 500
    assert len(made) == 1
    assert api.request("POST", SECRETS, data=b" " * (LARGEST + 1), headers={"Content-Type": "application/json"}).status_code == 413
