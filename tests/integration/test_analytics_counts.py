"""What workers have counted for /api/v1/analytics and not yet written: written by each that ends in order, once."""
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.stack import Stack, wait_until

USAGE = "/api/v1/analytics/usage"


@pytest.fixture(scope="module")
def counting():
    """Its workers write counts when they end, and only then."""
    s = Stack("counts", settings={"api_workers": 3, "analytics_write_ms": 600000})
    s.start()
    yield s
    s.close()


def caller(stack, name):
    client = stack.client(name=name)
    client.session.headers["Connection"] = "close"  # so that each worker has its share
    client.id = client.ok("GET", "/api/v1/me")["id"]
    return client, 1


def counted(stack, client):
    """Of CLIENT's requests; None while nobody can say."""
    answer = stack.api.get(USAGE, params={"principal_id": client.id, "group_by": "key"})
    return sum(g["count"] for g in answer.json()["items"]) if answer.status_code == 200 else None


def end(stack, pid):
    """Asks a worker to end, and waits for the one in its place."""
    workers = stack.worker_pids
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: len(stack.worker_pids) == len(workers) and pid not in stack.worker_pids, message="no other worker came")


def ask(client, times):
    for _ in range(times):
        client.ok("GET", "/api/v1/workflows?limit=1")
    return times


def test_workers_that_are_asked_to_end(counting):
    client, asked = caller(counting, "ended")
    asked += ask(client, 60)
    assert counted(counting, client) == 0  # nothing wrote yet: what follows is the end's doing
    for pid in counting.worker_pids:
        end(counting, pid)
    wait_until(lambda: counted(counting, client) == asked, message=f"not {asked} are counted")


def test_workers_that_end_while_they_answer(counting):
    """Each answer that a client has is counted once, whichever worker gave it."""
    client, asked = caller(counting, "meanwhile")
    for pid in counting.worker_pids:
        asked += ask(client, 10)
        with ThreadPoolExecutor(1) as pool:
            going_on = pool.submit(ask, client, 30)
            end(counting, pid)
            asked += going_on.result()
    for pid in counting.worker_pids:
        end(counting, pid)
    wait_until(lambda: counted(counting, client) == asked, message=f"not {asked} are counted")


def test_a_stack_that_is_stopped(counting):
    client, asked = caller(counting, "stopped")
    asked += ask(client, 30)
    counting.restart("api")
    wait_until(lambda: counted(counting, client) == asked, message=f"not {asked} are counted")
