#!/usr/bin/env python3
"""GET of one workflow with rate limits beside the same without, in turn: requests a second, and the CPU time that
servers spend on each, which says more where others use the machine too. PROFILE=1 prints both for each server."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from client import Api, Cpu, HERE, median, row # noqa: E402

ROUNDS, SECONDS = int(os.environ.get("ROUNDS", 5)), int(os.environ.get("SECONDS_EACH", 5))
SERVERS = ("nginx", "api", "redis", "postgres")


def stack(*arguments):
    return subprocess.run(["bash", str(HERE.parent / "tools/dev/stack.sh"), *arguments], check=True, capture_output=True,
                          text=True).stdout.strip()


def switch(limits):
    """The workers anew, with limits or without."""
    extra = pathlib.Path(os.environ["STATE"]) / "extra.conf"
    kept = [line for line in extra.read_text(encoding="ascii").splitlines() if not line.startswith("rate_limits ")]
    extra.write_text("\n".join([*kept, f"rate_limits = {'true' if limits else 'false'}"]) + "\n", encoding="ascii")
    stack("restart", "api")
    stack("ready")


def ticks():
    """CPU time of each server with its children, in ticks."""
    tops = {int(stack("pid", name)): name for name in SERVERS}
    spent = dict.fromkeys(SERVERS, 0)
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = Cpu.stat(int(path.name))
        except OSError:
            continue # it ended
        name = tops.get(int(path.name)) or tops.get(int(stat[1]))
        if name:
            spent[name] += int(stat[11]) + int(stat[12])
    return spent


def load(path, seconds):
    """Requests a second, and CPU microseconds of each server for one."""
    before = ticks()
    out = subprocess.run(["wrk", "-t2", "-c32", f"-d{seconds}s", "-H", "Authorization: Bearer " + os.environ["MILLRACE_TOKEN"],
                          os.environ["MILLRACE_URL"] + path], check=True, capture_output=True, text=True).stdout
    after = ticks()
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"{path}: not all were answered well\n{out}")
    count = int(re.search(r"(\d+) requests in", out).group(1))
    us = {name: (after[name] - before[name]) * 1e6 / os.sysconf("SC_CLK_TCK") / count for name in SERVERS}
    return float(re.search(r"^Requests/sec: +([\d.]+)", out, re.M).group(1)), us


def main():
    path = f"/api/v1/workflows/{Api().log_workflow()}"
    rates, spent = {True: [], False: []}, {True: [], False: []}
    for i in range(1, ROUNDS + 1):
        for limits in (True, False) if i % 2 else (False, True):
            switch(limits)
            load(path, 1) # warm
            rate, us = load(path, SECONDS)
            rates[limits].append(rate)
            spent[limits].append(us)
        print(f"  round {i}: {rates[True][-1]:,.0f}/s, without limits {rates[False][-1]:,.0f}/s", flush=True)
    switch(True)
    if os.environ.get("PROFILE"):
        for name in SERVERS:
            print(f"  {name}: {median([u[name] for u in spent[True]]):.1f} µs, without limits "
                  f"{median([u[name] for u in spent[False]]):.1f} µs", flush=True)
    with_limits, without = (median([sum(u.values()) for u in spent[x]]) for x in (True, False))
    ratio = median([a / b for a, b in zip(rates[True], rates[False])])
    row("9-limits", "`GET /workflows/{id}` with rate limits, 32 connections",
        f"{median(rates[True]):,.0f}/s, {ratio:.2f} of the {median(rates[False]):,.0f}/s without; the servers' CPU for one "
        f"{with_limits:.0f} µs beside {without:.0f} µs", "≥ 0.85")


if __name__ == "__main__":
    main()
