#!/usr/bin/env python3
"""How long every list, search and analysis of the API takes with ten million runs in the tables (big.sh makes them), asked
by four connections at once, one after the other.

    lists.py ENVIRONMENT-OF-BIG"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))

from client import Api, row  # noqa: E402
from mix import Mix  # noqa: E402
from wrk import measure  # noqa: E402

CONNECTIONS, SECONDS = 4, 3


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        env = dict(line.rstrip("\n").split("=", 1) for line in f)
    mix, took = Mix(Api(env)), []
    for what, path in mix.reads():
        if path is None or not mix.is_list(what) or not mix.is_allowed(path):
            continue
        measure([("GET", path, None)], CONNECTIONS, 1, env["MILLRACE_URL"], env["MILLRACE_KEY"])
        told = measure([("GET", path, None)], CONNECTIONS, SECONDS, env["MILLRACE_URL"], env["MILLRACE_KEY"])
        if set(told["status"]) != {200}:
            raise SystemExit(f"{what}: not all were answered well: {told['status']}")
        took.append((told["p99"], what))
        print(f"  {what}: p50 {told['p50']:.1f} ms, p99 {told['p99']:.1f} ms", flush=True)
    took.sort(reverse=True)
    slow = "; ".join(f"`{what}` {p99:.0f} ms" for p99, what in took[:5])
    row("10-big", f"{len(took)} lists, searches and analyses with {int(os.environ['BIG_RUNS']):,} runs in the tables, each asked by "
        f"{CONNECTIONS} connections at once", f"the slowest p99: {slow}", "p99 < 200 ms")


if __name__ == "__main__":
    main()
