#!/usr/bin/python3
"""Private memory of each worker process, before and after a million requests."""

import os
import pathlib
import sys
import time

from common import Client, log_workflow, report, stack_env, wrk

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "1000000"))


def workers():
    """Pids of millrace-api processes whose parent is one, too: the supervisor's children."""
    names = {}
    for p in pathlib.Path("/proc").iterdir():
        if not p.name.isdigit():
            continue
        try:
            fields = (p / "stat").read_text().rpartition(")")
            if "millrace-api" in (p / "comm").read_text():
                names[int(p.name)] = int(fields[2].split()[1])
        except OSError:
            continue  # gone meanwhile
    return [pid for pid, parent in names.items() if parent in names]


def private_mib(pid):
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1])
    return total / 1024


def main():
    env = stack_env()
    client = Client(env)
    url = f"{env['MILLRACE_URL']}/api/v1/workflows/{log_workflow(client, 'bench memory')}"
    header = [f"Authorization: Bearer {env['MILLRACE_KEY']}"]
    wrk(url, 5, header)
    before = {pid: private_mib(pid) for pid in workers()}
    done = 0.0
    begin = time.monotonic()
    while done < REQUESTS and time.monotonic() - begin < 600:
        done += wrk(url, 10, header) * 10
    after = {pid: private_mib(pid) for pid in before if pathlib.Path(f"/proc/{pid}").exists()}
    most, growth = max(after.values()), max(after[p] - before[p] for p in after)
    same = len(after) == len(before) and before != {}
    return report([(f"private memory of a worker, {done:,.0f} requests", f"{most:.1f} MiB, grown by {growth:.2f} MiB",
                    f"before: {max(before.values()):.1f} MiB", "≤ 10 MiB, flat", same and most <= 10 and growth <= 0.5)])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
