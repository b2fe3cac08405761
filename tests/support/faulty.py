"""A worker beside the stack's own, whose calls of memory, sockets and files the test lets fail one by one
(faulty.c), spoken to over its own socket so that nothing stands between."""
import ctypes
import errno
import json
import mmap
import os
import pathlib
import resource
import signal
import socket
import subprocess
import uuid

from .fcgi import Closed, Peer, request
from .stack import own_keys, wait_until

HERE = pathlib.Path(__file__).resolve().parent
KINDS = ("memory", "redis_memory", "read", "write", "accept", "connect", "socket", "open", "file_write")
NEVER = 1 << 60


class Control(ctypes.Structure):
    """struct control of faulty.c."""
    _fields_ = [("pid", ctypes.c_int32), ("armed", ctypes.c_uint32), ("left", ctypes.c_int64),
                ("stay", ctypes.c_uint32), ("error", ctypes.c_int32), ("calls", ctypes.c_int64),
                ("hits", ctypes.c_int64), ("live", ctypes.c_int64), ("trap", ctypes.c_uint32),
                ("unused", ctypes.c_uint32)]


def library(folder):
    out = folder / "faulty.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(out), str(HERE / "faulty.c"), "-ldl"], check=True)
    return out


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The problem's stable code; None when it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        return self.json["error_code"]


class Worker:
    """millrace-api with one worker and a socket of its own. `wrap`: what it is run under."""

    def __init__(self, stack, wrap=(), faulty=True, environment=None, **settings):
        self.stack = stack
        self.folder = stack.runs / f"w{uuid.uuid4().hex[:6]}"
        self.folder.mkdir()
        self.files = stack.state / self.folder.name
        self.files.mkdir()
        settings = {"api_workers": 1, "socket_dir": self.folder, "file_store": self.files, **own_keys(stack), **settings}
        environment = {**os.environ, **{f"MILLRACE_{k.upper()}": str(v) for k, v in settings.items()},
                       **(environment or {})}
        if faulty:
            block = self.folder / "faulty"
            block.write_bytes(bytes(4096))
            with open(block, "r+b") as f:
                self.map = mmap.mmap(f.fileno(), 4096)
            self.control = Control.from_buffer(self.map)
            environment |= {"LD_PRELOAD": str(library(self.folder)), "MR_FAULTY": str(block)}
        self.log_path = stack.log_dir / f"{self.folder.name}.log"
        self.log = open(self.log_path, "ab")
        self.socket = str(self.folder / "api-0.sock")
        self.process = subprocess.Popen([*wrap, f"{stack.inst}/sbin/millrace-api", "-c", stack.config],
                                        env=environment, stderr=self.log)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, 120,
                   message="the worker did not open its socket")
        self.pid = self.peer_pid()
        if faulty:
            self.control.pid = self.pid

    def peer_pid(self):
        out = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(out) == 1, f"{len(out)} workers"
        return int(out[0])

    # ---- asking ----

    def ask(self, method="GET", path="/health", body=b"", timeout=30, key=None, peer=None, **more):
        """One request on a connection of its own (or of `peer`); Closed when none is answered."""
        key = self.stack.key if key is None else key
        if key:
            more.setdefault("HTTP_AUTHORIZATION", f"Bearer {key}")
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        if peer is not None:
            peer.send(request(body=body, method=method, path=path, **more))
            return Answer(*peer.answer_whole())
        try:
            with Peer(self.socket, timeout) as one:
                one.send(request(keep=False, body=body, method=method, path=path, **more))
                return Answer(*one.answer_whole())
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed from e

    def ok(self, *arguments, **more):
        answer = self.ask(*arguments, **more)
        assert 200 <= answer.status < 300, (arguments, answer.status, answer.body[:1000])
        return answer

    def is_ready(self):
        try:
            return self.ask(path="/health/ready").status == 200
        except Closed:
            return False

    # ---- faults ----

    def arm(self, *kinds, nth=NEVER, stay=False, error=errno.ENOMEM):
        """The `nth` call of these kinds fails from now on; error 0: it takes one byte only."""
        c = self.control
        c.armed = 0
        c.left, c.stay, c.error, c.calls, c.hits = nth, int(stay), error, 0, 0
        c.armed = sum(1 << KINDS.index(k) for k in kinds)

    def disarm(self):
        """How many calls there were, and how many failed."""
        self.control.armed = 0
        return self.control.calls, self.control.hits

    # ---- what it is ----

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def limit(self, which, soft):
        """Its soft limit from now on; the old one."""
        old = resource.prlimit(self.pid, which)
        resource.prlimit(self.pid, which, (soft, old[1]))
        return old[0]

    def cpu(self):
        """Seconds of processor that it has used."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def same_process(self):
        assert self.process.poll() is None, "the supervisor has ended"
        assert self.peer_pid() == self.pid, "the worker was replaced: " + self.said_last()

    def said_last(self):
        return self.log_path.read_text(errors="replace")[-2000:]

    def close(self, timeout=60):
        """SIGTERM; the exit status of the supervisor."""
        if hasattr(self, "control"):
            self.control.armed = 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.log.close()


def connect_quietly(path):
    """A connection that may be refused at once."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    try:
        s.connect(path)
    except OSError:
        s.close()
        return None
    return s
