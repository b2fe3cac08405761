"""A program and a schema that are of different releases: an older schema is refused, a newer one is not."""
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from support.stack import ROOT, Stack, everywhere, own_keys, wait_until

NEEDED = [line.split()[0] for line in (ROOT / "sql/migrations/sqitch.plan").read_text().splitlines()
          if line and not line.startswith(("%", "#"))][-1]
OLD = f"update sqitch.changes set change = 'another' where change = '{NEEDED}'"
BACK = f"update sqitch.changes set change = '{NEEDED}' where change = 'another'"


@pytest.fixture(scope="module")
def own():
    s = Stack("schema")
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="mr-fit-", dir="/tmp") as d:
        yield pathlib.Path(d)


def program(stack, name, folder, **environment):
    """One beside the stack's, with sockets of its own."""
    settings = {"socket_dir": folder, **own_keys(stack), **environment}
    env = {**os.environ, **{f"MILLRACE_{k.upper()}": str(v) for k, v in settings.items()}}
    return subprocess.Popen([f"{stack.inst}/sbin/millrace-{name}", "-c", stack.config], env=env, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def refused(process):
    """Its exit status, and what it said of the schema."""
    _, log = process.communicate(timeout=60)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return process.returncode, [x["detail"] for x in lines if x["event"] == "schema does not fit"]


def end(process):
    process.terminate()
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("name", ["api", "engine"])
@pytest.mark.parametrize("before,after,says", [
    (OLD, BACK, "its last one is"),
    # from before it could be asked
    ("alter function millrace.schema_state(text) rename to gone", "alter function millrace.gone(text) rename to schema_state",
     "none that can be asked for"),
    ("alter schema millrace rename to gone", "alter schema gone rename to millrace", "none that can be asked for"),
    ("alter table sqitch.changes rename to gone", "alter table sqitch.gone rename to changes", "none that can be asked for"),
], ids=["older", "oldest", "empty", "unrecorded"])
def test_an_older_schema_is_refused(own, folder, name, before, after, says):
    own.stop("api", "engine")
    own.psql(before)
    try:
        status, said = refused(program(own, name, folder))
    finally:
        own.psql(after)
    assert status == 78
    assert said and NEEDED in said[0] and says in said[0] and "millrace-admin migrate" in said[0]


@pytest.mark.parametrize("name", ["api", "engine"])
def test_one_that_comes_late_is_refused_too(own, folder, name):
    """The database is away at first: the program waits, and looks when it is there."""
    own.psql(OLD)
    own.stop_postgres()
    try:
        process = program(own, name, folder)
        if name == "api":
            wait_until(lambda: list(folder.glob("api-*.sock")), message="it waits and answers")
        else:
            wait_until(lambda: "schema not known yet" in process.stderr.readline(), message="it asks")
        assert process.poll() is None
    finally:
        own.start_postgres()
    try:
        assert refused(process)[0] == 78
    finally:
        own.psql(BACK)


def test_a_newer_one_is_taken(own, folder):
    own.psql("""insert into sqitch.changes (change_id, script_hash, change, project, committer_name, committer_email, planned_at,
            planner_name, planner_email)
        values ('later', 'later', 'of_the_next_release', 'millrace', 'a', 'a', now(), 'a', 'a')""")
    try:
        own.start()
        api = program(own, "api", folder)
        wait_until(lambda: len(list(folder.glob("api-*.sock"))) == 2)
        assert end(api) == 0
    finally:
        own.psql("delete from sqitch.changes where change_id = 'later'")
    w = own.api.workflow([{"name": "a", "type": "log", "config": {"message": "x"}}])
    assert own.api.execute(w["id"], wait=60)["status"] == "completed"


def test_readiness_tells_when_it_changes_under_a_worker(own):
    own.start()
    client = own.anonymous()
    ready = lambda: client.get("/health/ready")  # noqa: E731
    wait_until(lambda: everywhere(lambda: ready().status_code == 200))
    own.psql(OLD)
    try:
        wait_until(lambda: everywhere(lambda: ready().status_code == 503))
        assert "schema" in ready().text
        assert own.api.get("/api/v1/workflows").status_code == 200  # what runs goes on
    finally:
        own.psql(BACK)
    wait_until(lambda: everywhere(lambda: ready().status_code == 200))


@pytest.mark.parametrize("name", ["api", "engine"])
def test_wrong_settings_end_it_for_good_too(own, folder, name):
    process = program(own, name, folder, db_connections="many")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 78 and "db_connections" in log
