#!/usr/bin/env python3
"""Three-step workflows started one by one through HTTPS by 32 connections, as fast as they are
accepted: how many a second are started and completed, from the first request to the last end."""
import os
import subprocess
import time

from client import Api, Cpu, Database, HERE, row

SECONDS, DEADLINE_S = 10, 300


def main():
    api, db = Api(), Database()
    workflow = api.log_workflow()
    cpu = Cpu()
    start = time.perf_counter()
    out = subprocess.run(["wrk", "-t1", "-c32", f"-d{SECONDS}s", "-s", HERE / "engine/execute.lua", os.environ["MILLRACE_URL"]],
                         check=True, capture_output=True, text=True, env={**os.environ, "WORKFLOW": str(workflow)}).stdout
    requests, errors = map(int, out.split("\n")[-2].split())
    load = time.perf_counter() - start
    _, count = db.wait_for_end(workflow, DEADLINE_S)
    total = time.perf_counter() - start
    if errors > 0 or count < requests:
        raise SystemExit(f"{errors} of {requests} requests failed, {count} runs were started")
    engine, postgres = cpu.us_each(count)
    row("13-submit", "three-step workflows, one request each, HTTPS, 32 connections",
        f"{count / total:,.0f} workflows/s started and completed ({count:,}, accepted at {requests / load:,.0f}/s); "
        f"CPU a workflow: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs", "≥ 2,500/s")


if __name__ == "__main__":
    main()
