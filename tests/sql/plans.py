"""What each statement of the API costs on a large database: every read statement, each list with each of its filters
and orderings, first pages and deep ones, common values, rare ones and those that no row has; played as the API's role
under row security with generic plans, and what writes is rolled back. It knows the statements from sql/queries and
their headers, so a new one takes part by itself.

    plans.py CONNINFO-OF-SUPERUSER [--slow MS] [NAME…]    prints what each costs, most costly first (bench/big makes
                                                           the database)
"""
import itertools
import json
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from libpq import Connection, DatabaseError, array  # noqa: E402
from statements import HEADERS, OIDS, Texts, build, role_of  # noqa: E402

NAMES = {o: n for n, o in OIDS.items()}
PAGE = {"page_limit": 50, "page_offset": 0, "want_total": True}
PLACE = ("after_key", "after_id", "page_limit", "page_offset", "want_total")


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return "'\\x" + value.hex() + "'"
    if isinstance(value, list):
        value = array(value)
    return "'" + str(value).replace("'", "''") + "'"


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


class Cost:
    """What one statement read, from its plan."""

    def __init__(self, plan, large, milliseconds):
        """LARGE: relations (partitions too) that have many rows → their table."""
        self.plan, self.milliseconds = plan, milliseconds
        self.buffers = plan[0].get("Shared Hit Blocks", 0) + plan[0].get("Shared Read Blocks", 0)
        self.rows = {}
        self.whole = set()
        self.sorted = 0
        for n in plan:
            table = large.get(n.get("Relation Name"))
            loops = n.get("Actual Loops", 0)
            if table and n["Node Type"] != "ModifyTable":
                read = (n.get("Actual Rows", 0) + n.get("Rows Removed by Filter", 0) + n.get("Rows Removed by Index Recheck", 0)) * loops
                self.rows[table] = self.rows.get(table, 0) + read
                if n["Node Type"] == "Seq Scan":
                    self.whole.add(table)
            if n["Node Type"] in ("Sort", "Incremental Sort"):
                self.sorted = max(self.sorted, sum(c.get("Actual Rows", 0) * c.get("Actual Loops", 0) for c in n["Plans"]))

    def __str__(self):
        return (f"{self.milliseconds:8.1f} ms {self.buffers:8d} buffers, read {self.rows or 'nothing big'}"
                + (f", whole: {self.whole}" if self.whole else "") + (f", sorted {self.sorted}" if self.sorted > 1000 else ""))


class Plans:
    def __init__(self, admin, conn_of, texts, large_rows=5000):
        """ADMIN: a superuser's connection; CONN_OF: a role's name → its connection. What has more than LARGE_ROWS
        is large."""
        self.admin, self.conn_of, self.texts = admin, conn_of, texts
        self.large = {r["child"]: r["parent"] for r in admin.execute(f"""
            select c.relname as child, coalesce(p.relname, c.relname) as parent from pg_class c
            left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
            where c.relnamespace = 'millrace'::regnamespace and c.relkind = 'r' and c.reltuples > {large_rows}""")}

    def explain(self, name, order, tenant, values):
        """Carries it out, and takes back what it changed."""
        return self.explain_text(name, self.texts.find(name, values, order), tenant, values, run=True)

    def explain_text(self, name, v, tenant, values, run=False):
        """V: one of the statement's forms."""
        conn = self.conn_of(role_of(name))
        conn.execute(f"begin; select set_config('app.tenant', '{tenant}', true)")
        try:
            types = ",".join(NAMES[o] for o in v["oids"])
            conn.execute(f"prepare p{'(' + types + ')' if types else ''} as {v['text']}")
            given = ",".join(literal(values.get(n)) for n in v["names"])
            options = "format json, costs off" + (", analyze, timing off, buffers" if run else "")
            told = conn.execute(f"explain ({options}) execute p{'(' + given + ')' if given else ''}")[0]["QUERY PLAN"][0]
        finally:
            conn.execute("rollback; deallocate all")
        return Cost(list(nodes(told["Plan"])), self.large, told.get("Execution Time", 0))

    def deep(self, name, order, tenant, values):
        """The place behind the entries up to the hundredth page, as a cursor has it; nothing when there is none."""
        v = self.texts.find(name, {**values, **PAGE}, order)
        conn = self.conn_of(role_of(name))
        conn.execute(f"begin; select set_config('app.tenant', '{tenant}', true)")
        try:
            given = {**values, "page_limit": 50, "page_offset": 4950, "want_total": False}
            row = conn.query(v["text"], v["oids"], [given.get(n) for n in v["names"]])
        finally:
            conn.execute("rollback")
        return {"after_key": row[0]["next_key"], "after_id": row[0]["next_id"]} if row and row[0]["next_id"] is not None else {}

    def orders(self, name):
        return list(dict.fromkeys(v["order"] for v in self.texts.variants[name]))


# For a parameter of which nothing else is known.
SOMETHING = {"text": "none", "bool": True, "int2": 1, "int4": 1, "int8": 1, "float8": 1.5, "timestamptz": "2020-01-01", "json": "{}",
             "jsonb": "{}", "bytea": b"none", "uuid": "00000000-0000-0000-0000-000000000000",
             "text[]": ["none"], "bool[]": [True], "int2[]": [1], "int4[]": [1], "int8[]": [1], "float8[]": [1.5],
             "timestamptz[]": ["2020-01-01"], "json[]": ["{}"]}


# What is asked for: by statement, else by parameter. A list of values are alternatives: common, rare, none.
class Asked:
    def __init__(self, admin, tenant="big", few="few"):
        one = lambda sql: (admin.execute(f"set search_path = millrace; {sql}") or [{"v": None}])[0]["v"]  # noqa: E731
        self.tenant = one(f"select id as v from tenants where name = '{tenant}'")
        self.few = one(f"select id as v from tenants where name = '{few}'")
        self.huge = one("select id as v from workflows where name = 'history of big'")
        small = one(f"select min(id) as v from workflows where tenant_id = {self.tenant} and id > {self.huge}")
        self.long_run = one(f"select id as v from runs where tenant_id = {self.tenant} and correlation_id = 'the long one'")
        step = one(f"select step_execution_id as v from journal where run_id = {self.long_run} and seq = 5000")
        middle = one(f"select created_at::text as v from runs where id = {self.long_run}")
        user = one(f"select min(id) as v from principals where tenant_id = {self.tenant}")
        first = lambda table: one(f"select min(id) as v from {table} where tenant_id = {self.tenant}")  # noqa: E731
        none = 999999999
        self.by_name = {
            "search": ["bench", "rare", "no such"], "from": [middle, "2100-01-01"], "to": [middle, "2000-01-01"],
            "triggered_by": ["bench", "rare", "nobody"], "correlation_id": ["the long one", "one for many", "none"],
            "workflow_id": [self.huge, small, none], "run_id": [self.long_run, none], "user_id": [user, none],
            "entity_id": [7, none], "entity_type": ["workflow", "rare", "none"], "action": ["update", "rare", "none"],
            "outcome": ["done", "refused", "none"], "address": ["10.0.0.7", "none"], "event_type": ["type 1", "rare", "none"],
            "source": ["bench", "rare", "none"], "saga_type": ["common", "rare", "none"], "owner": ["bench", "rare", "nobody"],
            "tag": [["even"], ["rare"], ["none"]], "capability": [["common"], ["rare"]], "auth_type": [["none"], ["mtls"]],
            "role": ["viewer", "editor", "admin"], "group": ["group 7", "none"], "kind": [["user"], ["service"]],
            "level": ["info", "error"], "step": ["step 7", "none"], "after": [step, 0],
            "status": [["active"], ["paused"], ["deleted"], ["none"]],
        }
        runs = [["completed"], ["failed"], ["cancelled"], ["pending", "running"], ["completed", "failed", "cancelled", "timed_out"]]
        self.by_statement = {
            ("run_list", "status"): runs, ("workflow_executions", "status"): runs, ("saga_list", "status"): runs,
        }
        self.fixed = {
            "tenant_id": self.tenant, "principal_id": user, "principal_name": "bench", "reason": None, "run": self.long_run,
            "step_execution_id": step, "name": "step 7", "state_only": None, "id": first("workflows"), "agent": "agent-7",
            "engine_id": 1, "batch": 500, "run_ids": [self.long_run], **PAGE,
        }
        # by the first word of a statement's name
        self.ids = {"run": self.long_run, "execution": self.long_run, "step": self.long_run, "saga": self.long_run,
                    "workflow": self.huge, "agent": first("agents"), "event": first("events"), "file": first("files"),
                    "audit": first("audit_logs"), "api": first("api_keys"), "secret": first("secrets"), "user": user,
                    "group": one(f"select id as v from groups where tenant_id = {self.tenant} and name = 'group 7'"),
                    "tenant": self.tenant, "issuer": none}

    def base(self, name):
        """What must be given."""
        optional = HEADERS[name].optional
        return {k: v for k, v in self.complete(name).items() if k not in optional}

    def complete(self, name):
        """Something for each parameter."""
        values = {}
        for k, kind in HEADERS[name].params:
            values[k] = self.fixed[k] if k in self.fixed else SOMETHING[kind]
            if k == "id":
                values[k] = self.ids.get(name.split("_")[0], 1)
        return values

    def filters(self, name):
        header = HEADERS[name]
        return {p: self.alternatives(name, p, t) for p, t in header.params if p in header.optional and p not in PLACE}

    def alternatives(self, name, param, kind):
        known = self.by_statement.get((name, param), self.by_name.get(param))
        if known is not None:
            return known
        return [999999999] if kind in ("int4", "int8") else [SOMETHING[kind]]


def is_asked(name):
    """Everything of the API's and the engine's that reads."""
    return role_of(name) != "owner" and "read" in HEADERS[name].flags


def cases(plans, asked, names=None):
    """(what it is, statement, order, tenant, values): every case there is."""
    for name in sorted(n for n in HEADERS if is_asked(n) and (not names or n in names)):
        base = asked.base(name)
        if HEADERS[name].kind != "list":
            yield name, name, None, asked.tenant, base
            continue
        filters = asked.filters(name)
        combined = [{}, *({p: v} for p, values in filters.items() for v in values),
                    *({p: filters[p][0], q: filters[q][-1]} for p, q in itertools.permutations(filters, 2))]
        for order in plans.orders(name):
            for values in combined:
                if len(values) > 1 and order != plans.orders(name)[0]:
                    continue
                try:
                    plans.texts.find(name, {**base, **values}, order)
                except KeyError:
                    continue
                tell = f"{name} by {order} {values}"
                yield tell, name, order, asked.tenant, {**base, **values}
                if len(values) < 2:
                    place = plans.deep(name, order, asked.tenant, {**base, **values})
                    if place:
                        yield tell + ", page 100", name, order, asked.tenant, {**base, **values, **place, "want_total": False}
                if not values:
                    yield tell + ", few", name, order, asked.few, base


def open_plans(conninfo):
    admin = Connection(conninfo)
    conns = {}

    def conn_of(role):
        if role not in conns:
            conns[role] = Connection(conninfo)
            conns[role].execute(f"set session authorization millrace_{role}")
            for r in admin.execute(f"""select unnest(s.setconfig) as setting from pg_db_role_setting s
                    join pg_roles o on o.oid = s.setrole join pg_database d on d.oid = s.setdatabase
                    where o.rolname = 'millrace_{role}' and d.datname = current_database()"""):
                key, value = r["setting"].split("=", 1)
                conns[role].execute(f"set {key} = {value if key == 'search_path' else literal(value)}")
        return conns[role]

    texts = Texts(build(pathlib.Path(tempfile.mkdtemp(prefix="mr-plans-"))))
    return Plans(admin, conn_of, texts), Asked(admin)


def main():
    conninfo, slow, *names = sys.argv[1], 0, *sys.argv[2:]
    if names[:1] == ["--slow"]:
        slow, names = float(names[1]), names[2:]
    plans, asked = open_plans(conninfo)
    told = []
    for tell, name, order, tenant, values in cases(plans, asked, names):
        try:
            cost = plans.explain(name, order, tenant, values)
        except DatabaseError as e:
            print(f"{tell}: {e}", flush=True)
            continue
        if cost.milliseconds >= slow or cost.whole:
            told.append((cost.milliseconds, f"{cost}  {tell}"))
    for _, line in sorted(told, reverse=True):
        print(line)


if __name__ == "__main__":
    main()
