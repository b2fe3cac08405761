#!/usr/bin/python3
"""GET /workflows/{id} with a JWT and row-level security, beside nginx serving a static file of the
same size with the same TLS and log settings. Interleaved; the ratio is the median of the rounds.

MILLRACE_BENCH_TOKEN holds the JWT, MILLRACE_WEB_ROOT the folder that nginx serves /static/ from.
"""

import os
import pathlib
import sys

from common import Client, log_workflow, median, report, stack_env, wrk

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))


def main():
    env = stack_env()
    client = Client(env)
    workflow = log_workflow(client, "bench get")
    path = f"/api/v1/workflows/{workflow}"
    client.conn.request("GET", path, headers={"Authorization": f"Bearer {env['MILLRACE_BENCH_TOKEN']}"})
    answer = client.conn.getresponse()
    size = len(answer.read())
    if answer.status != 200:
        sys.exit(f"bench: GET {path} with the token answered {answer.status}")
    static = pathlib.Path(env["MILLRACE_WEB_ROOT"]) / "static" / "bench.json"
    static.parent.mkdir(exist_ok=True)
    static.write_bytes(b"x" * size)
    static.chmod(0o644)
    static.parent.chmod(0o755)
    token = f"Authorization: Bearer {env['MILLRACE_BENCH_TOKEN']}"
    gets, files, ratios = [], [], []
    wrk(env["MILLRACE_URL"] + path, 2, [token])
    for n in range(ROUNDS):
        files.append(wrk(env["MILLRACE_URL"] + "/static/bench.json", SECONDS, [token]))
        gets.append(wrk(env["MILLRACE_URL"] + path, SECONDS, [token]))
        ratios.append(gets[-1] / files[-1])
        print(f"round {n + 1}: GET {gets[-1]:,.0f}/s, file {files[-1]:,.0f}/s, ratio {ratios[-1]:.3f}", file=sys.stderr)
    static.unlink()
    return report([(f"GET /workflows/{{id}}, {size} bytes, JWT, 32 connections", f"{median(gets):,.0f}/s, {median(ratios):.3f} × file",
                    f"static file: {median(files):,.0f}/s", "≥ 0.18 × file", median(ratios) >= 0.18)])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
