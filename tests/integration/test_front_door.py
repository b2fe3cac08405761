"""The front door, as the pages say it: README, getting started, development, troubleshooting, testing, guarantees. Each command
is taken from its page and typed into a shell in a copy of the source, which has a build and a stack of its own. What takes
many minutes (whole builds as they are shipped, suites, valgrind) is for --long. A suite is tried with a few of its tests: that
it starts, builds, counts and says its sum; the tests themselves are run by the suite."""
import json
import os
import re
import select
import signal
import subprocess

import pytest

from support.stack import ROOT, places, wait_until
from support.tree import copied_tree

PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md") if "decisions" not in p.parts)]
SERVERS = ("postgres", "redis", "api", "engine", "nginx")
# this is about the way in, not about speed: compiled in a third of the time. Viewers and clients come from registries.
QUICK = {"CFLAGS": "-O0", "CPPFLAGS": "-U_FORTIFY_SOURCE", "MILLRACE_NO_VIEWERS": "1"}
# a few tests of each suite, and little of what else can be had in small pieces
FEW = {"PYTEST_ADDOPTS": "-k 'robots or check_history or embed or document_is_openapi or modes'", "MILLRACE_TEST_HISTORIES": "500",
       "FUZZ_SECONDS": "1", "COVERAGE_LEAST": "0", "MILLRACE_NO_VIEWERS": "1", "ROUNDS": "1", "SECONDS_EACH": "1"}

# ---- the pages ----


def indented(page, section=None):
    """The commands of a page, or of one section: indented lines, without the comment that stands behind."""
    text = (ROOT / page).read_text()
    if section:
        text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    text = re.sub(r"^```(?:.*\n)*?```$", "", text, flags=re.M)
    return [re.sub(r"\s+# .*", "", line) for line in re.findall(r"^    ((?:.*\\\n)*.*)$", text, re.M)]


def lines_of_dev(page):
    """Whatever a page says of ./dev: indented or between backticks, one command each."""
    prose = re.sub(r"^```(?:.*\n)*?```$|^    .*$", "", (ROOT / page).read_text(), flags=re.M)
    said = indented(page) + re.findall(r"`([^`]+)`", prose)
    return {part.strip() for line in said for part in re.split(r";|&&", line) if "./dev " in part and "$" not in part}


UP = "./dev up"
(UP_AND_ONE_TEST,) = indented("docs/development.md", "Tests with servers")
DEBUGGER, VALGRIND = indented("docs/development.md", "Debugging")
SERVICES = re.search(r"^  logs \[SERVICE\] .*?: (.*)$", (ROOT / "dev").read_text(), re.M).group(1).split(", ")
SUITES = sorted({x for page in PAGES for x in lines_of_dev(page) if x.startswith("./dev test")})
TARGETS = re.findall(r"^\| ((?:`[a-z -]+`(?:, )?)+) \|", (ROOT / "docs/development.md").read_text().split("| command | |")[1], re.M)
TARGETS = [name.removeprefix("make ") for row in TARGETS for name in re.findall(r"`([a-z -]+)`", row)]
NEEDS_REGISTRIES = {"./dev test registry": "it asks npm, PyPI, Maven and Go", "./dev test --long": "the suite registry is among it"}
HERE = {UP, "./dev up --no-job", "./dev up --no-viewers", "./dev status", "./dev logs", "./dev logs SERVICE", "./dev psql", "./dev down",
        "./dev reset", "./dev bench jwt", 'WRAP="valgrind -q" ./dev up --no-job'}
BENCH = set(indented("docs/performance.md")) & lines_of_dev("docs/performance.md")  # test_bench.py


def test_nothing_of_dev_is_left_out():
    said = {x for page in PAGES for x in lines_of_dev(page)}
    assert said - HERE - BENCH - set(SUITES) == set()
    assert len(SUITES) > 15 and set(NEEDS_REGISTRIES) <= set(SUITES)


def test_no_section_is_left_out():
    def sections(page):
        parts = re.split(r"^## (.*)$", (ROOT / page).read_text(), flags=re.M)[1:]
        return {name for name in parts[::2] if indented(page, name)}

    assert sections("README.md") == {"In one command", "A first workflow", "Tests", "Build by hand"}, "the second: test_readme.py"
    assert sections("docs/development.md") == {"Ten minutes", "Build", "Tests with servers", "Debugging"}
    assert sections("docs/testing.md") == {"Which lines run"} and indented("docs/testing.md") == ["./dev test --coverage"]
    assert sections("docs/guarantees.md") == {"How to run it"} and indented("docs/troubleshooting.md") == []


# ---- the shell ----


class Tree:
    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        told = subprocess.run(["bash", "tools/dev/env.sh"], cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
        self.places = dict(line.split("=", 1) for line in told.splitlines())

    def sh(self, script, status=0, timeout=1800, **more):
        """What was written; `more`: for the environment."""
        typed = more.pop("typed", "")
        r = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", script], cwd=self.folder, env={**self.environment, **more},
                           input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
        assert r.returncode == status, (script, r.returncode, r.stdout[-5000:])
        return r.stdout

    def servers(self, command, status=0):
        """Server to its process, or None."""
        rows = [line.split() for line in self.sh(command, status=status).splitlines()]
        return {row[0]: int(row[2]) if row[1] == "up" else None for row in rows}

    def opens(self, command, names):
        """Runs what follows logs until it has them all open, and ends it. What it said until then."""
        files = {os.path.realpath(f"{self.places['BASE']}/main/log/{n}.log") for n in names}
        p = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        try:
            def has_them():
                assert p.poll() is None, p.stdout.read()
                fds = f"/proc/{p.pid}/fd"
                return files <= {os.path.realpath(f"{fds}/{fd}") for fd in os.listdir(fds)}

            wait_until(has_them, timeout=60, message=f"{command} does not follow {files}")
            # of several it says which, of one it says the lines
            spoken = len(files) > 1 or any(os.path.getsize(f) for f in files)
            if spoken:
                assert select.select([p.stdout], [], [], 60)[0], f"{command} says nothing"
                return p.stdout.readline()
            return ""
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(timeout=60)
            p.stdout.close()


@pytest.fixture(scope="module")
def tree():
    with copied_tree("door") as (folder, environment):
        yield Tree(folder, {**environment, **QUICK})


@pytest.fixture(scope="module")
def first(tree):
    """What the first command of three pages says, on a machine that has built nothing yet."""
    assert {indented(*page)[0] for page in (("README.md", "In one command"), ("docs/getting-started.md",),
                                            ("docs/development.md", "Ten minutes"))} == {UP}
    return tree.sh(UP)


# ---- ordinary ----


def test_in_one_command(tree, first):
    assert 'The main job: workflow 1, "' in first and re.search(r"^Millrace runs: https://127\.0\.0\.1:\d+ ", first, re.M), first
    up, settings, ask = indented("README.md", "In one command")
    assert (up, settings) == (UP, "set -a; . .dev/env; set +a")
    said = tree.sh(f"{settings}\n{ask.replace('curl ', 'curl -sS --fail-with-body ', 1)}")
    assert json.loads(said)["items"][-1]["id"] == 1


def test_getting_started(tree, first):
    up, settings, *rest = indented("docs/getting-started.md")
    assert (up, settings) == (UP, "set -a; . .dev/env; set +a")
    said = tree.sh("\n".join([settings, *rest]))
    assert '"valid": true' in said or '"valid":true' in said
    assert re.search(r"\ncompleted\nHello, Ada and goodbye\n2\n", said), said
    assert said.endswith("\nevent\n")


@pytest.mark.parametrize("service", SERVICES)
def test_logs_of_one(tree, first, service):
    (command,) = {x for x in lines_of_dev("docs/troubleshooting.md") if x.startswith("./dev logs ")}
    tree.opens(command.replace("SERVICE", service), ["nginx.error" if service == "nginx" else service])


def test_one_test(tree, first):
    up, *test = UP_AND_ONE_TEST.split(" && ")
    assert up in HERE and len(test) == 1
    said = tree.sh(UP_AND_ONE_TEST)
    assert "The main job" not in said and re.search(r"\n[^\n]* passed", said) and "failed" not in said, said


def test_a_debugger(tree, first):
    assert DEBUGGER.endswith("; gdb -p $MILLRACE_ENGINE_PID")
    before = tree.servers("./dev status")
    said = tree.sh(DEBUGGER, typed="info threads\nbacktrace 1\ndetach\nquit\n")
    if "ptrace: Operation not permitted" not in said:  # as a container or another user may have it
        assert f"process {before['engine']}" in said and re.search(r"^\* 1 +(Thread|LWP) ", said, re.M), said
    assert tree.servers("./dev status") == before


def test_packages_have_these_names():
    """apt-get knows them all, and they are those that ./dev installs to build."""
    (command,) = [c for c in indented("README.md", "Build by hand") if c.startswith("apt-get ")]
    names = set(re.findall(r"\S+", command.replace("\\\n", " "))[2:])
    r = subprocess.run(command.replace("apt-get install ", "apt-get install --simulate "), shell=True, capture_output=True, text=True,
                       timeout=120)
    assert r.returncode == 0, r.stderr
    wanted = re.search(r'PACKAGES_BUILD="(.*?)"', (ROOT / "tools/dev/packages.sh").read_text(), re.S).group(1).split()
    assert set(wanted) - names == {"libtool", "ca-certificates", "curl"} and names <= set(wanted)


def test_the_ten_minutes(tree, first):
    """Last of those that need the stack, for it ends it."""
    up, status, logs, psql, suite, down, reset = indented("docs/development.md", "Ten minutes")
    assert (up, logs, psql, suite) == (UP, "./dev logs", "./dev psql", "./dev test unit"), "the last is long"
    assert all(tree.servers(status)[s] for s in SERVERS)
    assert tree.opens(logs, ["api", "engine", "nginx.error"]).startswith("==> ")
    assert tree.sh(psql, typed="select 'runs: ' || (count(*) > 0) from millrace.runs;\n").count("runs: true") == 1
    tree.sh(down)
    assert tree.servers(status, status=3) == dict.fromkeys(SERVERS)
    assert (tree.folder / ".dev/env").exists()
    tree.sh(reset)
    assert not (tree.folder / ".dev/env").exists() and not os.path.exists(f"{tree.places['BASE']}/main")


# ---- long ----


@pytest.fixture
def sources():
    with copied_tree("hand") as (folder, environment):
        yield Tree(folder, {**environment, "MAKEFLAGS": f"-j{os.cpu_count()}"})


@pytest.mark.long
def test_a_build_beside(sources):
    (command,) = indented("docs/development.md", "Build")
    said = sources.sh(command, timeout=3600)
    assert "# FAIL:  0" in said and (sources.folder / "build/millrace-api").exists()


@pytest.mark.long
def test_a_build_by_hand(sources, tmp_path):
    lines = [c for c in indented("README.md", "Build by hand") if not c.startswith("apt-get ")]
    assert lines[0] == "autoreconf -fi" and lines[-1].endswith(" make install") and len(lines) == 3
    said = sources.sh("\n".join(lines), timeout=3600, DESTDIR=str(tmp_path))
    assert "# FAIL:  0" in said and (tmp_path / "usr/sbin/millrace-api").exists()


@pytest.mark.long
def test_without_viewers(tree):
    assert "Millrace runs: " in tree.sh("./dev up --no-viewers", MILLRACE_NO_VIEWERS="")


@pytest.mark.long
def test_under_valgrind(tree):
    tree.sh("./dev up --no-job")
    tree.sh(VALGRIND, timeout=3600)
    pid = tree.servers("./dev status")["engine"]
    assert "valgrind" in os.readlink(f"/proc/{pid}/exe")
    tree.sh("./dev down")


@pytest.mark.long
@pytest.mark.parametrize("command", [s for s in SUITES if s not in NEEDS_REGISTRIES])
def test_a_suite(tree, command):
    said = tree.sh(command, timeout=7200, **FEW)
    if "--coverage" in command:
        assert "| `lib` |" in said, said[-3000:]
    else:
        assert re.search(r"^[1-9]\d* passed, 0 failed$", said, re.M), said[-3000:]


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_a_target(tree, target):
    tree.sh("./dev up --no-job")
    tree.sh(f"make -C .dev/build {target}", timeout=7200, **FEW)


@pytest.mark.long
def test_rounds_and_their_judge(tree):
    suite, long, frozen, judge = indented("docs/guarantees.md", "How to run it")
    assert {suite, long} <= set(SUITES)
    tree.sh("./dev up --no-job")
    kind = re.search(r"fault/(\w+)\.jsonl$", judge).group(1)
    tree.sh(frozen.replace("frozen", f"'frozen or {kind}'"), timeout=3600)
    tree.sh(judge)


@pytest.mark.long
def test_one_bench(tree):
    assert "| " in tree.sh("./dev bench jwt", timeout=3600, **FEW)
