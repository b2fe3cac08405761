"""FastCGI as a web server speaks it: records, requests, and a peer that sends and reads them byte by byte."""
import select
import socket
import struct
import time

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)


# ---- records ----

def record(kind, data=b"", rid=1, padding=0, version=1):
    return struct.pack("!BBHHBx", version, kind, rid, len(data), padding) + data + b"\0" * padding


def begin(rid=1, role=1, keep=True):
    return record(BEGIN, struct.pack("!HB5x", role, 1 if keep else 0), rid)


def pair(name, value):
    out = b""
    for n in (len(name), len(value)):
        out += bytes([n]) if n < 128 else struct.pack("!I", n | 0x80000000)
    return out + name + value


def params(method="GET", path="/health", body=b"", **more):
    wanted = {"REQUEST_METHOD": method, "DOCUMENT_URI": path.split("?")[0], "REQUEST_URI": path,
              "QUERY_STRING": path.partition("?")[2], "CONTENT_LENGTH": str(len(body)) if body else "",
              "CONTENT_TYPE": "application/json" if body else "", "REMOTE_ADDR": "127.0.0.1", **more}
    return b"".join(pair(k.encode(), v.encode()) for k, v in wanted.items())


def streamed(kind, data, rid=1, size=65528, padding=0):
    out = b"".join(record(kind, data[i:i + size], rid, padding) for i in range(0, len(data), size))
    return out + record(kind, b"", rid, padding)


def request(rid=1, keep=True, body=b"", padding=0, **more):
    return (begin(rid, keep=keep) + streamed(PARAMS, params(body=body, **more), rid, padding=padding)
            + streamed(STDIN, body, rid, padding=padding))


# ---- a peer ----

class Closed(Exception):
    pass


class Peer:
    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def exactly(self, n):
        while len(self.got) < n:
            try:
                more = self.sock.recv(65536)
            except ConnectionError as e:
                raise Closed from e
            if not more:
                raise Closed
            self.got += more
        out, self.got = self.got[:n], self.got[n:]
        return out

    def record(self):
        version, kind, rid, length, padding = struct.unpack("!BBHHBx", self.exactly(8))
        assert version == 1
        return kind, rid, self.exactly(length + padding)[:length]

    def answer(self, rid=1):
        """Status and body of the open request; records of others must not stand in between."""
        status, _, body = self.answer_whole(rid)
        return status, body

    def answer_whole(self, rid=1):
        """Status, headers by their lower-case names, and body."""
        out = b""
        while True:
            kind, got, data = self.record()
            assert got == rid
            if kind == END:
                assert data == bytes(8)
                break
            assert kind == STDOUT
            out += data
        head, _, body = out.partition(b"\r\n\r\n")
        lines = [line.decode().split(":", 1) for line in head.split(b"\r\n") if line]
        headers = {k.strip().lower(): v.strip() for k, v in lines}
        return int(headers.get("status", "0").split()[0]), headers, body

    def closed(self, within=10):
        """True when the worker closes the connection, whatever it sends before."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.sock], [], [], deadline - time.monotonic())
            if not ready:
                return False
            try:
                if not self.sock.recv(65536):
                    return True
            except ConnectionError:
                return True
        return False
