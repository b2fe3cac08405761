"""Sockets that fail at each call in turn, few descriptors, full disks, slow peers, many peers: the worker
answers or closes, keeps nothing, never turns in circles, and serves the next request as the same process."""
import concurrent.futures
import errno
import os
import resource
import socket
import subprocess
import time
import uuid

import pytest

from support.fcgi import Closed, Peer, request
from support.faulty import Worker, connect_quietly
from support.stack import wait_until

LATER = (500, 503, "closed")


@pytest.fixture(scope="module")
def worker(stack):
    w = Worker(stack)
    wait_until(w.is_ready, 60)
    yield w
    assert w.close() == 0


@pytest.fixture(scope="module")
def workflow(stack):
    return stack.api.workflow([{"name": "a", "type": "log", "config": {"message": "x"}}])


def attempt(worker, asked):
    try:
        answer = worker.ask(timeout=40, **asked)
    except Closed:
        return None, "closed"
    return answer, answer.status


def goes_on(worker):
    wait_until(worker.is_ready, 30, message="no recovery: " + worker.said_last())
    worker.same_process()


FAULTS = {
    "read": ["EINTR", "EAGAIN", "ECONNRESET", "ENOBUFS", "ETIMEDOUT", "short"],
    "write": ["EINTR", "EAGAIN", "ECONNRESET", "EPIPE", "ENOBUFS", "short"],
    "accept": ["EINTR", "EAGAIN", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"],
}


@pytest.mark.parametrize("kind, fault", [(k, f) for k, faults in FAULTS.items() for f in faults])
def test_each_call_fails(worker, workflow, kind, fault):
    """The n-th call alone. What means nothing (EINTR, EAGAIN, one byte) changes nothing at all."""
    def asked(mark):
        return [{"path": f"/api/v1/workflows/{workflow['id']}"},
                {"method": "POST", "path": "/api/v1/workflows", "HTTP_IDEMPOTENCY_KEY": mark,
                 "body": {"name": mark, "workflow_config": {"steps": [{"name": "a", "type": "noop"}]}}}]

    harmless = fault in ("EINTR", "EAGAIN", "short", "ECONNABORTED")
    error = 0 if fault == "short" else getattr(errno, fault)
    for which, right in ((0, 200), (1, 201)):
        worker.arm(kind)
        assert worker.ask(**asked(uuid.uuid4().hex)[which]).status == right
        calls = worker.disarm()[0]
        assert calls > 0
        for nth in range(1, calls + 1):
            mark = uuid.uuid4().hex
            worker.arm(kind, nth=nth, error=error)
            answer, status = attempt(worker, asked(mark)[which])
            hits = worker.disarm()[1]
            place = f"{kind} {nth} of {calls}: {fault}"
            if harmless or hits == 0:
                assert status == right, f"{place}: {status}"
            assert status in (right, *LATER), f"{place}: {status} {answer.body}"
            if status in (500, 503):
                assert answer.code in ("DATABASE_UNAVAILABLE", "OVERLOADED"), (place, answer.body)
                assert int(answer.headers["retry-after"]) >= 1
            goes_on(worker)
            if which == 1:  # once only, and the answer to be had
                assert worker.ask(**asked(mark)[which]).status == 201, place


def test_a_byte_at_a_time_everywhere(worker, workflow):
    """Every read and write of every socket, PostgreSQL's and Redis' too, takes one byte."""
    worker.arm("read", "write", nth=1, stay=True, error=0)
    try:
        answer = worker.ask(path=f"/api/v1/workflows/{workflow['id']}", timeout=60)
    finally:
        calls, hits = worker.disarm()
    assert answer.status == 200 and answer.json["id"] == workflow["id"]
    assert hits > 500, hits
    goes_on(worker)


@pytest.mark.parametrize("kind, fault", [("connect", f) for f in ("ECONNREFUSED", "EAGAIN", "ENOBUFS", "ETIMEDOUT")]
                         + [("socket", "EMFILE"), ("socket", "ENOBUFS")])
def test_no_connection_to_anybody(worker, stack, kind, fault):
    """PostgreSQL's connections are ended, and no new one is to be had for a while."""
    worker.arm(kind, nth=1, stay=True, error=getattr(errno, fault))
    try:
        end_backends(stack, worker)
        began = time.monotonic()
        seen = {attempt(worker, {"path": "/api/v1/workflows?limit=1"})[1] for _ in range(2)}
        assert seen <= {503}, seen
        assert time.monotonic() - began < 30
        assert worker.ask(path="/health").status == 200  # which needs nobody
        # after a failure it waits a little before it tries again
        wait_until(lambda: attempt(worker, {"path": "/api/v1/workflows?limit=1"})[1] == 503 and worker.control.hits > 0, 20)
    finally:
        worker.disarm()
    goes_on(worker)


@pytest.mark.parametrize("kind, fault", [("connect", "ECONNREFUSED"), ("connect", "EAGAIN"), ("socket", "EMFILE"),
                                         ("socket", "ENOBUFS")])
def test_one_connection_fails(worker, stack, workflow, kind, fault):
    """The n-th that is opened alone: who asked is answered, or told to come again, and the others are opened."""
    asked = {"path": f"/api/v1/workflows/{workflow['id']}"}
    for nth in (1, 2, 3):
        worker.arm(kind, nth=nth, error=getattr(errno, fault))

        def missed():
            """One that was opened is ended and asked for, until the n-th has failed."""
            end_backends(stack, worker)
            answer, status = attempt(worker, asked)
            assert status in (200, 503), f"{kind} {nth}: {status}"
            if status == 503:
                assert answer.code == "DATABASE_UNAVAILABLE" and int(answer.headers["retry-after"]) >= 1, answer.body
            return worker.control.hits > 0

        try:
            wait_until(missed, 30)
            goes_on(worker)
        finally:
            assert worker.disarm()[1] == 1
        assert worker.ask(**asked).status == 200


def end_backends(stack, worker):
    name = "usename = 'millrace_api'"
    stack.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where {name}")


# ---- descriptors ----

def test_no_descriptor_left(worker, stack):
    """Peers beyond the limit are turned away at once and without a busy loop; those that are in are served,
    and when some go others come in."""
    before = worker.fds()
    old = worker.limit(resource.RLIMIT_NOFILE, before + 20)
    inside = []
    try:
        served = Peer(worker.socket)
        assert worker.ask(peer=served).status == 200
        for _ in range(60):
            inside.append(connect_quietly(worker.socket))
        spent = worker.cpu()
        began = time.monotonic()
        wait_until(lambda: worker.ask(peer=served).status == 200, 10)
        wait_until(lambda: time.monotonic() - began > 1.5, 10)  # a stretch in which it would turn
        assert worker.cpu() - spent < 1.0, "it turned in circles"
        assert worker.ask(peer=served, path="/api/v1/workflows?limit=1").status == 200
        # an upload may have no descriptor for its file: said so
        answer = worker.ask(peer=served, method="POST", path="/api/v1/files?name=a.txt", body=b"text",
                            CONTENT_TYPE="text/plain")
        assert answer.status in (201, 500, 503), answer.body
    finally:
        for s in inside:
            if s is not None:
                s.close()
        served.sock.close()
        worker.limit(resource.RLIMIT_NOFILE, old)
    goes_on(worker)
    wait_until(lambda: worker.fds() <= before + 3, 20, message="descriptors stayed open")


@pytest.mark.parametrize("fault", ["EMFILE", "ENFILE", "ENOSPC", "EACCES", "EIO"])
def test_no_file_can_be_opened(worker, fault):
    """Of an upload: a problem, no piece of it, and the next one succeeds."""
    def upload():
        return worker.ask(method="POST", path="/api/v1/files?name=a.txt", body=b"text" * 100,
                          CONTENT_TYPE="text/plain")

    worker.arm("open")
    assert upload().status == 201
    calls = worker.disarm()[0]
    assert calls > 0
    for nth in range(1, calls + 1):
        files = sum(len(f) for _, _, f in os.walk(worker.files))
        worker.arm("open", nth=nth, error=getattr(errno, fault))
        answer = upload()
        worker.disarm()
        assert answer.status in (201, 500, 503) and (answer.status == 201 or answer.code), answer.body
        left = sum(len(f) for _, _, f in os.walk(worker.files)) - files
        assert left == (1 if answer.status == 201 else 0), f"open {nth} of {calls}: {left} files"
        assert upload().status == 201
    worker.same_process()


# ---- disks ----

@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EDQUOT", "short"])
def test_each_write_to_a_file_fails(worker, fault):
    """The store's files and the log's: both are files to this worker."""
    def upload():
        return worker.ask(method="POST", path="/api/v1/files?name=a.txt", body=os.urandom(20000),
                          CONTENT_TYPE="application/octet-stream")

    error = 0 if fault == "short" else getattr(errno, fault)
    worker.arm("file_write")
    assert upload().status == 201
    calls = worker.disarm()[0]
    assert calls > 0
    for nth in range(1, calls + 1):
        for stay in (False, True) if error else (False,):
            files = sum(len(f) for _, _, f in os.walk(worker.files))
            worker.arm("file_write", nth=nth, stay=stay, error=error)
            answer = upload()
            worker.disarm()
            assert answer.status == 201 if not error else answer.status in (201, 500, 503, 507), answer.body
            left = sum(len(f) for _, _, f in os.walk(worker.files)) - files
            assert left == (1 if answer.status == 201 else 0)
    goes_on(worker)


def test_a_file_may_not_grow(worker, stack):
    """RLIMIT_FSIZE: the kernel sends a signal besides, which must not end the worker. The log is at its limit
    too: nothing is said, all is served."""
    def files():
        return sum(len(f) for _, _, f in os.walk(worker.files))

    before, old = files(), worker.limit(resource.RLIMIT_FSIZE, 4096)
    try:
        answer = worker.ask(method="POST", path="/api/v1/files?name=big.bin", body=b"x" * 100000,
                            CONTENT_TYPE="application/octet-stream")
        assert answer.status in (500, 503, 507) and answer.code, answer.body
        assert worker.ask(path="/health/ready").status == 200
        assert files() == before, "a piece of it was left behind"
    finally:
        worker.limit(resource.RLIMIT_FSIZE, old)
    assert worker.ask(method="POST", path="/api/v1/files?name=big.bin", body=b"x" * 100000,
                      CONTENT_TYPE="application/octet-stream").status == 201
    assert files() == before + 1
    goes_on(worker)


# ---- PostgreSQL ----

def test_backends_end_under_requests(worker, stack, workflow):
    """Half of the requests are writes; each is answered, and each that was answered 201 is there once."""
    stop = time.monotonic() + 3
    made, answers = [], []

    def ask():
        while time.monotonic() < stop:
            name = uuid.uuid4().hex
            asked = {"method": "POST", "path": "/api/v1/workflows", "HTTP_IDEMPOTENCY_KEY": name,
                     "body": {"name": name, "workflow_config": {"steps": [{"name": "a", "type": "noop"}]}}}
            answers.append(attempt(worker, {"path": f"/api/v1/workflows/{workflow['id']}"})[1])
            answers.append(attempt(worker, asked)[1])
            if answers[-1] == 201:
                made.append(name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        while time.monotonic() < stop - 0.5:
            end_backends(stack, worker)
        for a in asking:
            a.result()
    assert set(answers) <= {200, 201, 503}, set(answers)
    assert made
    names = "','".join(made)
    assert int(stack.psql(f"select count(*) from millrace.workflows where name in ('{names}')")) == len(made)
    goes_on(worker)


def test_a_lock_is_told_in_time(worker, stack, workflow):
    """The writer of a held row has its 503 with Retry-After by the lock's limit; meanwhile the worker is free."""
    sql = (f"begin; select 1 from millrace.workflows where id = {workflow['id']} for update; "
           "select pg_sleep(60); commit;")
    holder = subprocess_psql(stack, sql)
    try:
        wait_until(lambda: stack.psql("select 1 from pg_stat_activity where query like '%pg_sleep(60)%' "
                                      "and state = 'active' and pid <> pg_backend_pid()"), 20)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(attempt, worker, {"method": "PATCH", "body": {"description": "x"},
                                                     "path": f"/api/v1/workflows/{workflow['id']}"}) for _ in range(4)]
            reads = 0
            while not all(w.done() for w in writers):
                assert worker.ask(path=f"/api/v1/workflows/{workflow['id']}").status == 200
                reads += 1
            for w in writers:
                answer, status = w.result()
                assert status == 503, answer and answer.body
                assert int(answer.headers["retry-after"]) >= 1
            assert reads > 0
    finally:
        stack.psql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' "
                   "and pid <> pg_backend_pid()")
        holder.wait()
    goes_on(worker)


def subprocess_psql(stack, sql):
    return subprocess.Popen(["psql", "-X", "-q", "-d", stack.dsn, "-c", sql], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


# ---- peers ----

def test_a_peer_that_is_too_slow(stack):
    """A byte now and then is not enough: at the end of request_timeout_ms the connection goes, others don't."""
    w = Worker(stack, faulty=False, request_timeout_ms=1500)
    try:
        whole = request(body=b"{}" * 2000, method="POST", path="/api/v1/workflows")
        with Peer(w.socket) as slow, Peer(w.socket) as other:
            sent, deadline = 0, time.monotonic() + 30
            try:
                while time.monotonic() < deadline and not slow.closed(within=0.1):
                    slow.send(whole[sent:sent + 1])
                    sent += 1
                    assert w.ask(peer=other).status == 200
            except OSError:
                pass
            assert 0 < sent < len(whole) and time.monotonic() < deadline
        w.same_process()
        assert "slow peer dropped" in w.said_last()
    finally:
        assert w.close() == 0


def test_a_thousand_connections(stack):
    """A thousand connections are open, some with half a request, and others are served as ever."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, old[1]), old[1]))
    w = Worker(stack, faulty=False)
    peers = []
    try:
        half = request()[:30]
        for i in range(1000):
            p = Peer(w.socket, timeout=60)
            peers.append(p)
            if i % 3 == 0:
                p.send(half)
        for _ in range(50):
            assert w.ask().status == 200
        spent = w.cpu()
        for _ in range(200):
            assert w.ask().status == 200
        assert w.cpu() - spent < 5, "idle connections cost"
        for i, p in enumerate(peers):
            p.send(request()[30:] if i % 3 == 0 else request())
        assert {p.answer()[0] for p in peers} == {200}
        w.same_process()
    finally:
        for p in peers:
            p.sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
        assert w.close() == 0


def test_redis_that_says_nothing(stack, workflow):
    """A Redis that takes connections and never answers: requests go on, wake-ups come by NOTIFY or polling."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(50)
    w = Worker(stack, faulty=False, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
    try:
        wait_until(lambda: w.is_ready(), 30)
        for _ in range(5):
            assert w.ask(path=f"/api/v1/workflows/{workflow['id']}").status == 200
        answer = w.ask(method="POST", path=f"/api/v1/workflows/{workflow['id']}/execute?wait=30", timeout=60,
                       body={"trigger_data": {}})
        assert answer.status == 202 and answer.json["status"] == "completed", answer.body
        w.same_process()
    finally:
        silent.close()
        assert w.close() == 0
