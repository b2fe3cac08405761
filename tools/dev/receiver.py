#!/usr/bin/env python3
"""A small service that the example workflow calls: the document database and the webhook's target.

Listens on two ports of loopback, plain and TLS. Every request is appended to the record, one JSON
line each. POST /documents answers 201 with a new id; anything else 200.
"""
import argparse
import itertools
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 16 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    record = None
    lock = threading.Lock()
    ids = itertools.count(1)

    def take(self):
        length = min(int(self.headers.get("Content-Length") or 0), BODY_MAX)
        text = self.rfile.read(length).decode("utf-8", "replace")
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = text
        with self.lock:
            number = next(self.ids)
            line = {"number": number, "method": self.command, "host": self.headers.get("Host"),
                    "path": self.path, "headers": dict(self.headers.items()), "body": body}
            with open(self.record, "a", encoding="utf-8") as f:
                f.write(json.dumps(line) + "\n")
        created = self.command == "POST" and self.path.startswith("/documents")
        self.answer(201 if created else 200, {"id": number} if created else {"ok": True})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = take

    def log_message(self, *_):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--http", type=int, required=True)
    p.add_argument("--https", type=int, required=True)
    p.add_argument("--certificate", required=True)
    p.add_argument("--key", required=True)
    p.add_argument("--record", required=True)
    a = p.parse_args()
    Handler.record = a.record
    plain = ThreadingHTTPServer(("127.0.0.1", a.http), Handler)
    tls = ThreadingHTTPServer(("127.0.0.1", a.https), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(a.certificate, a.key)
    # the handshake belongs to the connection's thread, not to the one that accepts
    tls.socket = context.wrap_socket(tls.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    tls.serve_forever()


if __name__ == "__main__":
    main()
