"""One of the project's statements, run by pgbench: what the database alone can do."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/sql"))

from statements import OIDS, Texts, build # noqa: E402


def without_names(literal):
    """pgbench takes a colon before a letter for a variable, in quotes too."""
    text = re.sub(r":(?=\w)", ":' || '", literal.group())
    return text if text == literal.group() else f"({text})"


TYPES = {oid: name for name, oid in OIDS.items()}


class Statement:
    """NAME with VALUES, as the API's role behind the wall of TENANT. A value is text, None, or, where
    it must differ from call to call, Sql."""

    def __init__(self, name, tenant, values, order=None):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        self.tenant = tenant
        found = Texts(build(folder)).find(name, values, order)
        text, self.variables = found["text"], []
        for i, param in reversed(list(enumerate(found["names"], 1))):
            text = re.sub(rf"\${i}(?!\d)", lambda _: self.literal(i, values.get(param), TYPES.get(found["oids"][i - 1], "text")), text)
        text = re.sub(r"'(?:[^']|'')*'", without_names, text)
        self.script = folder / "statement.sql"
        self.script.write_text(" ".join(text.split()) + ";\n", encoding="utf-8")

    def literal(self, i, value, kind):
        if value is None:
            return f"null::{kind}"
        if isinstance(value, Sql):
            return f"({value.text})::{kind}"
        if f"p{i}" not in dict(self.variables):
            self.variables.append((f"p{i}", str(value)))
        return f":p{i}::{kind}"

    def rate(self, clients, seconds):
        """Calls a second."""
        # what the role sets at login, which this isn't
        settings = subprocess.run(
            ["psql", "-XAtq", "-d", os.environ["DATABASE_URL"], "-c",
             "select '-c ' || replace(unnest(setconfig), ' ', '') from pg_db_role_setting s "
             "join pg_roles r on r.oid = s.setrole where r.rolname = 'millrace_api'"],
            check=True, capture_output=True, text=True).stdout.split("\n")
        options = " ".join([*settings, "-c role=millrace_api", f"-c app.tenant={self.tenant}"])
        ran = subprocess.run(
            [os.environ["PGBENCH"], "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", self.script,
             *(f"-D{name}={value}" for name, value in self.variables), os.environ["DATABASE_URL"]],
            capture_output=True, text=True, env={**os.environ, "PGOPTIONS": options})
        if ran.returncode != 0 or "number of failed transactions: 0 " not in ran.stdout:
            raise SystemExit(ran.stdout + ran.stderr)
        return float(re.search(r"^tps = ([\d.]+)", ran.stdout, re.M).group(1))


class Sql:
    def __init__(self, text):
        self.text = text
