"""Every request and answer of the suite, checked against the document as it comes."""
import json
import os
import pathlib
from urllib.parse import urlsplit

from support.examples import Examples

from .openapi import Document

BEFORE_IT_IS_COUNTED = (413, 414, 431, 502, 503, 504)
OF_FAULTS = {"BAD_GATEWAY", "DATABASE_UNAVAILABLE", "GATEWAY_TIMEOUT", "INTERNAL", "OVERLOADED", "SECRETS_FULL",
             "SECRETS_UNAVAILABLE"}
"""What only a broken or a very full server answers: fault/test_error_answers.py has each of them."""
PROBLEM = {"$ref": "#/components/schemas/Problem"}


class Recorder:
    def __init__(self):
        self.document = None
        self.called = set()   # (method, template)
        self.seen = set()     # (method, template, error_code)
        self.keyed = {}       # (method, template): requests with an Idempotency-Key that were carried out
        self.waiting = []     # what came before the document was there
        self.examples = None  # only when they are asked for

    def start(self, stack):
        stack.observers.append(self.observe)
        answer = stack.anonymous().get("/openapi.json")
        assert answer.status_code == 200, answer.text
        self.document = Document(answer.text)
        if "MILLRACE_EXAMPLES" in os.environ:
            file = pathlib.Path(os.environ["MILLRACE_EXAMPLES"])
            self.examples = Examples(self.document, json.loads(file.read_text()) if file.exists() else None)
            self.secrets = stack.keys_made
        for a in self.waiting:
            self.check(a)

    def observe(self, answer):
        if self.document is None:
            self.waiting.append(answer)
        else:
            self.check(answer)

    def check(self, answer):
        method, path = answer.request.method, urlsplit(answer.request.url).path
        what = f"{method} {answer.request.path_url[:200]} → {answer.status_code} {answer.text[:1500]}"
        if answer.status_code in (301, 308) or not path.startswith(("/api/", "/health", "/metrics", "/openapi", "/schemas")):
            return
        template, operation = self.document.operation(method, path)
        self.check_problem(answer, method, what)
        if method == "OPTIONS" or operation is None:
            assert answer.status_code in (204, 400, 404, 405, 414, 431), f"undeclared: {what}"
            return
        self.called.add((method, template))
        if "Idempotency-Key" in answer.request.headers and answer.status_code < 300:
            self.keyed.setdefault((method, template), []).append(answer.request)
        status = self.declared_status(operation, answer)
        response = self.document.response(operation, status)
        assert response is not None, f"undeclared status: {what}"
        self.check_headers(answer, status, operation, what)
        self.check_body(answer, method, template, response, what)
        if self.examples and status == answer.status_code:
            self.examples.see(answer, method, template, operation, self.secrets)

    def close(self):
        if self.examples:
            self.examples.write(pathlib.Path(os.environ["MILLRACE_EXAMPLES"]))

    def declared_status(self, operation, answer):
        """On a loopback listener, which is what speaks plain HTTP here, every success is 200."""
        plain = urlsplit(answer.request.url).scheme == "http"
        assert not (plain and answer.status_code in (201, 202)), answer.request.url
        if not plain or answer.status_code != 200 or self.document.response(operation, 200):
            return answer.status_code
        return 201 if self.document.response(operation, 201) else 202

    def check_problem(self, answer, method, what):
        if answer.status_code < 400 or method == "HEAD":
            return
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code == 503 and kind.startswith("application/json"):
            return  # /health/ready says no with a body of its own
        assert kind == "application/problem+json", f"no problem: {what}"
        body = answer.json()
        assert not self.document.faults(PROBLEM, body), f"not as declared: {what}"
        assert body["status"] == answer.status_code, what
        # nginx may say it twice, once for the answer and once for its own part in it
        assert {body["correlation_id"]} == set(answer.headers["X-Request-ID"].split(", ")), what
        assert body["detail"] == body["error"] == body["message"] and body["detail"], what
        for word in ("select ", "SELECT ", "insert into", "/var/", "/tmp/", "psql", ".c:"):
            assert word not in answer.text, f"it tells too much: {what}"

    def check_headers(self, answer, status, operation, what):
        assert answer.headers.get("X-Request-ID"), f"no X-Request-ID: {what}"
        declared = (self.document.response(operation, status) or {}).get("headers", {})
        if status == 201:
            assert answer.headers.get("Location", "").startswith("/api/v1/"), f"no Location: {what}"
        if "ETag" in declared:
            assert answer.headers.get("ETag"), f"no ETag: {what}"
        if "X-Total-Count" in declared:
            assert answer.headers.get("X-Total-Count"), f"no X-Total-Count: {what}"
        if answer.status_code == 401:
            assert answer.headers.get("WWW-Authenticate"), what
        if answer.status_code in (429, 503):
            assert int(answer.headers["Retry-After"]) > 0, what
        self.check_limit(answer, operation, what)

    def check_limit(self, answer, operation, what):
        """Every answer of a limited operation tells the limit; others don't. What nginx refuses itself, and
        what never came in whole, can't."""
        told = [answer.headers.get(f"RateLimit-{x}") for x in ("Limit", "Remaining", "Reset")]
        if operation["x-rate-limit-class"] == "exempt":
            assert told == [None] * 3, what
        elif answer.status_code not in BEFORE_IT_IS_COUNTED and '"BAD_REQUEST"' not in answer.text:
            limit, remaining, reset = map(int, told)
            assert limit > 0 and 0 <= remaining < limit and reset > 0, what
            assert (answer.status_code == 429) <= (remaining == 0), what

    def check_body(self, answer, method, template, response, what):
        if method == "HEAD":
            assert not answer.content, f"a body: {what}"
            return
        content = response.get("content")
        if content is None:
            assert not answer.content, f"a body: {what}"
            return
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if "application/octet-stream" in content:
            return  # a file has its own type
        assert kind in content, f"undeclared type {kind}: {what}"
        if kind.endswith("json"):
            body = json.loads(answer.text)
            faults = self.document.faults(content[kind]["schema"], body)
            assert not faults, f"not as declared: {faults[:5]}: {what}"
        if kind == "application/problem+json":
            code = answer.json()["error_code"]
            assert code in response["x-error-codes"], f"undeclared error {code}: {what}"
            self.seen.add((method, template, code))
