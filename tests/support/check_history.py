#!/usr/bin/env python3
"""Judges a history: what clients asked and were answered, what the called services saw, and what the
database says happened. It knows nothing of the engine; docs/guarantees.md says what is promised.

    check_history.py HISTORY.jsonl [--json]

A history is JSON lines; times are seconds since 1970 by one machine's clock.

    run       id, key, status, seq, owner, queued, wake_at, parent
    fact      run, seq, id, xid, commit, at, kind, step, execution, parent, iteration, attempt, of
    command   run, kind (cancel pause resume retry), commit          one that was answered with 2xx
    asked     key, sent                                              a client wanted a run
    accepted  key, run, sent, answered                               it was told that it has one
    answered  kind, run, sent, answered                              cancel, pause, resume, retry
    call      run, step, iteration, key, at, done, status            what a called service saw
    fault     name, begin, lift, hits, victims, proof                hits: engine database front redis clock
    lapsed    engine, at                                             it noticed that its lease had ended

`commit` is when the row's transaction was committed, by the database; `of` the type of the step. A `failed`
that compensations follow is called `failing`.
The process ends with 1 when an invariant is broken, and names each break.
"""
import argparse
import collections
import json
import sys

TERMINAL = {"completed", "failed", "cancelled", "timed_out", "compensated"}
BEGINS = {"step.started", "step.waiting"}
STARTS = BEGINS | {"step.iterating"}  # with each item and round of a loop
CLOSING = {"failing", "compensating", "finishing"}  # the main steps are over, what undoes and tidies up follows
ENDS = {"step.completed", "step.failed", "step.cancelled"}
CALLING = {"http_request"}
# Blocks that a cancel or a failure lets run: what is started in them is no start of the run's steps.
AFTERWARDS = ("finally/", "on_failure/")

RECOVERY = 15.0   # from the lifting of a fault to the next progress
ALLOWANCE = 2.0   # a call journalled before the cancel may leave until its owner has heard of it
NOTICED = 15.0    # from the end of a lease to its engine's word that it has noticed
CLOCK_SLACK = 0.1  # between the times that two processes write into one run's rows


class History:
    """The lines of a history, by their type."""

    def __init__(self, lines=()):
        self.lines = collections.defaultdict(list)
        for line in lines:
            self.lines[line["type"]].append(line)
        self.runs = {r["id"]: r for r in self.lines["run"]}
        self.facts = collections.defaultdict(list)
        for fact in sorted(self.lines["fact"], key=lambda f: (f["run"], f["seq"])):
            self.facts[fact["run"]].append(fact)
        self.calls = collections.defaultdict(list)
        for call in sorted(self.lines["call"], key=lambda c: c["at"]):
            self.calls[call["run"]].append(call)
        self.commands = collections.defaultdict(list)
        for command in sorted(self.lines["command"], key=lambda c: c["commit"]):
            self.commands[command["run"]].append(command)

    @classmethod
    def read(cls, path):
        with open(path) as f:
            return cls(json.loads(line) for line in f if line.strip())

    def faults(self, *hits):
        return [f for f in self.lines["fault"] if not hits or set(hits) & set(f["hits"])]

    def steps(self, run):
        """The facts of each step execution: {execution: [fact, …]}."""
        found = collections.defaultdict(list)
        for fact in self.facts[run]:
            if fact.get("execution"):
                found[fact["execution"]].append(fact)
        return found


def place(fact):
    """Which step of which round it is: what a call names too."""
    return fact["step"], fact.get("iteration") or 0


def name(run, fact):
    return f"run {run}, seq {fact['seq']} ({fact['kind']}{' ' + fact['step'] if fact.get('step') else ''})"


# ---- what was accepted is there, once, and ends ----

def check_lost(h):
    """Every accepted run is there, with its first row."""
    for a in h.lines["accepted"]:
        if a["run"] not in h.runs:
            yield f"key {a['key']}: run {a['run']} was accepted and is not there"
        elif not h.facts[a["run"]]:
            yield f"run {a['run']} was accepted and has no journal"


def check_keys(h):
    """One run for each idempotency key, and the same one in every answer."""
    by_key = collections.defaultdict(set)
    for r in h.runs.values():
        if r.get("key"):
            by_key[r["key"]].add(r["id"])
    for key, runs in by_key.items():
        if len(runs) > 1:
            yield f"key {key} has runs {sorted(runs)}"
    told = collections.defaultdict(set)
    for a in h.lines["accepted"]:
        told[a["key"]].add(a["run"])
    for key, runs in told.items():
        if len(runs) > 1:
            yield f"key {key} was answered with runs {sorted(runs)}"
        if by_key.get(key) and not runs <= by_key[key]:
            yield f"key {key} was answered with run {sorted(runs)}, which is not its run {sorted(by_key[key])}"
    asked = {a["key"] for a in h.lines["asked"]}
    for key in set(by_key) - asked if asked else ():
        yield f"key {key} has a run that nobody asked for"


def check_ended(h):
    """Every run ends, accepted or not, and nothing holds it any more."""
    for r in h.runs.values():
        if r["status"] not in TERMINAL:
            yield f"run {r['id']} has not ended: it is {r['status']}"
        elif r.get("owner") or r.get("queued") or r.get("wake_at"):
            yield f"run {r['id']} has ended and still has an owner, a place in the queue or a time"


# ---- the journal ----

def check_dense(h):
    """seq is 1 to n, the run's row says n, and ids are nobody else's."""
    seen = {}
    for run, facts in h.facts.items():
        seqs = [f["seq"] for f in facts]
        if seqs != list(range(1, len(facts) + 1)):
            yield f"run {run}: seq is {seqs}"
        if run not in h.runs:
            yield f"run {run} has a journal and no row"
        elif facts and h.runs[run]["seq"] != facts[-1]["seq"]:
            yield f"run {run}: its row says seq {h.runs[run]['seq']}, the journal ends with {facts[-1]['seq']}"
        for f in facts:
            if f["id"] <= 0 or f["xid"] <= 0:
                yield f"{name(run, f)}: id {f['id']}, xid {f['xid']}"
            if f["id"] in seen:
                yield f"{name(run, f)}: id {f['id']} is that of {seen[f['id']]} too"
            seen[f["id"]] = name(run, f)


def check_order(h):
    """Rows were committed in the order of seq, and their times go forward."""
    for run, facts in h.facts.items():
        for before, f in zip(facts, facts[1:]):
            if f["commit"] < before["commit"]:
                yield f"{name(run, f)} was committed {before['commit'] - f['commit']:.6f} s before its predecessor"
            back = before["at"] - f["at"]
            if back > CLOCK_SLACK and not during(h.faults("clock"), before["at"] - 1, f["commit"] + 1):
                yield f"{name(run, f)} is {back:.3f} s before its predecessor"


def during(faults, begin, end):
    return any(f["begin"] <= end and f["lift"] >= begin for f in faults)


def check_life(h):
    """It begins with created; after an end comes nothing but retried, and while it closes only what undoes
    and tidies up; the row agrees."""
    for run, facts in h.facts.items():
        status, closing = None, None
        for f in facts:
            kind = f["kind"]
            if closing and kind in STARTS and not is_afterwards(f):
                yield f"{name(run, f)} begins when the run is {closing}"
            closing = kind if kind in CLOSING else None if kind == "retried" else closing
            if (status is None) != (kind == "created"):
                yield f"{name(run, f)}: created must be the first row, and only that"
            if status in TERMINAL and kind != "retried":
                yield f"{name(run, f)} comes after the run was {status}"
            if kind == "retried" and status not in TERMINAL:
                yield f"{name(run, f)}: the run was {status}"
            if kind in TERMINAL:
                status = kind
            elif kind == "retried" or status is None:
                status = "running"
        if status and run in h.runs and h.runs[run]["status"] in TERMINAL and h.runs[run]["status"] != status:
            yield f"run {run}: its row says {h.runs[run]['status']}, its journal {status}"


def check_once(h):
    """A step execution ends once, its attempts count from 1, and nothing of it follows its end."""
    for run in h.facts:
        for execution, facts in h.steps(run).items():
            attempt, ended, before = 0, None, None
            for f in facts:
                if ended and f["kind"] in BEGINS | ENDS | {"step.retrying"}:
                    yield f"{name(run, f)} comes after {ended} of execution {execution}"
                # what was started may then wait, in the same attempt
                if f["kind"] in BEGINS and not (f["kind"] == "step.waiting" and before == "step.started"
                                                and f["attempt"] == attempt):
                    if f["attempt"] != attempt + 1:
                        yield f"{name(run, f)}: attempt {f['attempt']} after {attempt}"
                    attempt = f["attempt"]
                before = f["kind"]
                if f["kind"] in ENDS:
                    ended = f["kind"]


# ---- commands ----

def spans(h, run, begin, end):
    """(from, to) between an answered command BEGIN and the next END or retry, by commit."""
    found, since = [], None
    for c in h.commands[run]:
        if c["kind"] == begin and since is None:
            since = c["commit"]
        elif c["kind"] in end and since is not None:
            found.append((since, c["commit"]))
            since = None
    if since is not None:
        found.append((since, float("inf")))
    return found


def begins_within(h, run, since, until):
    for f in h.facts[run]:
        if f["kind"] in STARTS and since < f["commit"] < until and not is_afterwards(f):
            yield f


def is_afterwards(f):
    return (f.get("step") or "").startswith(AFTERWARDS) or "/compensate/" in (f.get("step") or "")


def check_cancelled(h):
    """After a cancel's commit, and so after its answer, no step begins; and it is the end."""
    for run in list(h.commands):
        for since, until in spans(h, run, "cancel", {"retry"}):
            for f in begins_within(h, run, since, until):
                yield f"{name(run, f)} was committed {f['commit'] - since:.3f} s after the cancel"
            ends = [f for f in h.facts[run] if f["kind"] in TERMINAL and since < f["commit"] < until]
            if not ends or ends[0]["kind"] not in ("cancelled", "compensated"):
                yield f"run {run} was cancelled and is {ends[0]['kind'] if ends else 'not ended'}"
            for end in ends:
                for f in h.facts[run]:
                    if f["xid"] == end["xid"] and f["kind"] in STARTS and not is_afterwards(f):
                        yield f"{name(run, f)} was written with the run's {end['kind']}"


def quiet_until(h, since, allowance):
    """SINCE plus ALLOWANCE seconds in which no fault kept an engine or the database away."""
    end = since + allowance
    for f in sorted(h.faults("engine", "database", "redis"), key=lambda f: f["begin"]):
        if f["begin"] <= end and f["lift"] >= since:
            end += f["lift"] - max(f["begin"], since)
    return end


def check_calls_after_cancel(h):
    """No call reaches a service later than the allowance after the answered cancel."""
    for a in h.lines["answered"]:
        if a["kind"] != "cancel":
            continue
        until = next((c["commit"] for c in h.commands[a["run"]]
                      if c["kind"] == "retry" and c["commit"] > a["sent"]), float("inf"))
        limit = quiet_until(h, a["answered"], ALLOWANCE)
        for c in h.calls[a["run"]]:
            if limit < c["at"] < until and not is_afterwards(c):
                yield (f"run {a['run']}: {c['step']} was called {c['at'] - a['answered']:.3f} s "
                       "after the cancel was answered")


def check_paused(h):
    """Between an answered pause and the resume that ends it, no step begins."""
    for run in list(h.commands):
        for since, until in spans(h, run, "pause", {"resume", "retry", "cancel"}):
            for f in begins_within(h, run, since, until):
                yield f"{name(run, f)} was committed {f['commit'] - since:.3f} s after the pause"


def check_children(h):
    """A subworkflow step has one child run, however often its run was taken over; a cancel reaches the child
    within the allowance."""
    children = collections.defaultdict(list)
    for r in h.runs.values():
        if r.get("parent") in h.runs:
            children[r["parent"]].append(r["id"])
    for run in h.runs:
        mine = [facts for facts in h.steps(run).values() if any(f.get("of") == "subworkflow" for f in facts)]
        done = sum(facts[-1]["kind"] == "step.completed" for facts in mine)
        if not done <= len(children[run]) <= len(mine):
            yield f"run {run}: {len(children[run])} child runs of {len(mine)} subworkflow steps, {done} of them completed"
        for since, until in spans(h, run, "cancel", {"retry"}):
            limit = quiet_until(h, since, ALLOWANCE)
            for child in children[run]:
                for f in begins_within(h, child, limit, until):
                    yield f"{name(child, f)} was committed {f['commit'] - since:.3f} s after the cancel of run {run}"


# ---- effects ----

def check_effects(h):
    """A call has a step.started row committed before it; a completed step was answered well before."""
    for run, calls in h.calls.items():
        began = collections.defaultdict(list)
        for f in h.facts[run]:
            if f["kind"] == "step.started":
                began[place(f)].append(f["commit"])
        for c in calls:
            if not any(t <= c["at"] for t in began[place(c)]):
                yield f"run {run}: {c['step']} was called at {c['at']:.3f} without a step.started row"
    for run, facts in h.facts.items():
        for f in facts:
            if f["kind"] == "step.completed" and f.get("of") in CALLING and not any(
                    place(c) == place(f) and c["status"] in range(200, 300) and c["at"] <= f["commit"]
                    for c in h.calls[run]):
                yield f"{name(run, f)}: no service saw it"


def check_same_key(h):
    """All calls of one step carry one key, which no other step has."""
    whose = {}
    for run, calls in h.calls.items():
        keys = collections.defaultdict(set)
        for c in calls:
            keys[place(c)].add(c["key"])
        for at, found in keys.items():
            if len(found) > 1 or None in found:
                yield f"run {run}: {at[0]} was called with keys {sorted(map(str, found))}"
            for key in found - {None}:
                if whose.setdefault(key, (run, at)) != (run, at):
                    yield f"key {key} came from {whose[key]} and from {(run, at)}"


def check_repeats(h):
    """An attempt calls once; again only where a fault took an engine or its connection away meanwhile, or
    an engine did not renew its lease in time: a slow machine does that too, and another goes on."""
    faults = h.faults("engine", "database")
    lapsed = [{"begin": line["at"] - NOTICED, "lift": line["at"]} for line in h.lines["lapsed"]]
    for run, calls in h.calls.items():
        began = collections.defaultdict(list)
        for f in h.facts[run]:
            if f["kind"] == "step.started":
                began[place(f)].append(f["commit"])
        of_attempt = collections.defaultdict(list)
        for c in calls:
            n = sum(t <= c["at"] for t in began[place(c)])
            if n > 0:  # else it is check_effects' to say
                of_attempt[place(c), n].append(c["at"])
        for ((step, _), n), at in of_attempt.items():
            # what was under way at the fault is called again when its run has been taken over
            if len(at) > 1 and not during(faults + lapsed, at[0] - 1, at[-1]):
                yield f"run {run}: attempt {n} of {step} called {len(at)} times, and nothing had failed"


# ---- faults ----

def recoveries(h):
    """Each fault with the seconds from its lifting to: the engines' next row, the next accepted
    request, the victims' next row."""
    rows = sorted(f["commit"] for facts in h.facts.values() for f in facts
                  if f["kind"] not in ("created", "retried"))
    answers = sorted(a["answered"] for a in h.lines["accepted"])
    for fault in h.lines["fault"]:
        lift = fault["lift"]
        after = {"row": first_after(rows, lift), "accepted": first_after(answers, lift)}
        for v in fault["victims"]:
            facts = h.facts[v]
            if facts and not any(f["kind"] in TERMINAL and f["commit"] <= lift for f in facts):
                after[f"run {v}"] = first_after([f["commit"] for f in facts], lift)
        yield fault, after


def first_after(times, since):
    return next((t - since for t in times if t > since), None)


def check_recovery(h):
    """Within 15 seconds of each fault's lifting all goes on: engines, requests, and who was hit."""
    for fault, after in recoveries(h):
        for what, took in after.items():
            if took is None:
                yield f"after {fault['name']} at {fault['lift']:.3f}: {what} never came"
            elif took > RECOVERY:
                yield f"after {fault['name']} at {fault['lift']:.3f}: {what} came after {took:.1f} s"


def check_proof(h):
    """Every fault says how it is known to have hit."""
    for fault in h.lines["fault"]:
        if not fault.get("proof") or fault["lift"] < fault["begin"]:
            yield f"{fault['name']} at {fault['begin']:.3f} is not proven"


CHECKS = {f.__name__[6:]: f for f in (
    check_lost, check_keys, check_ended, check_dense, check_order, check_life, check_once, check_cancelled,
    check_calls_after_cancel, check_paused, check_children, check_effects, check_same_key, check_repeats, check_recovery,
    check_proof)}


def judge(history):
    """{check: [what is wrong, …]}, without those that hold."""
    found = {n: list(check(history)) for n, check in CHECKS.items()}
    return {n: wrong for n, wrong in found.items() if wrong}


def summary(h):
    """Figures about the history; recovery is the slowest of what had to go on, for each fault."""
    took = sorted(max((t for t in after.values() if t is not None), default=0.0) for _, after in recoveries(h))
    calls = sum(map(len, h.calls.values()))
    attempts = sum(f["kind"] == "step.started" and f.get("of") in CALLING for f in h.lines["fact"])
    return {
        "faults": dict(collections.Counter(f["name"] for f in h.lines["fault"])),
        "runs": len(h.runs),
        "accepted": len({a["key"] for a in h.lines["accepted"]}),
        "facts": len(h.lines["fact"]),
        "calls": calls,
        "attempts": attempts,
        "ended": dict(collections.Counter(r["status"] for r in h.runs.values())),
        "commands": dict(collections.Counter(c["kind"] for c in h.lines["command"])),
        "recovery_p50": round(took[len(took) // 2], 3) if took else None,
        "recovery_max": round(took[-1], 3) if took else None,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("history")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    h = History.read(options.history)
    wrong = judge(h)
    if options.json:
        print(json.dumps({"wrong": wrong, **summary(h)}))
        return 1 if wrong else 0
    for check, found in wrong.items():
        print(f"{check}: {CHECKS[check].__doc__}")
        for line in found[:20]:
            print(f"    {line}")
        if len(found) > 20:
            print(f"    … and {len(found) - 20} more")
    for key, value in summary(h).items():
        print(f"{key}: {value}")
    print(f"{len(CHECKS) - len(wrong)} invariants hold, {len(wrong)} are broken")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
