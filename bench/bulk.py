#!/usr/bin/env python3
"""10,000 three-step workflows submitted in one request: how many a second are carried out. Beside
it, in turns with it: naive_loop.sql, which writes the same rows without carrying anything out."""
import os
import pathlib
import subprocess
import time

from client import Api, row

COUNT, ROUNDS, DEADLINE_S = 10_000, 5, 300


def completed(workflow):
    sql = f"select count(*) from millrace.runs where workflow_id = {workflow} and status = 'completed'"
    out = subprocess.run(["psql", "-XAtq", "-d", os.environ["DATABASE_URL"], "-c", sql], check=True,
                         capture_output=True, text=True).stdout
    return int(out)


def engine_seconds(workflow):
    sql = ("select extract(epoch from max(completed_at) - min(created_at)) from millrace.runs "
           f"where workflow_id = {workflow}")
    out = subprocess.run(["psql", "-XAtq", "-d", os.environ["DATABASE_URL"], "-c", sql], check=True,
                         capture_output=True, text=True).stdout
    return float(out)


def naive_loop():
    """Runs a second of the loop in SQL on the same server."""
    script = pathlib.Path(__file__).with_name("naive_loop.sql")
    out = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"runs={COUNT}", "-d", os.environ["DATABASE_URL"],
                          "-f", script], check=True, capture_output=True, text=True).stdout
    return float(out.split()[-1])


def one_round(api):
    workflow = api.log_workflow()
    body = {"op": "execute", "workflow_id": workflow, "items": [{"input": {"n": i}} for i in range(COUNT)]}
    start = time.perf_counter()
    api.call("POST", "/api/v1/workflows/bulk", body)
    submitted = time.perf_counter() - start
    while completed(workflow) < COUNT:
        if time.perf_counter() - start > DEADLINE_S:
            raise SystemExit(f"{completed(workflow)} of {COUNT} runs completed in {DEADLINE_S} s")
        time.sleep(0.02)
    total = time.perf_counter() - start
    print(f"  submitted in {submitted:.2f} s, all completed after {total:.2f} s, "
          f"first creation to last completion {engine_seconds(workflow):.2f} s")
    return total


def main():
    api = Api()
    took, limits = [], []
    for _ in range(ROUNDS):
        limits.append(naive_loop())
        took.append(one_round(api))
    median, limit = sorted(took)[ROUNDS // 2], sorted(limits)[ROUNDS // 2]
    row("3-bulk", f"| {COUNT:,} three-step workflows, bulk-submitted, from the request to the last completion | "
        f"{COUNT / median:,.0f} workflows/s ({median:.2f} s), {COUNT / median / limit:.2f} of the naive loop's {limit:,.0f}/s | "
        "≥ 2,000/s |")


if __name__ == "__main__":
    main()
