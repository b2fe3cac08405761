"""What only a broken, a very full or a very busy server answers: each error provoked, and as the document declares it.
Where MILLRACE_EXAMPLES is set, "make examples" keeps what is answered here."""
import concurrent.futures
import os
import pathlib
import re
import signal
import threading

import pytest

from contract.recorder import OF_FAULTS, Recorder
from contract.test_tenants import KINDS, body_for, filled
from support.seeds import Seed
from support.shape import like
from support.stack import Stack, wait_until

SECRETS, AGENTS = "/api/v1/secrets", "/api/v1/agents"
FROM_MEMORY = {"/openapi.json", "/schemas/workflow-1.json", "/health", "/metrics"}
"""What is answered without the database."""


@pytest.fixture(scope="module")
def own():
    s = Stack("errors", settings={"api_workers": "1", "tenant_secrets_max": "2"})
    recorder = Recorder()
    try:
        s.start()
        recorder.start(s)
        s.recorder, s.document = recorder, recorder.document
        yield s
        recorder.close()
    finally:
        s.close()


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def swept(own, wanted):
    """The addresses that don't answer so, each operation asked once."""
    ids = dict.fromkeys(KINDS, 12)

    def ask(operation):
        method, path, _ = operation
        return path, own.api.request(method, filled(path, ids), json=body_for(method, path))

    with concurrent.futures.ThreadPoolExecutor(24) as pool:  # each waits a moment for what is away
        answers = list(pool.map(ask, own.document.operations()))
    return {path for path, a in answers if a.headers["Content-Type"] != "application/problem+json" or code(a) != wanted}


def test_the_tenants_secrets_are_full(own):
    for name in ("first", "second"):
        own.api.ok("POST", SECRETS, json={"name": name, "value": "of nobody"})
    assert code(own.api.post(SECRETS, {"name": "third", "value": "of nobody"})) == (409, "SECRETS_FULL")


def test_the_secrets_key_is_away(own):
    auth = {"auth_type": "bearer", "auth_config": {"token": "of nobody"}}
    agent = own.api.ok("POST", AGENTS, json={"name": "trusted", "url": "http://127.0.0.1:9/", **auth})["id"]
    key = own.state / "secrets/seal.key"
    away = key.rename(key.with_name("seal.away"))
    own.restart("api")
    own.ready()
    try:
        for method, path, body in (
                ("POST", AGENTS, {"name": "other", "url": "http://127.0.0.1:9/", **auth}), ("PUT", f"{AGENTS}/{agent}", auth),
                ("PATCH", f"{AGENTS}/{agent}", auth), ("GET", f"{AGENTS}/{agent}/health", None),
                ("POST", SECRETS, {"name": "third", "value": "of nobody"}), ("PUT", f"{SECRETS}/first", {"value": "of nobody"}),
                ("PATCH", f"{SECRETS}/first", {"value": "of nobody"})):
            assert code(own.api.request(method, path, json=body)) == (503, "SECRETS_UNAVAILABLE"), (method, path)
    finally:
        away.rename(key)
        own.restart("api")
    own.ready()
    assert own.api.patch(f"{SECRETS}/first", {"value": "of nobody"}).status_code == 200


def test_more_requests_than_a_worker_takes(own):
    """Here that is one."""
    own.configure(max_requests_in_flight=1)
    own.restart("api")
    own.ready()
    slow = own.api.workflow([{"name": "sleep", "type": "delay", "config": {"seconds": 3600}}])["id"]
    other, ended = own.with_key(own.key), threading.Event()

    def wait():
        while not ended.is_set():
            other.post(f"/api/v1/workflows/{slow}/execute?wait=2", {})

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        wait_until(lambda: code_of_refusal(own) == (503, "OVERLOADED"), 30)
    finally:
        ended.set()
        waiting.join()
        own.configure(max_requests_in_flight=1024)
        own.restart("api")
    own.ready()


def code_of_refusal(own):
    answer = own.api.get("/api/v1/workflows")
    return code(answer) if answer.status_code >= 400 else None


def test_a_statement_that_fails(own):
    """Nobody tells the client what the database said; what it is told is like the documented answer of such a server."""
    own.psql("alter table millrace.agents rename to agents_away")
    try:
        answer = own.api.get("/api/v1/agents/12")
        assert code(answer) == (500, "INTERNAL") and "agents" not in answer.json()["detail"]
        like(Seed("s3").take("Error Handling", "500"), answer.json())
    finally:
        own.psql("alter table millrace.agents_away rename to agents")
    assert code(own.api.get("/api/v1/agents/12")) == (404, "AGENT_NOT_FOUND")


def test_a_worker_that_does_not_answer(own):
    """As long as nginx waits for an answer, which is longer than any request may take: here one second."""
    conf = own.state / "nginx.conf"
    text = conf.read_text()
    reread(own, conf, re.sub(r"fastcgi_read_timeout \d+s", "fastcgi_read_timeout 1s", text))
    try:
        for pid in own.worker_pids:
            os.kill(pid, signal.SIGSTOP)
        assert code(own.api.get("/api/v1/workflows")) == (504, "GATEWAY_TIMEOUT")
    finally:
        for pid in own.worker_pids:
            os.kill(pid, signal.SIGCONT)
        reread(own, conf, text)
    wait_until(lambda: own.api.get("/api/v1/workflows").status_code == 200, 30)


def reread(own, conf, text):
    """nginx goes on with that configuration, and nobody with the one before."""
    master = own.pid("nginx")
    children = pathlib.Path(f"/proc/{master}/task/{master}/children")
    before = set(children.read_text().split())
    conf.write_text(text)
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: (now := set(children.read_text().split())) and not now & before, 30)


def test_each_operation_without_a_database(own):
    own.stop_postgres()
    try:
        # until the worker remembers nobody: what needs no statement of its own is answered so long
        wait_until(lambda: own.api.post("/api/v1/expressions/evaluate", {"expression": "1"}).status_code == 503, 30)
        assert swept(own, (503, "DATABASE_UNAVAILABLE")) == FROM_MEMORY
    finally:
        own.start_postgres()
    wait_until(lambda: own.api.get("/api/v1/workflows").status_code == 200, 30)


def test_each_operation_without_a_worker(own):
    own.stop("api")
    assert swept(own, (502, "BAD_GATEWAY")) == set()


def test_each_of_them_was_answered(own):
    """By every operation that declares it; the last three need one, for they come before or around any."""
    seen, of_any = own.recorder.seen, {"GATEWAY_TIMEOUT", "INTERNAL", "OVERLOADED"}
    declared = {e for e in own.document.declared_errors() if e[2] in OF_FAULTS}
    assert {e for e in declared - seen if e[2] not in of_any} == set()
    assert {code for _, _, code in declared} == {code for _, _, code in seen & declared} == OF_FAULTS
