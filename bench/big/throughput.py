#!/usr/bin/env python3
"""The bulk measurement on two stacks in turn: an empty one, and one with ten million finished runs
(big.sh makes them). The ratio is the median of the pairs', so that what disturbs one pair only does not count.

    throughput.py ENVIRONMENT-OF-EMPTY ENVIRONMENT-OF-BIG"""
import os
import subprocess
import sys

from bulk import one_round
from client import Api, Database, HERE, median, row

COUNT, PAIRS, RUNS = 10_000, int(os.environ.get("BIG_PAIRS", "7")), int(os.environ["BIG_RUNS"])


class Stack:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.env = dict(line.rstrip("\n").split("=", 1) for line in f)
        self.api, self.db = Api(self.env), Database(self.env)

    def settle(self):
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.env["DATABASE_URL"],
                        "-f", HERE / "big/settle.sql"], check=True)

    def round(self):
        """Workflows a second, CPU microseconds of engine and of PostgreSQL a workflow."""
        total, engine, postgres = one_round(self.api, self.db, COUNT, self.env)
        return COUNT / total, engine, postgres


def main():
    stacks = [Stack(path) for path in sys.argv[1:3]]
    for stack in stacks: # caches as they are in use; and both vacuumed: one that never was is faster, however large it is
        stack.round()
        stack.settle()
    pairs = []
    for n in range(PAIRS):
        turn = [stack.round() for stack in (stacks if n % 2 == 0 else stacks[::-1])]
        pairs.append(turn if n % 2 == 0 else turn[::-1])
    rate = median([big[0] / empty[0] for empty, big in pairs])
    cpu = median([sum(big[1:]) / sum(empty[1:]) for empty, big in pairs])
    (before, *_), (after, engine, postgres) = ([median(v) for v in zip(*side)] for side in zip(*pairs))
    row("20-big", f"{COUNT:,} three-step workflows with {RUNS:,} finished runs in the tables, in turn with an empty database",
        f"{after:,.0f} workflows/s, {rate:.2f} of the {before:,.0f}/s of the empty one (median of {PAIRS} pairs); CPU a workflow: "
        f"engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs, together {cpu:.2f} of the empty one's", "≥ 0.9")


if __name__ == "__main__":
    main()
