#!/usr/bin/env python3
"""100,000 workflows asleep in a delay step; their wake-ups are spread over ten seconds. How late
each one ends, and what the engine holds in memory meanwhile."""
import datetime
import threading
import time

from client import Api, Cpu, Database, engine_pid, private_kib, row

COUNT, SPREAD_S, ASLEEP_IN_S, DEADLINE_S = 100_000, 10, 120, 300


class Memory(threading.Thread):
    """The most that the engine had, looked at ten times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.ends = 0, threading.Event()

    def run(self):
        while not self.ends.wait(0.1):
            self.most = max(self.most, private_kib(engine_pid()))


def main():
    api, db, memory = Api(), Database(), Memory()
    memory.start()
    workflow = api.workflow([{"name": "nap", "type": "delay", "config": {"until": "{{trigger.until}}"}}])
    wake = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ASLEEP_IN_S)
    at = [(wake + datetime.timedelta(seconds=SPREAD_S * i / COUNT)).isoformat(timespec="microseconds").replace("+00:00", "Z")
          for i in range(COUNT)]
    start = time.perf_counter()
    api.bulk(workflow, [{"until": t} for t in at])
    asleep = f"select count(*) from millrace.runs where workflow_id = {workflow} and wake_at is not null"
    while db.ask(asleep) != [str(COUNT)]:
        if datetime.datetime.now(datetime.timezone.utc) >= wake:
            raise SystemExit(f"not all {COUNT} are asleep after {ASLEEP_IN_S} s")
        time.sleep(0.5)
    fell = time.perf_counter() - start
    time.sleep(max(0, (wake - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
    cpu = Cpu()
    db.wait_for_end(workflow, DEADLINE_S)
    engine, postgres = cpu.us_each(COUNT)
    memory.ends.set()
    late = "extract(epoch from completed_at - (input ->> 'until')::timestamptz)"
    p50, p99, most, early = map(float, db.ask(
        f"select percentile_disc(0.5) within group (order by {late}), percentile_disc(0.99) within group (order by {late}), "
        f"max({late}), count(*) filter (where {late} < 0) from millrace.runs where workflow_id = {workflow}"))
    if early > 0:
        raise SystemExit(f"{early:.0f} runs ended before their time")
    row("16-sleepers", f"{COUNT:,} workflows asleep, wake-ups spread over {SPREAD_S} s (all asleep after {fell:.0f} s)",
        f"late by p50 {p50:.2f} s, p99 {p99:.2f} s, max {most:.2f} s; engine at most {memory.most / 1024:.0f} MiB private; "
        f"CPU a wake-up: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs", "p99 ≤ 1 s, ≤ 150 MB")


if __name__ == "__main__":
    main()
