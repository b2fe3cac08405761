#!/usr/bin/env python3
"""Every operation of the API, and each list's search, one after the other with 32 connections: requests a second, p99, and
what each costs PostgreSQL (pg_stat_statements): time and buffers touched for one request. Any answer but a 2xx ends it.

    every.py    in the environment of bench/run.sh"""
import os
import subprocess
import uuid

from client import Api, row
from mix import Mix
from writes import IN_MIX, WRITES, Things
from wrk import measure

CONNECTIONS, SECONDS = 32, os.environ.get("EVERY_SECONDS", "1")


def stack(*arguments):
    told = subprocess.run(["bash", "tools/dev/stack.sh", *arguments], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def asked(sql):
    return stack("psql", "-At", "-d", "postgres", "-c", sql)


def tenant(name, *arguments):
    """The environment of an administrator of the tenant, which is made where it isn't there."""
    stack("admin", "tenant", "create", "--name", name, *arguments)
    key = stack("admin", "key", "create", "--tenant", name, "--name", f"bench-{os.getpid()}", "--scopes", "admin", "--roles", "admin",
                "--rate-limits", "none").split()[-1]
    return {**os.environ, "MILLRACE_KEY": key}


def told_of(what, requests, key, once):
    """What wrk told of them; nothing else may have come of them."""
    told = measure(requests, CONNECTIONS, SECONDS, key=key, apart=len(requests) > 1, once=once)
    bad = {what: n for what, n in (*told["status"].items(), *told["error"].items()) if n and what not in range(200, 300)}
    if bad or not told["requests"]:
        raise SystemExit(f"{what}: not all were answered well: {bad or 'no answer'}")
    return told


def measured(number, what, requests, key, once=False):
    """Its row."""
    asked("select pg_stat_statements_reset()")
    told = told_of(what, requests, key, once)
    n = told["requests"]
    ms, buffers = (float(v) for v in asked(
        "select coalesce(sum(s.total_exec_time), 0), coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0) from pg_stat_statements s "
        "join pg_roles r on r.oid = s.userid where r.rolname = 'millrace_api'").split("|"))
    row(f"{number:03}-routes", f"`{what}`", f"{n / told['seconds']:,.0f}/s, p99 {told['p99']:.1f} ms; PostgreSQL {ms / n:.2f} ms, "
        f"{buffers / n:,.0f} buffers", "p99 < 200 ms")


def main():
    asked("create extension if not exists pg_stat_statements")
    platform = tenant("platform", "--platform")
    mix, things = Mix(Api()), Things(tenant(f"writes {uuid.uuid4().hex[:12]}"), platform)
    reads, common = [(what, path and [("GET", path, None)]) for what, path in mix.reads()], dict(mix.writes())
    number = 0
    for number, (what, requests) in enumerate(reads + list(common.items())):
        if requests is None:
            raise SystemExit(f"{what}: nothing there to ask for")
        key = platform["MILLRACE_KEY"] if "/tenants" in what else os.environ["MILLRACE_KEY"]
        measure(requests, CONNECTIONS, "0.3", key=key)
        measured(number, what, requests, key)
    for number, (what, made) in enumerate(WRITES.items(), number + 1):
        if made is IN_MIX:
            continue
        crew, requests = things.crew_of(what), list(made.requests(what, things))
        crew.each(requests[:made.warm])
        measured(number, what, requests[made.warm:] if made.once else requests, crew.key, made.once)
    things.end()


if __name__ == "__main__":
    main()
