#!/usr/bin/env python3
"""10,000 workflows of one http_request step against an nginx on loopback."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

from client import Api, Cpu, Database, HERE, median, row

COUNT, ROUNDS, DEADLINE_S = 10_000, 3, 300


@contextlib.contextmanager
def target(port):
    """nginx on the port that the engine may call."""
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        conf = pathlib.Path(d) / "target.conf"
        conf.write_text((HERE / "engine/target.conf").read_text().replace("PORT", port).replace("DIR", d))
        nginx = subprocess.Popen(["nginx", "-e", f"{d}/target.log", "-p", d, "-c", str(conf), "-g", "daemon off;"])
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            nginx.terminate()
            nginx.wait(timeout=20)


def one_round(api, db, url):
    workflow = api.workflow([{"name": "call", "type": "http_request", "config": {"url": url}}])
    cpu = Cpu()
    start = time.perf_counter()
    api.bulk(workflow, [{"n": i} for i in range(COUNT)])
    db.wait_for_end(workflow, DEADLINE_S)
    total = time.perf_counter() - start
    print(f"  {total:.2f} s, CPU a workflow: engine, PostgreSQL {[round(c) for c in cpu.us_each(COUNT)]} µs", flush=True)
    return total, *cpu.us_each(COUNT)


def main():
    api, db = Api(), Database()
    with target(os.environ["HOOK_PORT"]) as url:
        total, engine, postgres = median([one_round(api, db, url) for _ in range(ROUNDS)])
    row("15-http", f"{COUNT:,} workflows of one `http_request` to an nginx on loopback, bulk-submitted",
        f"{COUNT / total:,.0f} workflows/s; CPU a workflow: engine {engine:.0f} µs, PostgreSQL {postgres:.0f} µs", "≥ 5,000/s")


if __name__ == "__main__":
    main()
