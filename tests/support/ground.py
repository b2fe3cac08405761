"""Where faults are tried: engines of its own, a steady load, runs whose calls wait for the test, and
the means to hit one exact moment of a run."""
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

import requests

from .check_history import TERMINAL, History, judge, summary
from .history import Recorder, export
from .load import Gate, Load, Service, call, delay, log
from .runs import Engine
from .sql import Lost, Sql
from .stack import places, wait_until

LEASE_MS = 3000
TRIES = 4  # for a round to hit
OWNER = "millrace-dev"  # whom the servers run as when the tests run as root
MOUNTS = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0  # may we?
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class Missed(Exception):
    """The fault came at another moment than it was meant for."""


def children(pid):
    return [int(p) for t in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for p in t.read_text().split()]


def kill_now(*pids):
    """SIGKILL for all of them, and they are gone."""
    for p in pids:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not any(alive(p) for p in pids), 10, every=0.01, message=f"{pids} live on")


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def shapes(held, delay):
    """Definitions with two calls that wait for the test, and where these stand in the journal."""
    def two(at):
        return [held("first", at), held("second", at)]

    after = [delay("d", 0.2), log("b")]
    child = [log("a"), *two(""), *after]
    return {
        "plain": ("", child),
        "each": ("box/", [{"name": "box", "type": "foreach", "config": {"items": [1], "steps": two("box/")}}, *after]),
        "together": ("box/left/", [{"name": "box", "type": "parallel", "config": {"branches": {
            "left": two("box/left/"), "right": [delay("short", 0.3), log("r")]}}}, *after]),
        "undone": ("a/compensate/", {"mode": "saga", "steps": [
            {**log("a"), "compensate": two("a/compensate/")},
            {"name": "no", "type": "raise", "config": {"type": "declined", "message": "no"}}], "finally": after}),
        "child": ("", [{"name": "box", "type": "subworkflow", "config": {
            "workflow": "{child}", "input": {"token": "{{ input.token }}"}}}, *after]),
        "waiting": ("", [log("a"), held("first", ""), delay("d", 1.5), held("second", ""), log("b")]),
    }


class Victim:
    """A run in the very midst of something: its calls named in `held` wait for `answer`. In turn they stand
    in the main list, in a loop, in a branch, among compensations, in a child run (which is the victim then)."""

    TURN = ("plain", "each", "together", "undone", "child")

    def __init__(self, ground, *held, shape=None):
        self.ground = ground
        self.token = uuid.uuid4().hex[:12]
        self.gates = {}
        self.shape = shape or self.TURN[ground.round % len(self.TURN)]
        self.at, workflow = ground.victims[self.shape]
        for step in held:
            self.gates[step] = ground.service.gates[self.token, self.at + step] = Gate()
        self.id = ground.load.execute(ground.api, workflow, f"victim-{self.token}", {"token": self.token})
        if self.shape == "child":
            self.id = wait_until(lambda: ground.sql(f"select id from millrace.runs where parent_run_id = {self.id}"),
                                 20, every=0.02, message=f"run {self.id} has no child")[0]["id"]

    def arrived(self, step, calls=1, timeout=20):
        gate = self.gates[step]
        wait_until(lambda: gate.calls >= calls, timeout, every=0.01,
                   message=f"run {self.id}: call {calls} of {step} did not come")
        return self

    def answer(self, *steps):
        for step in steps or self.gates:
            self.gates[step].open.set()

    def calls(self, step):
        return sum(c["type"] == "call" and c["run"] == self.id and c["step"] == self.at + step
                   for c in self.ground.recorder.since(0))

    def has(self, kind, step):
        return bool(self.ground.sql(f"select 1 from millrace.journal where run_id = {self.id} "
                                    f"and kind = '{kind}' and step = '{self.at}{step}'"))

    def row(self):
        return self.ground.sql(f"select status, owner_id, fence from millrace.runs where id = {self.id}")[0]

    def ended(self, timeout=40):
        self.answer()
        wait_until(lambda: self.ground.try_sql(lambda: self.row()["status"] in TERMINAL), timeout,
                   message=f"run {self.id} did not end")


class Blocked:
    """The owner's flush of a victim's answered call, held up at the run's row by a lock of ours."""

    def __init__(self, ground, victim, step):
        self.ground = ground
        self.holder = Sql(ground.stack)
        pid = self.holder("select pg_backend_pid() as pid")[0]["pid"]
        self.holder.run("begin")
        self.holder.run(f"select 1 from millrace.runs where id = {victim.id} for update")
        victim.answer(step)

        def blocked():
            return ground.sql("select pid from pg_stat_activity where usename = 'millrace_engine' "
                              f"and {pid} = any(pg_blocking_pids(pid)) and query ilike '%insert into journal%'")

        try:
            self.backend = wait_until(blocked, 4, every=0.01)[0]["pid"]
        except AssertionError as e:
            self.release()
            raise Missed("the flush did not come to the lock") from e

    def release(self):
        self.holder.close()

    def terminate(self):
        """The flush ends without a commit: its backend is ended while it waits."""
        self.ground.sql(f"select pg_terminate_backend({self.backend})")
        wait_until(lambda: not self.ground.sql(f"select 1 from pg_stat_activity where pid = {self.backend}"), 5,
                   every=0.01)
        self.release()


class Ground:
    def __init__(self, stack, report):
        self.stack, self.report = stack, report
        self.recorder = Recorder()
        self.sql = Sql(stack)
        self.api = stack.with_key(stack.key)
        self.service = Service(stack.receiver, self.recorder)
        self.load = Load(stack, self.service, self.recorder)
        self.engines, self.started = [], []
        self.clocks = {}  # pid: the file that sets that engine's clock
        self.out = pathlib.Path(places()["DEV"]) / "log" / "fault"
        self.out.mkdir(parents=True, exist_ok=True)
        self.round = 0
        self.victims = self._victims()

    def _victims(self):
        """Each shape's place and workflow."""
        def held(name, at):
            return call(self.service, name, "/held", at=at + name, body={"token": "{{ input.token }}"},
                        retry={"max_attempts": 4, "delay": 0.2, "backoff": "constant"})

        made, names = {}, {}
        for shape, (at, definition) in shapes(held, delay).items():
            text = json.dumps(definition).replace("{child}", names.get("plain", ""))
            made[shape], names[shape] = self.load.make(json.loads(text))
        return {shape: (at, made[shape]) for shape, (at, _) in shapes(held, delay).items()}

    def close(self):
        for gate in self.service.gates.values():
            gate.open.set()
        for e in self.engines:
            e.kill()
        self.sql.close()

    def try_sql(self, look):
        """What `look` finds, or nothing while the database is away."""
        try:
            return look()
        except (Lost, RuntimeError):
            return None

    # ---- engines ----

    def start_engine(self, faked=False):
        environment = {}
        if faked:
            clock = self.stack.state / f"clock-{uuid.uuid4().hex[:6]}"
            clock.write_text("+0\n")
            environment = {"LD_PRELOAD": str(next(pathlib.Path("/").glob(FAKETIME[1:]))), "FAKETIME_NO_CACHE": "1",
                           "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        e = Engine(self.stack, environment=environment, engine_lease_ms=LEASE_MS)
        if faked:
            self.clocks[e.pid] = clock
        self.engines.append(e)
        self.started.append(e)
        return e

    def ensure(self, count, faked=False):
        """Exactly so many engines, all of them well and with (or without) a clock that can be set."""
        for e in list(self.engines):
            if not alive(e.pid):
                self.engines.remove(e)
            elif (e.pid in self.clocks) != faked:
                e.stop()
                self.engines.remove(e)
        while len(self.engines) > count:
            self.engines.pop().stop()
        while len(self.engines) < count:
            self.start_engine(faked)

    def owner(self, victim):
        """The engine that holds it."""
        found = self.sql(f"select e.pid from millrace.runs r join millrace.engines e on e.id = r.owner_id "
                         f"where r.id = {victim.id}")
        mine = [e for e in self.engines if found and e.pid == found[0]["pid"]]
        if not mine:
            raise Missed(f"run {victim.id} is held by nobody")
        return mine[0]

    def registered(self, engine):
        """It has its place among the engines again, with a lease."""
        wait_until(lambda: self.sql(f"select 1 from millrace.engines where pid = {engine.pid} "
                                    "and lease_until > clock_timestamp()"), 15, message="an engine did not come back")

    # ---- front ----

    def front_up(self):
        def up():
            try:
                return self.api.get("/health/ready", timeout=3).status_code == 200
            except requests.RequestException:
                self.api.session.close()
                return False
        wait_until(up, 20, message="the API did not come back")

    # ---- a kind of fault, round by round ----

    def rounds(self, kind, play, count):
        """Plays `count` rounds of a fault under load; then judges all that happened meanwhile."""
        mark = len(self.recorder)
        first = self.sql("select coalesce(max(id), 0) + 1 as id from millrace.runs")[0]["id"]
        missed, began = 0, time.monotonic()
        with self.load:
            for n in range(count):
                self.round = n
                hit, misses = self.play(play, n)
                missed += misses
                self.recorder.add("fault", name=kind, **hit)
                self.goes_on(hit["lift"])
                self.report(f"{kind}: round {n + 1} of {count}, {time.monotonic() - began:.0f} s")
        self.load.check()
        self.settled(first)
        return self.judge(kind, mark, first, missed)

    def play(self, play, n):
        """One round that hit, and how many tries before it did not."""
        why = []
        while len(why) < TRIES:
            try:
                return play(self, n), len(why)
            except Missed as e:
                why.append(str(e))
            finally:  # nobody is left waiting, whatever happened
                self.sql.close()
                for gate in self.service.gates.values():
                    gate.open.set()
        raise AssertionError(f"round {n} never hit: {why}")

    def goes_on(self, lift):
        """The load has had a few answers since: without them nothing could be said of the recovery."""
        wait_until(lambda: sum(line["type"] == "accepted" and line["answered"] > lift
                               for line in self.recorder.since(-100)) >= 3, 30, message="nothing is accepted any more")

    def settled(self, first):
        left = f"select id, status from millrace.runs where id >= {first} and not millrace.is_terminal(status)"
        wait_until(lambda: not self.sql(left), 60, every=0.2,
                   message=f"runs did not end: {self.sql(left + ' limit 5')}")

    def note_lapses(self, since):
        """Which leases ended under a living engine since then."""
        for e in self.started:
            for line in e.said("lease lost"):
                at = datetime.datetime.fromisoformat(line["time"]).timestamp()
                if at >= since:
                    self.recorder.add("lapsed", engine=e.pid, at=at)

    def judge(self, kind, mark, first, missed):
        path = self.out / f"{kind}.jsonl"
        self.note_lapses(min(line.get("sent", line.get("at", line.get("begin"))) for line in self.recorder.since(mark)))
        export(self.stack, self.recorder.since(mark), first, path)
        h = History.read(path)
        figures = {"kind": kind, "missed": missed, **summary(h)}
        (self.out / f"{kind}.json").write_text(json.dumps(figures) + "\n")
        wrong = judge(h)
        told = "\n".join(f"{check}: {line}" for check, lines in wrong.items() for line in lines[:5])
        assert not wrong, f"{kind}: broken invariants, the history is {path}\n{told}"
        return figures


class SmallDisk:
    """A file system of a few megabytes, that can be filled up."""

    def __init__(self, path, megabytes):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(self.path)],
                       check=True)
        shutil.chown(self.path, OWNER, OWNER)

    def fill(self):
        with open(self.path / "filler", "wb", buffering=0) as f:
            for size in (1 << 20, 1 << 12):
                try:
                    while f.write(b"\0" * size) == size:
                        pass
                except OSError:
                    pass

    def empty(self):
        (self.path / "filler").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=False)


class SmallFiles:
    """For machines where nothing may be mounted: no file of PostgreSQL may be written beyond so many bytes,
    and those that it writes ahead are longer."""

    def __init__(self, ground, size):
        self.ground, self.size = ground, size

    def _limit(self, soft):
        postmaster = self.ground.stack.pid("postgres")
        if postmaster is None:
            return
        # the postmaster first: whoever it starts meanwhile has the limit from it
        for pid in (postmaster, *children(postmaster)):
            # whose process it is may do it, without any privilege
            who = [f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
            subprocess.run([*(["setpriv", *who] if os.geteuid() == 0 else []), "prlimit", f"--pid={pid}",
                            f"--fsize={soft}:unlimited"], capture_output=True, check=False)  # it may have ended

    def fill(self):
        self._limit(self.size)

    def empty(self):
        self._limit("unlimited")

    def close(self):
        pass
