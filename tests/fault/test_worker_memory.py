"""Memory that fails at each allocation in turn while a worker serves one request: one of each kind, the n-th
alone and all from the n-th on. What comes is the right answer, a problem that says "not now", or the end of
the connection; never another answer, nothing is kept, and the next request is served by the same process.

Ordinarily some places of each kind are tried, spread over all of them; --long tries every one.
"""
import concurrent.futures
import random
import re
import resource
import uuid

import pytest

from support.fcgi import Closed, request
from support.faulty import Worker, connect_quietly
from support.stack import wait_until

ALONE, ONWARDS = 25, 6  # places that are tried; the second costs PostgreSQL's connections, so it takes longer
FEWER = ("secret", "patch", "delete")  # of these half as many: what they share with the others is tried there
KEYED = ("post", "long_poll")  # sent again with its key, each is there once
SETTLED = 80  # blocks that caches and pools may hold more than before
OPENED = 150  # and a connection that a statement opened which the machine made slow: it stays for a minute
CROWD = 48  # requests at once: so many that each of the worker's connections to PostgreSQL gets some
VOLATILE = re.compile(rb'"(correlation_id|request_id|timestamp|uptime_seconds|started_at|now)":"?[^",}]*"?')


@pytest.fixture(scope="module")
def worker(stack):
    w = Worker(stack)
    wait_until(w.is_ready, 60)
    yield w
    assert w.close() == 0


@pytest.fixture(scope="module")
def workflow(stack):
    return stack.api.workflow([{"name": "a", "type": "log", "config": {"message": "x"}}])


def upload_body(mark):
    return (b"--BOUND\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + mark.encode()
            + b".txt\"\r\nContent-Type: text/plain\r\n\r\n" + b"some text\n" * 500 + b"\r\n--BOUND--\r\n")


@pytest.fixture(scope="module")
def kept(stack):
    """What requests change: a secret and a workflow."""
    name = "m" + uuid.uuid4().hex
    stack.api.ok("POST", "/api/v1/secrets", json={"name": name, "value": "first"})
    return {"api": stack.api, "name": name, "changed": stack.api.workflow([{"name": "a", "type": "noop"}])["id"]}


def kinds(workflow, kept):
    """name: (what is asked, for a mark that is new each time; its right status)"""
    one = f"/api/v1/workflows/{workflow['id']}"

    def post(mark):
        return {"method": "POST", "path": "/api/v1/workflows", "HTTP_IDEMPOTENCY_KEY": mark,
                "body": {"name": mark, "workflow_config": {"steps": [{"name": "a", "type": "noop"}]}}}

    def upload(mark):
        return {"method": "POST", "path": "/api/v1/files", "body": upload_body(mark),
                "CONTENT_TYPE": "multipart/form-data; boundary=BOUND"}

    def wait(mark):
        return {"method": "POST", "path": one + "/execute?wait=20", "HTTP_IDEMPOTENCY_KEY": mark,
                "QUERY_STRING": "wait=20", "body": {"trigger_data": {"mark": mark}}}

    def delete(mark):
        made = kept["api"].workflow([{"name": "a", "type": "noop"}], name=mark)["id"]
        return {"method": "DELETE", "path": f"/api/v1/workflows/{made}"}

    return {
        "secret": (lambda mark: {"method": "PUT", "path": f"/api/v1/secrets/{kept['name']}", "body": {"value": mark}}, 200),
        "patch": (lambda mark: {"method": "PATCH", "path": f"/api/v1/workflows/{kept['changed']}",
                                "body": {"description": mark}}, 200),
        "delete": (delete, 200),
        "get": (lambda mark: {"path": one}, 200),
        "list": (lambda mark: {"path": "/api/v1/workflows?limit=5&search=" + workflow["name"]}, 200),
        "post": (post, 201),
        "wrong_body": (lambda mark: {"method": "POST", "path": "/api/v1/workflows",
                                     "body": {"name": 5, "stepz": [], "tags": "x"}}, 400),
        "upload": (upload, 201),
        "refused_key": (lambda mark: {"path": one, "key": "mr_" + mark}, 401),
        "refused_token": (lambda mark: {"path": one, "key": "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA"}, 401),
        "long_poll": (wait, 202),
    }


def plain(answer):
    return VOLATILE.sub(b"", answer.body)


def attempt(worker, asked):
    try:
        return worker.ask(timeout=40, **asked)
    except Closed:
        return None


def places(calls, most):
    """Which calls fail: all, or one of each stretch, the first and the last among them."""
    if calls <= most:
        return list(range(1, calls + 1))
    return sorted({1, calls, *(random.randint(i * calls // most + 1, (i + 1) * calls // most) for i in range(most))})


def settle(worker, asked):
    """Blocks that live when each connection has served requests of this kind. One that was opened anew has
    its statements still to prepare, and of requests one after another all would go to the first."""
    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        for _ in range(3):
            list(pool.map(lambda _: attempt(worker, asked(uuid.uuid4().hex)), range(CROWD)))
    wait_until(worker.is_ready, 20)
    return worker.control.live


@pytest.mark.parametrize("kind", ["get", "list", "post", "wrong_body", "upload", "refused_key", "refused_token", "long_poll", *FEWER])
def test_each_allocation_fails(worker, workflow, kept, kind, pytestconfig):
    asked, right = kinds(workflow, kept)[kind]
    live, open_before = settle(worker, asked), worker.fds()
    wanted = asked(uuid.uuid4().hex)
    worker.arm("memory")
    first = worker.ask(**wanted)
    calls, _ = worker.disarm()
    assert first.status == right, first.body
    same = kind in ("get", "wrong_body")
    seen, hits = {}, 0
    whole, part = pytestconfig.getoption("--long"), 2 if kind in FEWER else 1
    for stay in (False, True):
        for nth in places(calls, calls if whole else (ONWARDS if stay else ALONE) // part):
            mark = uuid.uuid4().hex
            wanted = asked(mark)
            worker.arm("memory", nth=nth, stay=stay)
            answer = attempt(worker, wanted)
            hits += worker.disarm()[1] > 0
            place = f"{kind}: allocation {nth} of {calls}{' and all after it' if stay else ''}"
            status = answer.status if answer else "closed"
            seen[status] = seen.get(status, 0) + 1
            assert status in (right, 503, "closed"), f"{place}: {status} {answer.body}"
            if status == 503:
                assert answer.code in ("OVERLOADED", "DATABASE_UNAVAILABLE"), (place, answer.body)
                assert int(answer.headers["retry-after"]) >= 1
            if answer and answer.status == right and same:
                assert plain(answer) == plain(first), place
            # it goes on, and with the same key once only
            worker.same_process()
            if kind in KEYED:
                wait_until(worker.is_ready, 20)
                again = {}  # 503 as long as not all connections are back
                wait_until(lambda: again.update(said=worker.ask(timeout=40, **wanted).status) or again["said"] != 503, 20)
                assert again["said"] == right, place
            else:
                assert worker.ask().status == 200, place
    print(f"{kind}: {calls} allocations, {hits} faults hit, answers {seen}")
    assert hits > 0
    wait_until(worker.is_ready, 30)
    wait_until(lambda: settle(worker, asked) - live - OPENED * max(0, worker.fds() - open_before) < SETTLED + hits // 8, 30,
               message=f"{kind}: {worker.control.live - live} blocks more than before {hits} faults")


def test_a_write_whose_answer_was_lost_is_there_once(worker, stack):
    """The keys of the POSTs above, and some of this test's own."""
    names = [uuid.uuid4().hex for _ in range(3)]
    for nth, name in zip((3, 30, 60), names):
        asked = {"method": "POST", "path": "/api/v1/workflows", "HTTP_IDEMPOTENCY_KEY": name,
                 "body": {"name": name, "workflow_config": {"steps": [{"name": "a", "type": "noop"}]}}}
        worker.arm("memory", nth=nth, stay=True)
        attempt(worker, asked)
        worker.disarm()
        wait_until(worker.is_ready, 20)
        assert worker.ask(**asked).status == 201
    rows = stack.rows("select name, count(*) as n from millrace.workflows group by 1 having count(*) > 1")
    assert rows == []
    assert stack.psql("select count(*) from millrace.workflows where name in ('" + "','".join(names) + "')") == "3"


def test_memory_of_the_redis_client(stack, workflow):
    """hiredis ends its process when it gets no memory. That takes the worker along; another takes its place."""
    w = Worker(stack)
    try:
        wait_until(w.is_ready, 60)
        w.arm("redis_memory", nth=1)
        attempt(w, {"method": "POST", "path": f"/api/v1/workflows/{workflow['id']}/execute?wait=20",
                    "QUERY_STRING": "wait=20", "body": {"trigger_data": {}}})
        w.disarm()
        wait_until(w.is_ready, 60, message="no worker came back")
        assert w.process.poll() is None
    finally:
        assert w.close() == 0


def test_stacks_that_cannot_be_mapped(worker):
    """Without room for a coroutine's stack the request is refused, with others' stacks untouched."""
    old = worker.limit(resource.RLIMIT_AS, 1)
    try:
        answers = {attempt(worker, {"path": "/health/ready"}).status for _ in range(5)}
        assert answers <= {200, 503}, answers  # a stack that is idle is used again
    finally:
        worker.limit(resource.RLIMIT_AS, old)
    wait_until(worker.is_ready, 20)
    worker.same_process()


def test_connections_without_memory(stack):
    """Peers come and stay while each allocation that taking one in makes fails in turn: they are turned away, and
    the table of descriptors, which libuv would end the process for, is there from the start."""
    w = Worker(stack)
    inside = []
    try:
        wait_until(w.is_ready, 60)
        for _ in range(110):  # descriptors beyond 128: the table would have grown
            for nth in range(1, 20):
                w.arm("memory", nth=nth)
                peer = connect_quietly(w.socket)
                try:
                    peer.sendall(request(path="/health"))
                    answered = peer.recv(1) != b""
                except ConnectionError:
                    answered = False
                hits = w.disarm()[1]
                assert w.process.poll() is None and w.peer_pid() == w.pid, (len(inside), nth, w.said_last())
                if answered:
                    inside.append(peer)
                    break
                peer.close()
                assert hits > 0, (len(inside), nth)
        assert len(inside) == 110
        wait_until(w.is_ready, 20)
        w.same_process()
    finally:
        for peer in inside:
            peer.close()
        assert w.close() == 0


def test_threads_that_cannot_be_made(stack):
    """Those that write files are there from the start: libuv ends the process when it gets none."""
    w = Worker(stack)
    upload = {"method": "POST", "path": "/api/v1/files?name=a.txt", "body": b"text" * 1000, "CONTENT_TYPE": "text/plain"}
    try:
        wait_until(w.is_ready, 60)
        old = w.limit(resource.RLIMIT_AS, 1)
        try:
            answers = [attempt(w, upload) for _ in range(3)]
        finally:
            w.limit(resource.RLIMIT_AS, old)
        w.same_process()
        assert {a.status for a in answers if a} <= {201, 503}, [a and a.body for a in answers]
        assert w.ask(**upload).status == 201
        w.same_process()
    finally:
        assert w.close() == 0
