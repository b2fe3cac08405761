#!/usr/bin/env python3
"""The whole mix (every GET, list and search, and the common writes, in turn) at 1,000 open connections for two minutes:
each of them asks every two seconds or so, and then, for a shorter time, as fast as it is answered.

    load.py    in the environment of bench/run.sh"""
import os

from client import Api, row
from mix import Mix
from wrk import measure

CONNECTIONS, SECONDS = int(os.environ.get("LOAD_CONNECTIONS", "1000")), int(os.environ.get("LOAD_SECONDS", "120"))
PAUSE_MS = int(os.environ.get("LOAD_PAUSE_MS", "2000"))


def told_of(number, what, told, wanted):
    status = ", ".join(f"{s}: {n:,}" for s, n in sorted(told["status"].items()))
    errors = ", ".join(f"{e}: {n:,}" for e, n in sorted(told["error"].items()) if n) or "none"
    row(f"{number}-load", what,
        f"{told['requests'] / told['seconds']:,.0f}/s; p50 {told['p50']:.1f} ms, p90 {told['p90']:.1f} ms, p99 {told['p99']:.1f} ms, "
        f"p99.9 {told['p99.9']:.1f} ms; answers {status}; failed connections: {errors}", wanted)


def main():
    requests = Mix(Api()).requests()
    measure(requests, 32, 1)
    what = f"{len(requests)} requests in turn on {CONNECTIONS:,} connections"
    told_of(1, f"{what}, each about every {PAUSE_MS / 1000:g} s, for {SECONDS} s",
            measure(requests, CONNECTIONS, SECONDS, pause_ms=PAUSE_MS), "only 2xx and declared 429, p99 < 200 ms")
    told_of(2, f"{what}, each as soon as it is answered, for {SECONDS // 4} s",
            measure(requests, CONNECTIONS, SECONDS // 4), "only 2xx and declared 429")


if __name__ == "__main__":
    main()
