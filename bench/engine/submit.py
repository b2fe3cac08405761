#!/usr/bin/env python3
"""Three-step workflows started one by one through HTTPS by 32 connections, as fast as they are
accepted: how many a second are started and completed, from the first request to the last end. In
turn with it: pgbench with 32 clients, which only starts them, by the same statement."""
import os
import pathlib
import subprocess
import sys
import time

from client import Api, Cpu, Database, HERE, median, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))

from statement import Statement # noqa: E402

ROUNDS, SECONDS, CLIENTS, DEADLINE_S = 3, 6, 32, 300


def submit(api, db):
    """Workflows a second, CPU microseconds of the engine and of PostgreSQL each."""
    workflow = api.log_workflow()
    cpu = Cpu()
    start = time.perf_counter()
    out = subprocess.run(["wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS}s", "-s", HERE / "engine/execute.lua", os.environ["MILLRACE_URL"]],
                         check=True, capture_output=True, text=True, env={**os.environ, "WORKFLOW": str(workflow)}).stdout
    requests, errors = map(int, out.split("\n")[-2].split())
    _, count = db.wait_for_end(workflow, DEADLINE_S)
    total = time.perf_counter() - start
    if errors > 0 or count < requests:
        raise SystemExit(f"{errors} of {requests} requests failed, {count} runs were started")
    return count / total, *cpu.us_each(count)


def only_start(api, db):
    """The same rows, of runs that are never due: else the engine would carry them out meanwhile."""
    workflow = api.log_workflow()
    tenant, = db.ask(f"select tenant_id from millrace.workflows where id = {workflow}")
    return Statement("workflow_execute", tenant, {
        "id": workflow, "tenant_id": tenant, "principal_id": 1, "principal_name": "bench", "correlation_id": "0" * 32,
        "remote_address": "127.0.0.1", "input": '{"n":1}', "run_at": "2100-01-01T00:00:00Z"})


def main():
    api, db = Api(), Database()
    limit = only_start(api, db)
    took, limits = [], []
    for i in range(1, ROUNDS + 1):
        limits.append(limit.rate(CLIENTS, SECONDS))
        took.append(submit(api, db))
        print(f"  round {i}: {took[-1][0]:,.0f}/s, pgbench starts {limits[-1]:,.0f}/s; CPU a run: "
              f"engine {took[-1][1]:.0f} µs, PostgreSQL {took[-1][2]:.0f} µs", flush=True)
    rate, engine, postgres = (median(v) for v in zip(*took))
    ratio = median([t[0] / l for t, l in zip(took, limits)])
    row("13-submit", "three-step workflows, one request each, HTTPS, 32 connections",
        f"{rate:,.0f} workflows/s started and completed, {ratio:.2f} of the {median(limits):,.0f}/s that pgbench only starts, by the "
        f"same statement; CPU a workflow: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs", "≥ 2,500/s")


if __name__ == "__main__":
    main()
