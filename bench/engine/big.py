#!/usr/bin/env python3
"""The bulk measurement before and after the tables were filled with ten million finished runs
(big.sql; some minutes and some 15 GB). Only with --big, and best on a fresh stack."""
import os
import pathlib
import subprocess
import time

from bulk import one_round
from client import Api, Database, median, row

RUNS = int(os.environ.get("BIG_RUNS", "10000000"))
COUNT, ROUNDS = 10_000, 3


def main():
    api, db = Api(), Database()
    before = median([one_round(api, db, COUNT) for _ in range(ROUNDS)])
    start = time.monotonic()
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"runs={RUNS}", "-d", os.environ["DATABASE_URL"],
                    "-f", pathlib.Path(__file__).with_name("big.sql")], check=True, stdout=subprocess.DEVNULL)
    print(f"  filled after {time.monotonic() - start:.0f} s", flush=True)
    after = median([one_round(api, db, COUNT) for _ in range(ROUNDS)])
    row("20-big", f"{COUNT:,} three-step workflows with {RUNS:,} finished runs in the tables",
        f"{COUNT / after[0]:,.0f} workflows/s, {before[0] / after[0]:.2f} of the {COUNT / before[0]:,.0f}/s before; "
        f"CPU a workflow {sum(after[1:]):.0f} µs, before {sum(before[1:]):.0f} µs", "≥ 0.9")


if __name__ == "__main__":
    main()
