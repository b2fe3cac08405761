#!/usr/bin/env python3
"""Execute to completed, as a client sees it: three-step log workflows, one at a time. Beside it, in
the same run: the same client's GET of one row, and what one commit can't be faster than.

    latency.py NAME WANTED"""
import os
import sys
import tempfile
import time

from client import Api, median, percentile, row

WARM, COUNT = 50, 1000


def append(f):
    """8 KiB, brought to the disk that holds the database."""
    f.write(b"x" * 8192)
    f.flush()
    os.fdatasync(f.fileno())


def timed(call):
    start = time.perf_counter()
    answer = call()
    return answer, (time.perf_counter() - start) * 1000


def main():
    name, wanted = sys.argv[1:]
    api = Api()
    workflow = api.log_workflow()
    runs, gets, syncs = [], [], []
    disk = tempfile.TemporaryFile(dir=os.environ["STATE"])
    for i in range(WARM + COUNT):
        answer, took = timed(lambda: api.call("POST", f"/api/v1/workflows/{workflow}/execute?wait=10", {"input": {"n": i}}))
        if answer["status"] != "completed":
            raise SystemExit(f"run {answer.get('run_id')} is {answer['status']}")
        _, get = timed(lambda: api.call("GET", f"/api/v1/workflows/{workflow}"))
        _, sync = timed(lambda: append(disk))
        if i >= WARM:
            syncs.append(sync)
            runs.append(took)
            gets.append(get)
    row(name, f"three-step log workflow, execute to completed, one at a time ({COUNT})",
        f"p50 {median(runs):.1f} ms, p99 {percentile(runs, 99):.1f} ms, max {max(runs):.1f} ms; beside it: "
        f"GET p50 {median(gets):.1f} ms, fdatasync p50 {median(syncs):.2f} ms, p99 {percentile(syncs, 99):.2f} ms", wanted)


if __name__ == "__main__":
    main()
