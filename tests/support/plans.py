"""Plans of changes of a test's own, behind those of the tree."""
import pathlib
import shutil

from .stack import ROOT

MIGRATIONS = ROOT / "sql/migrations"
BEGIN = "begin;\nset local lock_timeout = '5s';\nset local role millrace_owner;\nset local search_path = millrace, pg_temp;\n"
CHANGES = [line.split()[0] for line in (MIGRATIONS / "sqitch.plan").read_text().splitlines()
           if line and not line.startswith(("%", "#"))]


class Plan:
    """The tree's changes in a folder, to which others are added."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "migrations"
        shutil.copytree(MIGRATIONS, self.folder)
        self.added = []

    def add(self, name, deploy, verify="select 1", revert="select 1", note="a change of a test", transaction=True):
        """One more change; its statements without begin and commit, unless it shall have no transaction."""
        with (self.folder / "sqitch.plan").open("a") as f:
            f.write(f"{name} [{([CHANGES[-1]] + self.added)[-1]}] 2030-01-01T00:00:{len(self.added):02}Z A <a@test.invalid> # {note}\n")
        put = lambda kind, text: (self.folder / kind / f"{name}.sql").write_text(text)  # noqa: E731
        put("deploy", f"{BEGIN}{deploy};\ncommit;\n" if transaction else
            f"set role millrace_owner;\nset search_path = millrace, pg_temp;\n{deploy};\n")
        put("verify", f"begin;\nset local search_path = millrace, pg_temp;\n{verify};\nrollback;\n")
        put("revert", f"{BEGIN}{revert};\ncommit;\n")
        self.added.append(name)
        return self
