"""What the measurements share: a keep-alive connection with a key, a session on the database, the
servers' CPU time, and the row that goes into the table."""
import glob
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import time
import urllib.parse
import uuid

BULK_MAX = 10_000
IDLE_S = 30
HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("BUILD", ""))


class Api:
    def __init__(self, env=os.environ):
        url = urllib.parse.urlsplit(env["MILLRACE_URL"])
        context = ssl.create_default_context(cafile=env["MILLRACE_CA"])
        self.connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=120)
        self.headers = {"Authorization": "Bearer " + env["MILLRACE_KEY"]}
        self.used = time.monotonic()

    def send(self, method, path, data, media_type="application/json"):
        if time.monotonic() - self.used > IDLE_S:
            self.connection.close() # nginx has done so already, or will; the request opens it again
        self.connection.request(method, path, data, {**self.headers, "Content-Type": media_type})
        answer = self.connection.getresponse()
        text = answer.read()
        self.used = time.monotonic()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def call(self, method, path, body=None):
        return self.send(method, path, None if body is None else json.dumps(body))

    def workflow(self, steps):
        """A new one of these steps; returns its id."""
        return self.call("POST", "/api/v1/workflows", {
            "name": "bench-" + uuid.uuid4().hex[:12], "workflow_config": {"steps": steps}})["id"]

    def log_workflow(self):
        return self.workflow([{"name": n, "type": "log", "config": {"message": n}} for n in ("one", "two", "three")])

    def bulk(self, workflow, inputs):
        """Starts a run for each input, in requests of at most 10,000."""
        for first in range(0, len(inputs), BULK_MAX):
            self.call("POST", "/api/v1/workflows/bulk", {
                "op": "execute", "workflow_id": workflow,
                "items": [{"input": i} for i in inputs[first:first + BULK_MAX]]})


class Database:
    """One psql that stays: a new one for each question would load the machine that is measured."""

    def __init__(self, env=os.environ):
        self.psql = subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", env["DATABASE_URL"]],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql, separator="|"):
        """The first row, its columns as text."""
        if separator != "|":
            self.psql.stdin.write(f"\\f '{separator}'\n")
        self.psql.stdin.write(sql + "\n;\n\\echo .\n")
        self.psql.stdin.flush()
        lines = []
        while (line := self.psql.stdout.readline()) != ".\n":
            if line == "":
                raise SystemExit(f"psql ended at: {sql}")
            lines.append(line.rstrip("\n"))
        if separator != "|":
            self.psql.stdin.write("\\f '|'\n")
        return lines[0].split(separator) if lines else []

    def wait_for_end(self, workflow, deadline_s):
        """Until no run of the workflow is active; then all must have completed. Seconds from the
        first creation to the last end, and how many they were."""
        end = time.monotonic() + deadline_s
        # asked often beside what is measured: planned once, and from the side where the last ones are
        self.ask("deallocate all")
        self.ask("prepare active as select count(*) from (select id from millrace.runs where workflow_id = $1 "
                 "and status in ('pending', 'running', 'paused', 'compensating') order by id desc limit 1) r")
        while self.ask(f"execute active ({workflow})") != ["0"]:
            if time.monotonic() > end:
                raise SystemExit(f"workflow {workflow}: runs are still active after {deadline_s} s")
            time.sleep(0.02)
        count, bad, took = self.ask(
            "select count(*), count(*) filter (where status <> 'completed'), "
            "coalesce(extract(epoch from max(completed_at) - min(created_at)), 0) "
            f"from millrace.runs where workflow_id = {workflow}")
        if bad != "0":
            raise SystemExit(f"workflow {workflow}: {bad} of {count} runs did not complete")
        return float(took), int(count)


def wrk(path, seconds, *options, **env):
    """Requests a second of 32 connections; none may have failed."""
    env = {**os.environ, **env}
    out = subprocess.run(["wrk", "-t2", "-c32", f"-d{seconds}s", *options, env["MILLRACE_URL"] + path],
                         check=True, capture_output=True, text=True, env=env).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"{path}: not all were answered well\n{out}")
    return float(re.search(r"^Requests/sec: +([\d.]+)", out, re.M).group(1))


def engine_pid():
    return int(os.environ["MILLRACE_ENGINE_PID"])


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(("Private_Clean", "Private_Dirty")))


class Cpu:
    """CPU seconds of engine and PostgreSQL, backends and helpers, since it was made. Where others
    use the machine too, this says more than a clock."""

    def __init__(self, env=os.environ):
        self.engine, self.postmaster = int(env["MILLRACE_ENGINE_PID"]), int(env["POSTGRES_PID"])
        self.start = self.now()

    @staticmethod
    def stat(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()

    def now(self):
        ticks = {"engine": 0, "postgres": 0}
        for path in glob.glob("/proc/[0-9]*"):
            pid = int(path[6:])
            try:
                stat = self.stat(pid)
            except OSError:
                continue # it ended
            own = int(stat[11]) + int(stat[12])
            if pid == self.engine:
                ticks["engine"] += own
            elif pid == self.postmaster: # with those of its children that have ended
                ticks["postgres"] += own + int(stat[13]) + int(stat[14])
            elif int(stat[1]) == self.postmaster:
                ticks["postgres"] += own
        hertz = os.sysconf("SC_CLK_TCK")
        return {name: n / hertz for name, n in ticks.items()}

    def us_each(self, count):
        """Microseconds for each of COUNT: engine, PostgreSQL."""
        now = self.now()
        return [(now[name] - self.start[name]) * 1e6 / count for name in ("engine", "postgres")]


def naive_loop(runs, batch=500):
    """Whole runs a second of the simplest client that keeps such a journal, and PostgreSQL's CPU
    microseconds for each: see naive_loop.c."""
    url, sql = os.environ["DATABASE_URL"], HERE / "engine"
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"runs={runs}", "-d", url,
                    "-f", sql / "naive_tables.sql"], check=True)
    cpu = Cpu()
    out = subprocess.run([BUILD / "bench/engine/naive_loop", url + "?options=" + urllib.parse.quote(
        "-csearch_path=bench_naive -cenable_seqscan=off"), sql / "naive_claim.sql", sql / "naive_flush.sql", str(batch)],
        check=True, capture_output=True, text=True).stdout
    postgres = cpu.us_each(runs)[1]
    subprocess.run(["psql", "-Xq", "-d", url, "-c", "set client_min_messages = warning; drop schema bench_naive cascade"],
                   check=True)
    return float(out), postgres


def median(values):
    return sorted(values)[len(values) // 2]


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, len(values) * p // 100)]


def row(name, what, measured, wanted):
    text = f"| {what} | {measured} | {wanted} |"
    with open(os.path.join(os.environ["OUT"], name + ".rows"), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print("  " + text, flush=True)
