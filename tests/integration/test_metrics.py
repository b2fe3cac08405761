"""/metrics and /api/v1/metrics: that they say what the table says, that sums never fall, whoever is killed, and that a
tenant sees its own only."""
import os
import re
import signal
import subprocess

import pytest

from support.metrics import family, samples, table, tool, total
from support.runs import Engine, log
from support.stack import wait_until

STEPS = [log("a"), {"name": "b", "type": "set", "config": {"n": 1}}]


def shown(stack):
    return stack.anonymous().get("/metrics").text


@pytest.fixture(scope="module")
def used(stack):
    """Something of everything has happened: runs that completed and failed, requests that were refused."""
    workflow = stack.api.workflow(STEPS)
    broken = stack.api.workflow([{"name": "a", "type": "assert", "config": {"condition": "{{false}}"}}])
    for _ in range(3):
        stack.api.execute(workflow["id"], wait=20)
        stack.api.execute(broken["id"], wait=20)
    assert stack.api.get("/api/v1/workflows/1e9").status_code >= 400
    wait_until(lambda: total(shown(stack), "workflow_execution_total", status="failed") >= 3, 30)
    wait_until(lambda: total(shown(stack), "millrace_runs_ended_total", status="failed") >= 3, 30)
    return workflow["id"]


def tenant_text(stack):
    return stack.api.get("/api/v1/metrics").text


@pytest.mark.parametrize("show, where", [(shown, "/metrics"), (tenant_text, "/api/v1/metrics")])
def test_what_is_shown_is_in_the_table(stack, used, show, where):
    rows, text = table(), show(stack)
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert len(types) == len(re.findall(r"^# TYPE", text, re.M)) == len(re.findall(r"^# HELP", text, re.M))
    for name, kind in types.items():
        assert rows[name]["type"] == kind and rows[name]["in"] in (where, "both"), name
    for name, labels in samples(text):
        row = rows[family(name, types)]
        allowed = [x for x in row["labels"] if where == "/metrics" or x != "tenant"]
        assert {k for k, _ in labels} - {"le"} == set(allowed), (name, labels)
    # one block each: whoever parses it may rely on that
    order = [family(SERIES.match(line).group(), types) for line in text.splitlines() if not line.startswith("#")]
    assert len([1 for a, b in zip(order, order[1:]) if a != b]) == len(set(order)) - 1


SERIES = re.compile(r"[a-z_]+")


def test_each_row_that_needs_nothing_special_is_shown(stack, used):
    told = set(re.findall(r"^# TYPE (\w+) ", shown(stack), re.M))
    rows = table()
    # what needs an agent, a jq program, or that something goes wrong
    special = re.compile(r"millrace_(agent|jq|engine_(effects_started|flush_failures|flushes_beside|lease_lost|poisoned|refused|released|taken_over|commands)"
                         r"|liveness|step_retries)")
    missing = {n for n, row in rows.items() if row["in"] != "/api/v1/metrics" and n not in told and not special.match(n)}
    assert missing == set()
    mine = set(re.findall(r"^# TYPE (\w+) ", tenant_text(stack), re.M))
    assert {n for n, row in rows.items() if row["in"] != "/metrics" and n not in mine and not special.match(n)} == set()


@pytest.mark.parametrize("show", [shown, tenant_text])
def test_promtool_finds_nothing(stack, used, show):
    """But for the one name in milliseconds, which is another program's."""
    r = subprocess.run([tool("promtool"), "check", "metrics"], input=show(stack), capture_output=True, text=True)
    said = [line for line in (r.stdout + r.stderr).splitlines() if line.strip()]
    assert [line for line in said if not line.startswith("action_execution_duration_ms ")] == []


def test_histograms_are_whole(stack, used):
    for text in (shown(stack), tenant_text(stack)):
        found = samples(text)
        for (name, labels), count in found.items():
            if name.endswith("_count"):
                base = name[:-len("_count")]
                buckets = sorted((float(dict(l)["le"]), n) for (s, l), n in found.items()
                                 if s == f"{base}_bucket" and {p for p in l if p[0] != "le"} == labels)
                assert buckets[-1] == (float("inf"), count) and [n for _, n in buckets] == sorted(n for _, n in buckets)
                assert (f"{base}_sum", labels) in found


def falls(before, after, where=lambda name: True):
    """Sums of counters and histograms by metric: those that are less than they were."""
    def sums(text):
        types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        found = {}
        for (name, _), n in samples(text).items():
            if types[family(name, types)] != "gauge" and where(name):
                found[name] = found.get(name, 0) + n
        return found
    was, now = sums(before), sums(after)
    return {n: (v, now.get(n)) for n, v in was.items() if now.get(n, -1) < v}


def is_here(stack, pid):
    return stack.rows(f"select 1 as up from millrace.engines where pid = {pid}") != []


def test_sums_survive_a_killed_engine(stack, used):
    """Its counters go into the totals with its row, and the next one's are added to them."""
    stack.stop_engine()
    engine = Engine(stack)
    try:
        before = total(shown(stack), "workflow_execution_total", status="completed")
        for _ in range(4):
            stack.api.execute(used, wait=20)
        wait_until(lambda: total(shown(stack), "workflow_execution_total", status="completed") == before + 4, 20)
        text = shown(stack)
        engine.kill()
        assert falls(text, shown(stack)) == {}
        stack.start_engine()
        seen = [text]

        def taken():
            seen.append(shown(stack))
            assert falls(seen[-2], seen[-1]) == {}
            return not is_here(stack, engine.pid)
        wait_until(taken, 30)
        assert total(shown(stack), "workflow_execution_total", status="completed") == before + 4
        stack.api.execute(used, wait=20)
        wait_until(lambda: total(shown(stack), "workflow_execution_total", status="completed") == before + 5, 20)
    finally:
        if engine.process.poll() is None:
            engine.stop()
        if stack.engine_pid is None:
            stack.start_engine()


def test_sums_survive_an_engine_that_ends(stack, used):
    """What it counted since its last renewal goes with its row."""
    before = shown(stack)
    for _ in range(2):
        stack.api.execute(used, wait=20)
    stack.stop_engine()
    text = shown(stack)
    assert stack.rows("select 1 from millrace.engines") == [] and falls(before, text) == {}
    assert (total(text, "workflow_execution_total", status="completed") ==
            total(before, "workflow_execution_total", status="completed") + 2)
    stack.start_engine()


def test_an_engine_that_lost_its_lease_counts_nothing_twice(stack, used):
    """Its row is taken with what it had written; it goes on, with what came after."""
    wait_until(lambda: is_here(stack, stack.engine_pid), 20)
    completed = total(shown(stack), "workflow_execution_total", status="completed")
    old = stack.rows(f"select id from millrace.engines where pid = {stack.engine_pid}")[0]["id"]
    stack.psql(f"with gone as (delete from millrace.engines where id = {old} returning metrics) "
               "select millrace.metric_totals_add(array_agg(metrics)) from gone")
    wait_until(lambda: is_here(stack, stack.engine_pid), 20)
    stack.api.execute(used, wait=20)
    wait_until(lambda: total(shown(stack), "workflow_execution_total", status="completed") == completed + 1, 20)
    assert total(shown(stack), "millrace_engine_lease_lost_total") >= 1


def test_sums_survive_killed_workers(stack, used):
    """They count in their supervisor's memory."""
    before, workers = shown(stack), stack.worker_pids
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(stack.worker_pids) == len(workers) and not set(workers) & set(stack.worker_pids)
               and stack.anonymous().get("/health/ready").status_code == 200, 30)
    after = wait_until(lambda: (t := shown(stack)) and "workflow_execution_total" in t and t, 20)
    assert falls(before, after) == {}
    assert (total(after, "millrace_api_worker_restarts_total") >=
            total(before, "millrace_api_worker_restarts_total") + len(workers))


def test_a_tenant_sees_its_own(stack, used):
    other = stack.client("seen-by-none")
    text = other.get("/api/v1/metrics").text
    assert total(text, "workflow_execution_total") == 0 and total(text, "millrace_runs_ended_total") == 0
    workflow = other.workflow([{"name": "only-here", "type": "noop"}])
    other.execute(workflow["id"], wait=20)
    text = wait_until(lambda: total(t := other.get("/api/v1/metrics").text, "workflow_execution_total") == 1 and t, 20)
    assert "tenant=" not in text and "log" not in {v for k, labels in samples(text) for n, v in labels if n == "action_type"}
    wait_until(lambda: total(other.get("/api/v1/metrics").text, "http_requests_total", method="POST",
                             route="/api/v1/workflows/{id}/execute") == 1, 20)
    wait_until(lambda: total(shown(stack), "workflow_execution_total", tenant="seen-by-none") == 1, 20)
    mine = total(shown(stack), "workflow_execution_total", tenant="default")
    assert mine == total(tenant_text(stack), "workflow_execution_total") > 1


def test_without_the_database_the_workers_still_tell(stack, used):
    stack.stop_postgres()
    try:
        text = wait_until(lambda: total(t := shown(stack), "millrace_api_db_up") == 0 and t, 30)
        assert total(text, "http_requests_total") > 0 and "workflow_execution_total" not in text
    finally:
        stack.start_postgres()
        stack.ready()
