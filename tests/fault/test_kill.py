"""SIGKILL of engines and workers while 500 runs are under way, PostgreSQL away for long; exact moments are
test_matrix.py's.

No accepted run is lost; no step recorded as done is repeated; whatever is called again carries the
same idempotency key; and all is well again within 15 seconds.
"""
import collections
import concurrent.futures
import os
import signal
import time

import pytest
import requests

from support.runs import Engine, call, check_journal, delay, log
from support.stack import wait_until

RUNS = 500
RECOVERY = 15
SETTLE = 60  # for all 500 to end, on a small machine


@pytest.fixture
def whole(stack):
    yield stack
    stack.start()
    wait_until(lambda: stack.api.get("/health/ready").status_code == 200, 30)


def slow_service(receiver):
    for path in ("/first", "/second"):
        receiver.on(path, lambda _: (time.sleep(0.15), (200, {"ok": True}))[1])


def make_workflow(stack):
    return stack.api.workflow([log("a"), call(stack, "/first", timeout_seconds=20), delay(0.2),
                               call(stack, "/second", timeout_seconds=20), log("b")])["id"]


def submit(stack, workflow):
    answer = stack.api.ok("POST", "/api/v1/workflows/bulk", json={
        "op": "execute", "workflow_id": workflow, "items": [{"input": {"n": n}} for n in range(RUNS)]})
    assert answer
    return ids(stack, workflow)


def ids(stack, workflow):
    rows = stack.rows(f"select id from millrace.runs where workflow_id = {workflow} order by id")
    return [r["id"] for r in rows]


def statuses(stack, workflow):
    try:
        rows = stack.rows(f"select status, count(*) as n from millrace.runs where workflow_id = {workflow} group by 1")
    except RuntimeError:
        return {}
    return {r["status"]: r["n"] for r in rows}


def wait_completed(stack, workflow, count):
    wait_until(lambda: statuses(stack, workflow) == {"completed": count}, SETTLE, every=0.2,
               message=f"not all of {count} runs ended: {statuses(stack, workflow)}")


def goes_on(stack, receiver):
    """Recovery: a new workflow and its run get through."""
    begin = time.monotonic()

    def works():
        try:
            workflow = stack.api.workflow([log("x")])["id"]
            return stack.api.execute(workflow, wait=5)["status"] == "completed"
        except (AssertionError, requests.RequestException):
            return False

    wait_until(works, RECOVERY, every=0.2, message="the service did not recover")
    return time.monotonic() - begin


def check(stack, receiver, runs):
    check_journal(stack, runs[0], runs[-1])
    keys = collections.Counter(r.headers["idempotency-key"] for p in ("/first", "/second")
                               for r in receiver.of(p))
    # calls of an engine killed in an earlier test may still come in
    ours = set(runs)
    keys = {k: n for k, n in keys.items() if int(k.split("/")[0]) in ours}
    assert set(keys) == {f"{run}/{step}/0" for run in runs for step in ("first", "second")}
    done = stack.rows("select step, count(*) as n from millrace.journal where kind = 'step.completed' "
                      f"and run_id between {runs[0]} and {runs[-1]} group by 1")
    assert {d["step"]: d["n"] for d in done} == {s: len(runs) for s in ("a", "first", "d", "second", "b")}
    return keys


def test_engine_killed_again_and_again(whole, receiver):
    slow_service(receiver)
    workflow = make_workflow(whole)
    runs = submit(whole, workflow)
    for n in (50, 300, 600):
        receiver.wait("/first", min(n, 400))
        whole.kill9("engine")
        whole.start_engine()
    wait_completed(whole, workflow, RUNS)
    check(whole, receiver, runs)


def test_one_of_two_engines_killed(whole, receiver):
    slow_service(receiver)
    workflow = make_workflow(whole)
    other = Engine(whole, engine_max_runs=250)
    try:
        runs = submit(whole, workflow)
        receiver.wait("/first", 100)
        other.kill()
        goes_on(whole, receiver)
        wait_completed(whole, workflow, RUNS)
        check(whole, receiver, runs)
    finally:
        other.stop()


def test_postgres_away_for_longer_than_the_lease(whole, receiver):
    slow_service(receiver)
    workflow = make_workflow(whole)
    runs = submit(whole, workflow)
    receiver.wait("/first", 100)
    whole.stop_postgres()
    wait_until(lambda began=time.monotonic(): time.monotonic() - began > 12, 20)
    whole.start_postgres()
    goes_on(whole, receiver)
    wait_completed(whole, workflow, RUNS)
    check(whole, receiver, runs)


def test_worker_killed_while_it_accepts(whole, receiver):
    """Every run whose start was answered is there and ends; the others are there once or not at all."""
    workflow = whole.api.workflow([log("a"), call(whole, "/first"), log("b")])["id"]
    slow_service(receiver)
    accepted = []

    def submit_one(n):
        client = whole.with_key(whole.key)
        try:
            answer = client.post(f"/api/v1/workflows/{workflow}/execute", json={"input": {"n": n}},
                                 headers={"Idempotency-Key": f"kill-{workflow}-{n}"})
        except requests.RequestException:
            return
        if answer.status_code == 202:
            accepted.append(answer.json()["run_id"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(submit_one, n) for n in range(RUNS)]
        for worker in range(4):
            wait_until(lambda w=worker: len(accepted) >= (w + 1) * 80, 60)
            os.kill(whole.worker_pids[0], signal.SIGKILL)
        concurrent.futures.wait(futures)
    goes_on(whole, receiver)
    there = ids(whole, workflow)
    assert set(accepted) <= set(there) and len(there) <= RUNS
    inputs = whole.rows(f"select input->>'n' as n, count(*) as c from millrace.runs where workflow_id = {workflow} "
                        "group by 1 having count(*) > 1")
    assert inputs == []
    wait_completed(whole, workflow, len(there))
    check_journal(whole, there[0], there[-1])
