"""FastCGI straight to a worker's socket: what a broken, hostile or merely slow peer can do.

Afterwards the worker still answers, and it is the same process: nothing killed it.
"""
import os
import select
import socket
import struct
import time

import pytest

from support.fcgi import (ABORT, BEGIN, CANT_MPX_CONN, COMPLETE, END, GET_VALUES, GET_VALUES_RESULT,
                          PARAMS, STDIN, STDOUT, UNKNOWN_ROLE, UNKNOWN_TYPE, Peer, begin, pair, params,
                          record, request, streamed)


def send_quietly(peer, data):
    """Sends what the worker may no longer want."""
    try:
        peer.send(data)
    except OSError:
        pass


def pid_of(path):
    """The process that listens: the kernel tells the connected peer."""
    with Peer(path) as peer:
        cred = peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", cred)[0]


def ask(where, **more):
    with Peer(where) as peer:
        peer.send(request(keep=False, **more))
        status, body = peer.answer()
        assert peer.closed()
        return status, body


@pytest.fixture
def worker(stack):
    """The socket's path. Whatever a test does, the worker survives it and answers."""
    path = str(stack.socket)
    before = pid_of(path)
    started = start_time(before)
    assert ask(path)[0] == 200
    yield path
    assert ask(path)[0] == 200
    assert pid_of(path) == before
    assert start_time(before) == started


def start_time(pid):
    """Of the listening process: pid_of() names the one that called listen()."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[19]


def connections(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_until(what, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "the awaited state did not come"
        select.select([], [], [], 0.02)


# ---- as it should be ----

def test_kept_connection(worker):
    with Peer(worker) as peer:
        for i in range(50):
            peer.send(request(rid=i + 1, padding=i % 256))
            assert peer.answer(rid=i + 1)[0] == 200


def test_connection_that_is_not_kept(worker):
    with Peer(worker) as peer:
        peer.send(request(keep=False))
        assert peer.answer()[0] == 200
        assert peer.closed()


def test_a_byte_at_a_time(worker):
    with Peer(worker) as peer:
        for byte in request(body=b'{"a": 1}', method="POST", path="/nowhere"):
            peer.send(bytes([byte]))
        assert peer.answer()[0] == 404


def test_params_and_body_in_many_records(worker):
    body = b'{"a": "' + b"x" * 3000 + b'"}'
    with Peer(worker) as peer:
        peer.send(begin() + streamed(PARAMS, params("POST", "/nowhere", body), size=7, padding=3)
                  + streamed(STDIN, body, size=11, padding=1))
        assert peer.answer()[0] == 404


def test_values(worker):
    with Peer(worker) as peer:
        peer.send(record(GET_VALUES, pair(b"FCGI_MPXS_CONNS", b"") + pair(b"FCGI_MAX_REQS", b"")
                         + pair(b"OTHER", b""), rid=0))
        kind, rid, data = peer.record()
        assert (kind, rid) == (GET_VALUES_RESULT, 0)
        assert pair(b"FCGI_MPXS_CONNS", b"0") in data and b"FCGI_MAX_REQS" in data
        assert b"OTHER" not in data
        peer.send(request())
        assert peer.answer()[0] == 200


def test_unknown_type(worker):
    with Peer(worker) as peer:
        peer.send(record(99, b"xyz", rid=0))
        assert peer.record() == (UNKNOWN_TYPE, 0, bytes([99]) + bytes(7))
        peer.send(request())
        assert peer.answer()[0] == 200


@pytest.mark.parametrize("role", [0, 2, 3, 65535])
def test_other_roles(worker, role):
    with Peer(worker) as peer:
        peer.send(begin(rid=5, role=role))
        assert peer.record() == (END, 5, struct.pack("!IB3x", 0, UNKNOWN_ROLE))
        peer.send(streamed(PARAMS, params(), rid=5) + request(rid=6))
        assert peer.answer(rid=6)[0] == 200


# ---- interleaved ----

def test_second_request_on_a_busy_connection(worker):
    with Peer(worker) as peer:
        peer.send(begin(1) + record(PARAMS, params(), 1))
        peer.send(request(rid=2, body=b"[]", method="POST"))
        assert peer.record() == (END, 2, struct.pack("!IB3x", 0, CANT_MPX_CONN))
        peer.send(record(PARAMS, b"", 1) + record(STDIN, b"", 1))
        assert peer.answer(rid=1)[0] == 200
        peer.send(request(rid=2))
        assert peer.answer(rid=2)[0] == 200


def test_requests_without_waiting_for_answers(worker):
    """Either each is answered or it is refused; never mixed up."""
    with Peer(worker) as peer:
        peer.send(b"".join(request(rid=i) for i in range(1, 21)))
        ended = []
        while len(ended) < 20:
            kind, rid, data = peer.record()
            if kind == END:
                assert data[4] in (COMPLETE, CANT_MPX_CONN)
                ended.append(rid)
        assert sorted(ended) == list(range(1, 21))


# ---- malformed ----

MALFORMED = {
    "http": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    "zeros": b"\0" * 64,
    "version": record(BEGIN, bytes(8), version=2),
    "begin_too_short": record(BEGIN, bytes(7)),
    "begin_too_long": record(BEGIN, bytes(9)),
    "begin_with_id_0": record(BEGIN, struct.pack("!HB5x", 1, 0), rid=0),
    "begin_twice": begin() + begin(),
    "params_with_id_0": begin() + record(PARAMS, b"", rid=0),
    "stdin_before_params_end": begin() + record(PARAMS, params()) + record(STDIN, b"x"),
    "params_after_their_end": begin() + record(PARAMS) + record(PARAMS, b"x"),
    "stdout_from_a_peer": begin() + record(STDOUT, b"x"),
    "end_from_a_peer": begin() + record(END, bytes(8)),
    "data_for_a_responder": begin() + record(8, b"x"),
    "values_too_long": record(GET_VALUES, b"\0" * 600, rid=0),
    "values_broken": record(GET_VALUES, b"\x05\x05abc", rid=0),
    "abort_with_content": begin() + record(ABORT, b"x"),
    "pairs_cut": begin() + record(PARAMS, b"\x0e\x03REQUEST_METHODGE") + record(PARAMS),
    "pairs_of_2_gigabytes": begin() + record(PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff") + record(PARAMS),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(worker, name):
    with Peer(worker) as peer:
        send_quietly(peer, MALFORMED[name])
        assert peer.closed()


def test_malformed_in_the_middle_of_others(worker):
    with Peer(worker) as good:
        good.send(begin() + record(PARAMS, params()))
        for data in MALFORMED.values():
            with Peer(worker) as bad:
                send_quietly(bad, data)
        good.send(record(PARAMS) + record(STDIN))
        assert good.answer()[0] == 200


def test_no_params_at_all(worker):
    with Peer(worker) as peer:
        peer.send(begin() + record(PARAMS) + record(STDIN))
        assert peer.answer()[0] == 400


@pytest.mark.parametrize("method", ["TRACE", "BREW", "get", ""])
def test_unknown_methods(worker, method):
    assert ask(worker, method=method)[0] == 405


@pytest.mark.parametrize("path", ["", "x", "/\x01", "/\x7f"])
def test_bad_paths(worker, path):
    assert ask(worker, path=path)[0] == 400


def test_path_that_is_no_utf8(worker):
    with Peer(worker) as peer:
        p = pair(b"REQUEST_METHOD", b"GET") + pair(b"DOCUMENT_URI", b"/\xff\xfe")
        peer.send(begin() + streamed(PARAMS, p) + record(STDIN))
        assert peer.answer()[0] == 400


# ---- too much ----

def test_metrics_for_another_host(worker):
    status, body = ask(worker, path="/metrics", REMOTE_ADDR="192.0.2.7")[:2]
    assert status == 403 and b'"error_code":"FORBIDDEN"' in body
    assert ask(worker, path="/metrics", REMOTE_ADDR="127.0.0.1")[0] == 200


def test_params_too_large(worker):
    with Peer(worker) as peer:
        peer.send(begin() + streamed(PARAMS, params(HTTP_X="x" * 70000)) + record(STDIN))
        assert peer.answer()[0] == 431
        peer.send(request())
        assert peer.answer()[0] == 200


def test_too_many_params(worker):
    with Peer(worker) as peer:
        many = b"".join(pair(b"HTTP_X%d" % i, b"") for i in range(1000))
        peer.send(begin() + streamed(PARAMS, params() + many) + record(STDIN))
        assert peer.answer()[0] == 431


def test_body_too_large(worker):
    """More than max_body_bytes: read to its end, thrown away, refused; the connection stays."""
    with Peer(worker, timeout=60) as peer:
        size = 17 * 1024 * 1024
        peer.send(begin() + streamed(PARAMS, params("POST", "/api/v1/workflows",
                                                    CONTENT_LENGTH=str(size))))
        piece = record(STDIN, b"x" * 65528)
        for _ in range(size // 65528):
            peer.send(piece)
        peer.send(streamed(STDIN, b"x" * (size % 65528)))
        assert peer.answer()[0] == 413
        peer.send(request())
        assert peer.answer()[0] == 200


@pytest.mark.parametrize("length", ["5", "3", "x", "-1", "99999999999999999999999"])
def test_body_of_another_length_than_was_said(worker, length):
    assert ask(worker, method="POST", path="/api/v1/workflows", body=b"[1]!", CONTENT_LENGTH=length)[0] == 400


def test_records_for_nobody(worker):
    """A few are ignored, endless ones are not."""
    with Peer(worker) as peer:
        peer.send(record(STDIN, b"left over", rid=9) * 100 + request())
        assert peer.answer()[0] == 200
    with Peer(worker) as peer:
        send_quietly(peer, record(STDIN, b"left over", rid=9) * 20000)
        assert peer.closed()


def test_asking_without_reading(worker):
    """Answers that nobody takes don't pile up."""
    with Peer(worker) as peer:
        flood = record(GET_VALUES, pair(b"FCGI_MAX_CONNS", b""), rid=0) * 50000
        send_quietly(peer, flood)
        assert peer.closed()


# ---- half of it, and gone ----

def test_gone_at_every_byte(worker):
    whole = request(body=b"{}", method="POST", path="/nowhere")
    for cut in range(len(whole)):
        with Peer(worker) as peer:
            peer.send(whole[:cut])


def test_gone_before_the_answer(worker):
    for _ in range(200):
        with Peer(worker) as peer:
            peer.send(request())


def test_reset_in_the_middle(worker):
    for cut in (1, 8, 16, 40):
        with Peer(worker) as peer:
            peer.send(request()[:cut])
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_nothing_stays_open(worker):
    pid = pid_of(worker)
    before = connections(pid)
    for _ in range(3):
        peers = [Peer(worker) for _ in range(100)]
        for i, peer in enumerate(peers):
            peer.send(request()[:i])
        for peer in peers:
            peer.sock.close()
    wait_until(lambda: connections(pid) <= before + 3)


def test_abort_while_sending(worker):
    with Peer(worker) as peer:
        peer.send(begin() + record(PARAMS, params()) + record(ABORT))
        kinds = []
        while not kinds or kinds[-1] != END:
            kind, rid, data = peer.record()
            assert rid == 1
            kinds.append(kind)
        assert data == bytes(8)
        peer.send(request(rid=2))
        assert peer.answer(rid=2)[0] == 200


def test_abort_after_the_end(worker):
    with Peer(worker) as peer:
        for _ in range(20):
            peer.send(request(rid=3) + record(ABORT, rid=3))
            kind = None
            while kind != END:
                kind, rid, _ = peer.record()
                assert rid == 3


def test_abort_of_nobody(worker):
    with Peer(worker) as peer:
        peer.send(record(ABORT, rid=77) + request())
        assert peer.answer()[0] == 200


# ---- slow ----

def test_slow_peers_hold_up_nobody(worker):
    """Half-sent requests on many connections: the others are as fast as ever."""
    slow = [Peer(worker) for _ in range(100)]
    try:
        for i, peer in enumerate(slow):
            peer.send(request()[:20 + i])
        begun = time.monotonic()
        for _ in range(100):
            assert ask(worker)[0] == 200
        assert time.monotonic() - begun < 10
        for i, peer in enumerate(slow):
            peer.send(request()[20 + i:])
        assert all(peer.answer()[0] == 200 for peer in slow)
    finally:
        for peer in slow:
            peer.sock.close()


def test_answer_that_is_taken_slowly(worker):
    """The largest public answer, a few bytes at a time."""
    with Peer(worker) as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.send(request(path="/openapi.json"))
        out = b""
        while True:
            kind, _, data = peer.record()
            if kind == END:
                break
            out += data
        head, _, body = out.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length"))
        assert len(body) == length


def test_answers_that_are_never_taken(worker):
    """Peers that ask for much and read nothing cost bounded memory."""
    pid = pid_of(worker)
    peers = [Peer(worker) for _ in range(50)]
    try:
        for peer in peers:
            peer.send(request(path="/openapi.json"))
        for _ in range(20):
            assert ask(worker)[0] == 200
        with open(f"/proc/{pid}/status") as f:
            rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        assert rss < 200 * 1024
    finally:
        for peer in peers:
            peer.sock.close()
