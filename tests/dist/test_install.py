"""What make install puts where, and that it works from there; make uninstall takes all of it away."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".dev/build"
PROGRAMS = {"usr/sbin/millrace-admin", "usr/sbin/millrace-api", "usr/sbin/millrace-engine"}
UNITS = ("api", "engine", "nginx")


def make(*arguments):
    r = subprocess.run(["make", "-s", "-C", str(BUILD), *arguments], capture_output=True, text=True,
                       stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A DESTDIR with everything in it, as a package for /usr would have it."""
    dest = tmp_path_factory.mktemp("dest")
    folders = ["prefix=/usr", "exec_prefix=/usr", "sysconfdir=/etc", "localstatedir=/var",
               "systemdsystemunitdir=/usr/lib/systemd/system", f"DESTDIR={dest}"]
    # the units name these folders: they are made anew, and again for whoever builds next
    made = [f"deploy/systemd/millrace-{u}.service" for u in UNITS] + ["deploy/tmpfiles/millrace.conf"]
    for name in made:
        (BUILD / name).unlink(missing_ok=True)
    before = os.umask(0o022)
    make(*folders, "install")
    yield dest
    make(*folders, "uninstall")
    os.umask(before)
    left = [str(p.relative_to(dest)) for p in dest.rglob("*") if not p.is_dir()]
    for name in made:
        (BUILD / name).unlink(missing_ok=True)
    make(*made)
    shutil.rmtree(dest)
    assert left == [], "make uninstall left these"


def page(section):
    """The commands of one section of docs/deployment.md; a unit's lines are none."""
    text = (ROOT / "docs/deployment.md").read_text()
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    return [line for line in re.findall(r"^    (\S.*)$", part, re.M) if not re.match(r"\[|\w+=", line)]


def files(dest):
    return {str(p.relative_to(dest)): p for p in dest.rglob("*") if not p.is_dir()}


def test_each_file_is_where_the_standard_wants_it(installed):
    have = files(installed)
    assert PROGRAMS <= set(have)
    assert {f"usr/lib/systemd/system/millrace-{u}.service" for u in UNITS} <= set(have)
    assert {"usr/lib/sysusers.d/millrace.conf", "usr/lib/tmpfiles.d/millrace.conf", "etc/logrotate.d/millrace",
            "etc/millrace/millrace.conf.sample", "usr/share/millrace/sql/migrations/sqitch.plan",
            "usr/share/millrace/sql/roles/roles.sql", "usr/share/millrace/nginx/nginx.conf.in",
            "usr/share/millrace/www/dashboard/index.html", "usr/share/doc/millrace/deployment.md"} <= set(have)
    roots = ("usr/sbin/", "usr/lib/", "usr/libexec/millrace/", "usr/share/millrace/", "usr/share/doc/millrace/",
             "etc/millrace/", "etc/logrotate.d/")
    assert [p for p in have if not p.startswith(roots)] == []
    for kind in ("deploy", "verify", "revert"):
        assert {p.name for p in (ROOT / "sql/migrations" / kind).glob("*.sql")} == \
            {p.name for p in (installed / "usr/share/millrace/sql/migrations" / kind).glob("*.sql")}


def test_modes(installed):
    for name, path in files(installed).items():
        program = name in PROGRAMS or name.startswith("usr/libexec/") or os.access(path, os.X_OK) and \
            path.read_bytes()[:4] == b"\x7fELF"
        assert path.stat().st_mode & 0o7777 == (0o755 if program else 0o644), name


def test_no_folder_of_the_build_is_named(installed):
    for name, path in files(installed).items():
        if name.startswith(("usr/lib/", "etc/")) and b"\x7fELF" != path.read_bytes()[:4]:
            text = path.read_text()
            assert str(ROOT) not in text and "${" not in text, name
            assert not any(f"@{w}@" in text for w in ("sbindir", "sysconfdir", "runstatedir", "docdir", "NGINX")), name


def test_units_name_what_is_installed(installed):
    for u in UNITS:
        text = (installed / f"usr/lib/systemd/system/millrace-{u}.service").read_text()
        program = "millrace-admin" if u == "nginx" else f"millrace-{u}"
        assert f"/usr/sbin/{program} " in text
        assert "/etc/millrace/millrace.conf" in text


def test_programs_start_with_the_sample(installed, tmp_path):
    sample = installed / "etc/millrace/millrace.conf.sample"
    environment = {"PATH": "/usr/bin:/bin", "MILLRACE_DATABASE_URL": "host=/nowhere",
                   "MILLRACE_ENGINE_DATABASE_URL": "host=/nowhere"}
    for program in ("millrace-api", "millrace-engine"):
        r = subprocess.run([installed / "usr/sbin" / program, "-c", sample, "-t"], env=environment, timeout=60,
                           capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
    r = subprocess.run([installed / "usr/sbin/millrace-admin", "nginx-config", "--main", "--config", sample, "--dir",
                        installed / "usr/share/millrace/nginx"], env=environment, timeout=60, capture_output=True,
                       text=True)
    assert r.returncode == 0 and "pid /run/millrace/nginx.pid" in r.stdout, r.stderr


def test_log_rotation(installed, tmp_path):
    program = shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("there is no logrotate")
    # the user of an installation need not be here
    text = (installed / "etc/logrotate.d/millrace").read_text().replace("millrace millrace", "root root")
    conf, logs = tmp_path / "rotate.conf", tmp_path / "log"
    logs.mkdir()
    (logs / "access.log").write_text("a line\n")
    conf.write_text(text.replace("/var/log/millrace", str(logs)))
    conf.chmod(0o644)
    r = subprocess.run([program, "-d", "-f", "-s", tmp_path / "state", conf], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    assert "error" not in r.stderr.lower() and f"rotating log {logs}/access.log" in r.stderr


def test_users_and_folders(installed, tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("there is no systemd-sysusers")
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers", f"--root={tmp_path}", installed / "usr/lib/sysusers.d/millrace.conf"],
                    ["systemd-tmpfiles", f"--root={tmp_path}", "--create", installed / "usr/lib/tmpfiles.d/millrace.conf"]):
        r = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if os.geteuid() == 0:
            assert r.returncode == 0, r.stderr
    if os.geteuid() == 0:
        entry = next(x for x in (tmp_path / "etc/passwd").read_text().splitlines() if x.startswith("millrace:"))
        assert entry.endswith(":/var/lib/millrace:/usr/sbin/nologin")
        uid = int(entry.split(":")[2])
        run = tmp_path / "run/millrace"
        assert (run.stat().st_uid, run.stat().st_mode & 0o777) == (uid, 0o755)
        keys = tmp_path / "etc/millrace/keys"
        assert (keys.stat().st_uid, keys.stat().st_mode & 0o777) == (0, 0o750)


def test_the_page_says_how_it_was_configured():
    configure, build, users = page("Install")
    assert configure == "./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var"
    assert build == "make && make check && make install"
    assert users == "systemd-sysusers && systemd-tmpfiles --create"  # with --root: test_users_and_folders


def test_the_settings_are_put_in_place_as_the_page_says(installed):
    line, = page("Configure")
    made = installed / "etc/millrace/millrace.conf"
    try:
        subprocess.run(line.replace("/etc/millrace", f"{installed}/etc/millrace").replace("-g millrace", f"-g {os.getgid()}"),
                       shell=True, check=True)
        assert made.stat().st_mode & 0o7777 == 0o640
        environment = {"PATH": "/usr/bin:/bin", "MILLRACE_DATABASE_URL": "host=/nowhere",
                       "MILLRACE_ENGINE_DATABASE_URL": "host=/nowhere"}
        for program in ("millrace-api", "millrace-engine"):
            subprocess.run([installed / "usr/sbin" / program, "-c", made, "-t"], env=environment, timeout=60, check=True)
    finally:
        made.unlink(missing_ok=True)


def test_the_units_are_enabled_as_the_page_says(installed, tmp_path):
    if shutil.which("systemctl") is None:
        pytest.skip("there is no systemctl")
    line, = page("systemd")
    shutil.copytree(installed / "usr/lib/systemd", tmp_path / "usr/lib/systemd")
    program, *words = line.split()
    words.remove("--now")  # nothing is started below a root of one's own
    subprocess.run([program, f"--root={tmp_path}", *words], check=True, timeout=60, capture_output=True)
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants"
    assert {p.name for p in wanted.iterdir()} == {f"millrace-{u}.service" for u in UNITS}
