"""A psql that stays: one session of the superuser, for watching closely and for holding locks."""
import json
import os
import queue
import subprocess
import threading

MARK = "-- that was all --"


class Lost(Exception):
    """The server, or this session, has gone away."""


class Sql:
    """Called with a query it gives the rows as dicts; `run` sends any statement. Reconnects by itself
    at the next call once its session has ended. Not for two threads at a time."""

    def __init__(self, stack, timeout=20.0):
        self.stack, self.timeout = stack, timeout
        self.process = None

    def _start(self):
        environment = {**os.environ, "PGOPTIONS": "-c statement_timeout=60s"}
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-At", "-d", self.stack.dsn], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True).start()

    @staticmethod
    def _read(process, lines):
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def run(self, statement):
        """What psql printed, as lines."""
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(f"{statement};\n\\echo {MARK}\n")
            self.process.stdin.flush()
            found = []
            while True:
                line = self.lines.get(timeout=self.timeout)
                if line == MARK:
                    break
                if line is None:
                    raise Lost("\n".join(found))
                found.append(line)
        except (OSError, queue.Empty, Lost) as e:
            self.close()
            raise Lost(str(e)) from e
        if any(line.startswith(("ERROR:", "FATAL:")) for line in found):
            raise RuntimeError("\n".join(found))
        return found

    def __call__(self, query):
        statement = f"select coalesce(json_agg(q), '[]'::json) from ({query}) q"
        fresh = self.process is None
        try:
            return json.loads("".join(self.run(statement)))
        except Lost:
            if fresh:
                raise
        return json.loads("".join(self.run(statement)))  # only the session was of before

    def close(self):
        """Ends the session, and so any transaction."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
