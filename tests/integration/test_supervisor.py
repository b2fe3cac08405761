"""The supervisor of the workers: restarts, settings taken over, orderly and disorderly ends.

Each test runs a `millrace-api` of its own beside the stack's, with the stack's settings and
sockets of its own.
"""
import os
import pathlib
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import pytest

from support.stack import own_keys, wait_until

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


# ---- FastCGI, as little as is needed ----

def record(kind, data=b""):
    return struct.pack("!BBHHBx", 1, kind, 1, len(data), 0) + data


def request(path="/health"):
    pairs = {"REQUEST_METHOD": "GET", "DOCUMENT_URI": path, "REMOTE_ADDR": "127.0.0.1"}
    params = b"".join(bytes([len(k), len(v)]) + k.encode() + v.encode() for k, v in pairs.items())
    return (record(BEGIN, struct.pack("!HB5x", 1, 1)) + record(PARAMS, params) + record(PARAMS)
            + record(STDIN))


def connect(path, timeout=10):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(path)
    return sock


def receive(sock):
    """Status and body; None when the worker closed the connection instead."""
    got, out = b"", b""
    while True:
        while len(got) >= 8 and len(got) >= 8 + struct.unpack("!H", got[4:6])[0] + got[6]:
            length, padding = struct.unpack("!H", got[4:6])[0], got[6]
            kind, data, got = got[1], got[8:8 + length], got[8 + length + padding:]
            if kind == END:
                head, _, body = out.partition(b"\r\n\r\n")
                return int(re.search(rb"Status: (\d+)", head).group(1)), body
            out += data
        more = sock.recv(65536)
        if not more:
            return None
        got += more


def read_answer(sock):
    try:
        return receive(sock)
    except ConnectionError:
        return None


def ask(path, uri="/health"):
    with connect(path) as sock:
        sock.sendall(request(uri))
        return read_answer(sock)


def answers(path):
    try:
        return ask(path) is not None
    except OSError:
        return False


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Api:
    def __init__(self, stack, workers=2):
        self.binary = f"{stack.inst}/sbin/millrace-api"
        self.folder = tempfile.TemporaryDirectory(prefix="mr-sup-")
        self.at = pathlib.Path(self.folder.name)
        self.config = self.at / "millrace.conf"
        self.sockets = [str(self.at / f"api-{i}.sock") for i in range(workers)]
        self.base = pathlib.Path(stack.config).read_text() + (
            f"\nsocket_dir = {self.at}\napi_workers = {workers}\nlog_level = info\n"
            + "".join(f"{name} = {value}\n" for name, value in own_keys(stack).items()))
        self.environment = {k: v for k, v in os.environ.items()
                            if k not in ("MILLRACE_SOCKET_DIR", "MILLRACE_API_WORKERS")}
        self.configure("")
        self.log = open(self.at / "log", "w+")
        self.process = subprocess.Popen([self.binary, "-c", str(self.config)], stderr=self.log,
                                        env=self.environment)
        wait_until(lambda: all(answers(s) for s in self.sockets), message="the workers did not start")

    def configure(self, more):
        self.config.write_text(self.base + more)

    def run(self, *arguments):
        return subprocess.run([self.binary, *arguments], env=self.environment, capture_output=True,
                              text=True, timeout=30, check=False)

    @property
    def workers(self):
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(p) for p in path.read_text().split() if not is_gone(int(p))}

    def logged(self, event):
        self.log.seek(0)
        return self.log.read().count(f'"event":"{event}"')

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


@pytest.fixture
def own(stack):
    api = Api(stack)
    try:
        yield api
    finally:
        api.close()


def test_sockets_are_for_owner_and_group(own):
    for path in own.sockets:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    assert len(own.workers) == 2


def test_killed_worker_comes_back_alone(own):
    for _ in range(3):
        before = own.workers
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(own.workers - {victim}) == 2)
        wait_until(lambda: all(answers(s) for s in own.sockets))
        assert len(own.workers & before) == 1
    assert own.logged("worker ended by itself") == 3


def test_restarts_are_not_a_storm(own):
    """A worker that keeps dying is started ever more seldom."""
    began = time.monotonic()
    kills = 0

    def kill_all_for_a_while():
        nonlocal kills
        for pid in own.workers:
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
        return time.monotonic() - began >= 4

    wait_until(kill_all_for_a_while, every=0.01)
    assert kills <= 2 * 8
    wait_until(lambda: all(answers(s) for s in own.sockets))


def test_new_settings_by_new_workers(own):
    before = own.workers
    with connect(own.sockets[0]) as idle:
        own.configure("max_json_depth = 32\n")
        own.process.send_signal(signal.SIGHUP)
        wait_until(lambda: own.logged("settings taken over") == 1)
        wait_until(lambda: len(own.workers) == 2 and not own.workers & before)
        assert idle.recv(1) == b""  # the old worker has let go
    assert all(answers(s) for s in own.sockets)


class Kept:
    """A connection as nginx keeps it: opened anew when the worker has closed it between requests.

    A worker may let an idle connection go at any moment. What it had not read by then is sent
    again on a new connection (nginx does the same); what it has read must be answered.
    """

    def __init__(self, path):
        self.path, self.sock = path, connect(path)

    def ask(self):
        try:
            return self.ask_once()
        except (BrokenPipeError, ConnectionResetError):
            self.sock.close()
            self.sock = connect(self.path)
            return self.ask_once()

    def ask_once(self):
        if self.is_closed():
            raise BrokenPipeError
        self.sock.sendall(request())
        answer = receive(self.sock)
        assert answer is not None, "the request was read, its answer never came"
        return answer

    def is_closed(self):
        readable, _, _ = select.select([self.sock], [], [], 0)
        return bool(readable) and self.sock.recv(1, socket.MSG_PEEK) == b""


def test_no_answer_is_lost_while_settings_change(own):
    kept = [Kept(path) for path in own.sockets]
    asked = 0
    for n in range(3):
        before = own.workers
        own.configure(f"max_json_depth = {30 + n}\n")
        own.process.send_signal(signal.SIGHUP)

        def all_new():
            nonlocal asked
            for connection in kept:
                assert connection.ask()[0] == 200
                asked += 1
            return own.logged("settings taken over") == n + 1 and not own.workers & before

        wait_until(all_new)
    for connection in kept:
        connection.sock.close()
    assert asked > 6


@pytest.mark.parametrize("line", ["max_json_depht = 30", "max_json_depth = 3", "log_level = loud",
                                  "nonsense"])
def test_settings_that_do_not_hold_together_are_refused(own, line):
    before = own.workers
    own.configure(line + "\n")
    own.process.send_signal(signal.SIGHUP)
    wait_until(lambda: own.logged("new settings refused, the old ones stay") == 1)
    assert own.workers == before
    assert own.logged("setting not valid") >= 1
    assert all(answers(s) for s in own.sockets)


def test_what_only_a_restart_changes(own):
    own.configure(f"api_workers = 5\nsocket_dir = {own.at}/other\n")
    own.process.send_signal(signal.SIGHUP)
    wait_until(lambda: own.logged("settings taken over") == 1)
    assert own.logged("setting changes only at a restart") == 2
    wait_until(lambda: len(own.workers) == 2)
    assert all(answers(s) for s in own.sockets)


def test_what_is_in_hand_is_finished(own):
    with connect(own.sockets[0]) as half, connect(own.sockets[1]) as idle:
        half.sendall(request()[:30])
        wait_until(lambda: all(answers(s) for s in own.sockets))
        own.process.terminate()
        wait_until(lambda: own.logged("worker drains") == 2)
        assert idle.recv(1) == b""
        half.sendall(request()[30:])
        assert read_answer(half)[0] == 200
        assert half.recv(1) == b""
    assert own.process.wait(15) == 0
    assert not list(own.at.glob("*.sock*"))


def test_what_never_ends_is_cut_off(own):
    with connect(own.sockets[0]) as half:
        half.sendall(request()[:30])
        wait_until(lambda: answers(own.sockets[0]))
        began = time.monotonic()
        assert own.stop() == 0
        assert 5 < time.monotonic() - began < 20


def test_workers_end_with_their_supervisor(own):
    workers = own.workers
    own.process.kill()
    own.process.wait()
    wait_until(lambda: all(is_gone(pid) for pid in workers))


def test_checking_settings(own):
    assert own.run("-c", str(own.config), "-t").returncode == 0
    own.configure("api_workers = many\n")
    r = own.run("-c", str(own.config), "-t")
    assert r.returncode == 78
    assert "api_workers" in r.stderr
    assert own.run("-c", str(own.at / "nothing"), "-t").returncode == 78
    assert own.run("-x").returncode == 2
    assert own.run("more").returncode == 2


def test_counters_survive_their_worker(own):
    def total():
        text = ask(own.sockets[0], "/metrics")[1].decode()
        lines = re.findall(r'^http_requests_total{method="GET",route="/health",status="200"} (\d+)$',
                           text, re.M)
        restarts = re.search(r"^millrace_api_worker_restarts_total (\d+)$", text, re.M)
        return sum(map(int, lines)), int(restarts.group(1))

    for _ in range(10):
        assert all(answers(s) for s in own.sockets)
    before, restarts = total()
    assert before >= 20
    for pid in own.workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(answers(s) for s in own.sockets))
    assert total()[0] >= before
    assert total()[1] == restarts + 2
