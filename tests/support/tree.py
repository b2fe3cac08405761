"""A copy of the source, for what writes into its tree or has the stack of its ./dev: both are the developer's own elsewhere."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .stack import ROOT

# what says of this tree, or of the test run, where they are and what they run
OURS = re.compile(r"MILLRACE_|(?:CI|STATE|RUN|INST|UNIT_BUILD|STACK_ENV|GCOV_PREFIX|LONG|OUT|MAKEFLAGS|MAKELEVEL|MFLAGS)$")


@contextlib.contextmanager
def copied_tree(name):
    """The copy's folder, and an environment for its commands. Its servers, and what they stored, go with it."""
    folder = tempfile.mkdtemp(prefix=f"mr-{name}-", dir="/tmp")
    os.chmod(folder, 0o755)
    copy = pathlib.Path(folder) / "millrace"
    environment = {k: v for k, v in os.environ.items() if not OURS.match(k)}
    try:
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(".dev", ".git", "__pycache__", ".pytest_cache"))
        yield copy, environment
    finally:
        told = subprocess.run(["bash", "tools/dev/env.sh"], cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout
        subprocess.run(["./dev", "reset"], cwd=copy, env=environment, check=False)
        for place in re.findall(r"^(?:BASE|RUNS)=(.*)", told, re.M):
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(folder)
