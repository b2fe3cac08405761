#!/usr/bin/env python3
"""Execute to completed, as a client sees it: three-step log workflows, one at a time."""
import time

from client import Api, row

WARM, COUNT = 50, 1000


def main():
    api = Api()
    workflow = api.log_workflow()
    path = f"/api/v1/workflows/{workflow}/execute?wait=10"
    took = []
    for i in range(WARM + COUNT):
        start = time.perf_counter()
        answer = api.call("POST", path, {"input": {"n": i}})
        elapsed = time.perf_counter() - start
        status = answer.get("status") or answer.get("run", {}).get("status")
        if status != "completed":
            raise SystemExit(f"run {answer.get('run_id')} is {status}")
        if i >= WARM:
            took.append(elapsed * 1000)
    took.sort()
    row("2-latency", f"| three-step log workflow, execute to completed, one at a time ({COUNT}) | "
        f"p50 {took[COUNT // 2]:.1f} ms, p99 {took[COUNT * 99 // 100]:.1f} ms, max {took[-1]:.1f} ms | "
        "p50 ≤ 6 ms, p99 ≤ 25 ms |")


if __name__ == "__main__":
    main()
