"""The worker under valgrind: the main requests of every kind, good and refused; no invalid access, nothing used
that was never set, nothing lost at the end. --long: the contract suite, all of it, on a stack whose workers and
engine are all under valgrind."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

import pytest

from support.fcgi import Peer, begin, params, record, request, streamed
from support.faulty import Worker
from support.stack import ROOT, wait_until

OPTIONS = ["--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--error-exitcode=9",
           "--fair-sched=try", "--num-callers=30"]
KNOWN = ROOT / "tests/support/valgrind.supp"
# a worker that is so slow must not give PostgreSQL up, and answer 503
PATIENCE = "MILLRACE_DB_STATEMENT_TIMEOUT_MS=60000 MILLRACE_DB_LOCK_TIMEOUT_MS=10000"
ENDED = re.compile(r"^==\d+== ERROR SUMMARY: (\d+) errors", re.M)
FAULT = re.compile(r"^==\d+==    at 0x", re.M)


def judge(logs):
    """(all that valgrind complains of, how many processes ended in order, so that it looked for what they lost).
    A process that became another program, or was killed, has no summary."""
    texts = [p.read_text() for p in logs]
    faults = [t for t in texts if FAULT.search(t) or any(n != "0" for n in ENDED.findall(t))]
    return "\n".join(faults), sum(bool(ENDED.search(t)) for t in texts)


@pytest.fixture(scope="module")
def worker(stack):
    log = stack.log_dir / f"valgrind-{uuid.uuid4().hex[:6]}"
    w = Worker(stack, wrap=["valgrind", *OPTIONS, f"--suppressions={KNOWN}", f"--log-file={log}-%p"], faulty=False, db_connections=2,
               db_statement_timeout_ms=60000)
    wait_until(w.is_ready, 180, every=0.5)
    yield w
    status = w.close(timeout=180)
    faults, ended = judge(sorted(log.parent.glob(log.name + "-*")))
    if faults:
        pytest.fail(faults, pytrace=False)
    assert ended == 2 and status == 0  # supervisor and worker


def test_main_requests(worker, stack):
    def ask(want, *arguments, **more):
        for _ in range(5):  # PostgreSQL waits for nobody who is so slow: then it is asked again
            answer = worker.ask(*arguments, timeout=180, **more)
            if answer.status != 503:
                break
            wait_until(worker.is_ready, 60, every=0.5)
        assert answer.status == want, (arguments, answer.status, answer.body[:500])
        return answer

    definition = {"steps": [{"name": "a", "type": "log", "config": {"message": "{{trigger.x}}"}}]}
    name = uuid.uuid4().hex
    for path in ("/health", "/health/ready", "/openapi.json", "/metrics"):
        assert worker.ask(path=path, timeout=180).status in (200, 403)
    made = ask(201, "POST", "/api/v1/workflows", {"name": name, "workflow_config": definition}, HTTP_IDEMPOTENCY_KEY=name)
    one = f"/api/v1/workflows/{made.json['id']}"
    ask(201, "POST", "/api/v1/workflows", {"name": name, "workflow_config": definition}, HTTP_IDEMPOTENCY_KEY=name)
    ask(409, "POST", "/api/v1/workflows", {"name": name + "x", "workflow_config": definition}, HTTP_IDEMPOTENCY_KEY=name)
    got = ask(200, path=one)
    ask(304, path=one, HTTP_IF_NONE_MATCH=got.headers["etag"])
    ask(200, "PATCH", one, {"description": "x", "tags": ["a", "b"]}, HTTP_IF_MATCH=got.headers["etag"])
    ask(412, "PATCH", one, {"description": "y"}, HTTP_IF_MATCH=got.headers["etag"])
    first = ask(200, path="/api/v1/workflows?limit=1&sort_by=name")
    if first.json.get("next_cursor"):
        ask(200, path="/api/v1/workflows?limit=1&sort_by=name&cursor=" + first.json["next_cursor"])
    ask(400, path="/api/v1/workflows?limit=x&status=nothing&cursor=zzz")
    ask(400, "POST", "/api/v1/workflows", {"name": 5, "stepz": {}, "tags": "x"})
    ask(400, "POST", "/api/v1/workflows", b"{\"a\":")
    ask(200, "POST", "/api/v1/workflows/validate", {"name": "x", "workflow_config": definition})
    ran = ask(202, "POST", one + "/execute?wait=60", {"trigger_data": {"x": 1}})
    for path in ("", "/events", "/steps"):
        worker.ask(path=f"/api/v1/runs/{ran.json['run_id']}{path}", timeout=180)
    ask(200, path="/api/v1/runs?limit=5")
    text = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nsome text\r\n--B--\r\n"
    up = ask(201, "POST", "/api/v1/files", text, CONTENT_TYPE="multipart/form-data; boundary=B")
    ask(200, path=f"/api/v1/files/{up.json['id']}")
    worker.ask(path=f"/api/v1/files/{up.json['id']}/content", timeout=180)
    ask(401, path=one, key="mr_nobody")
    ask(401, path=one, key="eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA")
    assert worker.ask(path=one, key=stack.make_token(), timeout=180).status in (200, 401, 403)
    ask(404, path="/api/v1/workflows/999999999")
    ask(404, path="/nowhere")
    ask(405, "DELETE", "/health")
    assert worker.ask("DELETE", one, timeout=180).status in (200, 204)


def test_broken_peers(worker):
    with Peer(worker.socket, 180) as peer:
        for rid in range(1, 4):
            peer.send(request(rid=rid, padding=rid))
            assert peer.answer(rid)[0] == 200
    for whole in (request(body=b"{}", method="POST", path="/nowhere"), begin() + streamed(5, b"x"), record(99, rid=0)):
        for cut in range(1, len(whole), 7):
            with Peer(worker.socket, 180) as peer:
                peer.send(whole[:cut])
    with Peer(worker.socket, 180) as peer:
        peer.send(begin() + streamed(4, params(HTTP_X="x" * 70000)) + record(5))
        assert peer.answer()[0] == 431
    assert worker.ask(timeout=180).status == 200


@pytest.mark.long
def test_contract_suite():
    """The suite fails by itself when an answer is wrong; what is looked at here is what valgrind tells."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="millrace-valgrind-"))
    out.chmod(0o777)  # the service's user writes there, and may not be able to read here
    known = shutil.copy(KNOWN, out)
    os.chmod(known, 0o644)
    wrap = " ".join(["valgrind", *OPTIONS, f"--suppressions={known}", f"--log-file={out}/%p"])
    try:
        r = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract"],
                           cwd=ROOT, env={**os.environ, "WRAP": wrap, "STACK_ENV": PATIENCE}, capture_output=True, text=True)
        faults, ended = judge(sorted(out.glob("[0-9]*")))
        if faults or r.returncode != 0:
            pytest.fail(f"{faults}\n{r.stdout[-6000:]}", pytrace=False)
        assert ended >= 3  # the supervisor, its workers, the engine
    finally:
        shutil.rmtree(out, ignore_errors=True)
