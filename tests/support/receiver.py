"""An HTTP service for steps to call: it records what it gets and answers as told."""
import collections
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Received = collections.namedtuple("Received", "at method host path query headers body json peer")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many call at once

    def handle_error(self, request, client_address):
        """A caller that was killed is no error here."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


class Receiver:
    """Listens on two ports of loopback, plain and TLS. `peer` of what came by TLS is the caller's certificate, where
    it has one of `authority`.

    `on(path, status, body, headers)` sets a fixed answer; `on(path, function)` calls
    `function(received)`, which returns (status, body) or (status, body, headers), may wait, and
    may return bytes or an iterator of bytes for a body that streams. Other paths answer
    200 {"id": n, "ok": true}.
    """

    def __init__(self, http_port, https_port, certificate, key, authority=None):
        self.requests = []
        self.answers = {}
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.url = f"http://127.0.0.1:{http_port}"
        self.tls_url = f"https://127.0.0.1:{https_port}"
        self.http_port, self.https_port = http_port, https_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if authority:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(authority)
        self.servers = []
        for port, tls in ((http_port, False), (https_port, True)):
            server = Server(("127.0.0.1", port), self._handler())
            if tls:
                server.socket = context.wrap_socket(server.socket, server_side=True,
                                                    do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.servers.append(server)

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.answers.clear()

    def on(self, path, answer, body=None, headers=None):
        self.answers[path] = answer if callable(answer) else (lambda _: (answer, body, headers or {}))

    def of(self, path):
        with self.lock:
            return [r for r in self.requests if r.path == path]

    def wait(self, path, count=1, timeout=30.0):
        """The requests to `path`, once there are `count`."""
        deadline = time.monotonic() + timeout
        with self.arrived:
            while True:
                found = [r for r in self.requests if r.path == path]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{path} got {len(found)} of {count} requests within {timeout} s"
                self.arrived.wait(left)

    def _take(self, handler):
        path, _, query = handler.path.partition("?")
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = None
        received = Received(time.time(), handler.command, handler.headers.get("Host"), path, query,
                            {k.lower(): v for k, v in handler.headers.items()}, body, parsed,
                            handler.connection.getpeercert() if isinstance(handler.connection, ssl.SSLSocket) else None)
        with self.arrived:
            self.requests.append(received)
            number = len(self.requests)
            self.arrived.notify_all()
        answer = self.answers.get(path)
        status, content, *more = answer(received) if answer else (200, {"id": number, "ok": True})
        self._answer(handler, status, content, more[0] if more else {})

    @staticmethod
    def _answer(handler, status, content, headers):
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            if content is None or isinstance(content, (dict, list, str, int, float, bytes)):
                data = content if isinstance(content, bytes) else (
                    b"" if content is None else json.dumps(content).encode())
                if "Content-Type" not in headers:
                    handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(data)))
                handler.end_headers()
                if handler.command != "HEAD":
                    handler.wfile.write(data)
            else:
                handler.send_header("Connection", "close")
                handler.close_connection = True
                handler.end_headers()
                for piece in content:
                    handler.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            handler.close_connection = True

    def _handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def take(self):
                receiver._take(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = take

            def log_message(self, *_):
                pass

        return Handler
