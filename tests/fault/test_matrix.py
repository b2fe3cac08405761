"""Each kind of fault, at an exact moment, again and again under a steady load of mixed workflows, with
proof that it hit; and afterwards the whole history is judged (support/check_history.py).

A few rounds of each; twenty with --long, or as many as MILLRACE_FAULT_ROUNDS says. Figures of the last
run are in .dev/log/fault. docs/guarantees.md says which promise each kind proves.
"""
import datetime
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from support.ground import (MOUNTS, OWNER, Blocked, Ground, Missed, SmallDisk, SmallFiles, Victim, alive, children,
                            kill_now)
from support.sql import Lost, Sql
from support.stack import Stack, wait_until

FEW, MANY = 2, 20
# when each row was committed; a disk that is soon full; whole statements to find a flush by
POSTGRES = "-c track_commit_timestamp=on -c max_wal_size=128MB -c track_activity_query_size=32768"


@pytest.fixture(scope="module")
def ground(request):
    plugins = request.config.pluginmanager
    writer, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")

    def report(text):
        with capture.global_and_fixture_disabled():
            writer.write_line(f"  {text}")

    stack = Stack("matrix", environment={"PG_OPTIONS": POSTGRES})
    g = None
    try:
        stack.start()
        stack.stop_engine()
        g = Ground(stack, report)
        g.ensure(2)
        yield g
    finally:
        if g:
            g.close()
        stack.close(keep_logs=request.session.testsfailed > 0)


def hit(begin, hits, victims, proof, lift=None):
    return {"begin": begin, "lift": lift or time.time(), "hits": list(hits), "victims": [v.id for v in victims],
            "proof": proof}


# ---- the engine is killed ----

def replace(g, n):
    """After a kill: the other engine takes over, or there was none and a new one is started. Returns when
    that was set going."""
    lift = time.time()
    g.ensure(1 if n % 2 else 2)
    return lift


def engine_killed_before_the_call(g, n):
    """step.started is committed, and its owner dies before it calls."""
    g.ensure(1 if n % 2 else 2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    b = Blocked(g, v, "first")
    begin = time.time()
    e.signal(signal.SIGSTOP)
    b.release()
    wait_until(lambda: v.has("step.started", "second"), 5, every=0.01)
    if v.calls("second"):
        e.signal(signal.SIGCONT)
        raise Missed("the call was made")
    e.kill()
    lift = replace(g, n)
    v.ended()
    assert v.calls("first") == 1, "a step recorded as done was called again"
    assert v.calls("second") == 1
    return hit(begin, ["engine"], [v], "step.started of second committed, no call made, the owner's pid gone", lift)


def engine_killed_with_its_call_open(g, n):
    """The service has the call and has not answered."""
    g.ensure(1 if n % 2 else 2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    if v.has("step.completed", "first"):
        raise Missed("the call was answered")
    begin = time.time()
    e.kill()
    lift = replace(g, n)
    v.arrived("first", calls=2)
    v.ended()
    return hit(begin, ["engine"], [v], "step.started without an end at the kill, and called once more", lift)


def engine_killed_before_the_row(g, n):
    """The service has answered, and the row that says so is not committed."""
    g.ensure(1 if n % 2 else 2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    b = Blocked(g, v, "first")
    begin = time.time()
    e.kill()
    b.terminate()
    if v.has("step.completed", "first"):
        raise Missed("the row was committed")
    lift = replace(g, n)
    v.ended()
    assert v.calls("first") == 2
    return hit(begin, ["engine"], [v], "flush in flight at the kill, its backend ended without a commit", lift)


def engine_killed_with_its_flush_in_flight(g, n):
    """The owner is dead when PostgreSQL commits what it had sent."""
    g.ensure(1 if n % 2 else 2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    b = Blocked(g, v, "first")
    begin = time.time()
    e.kill()
    if v.has("step.completed", "first"):
        b.release()
        raise Missed("the row was committed before")
    b.release()
    lift = replace(g, n)
    wait_until(lambda: v.has("step.completed", "first"), 10, every=0.02)
    v.ended()
    late = v.calls("first") == 1
    return hit(begin, ["engine"], [v], "flush in flight at the kill, " + (
        "committed after it" if late else "lost, and the call made again"), lift)


def engine_killed_after_the_commit(g, n):
    """The row is committed, and its owner dies before it hears of it."""
    g.ensure(1 if n % 2 else 2)
    v = Victim(g, "second").arrived("second")
    e = g.owner(v)
    b = Blocked(g, v, "second")
    begin = time.time()
    e.signal(signal.SIGSTOP)
    b.release()
    wait_until(lambda: v.has("step.completed", "second"), 5, every=0.01)
    e.kill()
    lift = replace(g, n)
    v.ended()
    assert v.calls("second") == 1, "a step recorded as done was called again"
    return hit(begin, ["engine"], [v], "step.completed of second committed, the owner killed before the answer", lift)


# ---- the engine is frozen for longer than its lease ----

def engine_frozen_with_its_call_open(g, _):
    """Overtaken while it stands still; then it wakes up and gets the answer to its old call."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    fence = v.row()["fence"]
    begin = time.time()
    e.signal(signal.SIGSTOP)
    v.arrived("first", calls=2)
    overtaken = v.row()
    e.signal(signal.SIGCONT)
    lift = time.time()
    v.ended()
    g.registered(e)
    if overtaken["fence"] <= fence:
        raise Missed("nobody took over")
    return hit(begin, ["engine"], [v], f"fence {fence} became {overtaken['fence']} while it stood still", lift)


def engine_frozen_before_the_call(g, _):
    """Its step.started is committed while it stands still; when it wakes up another has called."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    e = g.owner(v)
    b = Blocked(g, v, "first")
    begin = time.time()
    e.signal(signal.SIGSTOP)
    b.release()
    wait_until(lambda: v.has("step.started", "second"), 5, every=0.01)
    wait_until(lambda: v.calls("second"), 15, message="nobody took over")
    e.signal(signal.SIGCONT)
    lift = time.time()
    g.registered(e)
    v.ended()
    assert v.calls("second") == 1, "the engine that woke up called too"
    return hit(begin, ["engine"], [v], "second was called by another while its owner stood still", lift)


# ---- two engines, one run ----

def declare_dead(g, engine_id):
    """As another engine would: the row first, so that no claim is under way."""
    g.sql.run("begin")
    g.sql.run(f"select 1 from millrace.engines where id = {engine_id} for update")
    # in the order of a flush, which may have some of them
    g.sql.run(f"select count(*) from (select 1 from millrace.runs where owner_id = {engine_id} order by id for update) r")
    g.sql.run(f"update millrace.runs set owner_id = null, fence = fence + 1, queued = true where owner_id = {engine_id}")
    g.sql.run(f"delete from millrace.engines where id = {engine_id}")
    g.sql.run("commit")


def engine_overtaken_alive(g, _):
    """Declared dead by mistake, again and again: both are alive and hold the same run."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    begin = time.time()
    fences = []
    for n in range(3):
        before = v.row()
        if before["owner_id"] is None:
            raise Missed("it is held by nobody")
        declare_dead(g, before["owner_id"])
        v.arrived("first", calls=n + 2)
        wait_until(lambda: v.row()["owner_id"] is not None, 5, every=0.01)
        fences.append(v.row()["fence"])
    lift = time.time()
    v.ended()
    for e in g.engines:
        g.registered(e)
    assert all(alive(e.pid) for e in g.engines)
    return hit(begin, ["engine"], [v], f"fences {fences}, {v.calls('first')} calls, both engines alive", lift)


# ---- PostgreSQL ----

def postgres_killed(g, n):
    """Every process of it, with a flush in flight, or with a call open."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    b = Blocked(g, v, "first") if n % 2 else None
    postmaster = g.stack.pid("postgres")
    pids = [postmaster, *children(postmaster)]
    begin = time.time()
    kill_now(*pids)
    if b:
        b.release()
    g.stack.start_postgres()
    lift = time.time()
    lost = not v.has("step.completed", "first")
    v.ended()
    if g.stack.pid("postgres") == postmaster or (b and not lost):
        raise Missed("the flush was committed before")
    return hit(begin, ["database"], [v], f"{len(pids)} processes killed, " + (
        "a flush in flight" if b else "a call open"), lift)


def backends_terminated(g, _):
    """All of the engines' and workers', a flush in flight among them."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    b = Blocked(g, v, "first")
    begin = time.time()
    ended = [r["pid"] for r in g.sql("select pid, pg_terminate_backend(pid) from pg_stat_activity "
                                     "where usename in ('millrace_api', 'millrace_engine')")]
    wait_until(lambda: not g.sql(f"select 1 from pg_stat_activity where pid = {b.backend}"), 5, every=0.01)
    lost = not v.has("step.completed", "first")
    b.release()
    lift = time.time()
    v.ended()
    if b.backend not in ended or not lost:
        raise Missed("the flush was committed before")
    assert v.calls("first") == 1, "the engine lived, and knew the answer"
    return hit(begin, ["database"], [v], f"{len(ended)} backends ended, a flush in flight among them", lift)


# ---- Redis ----

def redis_killed(g, _):
    """Wake-ups are lost; what is under way ends, and what is new begins, without it."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    pid = g.stack.pid("redis")
    begin = time.time()
    kill_now(pid)
    other = Victim(g, "first").arrived("first")
    v.ended()
    other.ended()
    gone = not alive(pid)
    g.stack.start_redis()
    assert gone
    return hit(begin, ["redis"], [v, other], f"pid {pid} gone while two runs ended")


def redis_cli(g, *command):
    password = g.stack.redis_url.split(":")[2].split("@")[0]
    r = subprocess.run(["redis-cli", "-p", g.stack.ports["REDIS_PORT"], *command], capture_output=True, text=True,
                       env={**os.environ, "REDISCLI_AUTH": password}, check=True)
    return r.stdout.strip()


def redis_flushed(g, _):
    """Everything in it is deleted, and every connection to it ended."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    begin = time.time()
    flushed = redis_cli(g, "FLUSHALL")
    ended = int(redis_cli(g, "CLIENT", "KILL", "TYPE", "pubsub")) + int(redis_cli(g, "CLIENT", "KILL", "TYPE", "normal"))
    lift = time.time()
    v.ended()
    if flushed != "OK" or ended == 0:
        raise Missed("nobody was connected")
    return hit(begin, ["redis"], [v], f"flushed, {ended} connections ended", lift)


# ---- the disk is full ----

def no_space(g):
    log = g.stack.log("postgres")
    return sum(log.count(f"could not extend file {x}") for x in ('"pg_tblspc', '"base'))


def journal_disk_full(g, _):
    """No row can be added to the journal: what happens meanwhile is written afterwards."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    refusals = no_space(g)
    begin = time.time()
    g.disk.fill()
    try:
        v.answer("first")
        wait_until(lambda: no_space(g) > refusals, 15)
    finally:
        g.disk.empty()
    lift = time.time()
    refused = no_space(g) - refusals
    v.ended()
    assert v.calls("first") == 1, "the engine lived, and knew the answer"
    return hit(begin, ["database"], [v], f"{refused} statements refused for want of space", lift)


def wal_disk_full(g, _):
    """PostgreSQL can't write ahead, panics, and comes up once there is space."""
    g.ensure(2)
    v = Victim(g, "first").arrived("first")
    panics = g.stack.log("postgres").count("PANIC:")
    begin = time.time()
    g.wal.fill()
    try:
        writer = Sql(g.stack)
        with pytest.raises((Lost, RuntimeError)):
            for _ in range(100):
                writer.run("select pg_logical_emit_message(false, 'fill', repeat('x', 4000000))")
        wait_until(lambda: g.stack.log("postgres").count("PANIC:") > panics, 15)
    finally:
        g.wal.empty()
    writer.close()

    def up():
        if not alive(g.stack.pid("postgres") or 0):
            g.stack.start_postgres()
        return g.try_sql(lambda: g.sql("select 1 as up"))

    wait_until(up, 60, every=0.2)
    lift = time.time()
    v.ended()
    return hit(begin, ["database"], [v], "PANIC for want of space, restarted after it", lift)


# ---- the clock ----

def says_time(g, engine):
    """How far the time that it writes into its log is from ours, in seconds."""
    seen = engine.said("settings read again")

    def said():
        lines = engine.said("settings read again")
        return lines[-1] if len(lines) > len(seen) else None

    engine.signal(signal.SIGHUP)
    at = wait_until(said, 5, every=0.01)["time"]
    return datetime.datetime.fromisoformat(at).timestamp() - time.time()


def clock_stepped(g, n):
    """The owner's clock is set an hour forward or back, before a delay is decided on or during it."""
    g.ensure(2, faked=True)
    v = Victim(g, "first", "second", shape="waiting").arrived("first")
    e = g.owner(v)
    step, during = "-1h" if n % 2 else "+1h", n // 2 % 2
    if during:
        v.answer("first")
        wait_until(lambda: v.has("step.waiting", "d"), 5, every=0.01)
    begin = time.time()
    for clock in g.clocks.values() if during else [g.clocks[e.pid]]:
        clock.write_text(f"{step}\n")
    off = says_time(g, e)
    v.answer("first")
    v.arrived("second")
    for clock in g.clocks.values():
        clock.write_text("+0\n")
    lift = time.time()
    v.ended()
    rows = g.sql("select extract(epoch from pg_xact_commit_timestamp(xid::xid)) as at from millrace.journal "
                 f"where run_id = {v.id} and step = 'd' order by seq")
    waited = rows[-1]["at"] - rows[0]["at"]
    assert 1.4 <= waited < 1.5 + 15, f"a delay of 1.5 s took {waited:.2f} s"
    if abs(abs(off) - 3600) > 5:
        raise Missed(f"the engine's clock was off by {off:.0f} s only")
    return hit(begin, ["clock"], [v], f"off by {off:.0f} s {'during' if during else 'before'} a delay "
               f"that took {waited:.2f} s", lift)


# ---- the front ----

def held_up_request(g):
    """A run asked for by a client of its own, its statement in flight: (thread, result, lock, its backend)."""
    who = g.sql("select tenant_id, principal_id from millrace.idempotency_keys order by created_at desc limit 1")[0]
    key = f"front-{time.time_ns()}"
    holder = Sql(g.stack)
    pid = holder("select pg_backend_pid() as pid")[0]["pid"]
    holder.run("begin")
    holder.run("insert into millrace.idempotency_keys (tenant_id, principal_id, key, request_digest) "
               f"values ({who['tenant_id']}, {who['principal_id']}, '{key}', '')")
    result = []

    def ask():
        api = g.stack.with_key(g.stack.key)
        result.append(g.load.execute(api, g.load.workflows["logs"], key, {"n": 0}))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        backend = wait_until(lambda: g.sql("select pid from pg_stat_activity where usename = 'millrace_api' "
                                           f"and {pid} = any(pg_blocking_pids(pid))"), 3, every=0.005)[0]["pid"]
    except AssertionError as e:
        holder.close()
        thread.join(60)
        raise Missed("the request did not come to the lock") from e
    return thread, result, holder, backend


class Asked:
    """The run of a request that was held up, as a victim."""

    def __init__(self, run):
        self.id = run


def answered(g, thread, result):
    thread.join(60)
    assert result, "the request was never accepted"
    return Asked(result[0])


def workers_killed(g, n):
    """In the middle of an execute, whose transaction commits all the same, or doesn't."""
    g.ensure(2)
    thread, result, holder, backend = held_up_request(g)
    workers = g.stack.worker_pids
    begin = time.time()
    kill_now(*workers)
    if n % 2:
        g.sql(f"select pg_terminate_backend({backend})")
    holder.close()
    asked = answered(g, thread, result)
    return hit(begin, ["front"], [asked], f"workers {workers} killed with an execute in flight"
               + (", its backend ended" if n % 2 else ""), begin)


def api_killed(g, _):
    """The supervisor and its workers, in the middle of an execute."""
    g.ensure(2)
    thread, result, holder, _ = held_up_request(g)
    pids = [g.stack.api_pid, *g.stack.worker_pids]
    begin = time.time()
    kill_now(*pids)
    holder.close()
    lift = time.time()
    g.stack.start("api")
    asked = answered(g, thread, result)
    return hit(begin, ["front"], [asked], f"pids {pids} killed with an execute in flight", lift)


def nginx_killed(g, _):
    """Master and workers, in the middle of an execute."""
    g.ensure(2)
    thread, result, holder, _ = held_up_request(g)
    master = g.stack.pid("nginx")
    pids = [master, *children(master)]
    begin = time.time()
    kill_now(*pids)
    holder.close()
    lift = time.time()
    g.stack.start("nginx")
    asked = answered(g, thread, result)
    return hit(begin, ["front"], [asked], f"pids {pids} killed with an execute in flight", lift)


# ---- all of them ----

KINDS = [
    engine_killed_before_the_call, engine_killed_with_its_call_open, engine_killed_before_the_row,
    engine_killed_with_its_flush_in_flight, engine_killed_after_the_commit, engine_frozen_with_its_call_open,
    engine_frozen_before_the_call, engine_overtaken_alive, postgres_killed, backends_terminated, redis_killed,
    redis_flushed, clock_stepped, workers_killed, api_killed, nginx_killed,
]
# without mounts no file can be kept from growing but what is written ahead, too
DISKS = [journal_disk_full, wal_disk_full] if MOUNTS else [wal_disk_full]


def count(config):
    return int(os.environ.get("MILLRACE_FAULT_ROUNDS") or (MANY if config.getoption("--long") else FEW))


@pytest.mark.parametrize("play", KINDS, ids=lambda k: k.__name__)
def test_fault(ground, pytestconfig, play):
    ground.rounds(play.__name__, play, count(pytestconfig))


def move_to(g, journal, wal):
    """The journal into one small file system, what is written ahead into the other."""
    s = g.stack
    space = journal.path / "space"
    space.mkdir()
    shutil.chown(space, OWNER, OWNER)
    g.sql.run(f"create tablespace small location '{space}'")
    for part in g.sql("select inhrelid::regclass::text as name from pg_inherits "
                      "where inhparent = 'millrace.journal'::regclass"):
        g.sql.run(f"alter table {part['name']} set tablespace small")
    s.stop_postgres()
    subprocess.run(["sh", "-ec", f"mv {s.state}/pg/pg_wal/* {wal.path}/; rmdir {s.state}/pg/pg_wal; "
                    f"ln -s {wal.path} {s.state}/pg/pg_wal"], check=True)
    s.start_postgres()
    g.front_up()


@pytest.fixture(scope="module")
def small_disks(ground):
    """Two disks that can be filled up."""
    s = ground.stack
    disks = []
    try:
        if MOUNTS:
            disks += [SmallDisk(s.state / "small", 64)]
            disks += [SmallDisk(s.state / "wal", 320)]
            move_to(ground, *disks)
        else:
            disks += [SmallFiles(ground, 8 << 20)]
        ground.disk, ground.wal = disks[0], disks[-1]
        yield
    finally:
        s.stop_postgres()
        for disk in disks:
            disk.close()


@pytest.mark.parametrize("play", DISKS, ids=lambda k: k.__name__)
def test_disk_full(ground, small_disks, pytestconfig, play):
    ground.rounds(play.__name__, play, count(pytestconfig))
