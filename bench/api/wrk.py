"""wrk with a mix of requests, and what it told: requests, seconds, statuses, errors, percentiles in milliseconds."""
import json
import os
import pathlib
import subprocess
import tempfile

LUA = pathlib.Path(__file__).resolve().parent / "mix.lua"
THREADS = 2


def as_line(method, path, body, kind="application/json"):
    text = "" if body is None else json.dumps(body) if kind == "application/json" else body
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace("\t", "%09")
    return f"{method}\t{path}\t{kind}\t{escaped}\n"


def measure(requests, connections, seconds, url=None, key=None, pause_ms=0, apart=False, once=False):
    """REQUESTS: (method, path, body) each, with the type of a body that is a text and not JSON, sent in turn; PAUSE_MS: how
    long a connection waits between two, on average; APART: no two threads have the same; ONCE: each is sent once."""
    with tempfile.TemporaryDirectory(prefix="mr-mix-") as folder:
        asked, told = pathlib.Path(folder) / "asked", pathlib.Path(folder) / "told"
        asked.write_text("".join(as_line(*r) for r in requests), encoding="utf-8")
        subprocess.run(["wrk", f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(float(seconds)))}s", "--timeout", "30s", "-s", LUA,
                        url or os.environ["MILLRACE_URL"], "--", asked, key or os.environ["MILLRACE_KEY"], told,
                        str(pause_ms), str(THREADS if apart or once else 0), str(connections // THREADS if once else 0)],
                       check=True, stdout=subprocess.DEVNULL)
        out = {"status": {}, "error": {}}
        for line in told.read_text(encoding="utf-8").splitlines():
            what, *rest = line.split()
            if what in out:
                out[what][int(rest[0]) if what == "status" else rest[0]] = int(rest[1])
            else:
                out[what] = float(rest[0])
        return out
