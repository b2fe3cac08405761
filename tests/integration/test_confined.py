"""The daemons under the restrictions of their units, as far as they hold without systemd."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from support import confine, documents
from support.stack import Stack, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy/systemd"
PYTHON = "/usr/bin/python3"  # one that the service's user may run

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None or not os.path.exists(PYTHON),
                                reason="systemd-analyze knows the groups of system calls")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Copies that another user can read."""
    d = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/mr-confined-XXXXXX"], check=True, capture_output=True,
                                    text=True).stdout.strip())
    d.chmod(0o755)
    for path in [ROOT / "tests/support/confine.py", *UNITS.glob("*.service.in")]:
        shutil.copy(path, d)
        (d / path.name).chmod(0o644)
    yield d
    shutil.rmtree(d)


def confined(places, unit, *command, **options):
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run([*drop, PYTHON, str(places / "confine.py"), str(places / f"millrace-{unit}.service.in"),
                           *command], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd="/",
                          **options)


@pytest.mark.parametrize("unit", ["api", "engine", "nginx"])
def test_what_a_unit_forbids_is_refused(places, unit):
    """The fence itself stands: else the tests below would say nothing."""
    assert confined(places, unit, "true").returncode == 0
    for code in ("import socket; socket.socket(17, 3)", "import os; os.chroot('/tmp')" if unit != "engine" else
                 "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); c.reboot(0); "
                 "raise SystemExit(ctypes.get_errno() == 1)"):
        assert confined(places, unit, PYTHON, "-c", code).returncode != 0, code
    namespaces = confined(places, unit, "unshare", "--user", "true")
    assert (namespaces.returncode == 0) == (unit == "engine"), namespaces.stderr


def test_units_agree_with_what_they_run(places):
    """What the reasons in the engine's unit say is so."""
    engine = confine.options(UNITS / "millrace-engine.service.in")
    assert "MemoryDenyWriteExecute" not in engine and "PrivateUsers" not in engine
    for unit in ("api", "nginx"):
        has = confine.options(UNITS / f"millrace-{unit}.service.in")
        assert has["RestrictNamespaces"] == ["yes"] and has["MemoryDenyWriteExecute"] == ["yes"]
    for unit in ("api", "engine"):
        assert confine.options(UNITS / f"millrace-{unit}.service.in")["Type"] == ["notify"]


@pytest.fixture(scope="module")
def fenced(places):
    """A stack whose API and engine each run behind their unit's filter."""
    wrap = places / "wrap.sh"
    wrap.write_text(f'#!/bin/sh\nu=api\ncase $1 in *millrace-engine) u=engine ;; esac\n'
                    f'exec {PYTHON} {places}/confine.py {places}/millrace-$u.service.in "$@"\n')
    wrap.chmod(0o755)
    s = Stack("fenced", environment={"WRAP": str(wrap)})
    try:
        s.start()
        yield s
    finally:
        s.close()


def test_the_whole_of_it_works_behind_its_units(fenced):
    """Workers answer; the engine runs steps and reads a file in its sandbox; both take new settings over."""
    for pid in (fenced.api_pid, fenced.engine_pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
    api = fenced.api
    w = api.workflow([{"name": "said", "type": "log", "config": {"message": "{{trigger.x}}"}}])
    assert api.execute(w["id"], wait=30, trigger_data={"x": 1})["status"] == "completed"
    file = api.ok("POST", "/api/v1/files", files={"file": ("letter.pdf", documents.letter_pdf(), "application/pdf")})
    w = api.workflow([{"name": "read", "type": "file_process", "timeout_seconds": 60,
                       "config": {"action": "extract", "file_id": str(file["id"])}}])
    run = api.wait_run(api.execute(w["id"])["run_id"], timeout=120)
    assert run["status"] == "completed", (run.get("error"), fenced.log("engine")[-2000:])
    for s in ("api", "engine"):
        subprocess.run(["kill", "-HUP", str(fenced.pid(s))], check=True)
    wait_until(lambda: "settings read again" in fenced.log("engine") and "settings taken over" in fenced.log("api"))
    assert api.get("/health/ready").status_code == 200


def test_nginx_serves_behind_its_unit(fenced, places):
    """As the service's own user, which it is from the start, in front of the stack's workers."""
    folder = places / "nginx"
    for name in ("", "log", "temp"):
        (folder / name).mkdir()
    shutil.copytree(fenced.state / "tls", folder / "tls")
    (folder / "tls").chmod(0o755)
    for path in (folder / "tls").iterdir():
        path.chmod(0o644)  # keys of this test alone
    # the port of one that is not needed meanwhile
    fenced.stop("nginx")
    port = fenced.ports["HTTPS_PORT"]
    settings = {"NGINX_USER": "", "NGINX_HTTP_PORT": "0", "NGINX_HTTPS_PORT": port, "NGINX_LISTEN": "127.0.0.1",
                "NGINX_LOG_DIR": folder / "log", "NGINX_TEMP_DIR": folder / "temp",
                "TLS_CERTIFICATE": folder / "tls/server.pem", "TLS_KEY": folder / "tls/server.key",
                "TLS_CLIENT_CA": folder / "tls/ca.pem"}
    r = subprocess.run([fenced.inst + "/sbin/millrace-admin", "nginx-config", "--main", "--config", fenced.config],
                       env={**os.environ, **{f"MILLRACE_{k}": str(v) for k, v in settings.items()}},
                       capture_output=True, text=True, check=True)
    conf = folder / "nginx.conf"
    # sockets are the stack's user's; this nginx is that user too
    conf.write_text(re.sub(r"^pid .*$", f"pid {folder}/nginx.pid;", r.stdout, flags=re.M))
    user = fenced.environment.get("SVC_USER", "millrace-dev")
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if os.geteuid() == 0 else []
    if drop:
        for path in (folder, folder / "log", folder / "temp"):
            shutil.chown(path, user)
    run = [*drop, PYTHON, str(places / "confine.py"), str(places / "millrace-nginx.service.in"),
           shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-e", "stderr", "-c", str(conf)]
    for more in (["-t", "-q"], ["-g", "daemon on;"]):
        r = subprocess.run([*run, *more], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE if more[0] == "-t" else None, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
    try:
        pid = int(wait_until(lambda: (folder / "nginx.pid").exists() and (folder / "nginx.pid").read_text()))
        assert "Seccomp:\t2" in pathlib.Path(f"/proc/{pid}/status").read_text()
        assert fenced.api.get("/health/ready").status_code == 200
        file = fenced.api.ok("POST", "/api/v1/files", files={"file": ("a.txt", b"x" * 300000, "text/plain")})
        assert len(fenced.api.get(f"/api/v1/files/{file['id']}/content").content) == 300000
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: fenced.api.get("/health/ready").status_code == 200)
    finally:
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not (folder / "nginx.pid").exists())
        fenced.start("nginx")
