#!/usr/bin/env python3
"""One run whose foreach goes through 100,000 noop items: items a second, and the engine's memory
against that of a tenth of the items."""
import threading
import time

from client import Api, Database, engine_pid, private_kib, row

COUNT, DEADLINE_S = 100_000, 120


def run(api, db, count):
    """Seconds, and the engine's most private memory in MiB meanwhile."""
    most, ends = [0], threading.Event()

    def watch():
        while not ends.wait(0.05):
            most[0] = max(most[0], private_kib(engine_pid()))

    workflow = api.workflow([{"name": "each", "type": "foreach", "config": {
        "items": "{{lists.range(%d)}}" % count, "concurrency": 1, "steps": [{"name": "nothing", "type": "noop"}]}}])
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    api.call("POST", f"/api/v1/workflows/{workflow}/execute", {})
    db.wait_for_end(workflow, DEADLINE_S)
    took = time.perf_counter() - start
    ends.set()
    watcher.join()
    return took, most[0] / 1024


def main():
    api, db = Api(), Database()
    _, small = run(api, db, COUNT // 10)
    took, large = run(api, db, COUNT)
    row("17-foreach", f"`foreach` of {COUNT:,} `noop` items, one run",
        f"{COUNT / took:,.0f} items/s; engine {large:.0f} MiB private, with {COUNT // 10:,} items {small:.0f} MiB",
        "≥ 20,000 items/s, flat")


if __name__ == "__main__":
    main()
