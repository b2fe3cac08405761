"""millrace-admin migrate on a live installation: the plan it shows, locks it refuses, others at work, and its sudden end."""
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from support.plans import CHANGES, Plan
from support.sql import Sql
from support.stack import Stack, wait_until


@pytest.fixture(scope="module")
def own():
    s = Stack("migrate")
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.fixture
def plan(own):
    """A plan of the test's own; what it deployed is taken back."""
    with tempfile.TemporaryDirectory(prefix="mr-plan-", dir="/tmp") as folder:
        p = Plan(folder)
        yield p
        wait_until(lambda: own.rows("select 1 from pg_stat_activity where application_name = 'millrace-migrate'") == [])
        r = migrate(own, "revert", "--to", CHANGES[-1], "--yes", plan=p)
        assert r.returncode == 0, r.stderr


def command(own, *arguments, plan=None):
    return [f"{own.inst}/sbin/millrace-admin", "migrate", *arguments, "--config", own.config,
            *(["--dir", str(plan.folder)] if plan else [])]


def migrate(own, *arguments, plan=None):
    return subprocess.run(command(own, *arguments, plan=plan), capture_output=True, text=True, timeout=300)


def told(own, *arguments, plan=None, status=0):
    """Its JSON, and what it said beside it."""
    r = migrate(own, *arguments, "--json", plan=plan)
    assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
    got = json.loads(r.stdout)
    assert got["ok"] is (status == 0)
    return got, r.stderr


def deployed(own):
    return [r["change"] for r in own.rows("select change from sqitch.changes order by committed_at")]


def columns(own, table):
    return [r["name"] for r in own.rows(
        f"select attname as name from pg_attribute where attrelid = 'millrace.{table}'::regclass and attnum > 0 and not attisdropped")]


# ---- the plan ----

# What would hold up others while it goes through a table: (statements, table, mode, work).
DANGEROUS = {
    "an_index": ("create index runs_x on runs (version)", "runs", "SHARE", "index"),
    "a_plain_index": ("create index run_commands_x on run_commands (kind)", "run_commands", "SHARE", "index"),
    "a_type": ("alter table files alter column size type numeric", "files", "ACCESS EXCLUSIVE", "rewrite"),
    "a_volatile_default": ("alter table events add column u uuid default gen_random_uuid()", "events", "ACCESS EXCLUSIVE", "rewrite"),
    "a_check": ("alter table journal add constraint journal_x check (seq > 0)", "journal", "ACCESS EXCLUSIVE", "read"),
    "a_not_null": ("alter table runs alter column correlation_id set not null", "runs", "ACCESS EXCLUSIVE", "read"),
    "a_key": ("alter table events add constraint events_x unique (tenant_id, id)", "events", "ACCESS EXCLUSIVE", "index"),
    "a_foreign_key": ("alter table run_waits add constraint run_waits_x foreign key (tenant_id) references tenants", None,
                      "SHARE ROW EXCLUSIVE", "read"),
    "validated_at_once": ("alter table events add constraint events_y check (id > 0) not valid;\n"
                          "alter table events validate constraint events_y", "events", "ACCESS EXCLUSIVE", "read"),
    "locked_and_filled": ("alter table files add column y int;\nupdate files set y = 1", "files", "ACCESS EXCLUSIVE", "rows"),
    "locked_and_gone_through": ("lock table runs in share mode;\ndo $$ begin perform count(*) from runs; end $$", "runs", "SHARE", "rows"),
    "held_for_another": ("alter table idempotency_keys add column z int;\ncreate index concurrently_not on audit_logs (tenant_id)",
                         None, None, "index"),
}
SAFE = {
    "a_column": "alter table runs add column x_note text",
    "a_constant_default": "alter table journal add column x_flag boolean not null default false",
    "not_valid": "alter table runs add constraint runs_x_note check (length(x_note) < 9) not valid",
    "validated_later": "alter table runs validate constraint runs_x_note",
    "no_longer": "alter table journal drop column x_flag",
    "a_default": "alter table files alter column content_type set default 'text/plain'",
    "a_table": "create table x_new (id bigint primary key, tenant_id bigint not null);\ncreate index x_new_idx on x_new (tenant_id);\n"
               "alter table x_new add constraint c check (id > 0)",
    "a_function": "create function x_f() returns int language sql return 1",
    "rows_alone": "update files set name = name where false",
    "a_promise": "alter table run_commands add constraint run_commands_x check (kind is not null) not valid",
}


def test_what_holds_up_others_is_told_from_what_does_not(own, plan):
    """Every table counts as big. One rehearsal plays them all."""
    for name, (text, *_) in DANGEROUS.items():
        plan.add(name, text)
    for name, text in SAFE.items():
        plan.add(name, text)
    plan.add("beside_the_traffic", "create index concurrently run_commands_y on run_commands (kind)", transaction=False)
    before = own.psql("select string_agg(c::text, ',' order by c::text) from pg_class c where relnamespace = 'millrace'::regnamespace")
    got, _ = told(own, "--dry-run", "--big-rows", "0", plan=plan, status=1)
    assert got["rehearsed"] and [c["change"] for c in got["plan"]] == plan.added
    assert [c["failure"] for c in got["plan"] if c["failure"]] == []
    refused = {}
    for r in got["refused"]:
        refused.setdefault(r["change"], r)
    assert set(refused) == set(DANGEROUS)
    for name, (text, table, mode, work) in DANGEROUS.items():
        r = refused[name]
        assert r["work"] == work and mode in (None, r["mode"]) and table in (None, r["table"]), (name, r)
        assert r["text"].removesuffix(" …") in " ".join(text.split()) and r["line"] > 4 and r["advice"]
    locks = {c["change"]: {(k["table"], k["mode"]) for s in c["statements"] for k in s["locks"]} for c in got["plan"]}
    assert ("runs", "ACCESS EXCLUSIVE") in locks["a_column"] and locks["a_table"] == set() and locks["a_function"] == set()
    assert locks["beside_the_traffic"] == {("run_commands", "SHARE UPDATE EXCLUSIVE")}
    # nothing was changed, and nothing is left of the rehearsal
    assert deployed(own) == CHANGES
    assert before == own.psql("select string_agg(c::text, ',' order by c::text) from pg_class c where relnamespace = 'millrace'::regnamespace")
    assert own.rows("select 1 from pg_database where datname like '%rehearsal%'") == []


def test_it_is_shown_before_it_is_done(own, plan):
    plan.add("shown", "alter table runs add column x_shown text;\ncreate index files_x on files (name)", note="What it is for",
             revert="alter table runs drop column x_shown;\ndrop index files_x")
    r = migrate(own, plan=plan)
    assert r.returncode == 0, r.stderr
    lines = r.stdout.splitlines()
    at = lambda text: next(i for i, line in enumerate(lines) if text in line)  # noqa: E731
    assert at("shown: What it is for") < at("alter table runs add column x_shown text") < at("ACCESS EXCLUSIVE") < at("+ shown .. ok")
    assert "rows," in lines[at("ACCESS EXCLUSIVE")] and "builds an index" in lines[at(": SHARE,")]
    assert deployed(own)[-1] == "shown" and "x_shown" in columns(own, "runs")


def test_a_dangerous_change_is_refused_and_can_be_ordered(own, plan):
    plan.add("harmless", "create table x_harmless (a int)", revert="drop table x_harmless")
    plan.add("dangerous", "create index runs_dangerous on runs (version)", revert="drop index runs_dangerous")
    own.api.execute(own.api.workflow([{"name": "a", "type": "log", "config": {"message": "x"}}])["id"], wait=60)
    r = migrate(own, "--big-rows", "1", plan=plan)
    assert r.returncode == 1
    for words in ("dangerous, line 5: create index runs_dangerous on runs (version)", "holds runs (", "mode SHARE while it builds an index",
                  "CREATE INDEX CONCURRENTLY", "--allow-locks"):
        assert words in r.stderr, (words, r.stderr)
    assert deployed(own) == CHANGES  # not even the harmless one
    assert migrate(own, "--to", "harmless", "--big-rows", "1", plan=plan).returncode == 0
    assert deployed(own)[-1] == "harmless"
    got, _ = told(own, "--allow-locks", "--big-rows", "1", plan=plan)
    assert got["done"] == ["dangerous"] and got["refused"][0]["table"] == "runs"
    assert deployed(own)[-1] == "dangerous"


def test_small_tables_may_be_locked(own, plan):
    plan.add("small", "create index files_small on files (name)", revert="drop index files_small")
    got, _ = told(own, plan=plan)
    assert got["done"] == ["small"] and got["refused"] == []


def test_what_fails_in_the_rehearsal_is_not_begun(own, plan):
    plan.add("fine", "create table x_fine (a int)", revert="drop table x_fine")
    plan.add("broken", "alter table runs add column a int;\nalter table no_such_table add column b int")
    got, said = told(own, plan=plan, status=1)
    assert "42P01" in got["plan"][1]["failure"] and "broken fails in the rehearsal" in said and "line 6" in said
    assert deployed(own) == CHANGES


# ---- others at work ----

def test_it_does_not_queue_in_front_of_others(own, plan):
    """A long transaction holds a table: migrate gives up, nothing is half done, and nobody waited behind it."""
    plan.add("first", "create table x_first (a int)", revert="drop table x_first")
    plan.add("waits", "alter table workflows add column x_waits int", revert="alter table workflows drop column if exists x_waits")
    holder = Sql(own)
    holder.run("begin")
    holder.run("select count(*) from millrace.workflows")
    try:
        process = subprocess.Popen(command(own, "--wait", "4", plan=plan), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        answers = []
        while process.poll() is None:
            answers.append(own.api.get("/api/v1/workflows").status_code)
        _, said = process.communicate(timeout=60)
    finally:
        holder.close()
    assert process.returncode == 1
    assert "waits: the locks it needs were not to be had" in said and "workflows by process" in said and "trying again" in said
    assert set(answers) == {200}
    assert deployed(own)[-1] == "first" and "x_waits" not in columns(own, "workflows")
    got, _ = told(own, plan=plan)
    assert got["done"] == ["waits"] and "x_waits" in columns(own, "workflows")


def test_it_goes_on_once_the_lock_is_free(own, plan):
    plan.add("patient", "alter table workflows add column x_patient int", revert="alter table workflows drop column x_patient")
    holder = Sql(own)
    holder.run("begin")
    holder.run("select count(*) from millrace.workflows")
    try:
        process = subprocess.Popen(command(own, "--json", plan=plan), text=True, stdout=subprocess.PIPE)
        wait_until(lambda: own.rows("select 1 from pg_locks where not granted and relation = 'millrace.workflows'::regclass"))
    finally:
        holder.close()
    got = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 0 and got["done"] == ["patient"]


def test_two_at_once(own, plan):
    plan.add("slow", "select pg_sleep(2);\ncreate table x_slow (a int)", revert="drop table x_slow")
    one = subprocess.Popen(command(own, "--json", plan=plan), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: own.rows("select 1 from pg_stat_activity where application_name = 'millrace-migrate' and query like '%pg_sleep%'"))
    impatient = migrate(own, "--wait", "0", plan=plan)
    assert impatient.returncode == 1 and "another millrace-admin migrate is at work" in impatient.stderr
    two = migrate(own, "--json", plan=plan)
    assert json.loads(one.communicate(timeout=120)[0])["done"] == ["slow"] and one.returncode == 0
    assert two.returncode == 0 and json.loads(two.stdout)["done"] == []


# ---- its end ----

def steps(plan, n=4):
    for i in range(n):
        plan.add(f"step_{i}", f"create table x_step_{i} (a int);\nselect pg_sleep(0.05);\ncreate index x_step_{i}_a on x_step_{i} (a)",
                 verify=f"select a from x_step_{i} where false", revert=f"drop table x_step_{i}")


@pytest.mark.parametrize("whole", [False, True], ids=["admin", "all"])
def test_killed_anywhere_and_run_again(own, plan, pytestconfig, whole):
    """Alone, so that sqitch goes on without it; or with all it has started."""
    steps(plan)
    seed = int(os.environ.get("MILLRACE_TEST_SEED", time.time_ns() % 1000000))
    print(f"MILLRACE_TEST_SEED={seed}")
    chance = random.Random(seed)
    assert migrate(own, plan=plan).returncode == 0
    began = time.monotonic()
    assert migrate(own, "revert", "--to", CHANGES[-1], "--yes", plan=plan).returncode == 0
    assert migrate(own, plan=plan).returncode == 0
    longest = time.monotonic() - began
    for _ in range(20 if pytestconfig.getoption("--long") else 3):
        assert migrate(own, "revert", "--to", CHANGES[-1], "--yes", plan=plan).returncode == 0
        process = subprocess.Popen(command(own, plan=plan), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
        got, said = told(own, plan=plan)
        assert deployed(own) == CHANGES + plan.added, said
        assert told(own, "verify", plan=plan)[0]["verified"][-1]["ok"]
        assert own.rows("select 1 from pg_database where datname like '%rehearsal%'") == []


def test_killed_in_a_new_database(own, pytestconfig):
    """From the first change on, and while sqitch makes its own tables."""
    seed = int(os.environ.get("MILLRACE_TEST_SEED", time.time_ns() % 1000000))
    print(f"MILLRACE_TEST_SEED={seed}")
    chance = random.Random(seed)
    config = pathlib.Path(own.config).with_name("new.conf")
    config.write_text(pathlib.Path(own.config).read_text().replace("dbname=millrace", "dbname=new"))
    words = [f"{own.inst}/sbin/millrace-admin", "migrate", "--config", str(config)]
    for i in range(10 if pytestconfig.getoption("--long") else 2):
        own.sh("psql", "-d", "postgres", "-c", "create database new encoding 'UTF8' template template0")
        try:
            own.sh("psql", "-d", "new", "-f", f"{own.inst}/share/millrace/sql/roles/roles.sql")
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                process.wait(chance.uniform(0, 1.5 if i % 2 else 8))
            except subprocess.TimeoutExpired:
                (os.killpg if chance.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
                process.wait()
            r = subprocess.run(words, capture_output=True, text=True, timeout=300)
            assert r.returncode == 0, r.stderr
            r = subprocess.run([*words[:2], "verify", *words[2:], "--json"], capture_output=True, text=True, timeout=60)
            assert r.returncode == 0 and [v["change"] for v in json.loads(r.stdout)["verified"]] == CHANGES
        finally:
            own.sh("psql", "-d", "postgres", "-c", "drop database new with (force)")


@pytest.mark.parametrize("rehearsed", [True, False])
def test_what_was_deployed_and_not_written_down(own, plan, rehearsed):
    """As by one that was killed between both."""
    steps(plan, 2)
    own.sh("psql", "-f", plan.folder / "deploy/step_0.sql")
    if not rehearsed:
        own.psql("alter role millrace_owner nocreatedb")
    try:
        got, said = told(own, *([] if rehearsed else ["--allow-locks"]), plan=plan)
    finally:
        own.psql("alter role millrace_owner createdb")
    if rehearsed:
        assert got["plan"][0]["is_there"] and not got["plan"][1]["is_there"]
    assert "step_0 is there already" in said
    assert deployed(own) == CHANGES + ["step_0", "step_1"]


# ---- beside live traffic ----

def test_nobody_notices(own, plan):
    """Requests and runs go on while tables that they use are changed."""
    plan.add("l_column", "alter table runs add column x_l text", revert="alter table runs drop column x_l")
    plan.add("l_journal", "alter table journal add column x_l text", revert="alter table journal drop column x_l")
    plan.add("l_workflows", "alter table workflows add column x_l text;\nalter table workflow_versions add column x_l int default 3",
             revert="alter table workflows drop column x_l;\nalter table workflow_versions drop column x_l")
    plan.add("l_index", "create index concurrently run_commands_x_l on run_commands (kind, run_id)", revert="drop index run_commands_x_l",
             transaction=False)
    plan.add("l_check", "alter table runs add constraint runs_x_l check (x_l <> '') not valid", revert="alter table runs drop constraint runs_x_l")
    plan.add("l_valid", "alter table runs validate constraint runs_x_l")
    w = own.api.workflow([{"name": "a", "type": "log", "config": {"message": "{{trigger.n}}"}},
                          {"name": "b", "type": "delay", "config": {"seconds": 0.2}},
                          {"name": "c", "type": "log", "config": {"message": "x"}}])
    stop, wrong, runs = threading.Event(), [], []

    def load():
        client = own.with_key(own.key)
        n = 0
        while not stop.is_set():
            n += 1
            a = client.post(f"/api/v1/workflows/{w['id']}/execute", json={"trigger_data": {"n": n}})
            if a.status_code == 202:
                runs.append(a.json()["run_id"])
            else:
                wrong.append((a.status_code, a.text))
            for path in ("/api/v1/workflows", f"/api/v1/runs/{runs[-1]}" if runs else "/health"):
                a = client.get(path)
                if a.status_code != 200:
                    wrong.append((path, a.status_code, a.text))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        wait_until(lambda: len(runs) > 20)
        got, said = told(own, plan=plan)
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert got["done"] == plan.added, said
    assert wrong == [] and len(runs) > 20
    for run in runs:
        assert own.api.wait_run(run)["status"] == "completed"


# ---- status, verify, revert ----

def test_status(own, plan):
    got, _ = told(own, "status", plan=plan)
    assert [d["change"] for d in got["deployed"]] == CHANGES and got["pending"] == [] and got["unknown"] == []
    assert not any(d["drifted"] for d in got["deployed"])
    plan.add("later", "create table x_later (a int)", note="Later")
    with (plan.folder / f"deploy/{CHANGES[3]}.sql").open("a") as f:
        f.write("-- another one\n")
    got, _ = told(own, "status", plan=plan, status=1)
    assert got["pending"] == [{"change": "later", "note": "Later"}]
    assert [d["change"] for d in got["deployed"] if d["drifted"]] == [CHANGES[3]]
    text = migrate(own, "status", plan=plan)
    assert text.returncode == 1 and f"DRIFTED   {CHANGES[3]}" in text.stdout and "pending   later: Later" in text.stdout
    assert "was deployed by another script" in migrate(own, "--dry-run", plan=plan).stderr


def test_a_newer_database_is_left_alone(own, plan):
    plan.add("newer", "create table x_newer (a int)", revert="drop table x_newer")
    assert migrate(own, plan=plan).returncode == 0
    assert told(own, "status")[0]["unknown"] == ["newer"]
    for words in ([], ["--dry-run"], ["revert", "--to", CHANGES[0], "--yes"]):
        r = migrate(own, *words)
        assert r.returncode == 1 and "newer, which this release does not know" in r.stderr
    assert deployed(own)[-1] == "newer"


def test_revert_asks(own, plan):
    steps(plan, 3)
    assert migrate(own, plan=plan).returncode == 0
    got, said = told(own, "revert", "--to", "step_0", plan=plan, status=1)
    assert got["reverts"] == ["step_2", "step_1"] and "--yes" in said
    assert deployed(own) == CHANGES + plan.added
    assert told(own, "revert", "--to", "step_0", "--yes", plan=plan)[0]["reverts"] == ["step_2", "step_1"]
    assert deployed(own) == CHANGES + ["step_0"]
    for name, why in (("no_such", "has no change no_such"), ("step_2", "is not deployed")):
        r = migrate(own, "revert", "--to", name, "--yes", plan=plan)
        assert r.returncode == 1 and why in r.stderr
    assert "--to is needed" in migrate(own, "revert", "--yes", plan=plan).stderr


def test_verify(own, plan):
    steps(plan, 2)
    assert migrate(own, plan=plan).returncode == 0
    assert migrate(own, "verify", plan=plan).returncode == 0
    own.psql("alter table millrace.x_step_1 rename to x_gone")
    try:
        got, said = told(own, "verify", plan=plan, status=1)
        assert [v["change"] for v in got["verified"] if not v["ok"]] == ["step_1"] and "42P01" in said
    finally:
        own.psql("alter table millrace.x_gone rename to x_step_1")


def test_without_the_right_to_rehearse(own, plan):
    """As for an owner that an earlier release made."""
    plan.add("blind", "create table x_blind (a int)", revert="drop table x_blind")
    own.psql("alter role millrace_owner nocreatedb")
    try:
        _, said = told(own, plan=plan, status=1)
        assert "roles.sql" in said and deployed(own) == CHANGES
        got, _ = told(own, "--allow-locks", plan=plan)
        assert got["done"] == ["blind"] and not got["rehearsed"]
    finally:
        own.psql("alter role millrace_owner createdb")


def test_a_plan_that_is_not_right(own, plan):
    lines = (plan.folder / "sqitch.plan").read_text().splitlines()
    tell = lambda *more: migrate(own, "status", *more, plan=plan)  # noqa: E731

    def put(text):
        (plan.folder / "sqitch.plan").write_text("\n".join(text) + "\n")

    try:
        put([*lines, lines[-1]])
        assert f"{CHANGES[-1]} stands there twice" in tell().stderr
        put([*lines[:-3], lines[-1], lines[-2], "between 2030-01-01T00:00:00Z A <a@test.invalid> # x"])
        assert "between.sql" in tell().stderr
        put([*lines[:-2], lines[-1]])
        r = tell()
        assert r.returncode == 0 and f"unknown to this release: {CHANGES[-2]}" in r.stdout
        plan.add("between", "select 1")
        put([*lines[:-1], (plan.folder / "sqitch.plan").read_text().splitlines()[-1], lines[-1]])
        assert f"the database has {CHANGES[-1]}, but not between before it" in tell().stderr
        put([line for line in lines if line.startswith("%")])
        assert "has no changes" in tell().stderr
    finally:
        put(lines)


@pytest.mark.parametrize("arguments,says", [
    (("--to", "nothing"), "has no change nothing"),
    (("--wait", "soon"), "--wait: soon is no number"),
    (("--wait", "100000"), "at most 86400"),
    (("--big-rows", "-1"), "--big-rows: -1 is no number"),
    (("--dir", "/tmp/no-such-folder"), "/tmp/no-such-folder/sqitch.plan"),
    (("stauts",), "unknown option stauts"),
])
def test_wrong_use(own, arguments, says):
    r = migrate(own, *arguments)
    assert r.returncode == 1 and says in r.stderr
