"""The statements of sql/queries: their headers as written, and their texts as the build makes them."""
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUERIES = sorted(p for p in (ROOT / "sql/queries").glob("*.sql") if not p.name.startswith("_"))

OIDS = {"bool": 16, "bytea": 17, "int8": 20, "int2": 21, "int4": 23, "text": 25, "json": 114,
        "float8": 701, "timestamptz": 1184, "uuid": 2950, "jsonb": 3802, "json[]": 199,
        "bool[]": 1000, "int2[]": 1005, "int4[]": 1007, "text[]": 1009, "int8[]": 1016,
        "float8[]": 1022, "timestamptz[]": 1185}
LIST_COLUMNS = [["items", None], ["next_key", 25], ["next_id", 20], ["total", 20],
                ["total_estimate", 20]]


def role_of(name):
    """Who runs it."""
    if name.startswith("engine_"):
        return "engine"
    return "owner" if name.startswith("admin_") else "api"


class Header:
    def __init__(self, path):
        self.name = path.stem
        self.fields = dict(re.findall(r"^-- (name|purpose|params|returns|flags|order|index): *(.*)$",
                                      path.read_text(), re.M))
        self.params = [tuple(item.strip().rstrip("?").split(" ", 1))
                       for item in self.fields["params"].split(",") if item.strip()]
        self.optional = {item.strip().split(" ")[0] for item in self.fields["params"].split(",")
                         if item.strip().endswith("?")}
        returns = self.fields["returns"]
        inside = re.match(r"(?:one|many) \((.*)\)$", returns)
        self.columns = [item.strip().split(" ", 1) for item in inside.group(1).split(",")] if inside else []
        self.kind = returns.split(" ")[0]
        self.flags = self.fields["flags"].split()
        self.index = self.fields.get("index")

    @property
    def has_tail(self):
        return "write" in self.flags and "system" not in self.flags


HEADERS = {p.stem: Header(p) for p in QUERIES}


def build(folder):
    """Makes the generator, the table and describe_statements from the tree; gives back the program."""
    def run(*arguments):
        subprocess.run(list(map(str, arguments)), check=True, cwd=ROOT)

    files = sorted((ROOT / "sql/queries").glob("*.sql"))
    (folder / "sql").mkdir(exist_ok=True)
    flags = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT}", f"-I{folder}", *subprocess.run(
        ["pkg-config", "--cflags", "libpq", "libuv"], check=True, capture_output=True, text=True).stdout.split()]
    run("cc", *flags, "-o", folder / "sql-embed", *sorted((ROOT / "tools/sql-embed").glob("*.c")))
    run(folder / "sql-embed", "ids", folder / "sql/sql_ids.h", *files)
    run(folder / "sql-embed", "table", folder / "sql/sql_stmts.c", *files)
    run("cc", *flags, "-o", folder / "describe", ROOT / "tests/sql/describe_statements.c",
        folder / "sql/sql_stmts.c", "-lpq")
    return folder / "describe"


def describe(program, *arguments):
    out = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


class Texts:
    """Picks the text of a statement for the parameters that are given, and runs it."""

    def __init__(self, program):
        self.variants = {}
        for v in describe(program, "--texts"):
            self.variants.setdefault(v["name"], []).append(v)

    def find(self, name, values, order=None):
        variants = self.variants[name]
        if order is None:
            order = variants[0]["order"]
        decisive = {g for v in variants for g in v["given"]}
        given = {k for k in decisive if values.get(k) is not None}
        for v in variants:
            if v["order"] == order and set(v["given"]) == given:
                return v
        raise KeyError(f"{name} has no text for {sorted(given)} ordered by {order}")

    def run(self, conn, name, order, values):
        v = self.find(name, values, order)
        unknown = set(values) - set(v["names"])
        assert not unknown, f"{name} has no parameter {unknown}"
        return conn.query(v["text"], v["oids"], [values.get(n) for n in v["names"]])
