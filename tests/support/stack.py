"""A private stack for one test session: real nginx, workers, engine, PostgreSQL and Redis.

The servers are started by tools/dev/stack.sh, the same code that ./dev uses, in a folder and on
ports of their own, so that a stack of ./dev beside it is not touched.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time
import uuid

import requests

from .fcgi import Peer, request
from .receiver import Receiver

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE_CLASSES = ("templates", "workflow_creation", "workflow_execution", "monitoring", "intelligence", "simulation",
                "suggestion_generation", "standard")
TERMINAL = {"completed", "failed", "cancelled", "timed_out", "compensated"}


def own_keys(stack):
    """The setting for a program beside the stack: only their owner may read the keys of secrets, who need
    not be us. A copy, then."""
    keys = pathlib.Path(stack.state) / "secrets/seal.key"
    if not keys.exists():
        return {}
    copy = keys.with_name(f"seal-{uuid.uuid4().hex[:8]}.key")
    shutil.copyfile(keys, copy)
    copy.chmod(0o600)
    return {"secrets_key_file": copy}


def everywhere(answers, times=10):
    """So it is with every worker: each learns of a change by itself, and requests go to them in turn."""
    return all(answers() for _ in range(times))


class Everywhere:
    """One caller who asks every worker, each over its own socket, so that none can be left out."""
    SOON = 2.0  # what is promised for everything that must stop working

    def __init__(self, stack, credential, path="/api/v1/workflows"):
        self.stack, self.sockets = stack, stack.sockets
        assert len(self.sockets) == len(stack.worker_pids) == int(stack.settings["api_workers"])
        self.request = request(method="GET", path=path, HTTP_AUTHORIZATION=f"Bearer {credential}")

    def statuses(self):
        """What the workers answer now: a set of statuses."""
        answers = {}
        for socket in self.sockets:
            with Peer(socket, timeout=60) as peer:
                peer.send(self.request)
                answers[socket] = peer.answer_whole()[0]
        return set(answers.values())

    def works(self):
        """Each worker lets the caller in, now or soon."""
        wait_until(lambda: self.statuses() == {200}, 20, message="it never worked")
        return self

    def stops(self, stop, refused=401):
        """Calls `stop`, which answers when it has been done; no worker lets the caller in two seconds later."""
        self.works()
        stop()
        done = time.monotonic()
        while time.monotonic() - done < self.SOON:
            self.statuses()  # whoever remembers it is asked until the last moment
        assert self.statuses() == {refused}
        assert self.stack.sockets == self.sockets, "a worker came or went: it may not have been asked"
        return self


def wait_until(what, timeout=30.0, every=0.05, message="the awaited state did not come"):
    """Calls `what` until it returns something true, and returns that; fails at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message} within {timeout} s (last: {value!r})")
        time.sleep(every)


def places():
    out = subprocess.run(["bash", str(ROOT / "tools/dev/env.sh")], check=True, capture_output=True,
                         text=True).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


class Client:
    """One caller: a base address, the authority to trust, and credentials."""

    def __init__(self, url, ca, key=None, headers=None, cert=None, observers=None):
        self.url, self.ca, self.key = url, ca, key
        self.session = requests.Session()
        self.session.verify = ca
        self.session.trust_env = False
        self.session.cert = cert
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"
        self.session.headers.update(headers or {})
        self.observers = observers if observers is not None else []

    def request(self, method, path, **options):
        options.setdefault("timeout", 60)
        options.setdefault("allow_redirects", False)
        answer = self.session.request(method, self.url + path, **options)
        for observe in self.observers:
            observe(answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, json=None, **options):
        return self.request("POST", path, json=json, **options)

    def put(self, path, json=None, **options):
        return self.request("PUT", path, json=json, **options)

    def patch(self, path, json=None, **options):
        return self.request("PATCH", path, json=json, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def ok(self, method, path, **options):
        """The answer's JSON; fails with the whole answer when it is not 2xx."""
        answer = self.request(method, path, **options)
        assert 200 <= answer.status_code < 300, (
            f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer.json()

    def workflow(self, steps, name=None, **more):
        body = {"name": name or f"test-{uuid.uuid4().hex[:12]}",
                "workflow_config": {"steps": steps}, **more}
        return self.ok("POST", "/api/v1/workflows", json=body)

    def execute(self, workflow_id, wait=None, **body):
        path = f"/api/v1/workflows/{workflow_id}/execute"
        return self.ok("POST", path + (f"?wait={wait}" if wait else ""), json=body)

    def run(self, run_id):
        return self.ok("GET", f"/api/v1/runs/{run_id}")

    def steps(self, run_id):
        return self.ok("GET", f"/api/v1/workflows/executions/{run_id}/steps")

    def wait_run(self, run_id, until=TERMINAL, timeout=60.0):
        until = {until} if isinstance(until, str) else set(until)
        seen = {}

        def look():
            seen.update(self.run(run_id))
            return seen["status"] in until

        wait_until(look, timeout, message=f"run {run_id} did not become {sorted(until)}")
        return seen


class Stack:
    def __init__(self, name="test", settings=None, environment=None, engine_env=None):
        """`settings`: lines of the configuration; `engine_env`: variables that definitions may read."""
        at = places()
        mark = f"{name[:8]}-{uuid.uuid4().hex[:6]}"
        self.name = name
        self.inst = at["INST"]
        self.state = pathlib.Path(at["BASE"]) / "tests" / mark
        self.runs = pathlib.Path(at["RUNS"]) / mark
        self.logs_kept = pathlib.Path(at["DEV"]) / "log" / "tests" / mark
        self.environment = {**os.environ, "STATE": str(self.state), "RUN": str(self.runs),
                            "INST": self.inst, **(environment or {})}
        for variable in ("HTTPS_PORT", "HTTP_PORT", "PG_PORT", "REDIS_PORT", "HOOK_PORT", "HOOKS_PORT", "MANAGEMENT_PORT",
                         "AUTOMATION_PORT", "SAGA_PORT", "USUAL_PORTS"):
            self.environment.pop(variable, None)
        self.environment = {k: v for k, v in self.environment.items() if not k.startswith("MILLRACE_")}
        self.observers = []
        # one caller asks more often here than anybody should; what is about limits sets its own
        self.settings = {"api_workers": "2", **{f"rate_limit_{c}": "none" for c in RATE_CLASSES}, **(settings or {})}
        self.engine_env = engine_env or {}
        self.keys_made = []
        self.receiver = None
        self._admin = None

    # ---- life ----

    def sh(self, *arguments, check=True, **options):
        r = subprocess.run(["bash", str(ROOT / "tools/dev/stack.sh"), *map(str, arguments)],
                           env=self.environment, capture_output=True, text=True, **options)
        if check and r.returncode != 0:
            raise RuntimeError(f"stack.sh {' '.join(map(str, arguments))}: {r.stderr or r.stdout}")
        return r.stdout

    def configure(self, **settings):
        """Changes settings; they hold for what is started or restarted afterwards."""
        self.settings.update({k: str(v) for k, v in settings.items()})
        self._write_extra()
        self.sh("config")

    def _write_extra(self):
        self.state.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{k} = {v}\n" for k, v in self.settings.items())
        (self.state / "extra.conf").write_text(text)

    def start(self, *services):
        first = not (self.state / "ports").exists()
        if first:
            self._write_extra()
            if self.engine_env:
                lines = [f"MILLRACE_ENV_{k}={v}\n" for k, v in self.engine_env.items()]
                (self.state / "engine.env").write_text("".join(lines))
        self.sh("start", *services)
        if first:
            self.ports = dict(line.split("=") for line in
                              (self.state / "ports").read_text().splitlines())
            # the receiver is ours, so these two stay as they are
            self.environment.update({k: self.ports[k] for k in ("HOOK_PORT", "HOOKS_PORT")})
            self.receiver = Receiver(int(self.ports["HOOK_PORT"]), int(self.ports["HOOKS_PORT"]),
                                     self.state / "tls/receiver.pem", self.state / "tls/receiver.key",
                                     authority=self.ca)
            self.admin("tenant", "create", "--name", "default")
            self.key = self.make_key("default", "admin", "admin", "admin")
        return self

    def stop(self, *services):
        self.sh("stop", *services)

    def close(self, keep_logs=False):
        if self.receiver:
            self.receiver.close()
        self.sh("stop", check=False)
        if keep_logs:
            shutil.copytree(self.state / "log", self.logs_kept, dirs_exist_ok=True)
        if not os.environ.get("MILLRACE_KEEP"):
            shutil.rmtree(self.state, ignore_errors=True)
            shutil.rmtree(self.runs, ignore_errors=True)

    def kill9(self, service):
        """SIGKILL for the main process of postgres, redis, nginx, api or engine."""
        self.sh("kill", service)

    def ready(self):
        self.sh("ready")

    def restart(self, *services):
        self.sh("restart", *services)

    def restart_engine(self):
        self.sh("restart", "engine")

    def start_engine(self):
        self.sh("start", "engine")

    def stop_engine(self):
        self.sh("stop", "engine")

    def stop_postgres(self):
        self.sh("stop", "postgres")

    def start_postgres(self):
        self.sh("start", "postgres")

    def stop_redis(self):
        self.sh("stop", "redis")

    def start_redis(self):
        self.sh("start", "redis")

    # ---- where things are ----

    def _secret(self, name):
        return (self.state / "secrets" / name).read_text().strip()

    def _dsn(self, role, secret):
        return f"postgresql://{role}:{self._secret(secret)}@127.0.0.1:{self.ports['PG_PORT']}/millrace"

    @property
    def url(self):
        return f"https://127.0.0.1:{self.ports['HTTPS_PORT']}"

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.ports['HTTP_PORT']}"

    def loopback_url(self, which, host="127.0.0.1"):
        """A loopback listener's base address: management (8000 elsewhere), automation (8006) or saga (8008)."""
        return f"http://{host}:{self.ports[which.upper() + '_PORT']}"

    @property
    def ca(self):
        return str(self.state / "tls/ca.pem")

    @property
    def dsn(self):
        return self._dsn("postgres", "postgres")

    @property
    def api_dsn(self):
        return self._dsn("millrace_api", "api")

    @property
    def engine_dsn(self):
        return self._dsn("millrace_engine", "engine")

    @property
    def redis_url(self):
        return f"redis://:{self._secret('redis')}@127.0.0.1:{self.ports['REDIS_PORT']}/0"

    @property
    def sockets(self):
        return sorted(str(p) for p in self.runs.glob("api-*.sock"))

    @property
    def socket(self):
        return self.sockets[0]

    @property
    def config(self):
        return str(self.state / "millrace.conf")

    @property
    def log_dir(self):
        return self.state / "log"

    def log(self, service):
        path = self.log_dir / f"{service}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pid(self, service):
        out = self.sh("pid", service, check=False).strip()
        return int(out) if out else None

    @property
    def engine_pid(self):
        return self.pid("engine")

    @property
    def api_pid(self):
        return self.pid("api")

    @property
    def worker_pids(self):
        """The workers: the supervisor's children."""
        path = pathlib.Path(f"/proc/{self.api_pid}/task/{self.api_pid}/children")
        return [int(p) for p in path.read_text().split()]

    # ---- the database ----

    def psql(self, sql, role="postgres"):
        """Runs SQL as the superuser (or another role), returns psql's text: columns by |."""
        environment = {**self.environment}
        if role != "postgres":
            dsn = {"api": self.api_dsn, "engine": self.engine_dsn}[role]
            r = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-At", "-d", dsn],
                               input=sql, env=environment, capture_output=True, text=True)
            if r.returncode != 0:
                raise RuntimeError(r.stderr)
            return r.stdout.strip()
        return self.sh("psql", "-At", input=sql).strip()

    def rows(self, sql):
        """A query's rows as dicts."""
        text = self.psql(f"select coalesce(json_agg(q), '[]'::json) from ({sql}) q")
        return json.loads(text)

    # ---- principals ----

    def admin(self, *arguments):
        return self.sh("admin", *arguments).strip()

    def make_key(self, tenant, name, scopes, roles, *options):
        out = self.admin("key", "create", "--tenant", tenant, "--name", name, "--scopes", scopes,
                         "--roles", roles, *options)
        self.keys_made.append(out.split()[-1])
        return self.keys_made[-1]

    def client(self, tenant="default", scopes="admin", roles="admin", name=None):
        """A caller with a key of its own; a tenant that isn't there is made."""
        if tenant == "default" and scopes == "admin" and roles == "admin" and name is None:
            return self.with_key(self.key)
        if tenant != "default":
            self.admin("tenant", "create", "--name", tenant)
        name = name or f"{scopes}-{uuid.uuid4().hex[:8]}".replace(",", "-")
        return self.with_key(self.make_key(tenant, name, scopes, roles))

    def with_key(self, key):
        return Client(self.url, self.ca, key, observers=self.observers)

    def local(self, which, key=None, **headers):
        """A caller of a loopback listener, with the administrator's key unless it is told another or ""."""
        key = self.key if key is None else key
        return Client(self.loopback_url(which), None, key or None, headers=headers, observers=self.observers)

    def anonymous(self, **headers):
        return Client(self.url, self.ca, None, headers=headers, observers=self.observers)

    def token_client(self, token):
        return self.with_key(token)

    def make_token(self, issuer="https://issuer.test", audience="millrace", subject="dev", **more):
        """An HS256 token of the issuer whose key lies in keys/dev.key."""
        options = [x for k, v in more.items() for x in (f"--{k.replace('_', '-')}", str(v))]
        return self.admin("token", "--issuer", issuer, "--audience", audience, "--subject", subject,
                          "--key-file", self.state / "keys/dev.key", *options).split()[-1]

    def make_certificate(self, name):
        """A client certificate of the stack's authority: (certificate, key) as paths."""
        d = self.state / "tls"
        pem, key, csr = d / f"{name}.pem", d / f"{name}.key", d / f"{name}.csr"
        run = lambda *a: subprocess.run(["openssl", *map(str, a)], check=True, capture_output=True)
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", key, "-out", csr)
        run("x509", "-req", "-in", csr, "-CA", d / "ca.pem", "-CAkey", d / "ca.key",
            "-CAcreateserial", "-days", "30", "-out", pem)
        pem.chmod(0o644)
        return str(pem), str(key)

    @property
    def api(self):
        """The administrator of tenant "default"."""
        if self._admin is None:
            self._admin = self.client()
        return self._admin
