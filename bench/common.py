"""What all benchmarks share: the stack's address, one keep-alive client, wrk, and the table.

Every figure stands beside its limit measured in the same run, so that a busy machine slows both.
"""

import http.client
import json
import os
import pathlib
import platform
import re
import ssl
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent


def stack_env():
    """The variables of .dev/env, each overridden by the environment."""
    env = {}
    path = ROOT / ".dev" / "env"
    if path.exists():
        for line in path.read_text().splitlines():
            name, sep, value = line.removeprefix("export ").partition("=")
            if sep:
                env[name.strip()] = value.strip().strip("'\"")
    env.update({k: v for k, v in os.environ.items() if k.startswith("MILLRACE_") or k.endswith("_URL")})
    if "MILLRACE_URL" not in env:
        sys.exit("bench: no stack is running here; start one with ./dev up")
    return env


class Client:
    """One HTTPS connection that is kept; answers as (status, parsed JSON)."""

    def __init__(self, env):
        self.url = urllib.parse.urlsplit(env["MILLRACE_URL"])
        self.key = env["MILLRACE_KEY"]
        context = ssl.create_default_context(cafile=env["MILLRACE_CA"])
        self.conn = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=context, timeout=120)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self.conn.request(method, path, data, headers)
        answer = self.conn.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def must(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if status >= 300:
            sys.exit(f"bench: {method} {path} answered {status}: {json.dumps(answer)[:500]}")
        return answer


def log_workflow(client, name):
    """A workflow of three log steps, made anew for this run of the benchmark."""
    steps = [{"name": f"step_{n}", "type": "log", "config": {"message": "run {{execution_id}} step " + str(n)}} for n in (1, 2, 3)]
    return client.must("POST", "/api/v1/workflows", {"name": f"{name} {time.time_ns()}", "workflow_config": {"steps": steps}})["id"]


def wrk(url, seconds, headers=(), connections=32, threads=2):
    """Requests a second by wrk over TLS and keep-alive; anything but 2xx ends the benchmark."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    for h in headers:
        command += ["-H", h]
    out = subprocess.run(command + [url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"bench: wrk met errors at {url}:\n{out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def median(values):
    return statistics.median(values)


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores ({model}), {pages:.0f} GiB, {platform.system()} {platform.release()}"


def report(rows, path=None):
    """Prints (and with PATH keeps) a table of rows: what, figure, limit in the same run, wanted."""
    lines = ["| what | figure | beside it, in the same run | wanted | holds |", "|---|---|---|---|---|"]
    for what, figure, beside, wanted, holds in rows:
        lines.append(f"| {what} | {figure} | {beside} | {wanted} | {'yes' if holds else 'NO'} |")
    text = "\n".join(lines)
    print(text)
    if path is not None:
        path.write_text(text + "\n")
    return all(row[4] for row in rows)
