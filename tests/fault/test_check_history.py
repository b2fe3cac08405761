"""The judge of histories can fail: for each invariant a good history, and one that breaks only it."""
import copy
import json
import pathlib
import subprocess
import sys

import pytest

from support.check_history import CHECKS, History, judge

PROGRAM = pathlib.Path(__file__).parents[1] / "support" / "check_history.py"


def fact(run, seq, kind, commit, **more):
    return {"type": "fact", "run": run, "seq": seq, "id": run * 100 + seq, "xid": run * 1000 + seq,
            "commit": commit, "at": commit - 0.001, "kind": kind, "step": None, "execution": None,
            "iteration": None, "attempt": None, "of": None, **more}


def step(run, seq, kind, commit, attempt=1, execution=1, name="first"):
    return fact(run, seq, kind, commit, step=name, execution=run * 100 + execution, attempt=attempt,
                of="http_request")


def waits(run, seq, kind, commit):
    return {**step(run, seq, kind, commit, name="child"), "of": "subworkflow"}


def run(number, status, seq, key):
    return {"type": "run", "id": number, "key": key, "status": status, "seq": seq, "owner": None,
            "queued": False, "wake_at": None, "parent": None}


def call(number, at, status=200, name="first", key=None):
    return {"type": "call", "run": number, "step": name, "iteration": 0, "key": key or f"{number}/{name}/0",
            "at": at, "done": at + 0.1, "status": status}


def good():
    """Four runs: one called twice because its engine was killed, one cancelled, one that failed,
    was retried, paused and resumed, one that was compensated; and one with a child."""
    lines = []
    for n, key in ((1, "a"), (2, "b"), (3, "c"), (4, "d")):
        lines += [{"type": "asked", "key": key, "sent": 100.0},
                  {"type": "accepted", "key": key, "run": n, "sent": 100.0, "answered": 100.2},
                  fact(n, 1, "created", 100.1), fact(n, 2, "started", 100.3), step(n, 3, "step.started", 100.4)]
    lines += [
        # killed at 101 with its call open; taken over and called again with the same key
        run(1, "completed", 5, "a"), call(1, 100.5, status=None), call(1, 102.0),
        step(1, 4, "step.completed", 102.2), fact(1, 5, "completed", 102.2, xid=1004),
        # cancelled at 101.5 while its call was open
        run(2, "cancelled", 5, "b"), call(2, 100.5),
        {"type": "command", "run": 2, "kind": "cancel", "commit": 101.5},
        {"type": "answered", "run": 2, "kind": "cancel", "sent": 101.4, "answered": 101.6},
        step(2, 4, "step.cancelled", 101.7), fact(2, 5, "cancelled", 101.7, xid=2004),
        # fails twice, is retried, and then paused for a while
        run(3, "completed", 14, "c"), call(3, 100.5, status=500), call(3, 105.0, status=500), call(3, 107.0),
        step(3, 4, "step.retrying", 100.7), step(3, 5, "step.started", 104.9, attempt=2),
        step(3, 6, "step.failed", 105.2, attempt=2), fact(3, 7, "failed", 105.2, xid=3006),
        {"type": "command", "run": 3, "kind": "retry", "commit": 106.0}, fact(3, 8, "retried", 106.0),
        {"type": "command", "run": 3, "kind": "pause", "commit": 106.1}, fact(3, 9, "paused", 106.2),
        {"type": "command", "run": 3, "kind": "resume", "commit": 106.5}, fact(3, 10, "resumed", 106.6),
        step(3, 11, "step.started", 106.9, execution=11), step(3, 12, "step.completed", 107.2, execution=11),
        fact(3, 13, "log", 107.2, step="first"), fact(3, 14, "completed", 107.2, xid=3012),
        # undoes what it did, and then waits for a while
        run(4, "compensated", 11, "d"), call(4, 100.5), step(4, 4, "step.completed", 100.7), fact(4, 5, "failing", 100.7),
        fact(4, 6, "compensating", 100.7), step(4, 7, "step.started", 100.8, execution=7, name="first/compensate/undo"),
        step(4, 8, "step.waiting", 100.9, execution=7, name="first/compensate/undo"),
        call(4, 100.85, name="first/compensate/undo"),
        step(4, 9, "step.completed", 101.0, execution=7, name="first/compensate/undo"),
        step(4, 10, "step.compensated", 101.0), fact(4, 11, "compensated", 101.0),
        # a parent, which nobody asked for by a key, and its child
        run(5, "completed", 6, None), fact(5, 1, "created", 100.1), fact(5, 2, "started", 100.2),
        waits(5, 3, "step.started", 100.3), waits(5, 4, "step.waiting", 100.4), waits(5, 5, "step.completed", 101.0),
        fact(5, 6, "completed", 101.0),
        {**run(6, "completed", 3, None), "parent": 5}, fact(6, 1, "created", 100.35), fact(6, 2, "started", 100.5),
        fact(6, 3, "completed", 100.9),
        {"type": "accepted", "key": "c", "run": 3, "sent": 101.1, "answered": 101.3},
        {"type": "fault", "name": "engine killed", "begin": 101.0, "lift": 101.0, "hits": ["engine"],
         "victims": [1], "proof": "its call was open"},
    ]
    return lines


def find(lines, type_, **like):
    return next(x for x in lines if x["type"] == type_ and all(x.get(k) == v for k, v in like.items()))


def drop(lines, type_, **like):
    lines.remove(find(lines, type_, **like))


# ---- the ways to break it: each is named after the check that must see it ----

def lost(lines):
    """An accepted run has gone."""
    lines.append({"type": "accepted", "key": "e", "run": 9, "sent": 100.0, "answered": 100.2})


def lost_journal(lines):
    lines.append(run(9, "completed", 0, "e"))
    lines.append({"type": "asked", "key": "e", "sent": 100.0})
    lines.append({"type": "accepted", "key": "e", "run": 9, "sent": 100.0, "answered": 100.2})


def keys(lines):
    """Two runs of one key."""
    lines += [run(9, "completed", 3, "a"), fact(9, 1, "created", 100.1), fact(9, 2, "started", 100.3),
              fact(9, 3, "completed", 100.3)]


def keys_answers(lines):
    lines.append({"type": "accepted", "key": "a", "run": 2, "sent": 100.0, "answered": 100.3})


def ended(lines):
    find(lines, "run", id=1)["status"] = "running"


def ended_held(lines):
    find(lines, "run", id=1)["owner"] = 4


def dense(lines):
    """A row is missing in the middle."""
    drop(lines, "fact", run=3, kind="log")


def dense_row(lines):
    find(lines, "run", id=1)["seq"] = 4


def dense_id(lines):
    find(lines, "fact", run=1, seq=2)["id"] = 201


def order(lines):
    find(lines, "fact", run=3, seq=9)["commit"] = 105.9
    find(lines, "command", run=3, kind="pause")["commit"] = 105.8


def order_time(lines):
    """A row's time lies a second before its predecessor's, and no clock was set."""
    find(lines, "fact", run=3, seq=13)["at"] -= 1


def life(lines):
    """A row after the end."""
    find(lines, "fact", run=1, seq=5).update(kind="log", seq=6, id=106)
    lines.append(fact(1, 5, "completed", 102.2, xid=1004))
    find(lines, "run", id=1)["seq"] = 6


def life_closing(lines):
    """A step of the main part begins when the run undoes what it did."""
    for f in lines:
        if f["type"] == "fact" and f["run"] == 4 and f["step"] == "first/compensate/undo":
            f["step"] = "second"
    find(lines, "call", run=4, at=100.85).update(step="second", key="4/second/0")


def life_row(lines):
    find(lines, "run", id=1)["status"] = "failed"


def once(lines):
    """A step that is recorded as done is done again."""
    find(lines, "fact", run=3, seq=11)["execution"] = 301


def once_twice(lines):
    """Two ends of one execution."""
    find(lines, "fact", run=3, seq=13).update(step(3, 13, "step.completed", 107.2, execution=11), xid=3012)


def cancelled(lines):
    """A step begins after the cancel."""
    find(lines, "fact", run=2, seq=4).update(step(2, 4, "step.started", 101.55, execution=4, name="second"))


def cancelled_otherwise(lines):
    find(lines, "fact", run=2, seq=5)["kind"] = "completed"
    find(lines, "run", id=2)["status"] = "completed"


def calls_after_cancel(lines):
    lines.append(call(2, 103.7))


def paused(lines):
    find(lines, "fact", run=3, seq=11)["commit"] = 106.45
    find(lines, "fact", run=3, seq=11)["at"] = 106.3
    find(lines, "fact", run=3, seq=10).update(commit=106.4, at=106.3)


def children(lines):
    """The child was started twice."""
    lines += [{**run(9, "completed", 2, None), "parent": 5}, fact(9, 1, "created", 100.4), fact(9, 2, "completed", 100.5)]


def children_none(lines):
    """A subworkflow step is done, and there was no child."""
    find(lines, "run", id=6)["parent"] = None


def children_cancelled(lines):
    """A step of the child begins long after its parent was cancelled."""
    find(lines, "run", id=6).update(parent=2, seq=4)
    find(lines, "fact", run=2, seq=3)["of"] = "subworkflow"
    find(lines, "fact", run=5, seq=5).update(kind="step.failed")
    find(lines, "fact", run=6, seq=3).update(seq=4, id=604, commit=104.5, at=104.4)
    lines.append(step(6, 3, "step.waiting", 104.4, execution=3))


def effects(lines):
    """A call that no row announces."""
    lines.append(call(3, 105.5, name="second"))


def effects_early(lines):
    find(lines, "call", run=1, at=100.5)["at"] = 100.39


def effects_unseen(lines):
    """A step is done, and no service saw it."""
    find(lines, "call", run=3, at=107.0)["status"] = 500


def same_key(lines):
    find(lines, "call", run=1, at=102.0)["key"] = "1/first/1"


def same_key_shared(lines):
    find(lines, "call", run=2, at=100.5)["key"] = "3/first/0"


def repeats(lines):
    """Called more often than tried, when nothing was amiss."""
    lines.append(call(3, 107.1))


def recovery(lines):
    """The victim goes on too late."""
    for seq in (4, 5):
        find(lines, "fact", run=1, seq=seq)["commit"] = 116.5


def recovery_never(lines):
    find(lines, "fault")["lift"] = 107.1
    find(lines, "fault")["victims"] = []


def proof(lines):
    find(lines, "fault")["proof"] = ""


BREAKS = [lost, lost_journal, keys, keys_answers, ended, ended_held, dense, dense_row, dense_id, order,
          order_time, life, life_closing, life_row, once, once_twice, cancelled, cancelled_otherwise, calls_after_cancel,
          paused, children, children_none, children_cancelled, effects, effects_early, effects_unseen, same_key, same_key_shared, repeats, recovery,
          recovery_never, proof]


def test_a_good_history_passes():
    assert judge(History(good())) == {}


def test_what_a_lapsed_lease_explains():
    """A call again is no break where its engine's lease ended meanwhile; at another time it is."""
    lines = good()
    repeats(lines)
    assert set(judge(History(lines))) == {"repeats"}
    assert judge(History([*lines, {"type": "lapsed", "engine": 1, "at": 108.0}])) == {}
    assert set(judge(History([*lines, {"type": "lapsed", "engine": 1, "at": 300.0}]))) == {"repeats"}


def test_every_check_has_a_break():
    broken = {n for n in CHECKS if any(b.__name__ == n for b in BREAKS)}
    assert broken == set(CHECKS)


@pytest.mark.parametrize("damage", BREAKS, ids=lambda b: b.__name__)
def test_a_broken_history_is_found(damage):
    lines = copy.deepcopy(good())
    damage(lines)
    wrong = judge(History(lines))
    check = next(n for n in sorted(CHECKS, key=len, reverse=True) if damage.__name__.startswith(n))
    assert check in wrong, f"only {wrong}"
    assert set(wrong) == {check}, "the damage was meant to break one invariant only"


@pytest.mark.parametrize("damage, status", [(None, 0), (once, 1)], ids=["good", "broken"])
def test_the_program_says_so(tmp_path, damage, status):
    lines = good()
    if damage:
        damage(lines)
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    r = subprocess.run([sys.executable, PROGRAM, path], capture_output=True, text=True)
    assert r.returncode == status, r.stdout + r.stderr
    assert ("once:" in r.stdout) == bool(damage)
    r = subprocess.run([sys.executable, PROGRAM, "--json", path], capture_output=True, text=True)
    assert r.returncode == status and (json.loads(r.stdout)["wrong"] != {}) == bool(damage)
