"""What nginx does before a worker is asked: TLS, redirects, CORS, limits, and errors of its own."""
import json
import os
import socket
import ssl

import pytest
import requests

from support.stack import wait_until

ORIGIN = "https://app.example.com"
SECURITY = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def raw(stack, data, tls=True, version=None, timeout=20):
    """Sends bytes as they are; returns all that comes back."""
    port = int(stack.ports["HTTPS_PORT" if tls else "HTTP_PORT"])
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if tls:
        context = ssl.create_default_context(cafile=stack.ca)
        if version:
            context.minimum_version = context.maximum_version = version
        s = context.wrap_socket(s, server_hostname="localhost")
    with s:
        s.sendall(data)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except (ssl.SSLError, ConnectionResetError, TimeoutError):
            pass
    return out


def problem_of(answer):
    """Status and body of a raw answer that must be problem+json."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, head
    return int(head.split()[1]), json.loads(body)


def check_problem(problem, status, code):
    assert problem["status"] == status
    assert problem["error_code"] == code
    for member in ("type", "title", "detail", "instance", "error", "details", "message", "timestamp",
                   "path", "correlation_id"):
        assert member in problem, member
    assert problem["timestamp"].endswith("Z")
    assert problem["detail"] == problem["error"] == problem["message"]
    assert problem["correlation_id"]


def test_robots_is_static(stack):
    answer = stack.anonymous().get("/robots.txt")
    assert answer.status_code == 200
    assert answer.text == "User-agent: *\nDisallow: /\n"


@pytest.mark.parametrize("path", ["/robots.txt", "/health", "/api/v1/workflows", "/api/v1/no-such-thing"])
def test_security_headers_are_on_every_answer(stack, path):
    answer = stack.anonymous().get(path)
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    assert answer.headers["Server"] == "nginx"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_plain_http_is_redirected(stack, method):
    answer = requests.request(method, stack.http_url + "/api/v1/workflows?limit=3", allow_redirects=False,
                              timeout=10)
    assert answer.status_code == 308
    assert answer.headers["Location"] == stack.url + "/api/v1/workflows?limit=3"
    assert "Strict-Transport-Security" not in answer.headers
    assert "<html" not in answer.text.lower()


def test_plain_http_on_the_tls_port_is_redirected(stack):
    answer = requests.get(stack.url.replace("https", "http") + "/health", allow_redirects=False, timeout=10)
    assert answer.status_code == 308
    assert answer.headers["Location"] == stack.url + "/health"


@pytest.mark.parametrize("request_line,host,leads_to", [
    ("/health", "LOCALHOST", "localhost"), ("/health", "127.0.0.1:1", "127.0.0.1"), ("/health", "evil.test", "localhost"),
    ("/health", 'evil"><x.test', "localhost"), ("/health", "localhost.evil.test", "localhost"),
    ("http://evil.test/health", "localhost", "localhost")])
@pytest.mark.parametrize("port", ["HTTP_PORT", "HTTPS_PORT"])
def test_redirects_lead_to_this_server(stack, port, request_line, host, leads_to):
    """Whatever Host or the request's line says, nobody's text comes back in the Location."""
    with socket.create_connection(("127.0.0.1", int(stack.ports[port])), timeout=20) as s:
        s.sendall(f"GET {request_line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    assert " 308 " in answer.splitlines()[0], answer
    assert f"Location: https://{leads_to}:{stack.ports['HTTPS_PORT']}/health" in answer.splitlines()
    assert "evil" not in answer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version,works", [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_versions(stack, version, works):
    request = b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    if works:
        assert b" 200 " in raw(stack, request, version=version)
    else:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            raw(stack, request, version=version)


def test_http2_is_offered(stack):
    context = ssl.create_default_context(cafile=stack.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", int(stack.ports["HTTPS_PORT"])), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as s:
            assert s.selected_alpn_protocol() == "h2"


# ---- CORS ----

def test_preflight_is_answered_without_credentials(stack):
    answer = stack.anonymous().request("OPTIONS", "/api/v1/workflows", headers={
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type"})
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.com.evil.example", "null"])
def test_preflight_of_another_origin_allows_nothing(stack, origin):
    answer = stack.anonymous().request("OPTIONS", "/api/v1/workflows", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 204
    assert not [h for h in answer.headers if h.lower().startswith("access-control-")]


def test_answers_say_which_origin_may_read_them(stack):
    answer = stack.anonymous().get("/health", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = answer.headers["Access-Control-Expose-Headers"]
    for name in ("ETag", "Link", "Location", "X-Total-Count", "X-Next-Cursor", "X-Request-ID", "Retry-After"):
        assert name in exposed
    answer = stack.anonymous().get("/health", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_errors_carry_cors_too(stack):
    answer = stack.anonymous().get("/api/v1/workflows", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


# ---- request ids ----

@pytest.mark.parametrize("given,kept", [
    ("abc-123", True), ("A.b_c:d/e+f=g@h", True), ("x" * 128, True),
    ("x" * 129, False), ("with space", False), ("quote\"", False), ("<b>", False)])
def test_request_id_is_taken_when_sane(stack, given, kept):
    for path in ("/api/v1/no-such-thing", "/robots.txt"):
        answer = stack.anonymous().get(path, headers={"X-Request-ID": given})
        assert (answer.headers["X-Request-ID"] == given) is kept, path
        assert len(answer.headers["X-Request-ID"]) >= 1


# ---- nginx's own errors: always problem+json ----

def test_body_too_large(stack):
    size = 16 * 1024 * 1024 + 1
    answer = raw(stack, b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: big\r\n"
                        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{" % size)
    status, problem = problem_of(answer)
    assert status == 413
    check_problem(problem, 413, "BODY_TOO_LARGE")
    assert problem["correlation_id"] == "big"
    assert problem["path"] == "/api/v1/workflows"


def test_upload_too_large(stack):
    size = 100 * 1024 * 1024 + 1
    answer = raw(stack, b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\n"
                        b"Content-Type: application/pdf\r\nContent-Length: %d\r\n\r\n%%" % size)
    status, problem = problem_of(answer)
    assert status == 413
    check_problem(problem, 413, "BODY_TOO_LARGE")


def test_uri_too_long(stack):
    answer = raw(stack, b"GET /api/v1/" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status, problem = problem_of(answer)
    assert status == 414
    check_problem(problem, 414, "URI_TOO_LONG")


def test_headers_too_large(stack):
    answer = raw(stack, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 20000 + b"\r\n\r\n")
    status, problem = problem_of(answer)
    assert status == 431
    check_problem(problem, 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("request_text", [
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
], ids=["no host", "two hosts", "length", "NUL", "above the root", "version", "encoding"])
def test_malformed_requests(stack, request_text):
    status, problem = problem_of(raw(stack, request_text))
    assert status == 400
    check_problem(problem, 400, "BAD_REQUEST")


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x03\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n"],
                         ids=["bytes", "word", "method only"])
def test_what_is_no_request_gets_no_html(stack, data):
    assert b"<html" not in raw(stack, data).lower()


@pytest.mark.parametrize("method,path", [("POST", "/robots.txt"), ("TRACE", "/api/v1/workflows")])
def test_method_not_allowed(stack, method, path):
    answer = stack.anonymous().request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"]
    check_problem(answer.json(), 405, "METHOD_NOT_ALLOWED")


def test_internal_addresses_are_not_served(stack):
    for path in ("/_files/x", "/_errors/502", "/static/none.js", "/static/../nginx.conf"):
        answer = stack.anonymous().get(path)
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_a_foreign_client_certificate_is_refused(stack, tmp_path):
    pem, key = tmp_path / "evil.pem", tmp_path / "evil.key"
    assert os.spawnvp(os.P_WAIT, "openssl", [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
        "1", "-subj", "/CN=evil", "-keyout", str(key), "-out", str(pem)]) == 0
    answer = requests.get(stack.url + "/health", verify=stack.ca, cert=(str(pem), str(key)), timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    check_problem(answer.json(), 401, "CREDENTIALS_INVALID")


# ---- what it passes on ----

def test_large_answers_are_compressed_on_request(stack, api):
    for path, member in (("/openapi.json", "openapi"), ("/schemas/workflow-1.json", "$schema")):
        answer = stack.anonymous().get(path, headers={"Accept-Encoding": "gzip"}, stream=True)
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip" and answer.json()[member]


def test_access_log_is_json_without_the_query(stack):
    mark = "log-" + os.urandom(4).hex()
    stack.anonymous().get("/api/v1/workflows?search=secret-word", headers={"X-Request-ID": mark})

    def line():
        for text in (stack.log_dir / "access.log").read_text().splitlines():
            if mark in text:
                return text
        return None

    text = wait_until(line)
    entry = json.loads(text)
    assert entry["correlation_id"] == mark
    assert entry["status"] == 401
    assert entry["method"] == "GET"
    assert entry["path"] == "/api/v1/workflows"
    assert entry["time"].endswith("Z")
    assert "secret-word" not in text


def test_no_worker_is_a_502_and_passes(stack):
    stack.stop("api")
    try:
        answer = stack.anonymous().get("/api/v1/workflows")
        assert answer.status_code == 502
        assert answer.headers["Retry-After"] == "1"
        check_problem(answer.json(), 502, "BAD_GATEWAY")
    finally:
        stack.start("api")
        stack.ready()
    assert stack.anonymous().get("/health").status_code == 200


# ---- slow clients ----

@pytest.fixture
def settings_of_nginx(stack):
    """Changes them for one test; nginx takes them with its running connections."""
    before = dict(stack.settings)

    def change(**settings):
        stack.configure(**settings)
        stack.start("nginx")
    yield change
    stack.settings = before
    change()


def dial(stack, source="127.0.0.1"):
    plain = socket.create_connection(("127.0.0.1", int(stack.ports["HTTPS_PORT"])), timeout=20, source_address=(source, 0))
    return ssl.create_default_context(cafile=stack.ca).wrap_socket(plain, server_hostname="localhost")


def ask(stack, source):
    """What /health answers an address, in raw bytes."""
    with dial(stack, source) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: s.recv(65536), b""))


def status_of(answer):
    return int(answer.split()[1])


def test_one_address_has_its_share_of_connections(stack, settings_of_nginx):
    """Bodies that trickle in pin their connections. Who has pinned as many as an address may gets no more; what is open
    goes on, and others are served."""
    settings_of_nginx(nginx_connections_per_address=6)
    body = json.dumps({"name": "slow", "steps": [{"type": "noop"}]}).encode()
    head = (f"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stack.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    slow = [dial(stack) for _ in range(6)]
    try:
        for s in slow:
            s.sendall(head + body[:1])
        wait_until(lambda: status_of(ask(stack, "127.0.0.1")) == 503, 20, message="one more than it may is refused")
        status, problem = problem_of(ask(stack, "127.0.0.1"))
        check_problem(problem, status, "OVERLOADED")
        assert status == 503
        assert status_of(ask(stack, "127.0.0.2")) == 200, "another address is served"
        for at in range(1, 4):
            for s in slow:
                s.sendall(body[at:at + 1])
        slow[0].sendall(body[4:])
        assert status_of(slow[0].recv(65536)) == 201, "what is open goes on"
        wait_until(lambda: status_of(ask(stack, "127.0.0.1")) == 200, 20, message="who ends one may begin another")
    finally:
        for s in slow:
            s.close()


def test_a_silent_body_ends(stack, settings_of_nginx):
    settings_of_nginx(request_timeout_ms=1000)

    def ended():
        with dial(stack) as s:
            s.sendall(b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            s.settimeout(10)
            try:
                return b" 200 " not in s.recv(65536)
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False  # nginx's process from before
    wait_until(ended, 60)
