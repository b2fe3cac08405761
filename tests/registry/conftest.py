"""The suite registry: whatever needs the registries of npm, PyPI, Maven or Go.

What it takes from them is pinned in tools/registry/pins and kept in .dev/registry. The clients that it tests are
those that "make clients" and "make install" have put where nginx serves them.
"""
import pathlib
import subprocess

import pytest

from support.stack import ROOT


def run(*command, **options):
    options = {"capture_output": True, "text": True, "timeout": 1800, **options}
    return subprocess.run([str(c) for c in command], **options)


class Tools:
    """What tools/registry/pins has for the tests."""

    def __init__(self, at):
        self.at = pathlib.Path(at)

    def npm(self, program):
        return self.at / "node_modules/.bin" / program

    def pypi(self, program):
        return self.at / "venv/bin" / program


@pytest.fixture(scope="session")
def tools():
    at = ROOT / ".dev/registry"
    r = run("bash", ROOT / "tools/registry/fetch.sh", "tests", at)
    assert r.returncode == 0, r.stdout + r.stderr
    return Tools(at)


@pytest.fixture(scope="session")
def pins():
    """{package: version}"""
    lines = (ROOT / "tools/registry/pins").read_text().splitlines()
    return {p[2]: p[3] for p in (line.split() for line in lines) if len(p) == 4 and p[0] != "#"}
