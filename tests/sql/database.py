"""A PostgreSQL cluster of its own for the tests of sql/, and who acts in it: no other server is needed
or touched."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import libpq
import statements

ROOT = statements.ROOT
BIN = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=pathlib.Path("/usr/bin"))
MIGRATIONS = ROOT / "sql/migrations"
CHANGES = [line.split()[0] for line in (MIGRATIONS / "sqitch.plan").read_text().splitlines()
           if line and not line.startswith(("%", "#"))]


class Cluster:
    """initdb refuses root, so root drops to somebody else."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mr-sql-", dir="/tmp"))
        self.made = 0
        self.user = None
        if os.geteuid() == 0:
            self.user = next(n for n in ("postgres", "nobody") if self._exists(n))
            os.chmod(self.folder, 0o711)
        self.data = self.folder / "data"
        self.data.mkdir()
        self.run = self.folder / "run"
        self.run.mkdir()
        for d in (self.data, self.run):
            d.chmod(0o700)  # within, everybody is trusted
            if self.user:
                shutil.chown(d, self.user)
        self._as(BIN / "initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                 "--auth=trust", "-N")
        self._as(BIN / "pg_ctl", "-D", self.data, "-l", self.run / "log", "-w", "-s", "-o",
                 f"-k {self.run} -c listen_addresses= -c fsync=off -c max_connections=50", "start")

    @staticmethod
    def _exists(name):
        try:
            pwd.getpwnam(name)
            return True
        except KeyError:
            return False

    def _as(self, *command):
        prefix = ["setpriv", f"--reuid={self.user}", f"--regid={pwd.getpwnam(self.user).pw_gid}",
                  "--clear-groups"] if self.user else []
        subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL)

    def stop(self):
        self._as(BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "-s", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, database, user="postgres"):
        return {**os.environ, "PGHOST": str(self.run), "PGUSER": user, "PGDATABASE": database,
                "PGPORT": "5432"}

    def psql(self, database, path, user="postgres"):
        return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path)], check=True,
                              env=self.environment(database, user), capture_output=True, text=True).stdout

    def create(self, template="template1"):
        """A new database; gives back its name."""
        self.made += 1
        name = f"d{self.made}"
        conn = self.connect("postgres")
        conn.execute(f"create database {name} template {template}")
        conn.close()
        self.psql(name, ROOT / "sql/roles/roles.sql")
        return name

    def drop(self, name):
        conn = self.connect("postgres")
        conn.execute(f"drop database {name}")
        conn.close()

    def conninfo(self, database, role=None):
        user = f"millrace_{role}" if role else "postgres"
        options = "" if role else " options='-c search_path=millrace,pg_temp'"
        return f"host={self.run} port=5432 dbname={database} user={user}{options}"

    def connect(self, database, role=None):
        return libpq.Connection(self.conninfo(database, role))


class Database:
    """A deployed database, and connections of each role to it."""

    def __init__(self, cluster, name, texts):
        self.cluster, self.name, self.texts = cluster, name, texts
        self.conns = {}

    def conn(self, role=None):
        if role not in self.conns:
            self.conns[role] = self.cluster.connect(self.name, role)
        return self.conns[role]

    def close(self):
        for conn in self.conns.values():
            conn.close()

    def run(self, name, tenant=None, /, order=None, as_role=None, **values):
        """One unit: the tenant's setting and the statement, as its role. All rows."""
        conn = self.conn(as_role or statements.role_of(name))
        conn.execute("begin")
        try:
            if tenant is not None:
                conn.query("select set_config('app.tenant', $1, true)", [25], [tenant])
            rows = self.texts.run(conn, name, order, values)
            conn.execute("commit")
            return rows
        except libpq.DatabaseError:
            conn.execute("rollback")
            raise

    def one(self, name, tenant=None, /, **values):
        rows = self.run(name, tenant, **values)
        assert len(rows) == 1, f"{name}: {len(rows)} rows"
        return rows[0]

    def admin(self, sql):
        return self.conn().execute(sql)


def fresh(cluster, deployed, texts):
    """A generator for fixtures: a deployed, empty database."""
    name = cluster.create(deployed)
    d = Database(cluster, name, texts)
    yield d
    d.close()
    cluster.drop(name)


class Tenant:
    """What most tests begin with: a tenant with a principal, and short ways to do things."""

    def __init__(self, db, name):
        self.db = db
        self.id = db.one("admin_tenant_create", name=name)["tenant_id"]
        self.principal = db.one("admin_principal_create", tenant_id=self.id, name="root", kind="user",
                                roles=["admin"], groups=[], scopes=["admin"])["principal_id"]
        self.caller = {"tenant_id": self.id, "principal_id": self.principal, "principal_name": "root",
                       "correlation_id": "c-1", "remote_address": "127.0.0.1"}

    def run(self, name, order=None, /, **values):
        known = self.db.texts.variants[name][0]["names"]
        caller = {k: v for k, v in self.caller.items() if k in known}
        if "page_limit" in known:
            caller.pop("correlation_id", None)  # there it is a filter
        page = {"page_limit": 20, "page_offset": 0, "want_total": True} if "page_limit" in known else {}
        return self.db.run(name, self.id, order=order, **{**caller, **page, **values})

    def one(self, name, order=None, /, **values):
        rows = self.run(name, order, **values)
        assert len(rows) == 1, f"{name}: {len(rows)} rows"
        for column in ("items", "body"):
            if isinstance(rows[0].get(column), str):
                rows[0][column] = json.loads(rows[0][column])
        return rows[0]

    def workflow(self, name="w", steps=None, **more):
        steps = steps or [{"name": "a", "type": "log"}, {"name": "b", "type": "log"}]
        values = {"definition": {"steps": steps}, "steps": json_text(steps), "digest": "d1", **more}
        return self.one("workflow_create", name=name, **values)

    def execute(self, workflow_id, **more):
        return self.one("workflow_execute", id=workflow_id, **more)["body"]["run_id"]


def json_text(value):
    return json.dumps(value)


class Engine:
    """Plays the engine: claims runs and writes facts."""

    def __init__(self, db, lease_ms=60000):
        self.db = db
        self.id = db.one("engine_register", name="e", host="h", pid=1, version="0", lease_ms=lease_ms)["engine_id"]
        self.ids = iter(())
        self.in_hand = set()  # claimed, and not taken by a flush yet

    def next_id(self):
        i = next(self.ids, None)
        if i is None:
            base = self.db.one("engine_ids", blocks=1)["base"]
            self.ids = iter(range(base, base + 1000))
            i = next(self.ids)
        return i

    def claim(self, batch=100):
        rows = self.db.run("engine_claim", engine_id=self.id, batch=batch, held=sorted(self.in_hand))
        claimed = {r["run_id"]: r for r in rows}
        assert len(claimed) == len(rows) and not claimed.keys() & self.in_hand
        self.in_hand |= claimed.keys()
        return claimed

    def take(self, batch=100):
        """Claims, and writes that they have started, which makes them this engine's."""
        claimed = self.claim(batch)
        held, _ = self.flush(*({"run_id": i, "fence": c["fence"], "status": "running", "seq": c["seq"], "release": False,
                                "facts": [("started", None, None, None, {})]} for i, c in claimed.items()))
        return {i: {**claimed[i], "fence": claimed[i]["fence"] + 1, "seq": claimed[i]["seq"] + 1} for i in held}

    def commands(self):
        """What the runs of this engine are told: {run id: [(kind, data)]}, and all ids."""
        told, ids = {}, []
        for c in self.db.run("engine_commands", engine_id=self.id):
            told.setdefault(c["run_id"], []).append((c["kind"], c["data"]))
            ids.append(c["command_id"])
        return told, ids

    def flush(self, *runs, commands=None, conn=None, **more):
        """Runs are dicts: run_id, fence, status, seq, facts: [(kind, step, execution, attempt, data)], …"""
        keys = {"run_ids": "run_id", "fences": "fence", "statuses": "status", "seqs": "seq", "release": "release",
                "queued": "queued", "wake_us": "wake_us", "progress": "progress", "started_us": "started_us", "results": "result",
                "errors": "error", "cancelled_by": "cancelled_by", "states": "state", "awaits": "awaits",
                "vars": "vars"}
        values = {k: [] for k in (*keys, "base_seqs")}
        rows = {k: [] for k in ("j_run_ids", "j_ids", "j_seqs", "j_kinds", "j_steps", "j_step_execution_ids",
                                "j_parent_ids", "j_iterations", "j_attempts", "j_at_us", "j_durations_us", "j_data")}
        for run in runs:
            run = {"release": True, "queued": False, "progress": 0, "awaits": 0, **run}
            self.in_hand.discard(run["run_id"])
            facts = run.pop("facts", [])
            values["base_seqs"].append(run["seq"])
            run["seq"] += len(facts)
            for k, member in keys.items():
                values[k].append(run.get(member))
            for i, (kind, step, execution, attempt, data) in enumerate(facts):
                own = self.next_id()
                rows["j_run_ids"].append(run["run_id"])
                rows["j_ids"].append(own)
                rows["j_seqs"].append(run["seq"] - len(facts) + 1 + i)
                rows["j_kinds"].append(kind)
                rows["j_steps"].append(step)
                rows["j_step_execution_ids"].append(own if execution == "new" else execution)
                rows["j_parent_ids"].append(None)
                rows["j_iterations"].append(None)
                rows["j_attempts"].append(attempt)
                rows["j_at_us"].append(1735725600000000 + i * 1000)
                rows["j_durations_us"].append(1500 if kind == "step.completed" else None)
                rows["j_data"].append(json_text(data))
        states = values.pop("states")
        ended = [run["run_id"] for run in runs if run["status"] in ("completed", "failed", "cancelled")]
        values.update(rows, engine_id=self.id, command_ids=commands, ended_ids=ended,
                      states=states if any(states) else None, **more)
        held = self.db.texts.run(conn, "engine_flush", None, values) if conn else self.db.run("engine_flush", **values)
        return [r["run_id"] for r in held], rows["j_ids"]

    def finish(self, claimed, status="completed", facts=None, **more):
        """Ends a claimed run at once."""
        facts = facts if facts is not None else [(status, None, None, None, {})]
        held, ids = self.flush({"run_id": claimed["run_id"], "fence": claimed["fence"], "status": status,
                                "seq": claimed["seq"], "progress": 100, "facts": facts, **more})
        assert held == [claimed["run_id"]]
        return ids
