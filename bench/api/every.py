#!/usr/bin/env python3
"""Every GET, list and search of the API and the common writes, one after the other with 32 connections: requests a second,
p99, and what each costs PostgreSQL (pg_stat_statements): time and buffers touched for one request.

    every.py    in the environment of bench/run.sh"""
import functools
import os
import pathlib
import subprocess

from client import Api, row
from mix import Mix
from wrk import measure

SECONDS = os.environ.get("EVERY_SECONDS", "1")
OUT = pathlib.Path(os.environ["OUT"])


def stack(*arguments):
    told = subprocess.run(["bash", "tools/dev/stack.sh", *arguments], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def asked(sql):
    return stack("psql", "-At", "-d", "postgres", "-c", sql)


@functools.cache
def platform_key():
    """A key that may see tenants."""
    stack("admin", "tenant", "create", "--name", "platform", "--platform")
    return stack("admin", "key", "create", "--tenant", "platform", "--name", "bench", "--scopes", "admin", "--roles", "admin").split()[-1]


def main():
    asked("create extension if not exists pg_stat_statements")
    mix = Mix(Api())
    reads = [(what, path and [("GET", path, None)]) for what, path in mix.reads()]
    for number, (what, requests) in enumerate(reads + list(mix.writes())):
        if requests is None:
            row(f"{number:03}-routes", f"`{what}`", "nothing there to ask for", "")
            continue
        key = platform_key() if "/tenants" in what else None
        measure(requests, 32, "0.3", key=key)
        asked("select pg_stat_statements_reset()")
        told = measure(requests, 32, SECONDS, key=key)
        n = told["requests"]
        ms, buffers = (float(v) for v in asked(
            "select coalesce(sum(s.total_exec_time), 0), coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0) from pg_stat_statements s "
            "join pg_roles r on r.oid = s.userid where r.rolname = 'millrace_api'").split("|"))
        bad = {s: c for s, c in told["status"].items() if s >= 300}
        row(f"{number:03}-routes", f"`{what}`",
            f"{n / told['seconds']:,.0f}/s, p99 {told['p99']:.1f} ms; PostgreSQL {ms / n:.2f} ms, {buffers / n:,.0f} buffers"
            + (f"; not 2xx: {bad}" if bad else ""), "p99 < 200 ms")
        print(f"  {what}: {n / told['seconds']:,.0f}/s", flush=True)


if __name__ == "__main__":
    main()
