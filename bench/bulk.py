#!/usr/bin/env python3
"""10,000 three-step workflows submitted in one request, or 100,000 in ten: how many a second are
carried out, from the first request to the last end. In turn with it: the naive loop.

    bulk.py NAME COUNT ROUNDS WANTED"""
import os
import sys
import time

from client import Api, Cpu, Database, median, naive_loop, row

DEADLINE_S = 300


def one_round(api, db, count, env=os.environ):
    workflow = api.log_workflow()
    cpu = Cpu(env)
    start = time.perf_counter()
    api.bulk(workflow, [{"n": i} for i in range(count)])
    submitted = time.perf_counter() - start
    took, _ = db.wait_for_end(workflow, DEADLINE_S)
    total = time.perf_counter() - start
    engine, postgres = cpu.us_each(count)
    print(f"  submitted in {submitted:.2f} s, all completed after {total:.2f} s, first creation to last end "
          f"{took:.2f} s; CPU a run: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs", flush=True)
    return total, engine, postgres


def main():
    name, count, rounds, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    api, db = Api(), Database()
    took, limits = [], []
    for _ in range(rounds):
        limits.append(naive_loop(count))
        took.append(one_round(api, db, count))
    total, engine, postgres = median(took)
    limit, limit_postgres = median(limits)
    row(name, f"{count:,} three-step workflows, bulk-submitted, from the request to the last end",
        f"{count / total:,.0f} workflows/s ({total:.2f} s), {count / total / limit:.2f} of the naive loop's {limit:,.0f}/s; "
        f"CPU a workflow: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs, "
        f"the naive loop's {limit_postgres:.0f} µs", wanted)


if __name__ == "__main__":
    main()
