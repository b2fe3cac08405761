"""Large results and long runs, by real processes."""
import json
import pathlib
import subprocess
import threading

import pytest

from support.runs import Engine, call, check_journal, delay, facts, log, row, signal_run, start
from support.stack import TERMINAL, wait_until


@pytest.fixture
def without_engine(stack):
    stack.stop_engine()
    yield stack
    stack.start_engine()


def memory_mb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def loop(n, steps, concurrency=1, name="all"):
    return {"name": name, "type": "foreach",
            "config": {"items": {"from": 0, "to": n}, "concurrency": concurrency, "steps": steps}}


def files_of(stack, run):
    return sorted((pathlib.Path(stack.state) / "files/payloads" / str(run // 10000) / str(run)).glob("*"))


def test_a_large_result_lies_in_the_file_store(stack, receiver):
    text = "0123456789abcdef" * 100_000
    receiver.on("/big", 200, {"text": text})
    run = start(stack, [call(stack, "/big"), {"name": "n", "type": "set", "config": {"n": "{{steps.big.json.text.size()}}"}},
                        delay(1.5), {"name": "m", "type": "set", "config": {"m": "{{steps.big.json.text.size() + 1}}"}}],
                output={"n": "{{vars.n}}", "m": "{{vars.m}}"})
    done = stack.api.wait_run(run, TERMINAL, timeout=30)
    assert done["status"] == "completed" and done["result_data"] == {"n": 1_600_000, "m": 1_600_001}
    data = stack.rows(f"select data from millrace.journal where run_id = {run} and kind = 'step.completed' and step = 'big'")
    ref = data[0]["data"]["output_ref"]
    assert "output" not in data[0]["data"] and ref["ref"].startswith(f"payloads/{run // 10000}/{run}/")
    assert [str(f).endswith(ref["ref"]) for f in files_of(stack, run)] == [True]
    assert text in files_of(stack, run)[0].read_text()
    check_journal(stack, run, run)


def test_a_file_store_that_is_away_is_waited_for(stack, receiver):
    """Neither an expression nor a block's end fails for want of a stored result; a result that is gone does."""
    store = pathlib.Path(stack.state) / "files/payloads"
    away = store.with_name("payloads-away")
    receiver.on("/big", 200, {"text": "x" * 1_500_000})
    reads = {"name": "n", "type": "set", "config": {"n": "{{steps.big.json.text.size()}}"}}
    branch = [{"name": "go", "type": "wait", "config": {"event": {"type": "go"}}}, {"name": "skipped", "type": "noop", "when": "false"}]
    both = {"name": "both", "type": "parallel", "config": {"branches": {"big": [call(stack, "/big")], "go": branch}}}
    wait = {"name": "go", "type": "wait", "config": {"event": {"type": "go"}}}
    of_expression = start(stack, [call(stack, "/big"), wait, reads], output={"n": "{{vars.n}}"})
    of_block = start(stack, [both, {"name": "end", "type": "noop"}], output={"n": "{{steps.both.big.json.text.size()}}"})
    gone = start(stack, [call(stack, "/big"), wait, reads])
    runs = [of_expression, of_block, gone]
    try:
        for run in runs:
            wait_until(lambda run=run: [f for f in facts(stack, run) if f.startswith("step.waiting")]
                       and any(f.startswith("step.completed") for f in facts(stack, run)), 30)
        store.rename(away)
        for run in runs:
            signal_run(stack, run, "go")
        wait_until(lambda: len([line for line in stack.log("engine").splitlines()
                                if "a stored result could not be read" in line]) >= 3, 30)
        assert [row(stack, run)["status"] for run in runs] == ["running"] * 3
    finally:
        if away.exists():
            for f in (away / str(gone // 10000) / str(gone)).glob("*"):
                f.unlink()
            away.rename(store)
    for run in (of_expression, of_block):
        done = stack.api.wait_run(run, TERMINAL, timeout=60)
        assert done["status"] == "completed" and done["result_data"] == {"n": 1_500_000}
        check_journal(stack, run, run)
    failed = stack.api.wait_run(gone, TERMINAL, timeout=60)
    assert failed["status"] == "failed" and "gone from the file store" in json.dumps(failed)


def test_many_items_in_little_memory(without_engine):
    """The hundred-thousandth item costs what the first did; and no more memory than a small run's."""
    stack = without_engine
    n = 100_000
    run = start(stack, [loop(n, [{"name": "x", "type": "noop"}], 50)], output={"n": "{{steps.all.succeeded}}"})
    engine = Engine(stack)
    try:
        done = stack.api.wait_run(run, TERMINAL, timeout=240)
        assert done["status"] == "completed" and done["result_data"] == {"n": n}
        assert memory_mb(engine.pid) < 150
        check_journal(stack, run, run)
        took = stack.rows(f"""
            with t as materialized (select max(seq) as m from millrace.journal where run_id = {run})
            select extract(epoch from max(at) filter (where seq <= m / 4) - min(at))::float8 as first,
                extract(epoch from max(at) - min(at) filter (where seq > m * 3 / 4))::float8 as last
            from t cross join millrace.journal where run_id = {run}""")[0]
        assert took["last"] < took["first"] * 3 + 1, took
    finally:
        engine.stop()


def test_a_long_run_is_taken_over_by_its_snapshot(without_engine, receiver):
    stack = without_engine
    run = start(stack, [loop(30_000, [{"name": "x", "type": "noop"}], 50), call(stack, "/hold"), call(stack, "/gate"), log("end")])
    go_on = threading.Event()
    receiver.on("/hold", lambda _: (go_on.wait(60), (200, {}))[1])
    receiver.on("/gate", 200, {})
    engine = Engine(stack)
    try:
        wait_until(lambda: (stack.rows(f"select seq from millrace.run_states where run_id = {run}") or [{"seq": 0}])[0]["seq"]
                   >= 20_000, 120)
        wait_until(lambda: receiver.of("/hold"), 60)
    finally:
        engine.kill()
        go_on.set()
    engine = Engine(stack)
    try:
        assert stack.api.wait_run(run, TERMINAL, timeout=120)["status"] == "completed"
        assert stack.rows(f"select 1 from millrace.run_states where run_id = {run}") == []
        assert len(receiver.of("/gate")) == 1
        check_journal(stack, run, run)
    finally:
        engine.stop()


def test_a_run_is_compensated(stack, receiver):
    steps = [call(stack, "/book", compensate=call(stack, "/unbook")),
             call(stack, "/pay", compensate=call(stack, "/refund")),
             {"name": "no", "type": "raise", "config": {"type": "mine", "message": "no"}}]
    run = start(stack, steps, mode="saga", **{"finally": [log("last")]})
    done = stack.api.wait_run(run, TERMINAL)
    assert done["status"] == "compensated" and done["error"]["type"] == "mine"
    assert [r.path for r in receiver.requests if r.path in ("/refund", "/unbook")] == ["/refund", "/unbook"]
    kinds = facts(stack, run)
    assert kinds.index("step.compensated:pay") < kinds.index("step.compensated:book") < kinds.index("compensated")
    assert row(stack, run)["completed_at"]
    check_journal(stack, run, run)


def test_jq_between_transformations(stack):
    step = {"name": "t", "type": "data_transform", "config": {
        "source_data": {"xs": [3, 1, 2]},
        "transformations": [{"type": "jq", "program": ".xs | sort", "key": "sorted"},
                            {"type": "map", "path": "sorted", "expression": "{{item * 2}}", "key": "doubled"}]}}
    run = start(stack, [step])
    done = stack.api.wait_run(run, TERMINAL, timeout=30)
    assert done["status"] == "completed", done["error"]
    assert done["result_data"]["t"]["sorted"] == [1, 2, 3]
    check_journal(stack, run, run)


def test_a_jq_program_that_fails(stack):
    run = start(stack, [{"name": "t", "type": "data_transform", "max_retries": 0, "config": {
        "source_data": 1, "transformations": [{"type": "jq", "program": ".a.b", "key": "x"}]}}])
    failed = stack.api.wait_run(run, TERMINAL, timeout=30)
    assert failed["status"] == "failed" and failed["error"]["type"] == "expression", failed["error"]


def test_expired_runs_go_with_their_files(without_engine, receiver):
    stack = without_engine
    receiver.on("/big", 200, {"text": "x" * 1_500_000})
    workflow = stack.api.workflow([call(stack, "/big")])["id"]
    old, young = (stack.api.execute(workflow)["run_id"] for _ in range(2))
    engine = Engine(stack)
    try:
        for run in (old, young):
            stack.api.wait_run(run, "completed", timeout=30)
        assert len(files_of(stack, old)) == 1 and len(files_of(stack, young)) == 1
    finally:
        engine.stop()
    stack.psql(f"update millrace.runs set created_at = created_at - interval '40 days', completed_at = completed_at - interval '40 days' where id = {old}")
    engine = Engine(stack, retention_days=30)
    try:
        wait_until(lambda: not stack.rows(f"select 1 from millrace.runs where id = {old}"), 20)
        assert stack.rows(f"select 1 from millrace.journal where run_id = {old}") == []
        wait_until(lambda: not files_of(stack, old), 100, every=0.5, message="the files of a run that is gone stayed")
        assert len(files_of(stack, young)) == 1 and row(stack, young)
    finally:
        engine.stop()


def test_many_items_are_written_once(stack):
    """A run that is released within a loop writes no items: its snapshot names the row that has them."""
    run = start(stack, [loop(3000, [{"name": "x", "type": "noop", "when": "item > 1"}, {**delay(2), "when": "item < 2"}])],
                output={"n": "{{steps.all.succeeded}}"})
    state = f"select state::text as state from millrace.run_states where run_id = {run}"
    wait_until(lambda: stack.rows(state), 30)
    text = stack.rows(state)[0]["state"]
    assert text.startswith('{"facts":[3],') and len(text) < 3000
    assert stack.api.wait_run(run, TERMINAL, timeout=60)["result_data"] == {"n": 3000}
    check_journal(stack, run, run)


FSYNC = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Never for the thread with the loop; and it fails for as long as there is that file. */
int fsync(int fd)
{
	if (syscall(SYS_gettid) == getpid())
		abort();
	if (access(getenv("FSYNC_FAILS"), F_OK) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}
"""


def test_a_disk_that_fails_costs_no_result(without_engine, receiver, tmp_path):
    """The disk is waited for by other threads; what can't be put there stays in the journal."""
    stack = without_engine
    (tmp_path / "fsync.c").write_text(FSYNC)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "fsync.so", tmp_path / "fsync.c"], check=True)
    fails = tmp_path / "fails"
    receiver.on("/big", 200, {"text": "x" * 1_500_000})
    body = [call(stack, "/big"), {"name": "n", "type": "set", "config": {"n": "{{steps.big.json.text.size()}}"}}]
    many = loop(20, [body[0], {"name": "n", "type": "noop", "when": "steps.big.json.text.size() == 1500000"}], 20)
    run = start(stack, [many], output={"n": "{{steps.all.succeeded}}"})
    engine = Engine(stack, {"LD_PRELOAD": str(tmp_path / "fsync.so"), "FSYNC_FAILS": str(fails)})
    kept = f"select count(*) as n from millrace.journal where step = 'all/big' and run_id = %s and data ->> '%s' is not null"
    try:
        assert stack.api.wait_run(run, TERMINAL, timeout=60)["result_data"] == {"n": 20}
        assert stack.rows(kept % (run, "output_ref"))[0]["n"] == 20 and files_of(stack, run)
        assert not [f for f in files_of(stack, run) if f.name.endswith(".tmp")]
        fails.touch()
        run = start(stack, body, output={"n": "{{vars.n}}"})
        done = stack.api.wait_run(run, TERMINAL, timeout=60)
        assert done["status"] == "completed" and done["result_data"] == {"n": 1_500_000}
        assert stack.rows(f"select 1 from millrace.journal where run_id = {run} and data ->> 'output_ref' is not null") == []
        assert files_of(stack, run) == [] and engine.said("result not stored")
        check_journal(stack, run, run)
        assert engine.stop() == 0
    finally:
        engine.stop()
