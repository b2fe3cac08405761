"""Bad input: a 4xx with every fault named, never a 5xx, nothing stored."""
import json
import socket
import ssl
from urllib.parse import urlsplit

import pytest
import requests

BASE = "/api/v1/workflows"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_is_stored(stack, things):
    _ = things.quick  # which a test may want to change
    before = stack.rows("select count(*) as n from millrace.workflows")
    yield
    assert stack.rows("select count(*) as n from millrace.workflows") == before


def post(client, text, path=BASE, headers=JSON):
    data = text if isinstance(text, bytes) else text.encode()
    return client.request("POST", path, data=data, headers=headers)


BROKEN = {
    "empty": b"",
    "cut": b'{"name": "x"',
    "trailing comma": b'{"name": "x",}',
    "two documents": b'{"name": "x"} {}',
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x" /* c */}',
    "NaN": b'{"name": NaN}',
    "leading zero": b'{"timeout_seconds": 007}',
    "duplicate member": b'{"name": "a", "name": "b"}',
    "duplicate member, escaped": b'{"name": "a", "n\\u0061me": "b"}',
    "NUL": b'{"name": "a\\u0000b"}',
    "raw NUL": b'{"name": "a\x00b"}',
    "control byte": b'{"name": "a\x01b"}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "surrogates the wrong way round": b'{"name": "\\udc00\\ud800"}',
    "broken UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-8 surrogate": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "beyond int64": b'{"name": "x", "timeout_seconds": 9223372036854775808}',
    "far beyond int64": b'{"name": "x", "timeout_seconds": 1' + b"0" * 400 + b"}",
    "beyond double": b'{"name": "x", "timeout_seconds": 1e999}',
    "deep": b'{"name":' + b"[" * 100000 + b"]" * 100000 + b"}",
    "deep and open": b"[" * 100000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json(admin, name):
    answer = post(admin, BROKEN[name])
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["error_code"] in ("JSON_INVALID", "VALIDATION_FAILED")
    assert body["details"], body


def test_all_faults_of_the_text_are_named_at_once(admin):
    answer = post(admin, b'{"name": "a", "name": "b", "timeout_seconds": 99999999999999999999, "tags": ["\\ud800"]}')
    details = answer.json()["details"]
    assert {"name", "timeout_seconds", "tags[0]"} <= set(details), details


@pytest.mark.parametrize("text", ["null", "1", '"x"', "[]", "true"])
def test_not_an_object(admin, text):
    answer = post(admin, text)
    assert answer.status_code == 400 and "" in answer.json()["details"]


CASES = [
    ({}, {"name"}),
    ({"name": 1, "steps": [{"type": "noop"}]}, {"name"}),
    ({"name": "", "steps": [{"type": "noop"}]}, {"name"}),
    ({"name": "x" * 201, "steps": [{"type": "noop"}]}, {"name"}),
    ({"name": "x"}, {"steps"}),
    ({"name": "x", "steps": 1}, {"steps"}),
    ({"name": "x", "steps": [1]}, {"steps[0]"}),
    ({"name": "x", "steps": [{"type": "noop"}], "timeout_seconds": 0}, {"timeout_seconds"}),
    ({"name": "x", "steps": [{"type": "noop"}], "timeout_seconds": "10"}, {"timeout_seconds"}),
    ({"name": "x", "steps": [{"type": "noop"}], "max_retries": 1.5}, {"max_retries"}),
    ({"name": "x", "steps": [{"type": "noop"}], "is_enabled": "yes"}, {"is_enabled"}),
    ({"name": "x", "steps": [{"type": "noop"}], "tags": [1]}, {"tags[0]"}),
    ({"name": "x", "steps": [{"type": "noop"}], "nmae": 1}, {"nmae"}),
    ({"name": "x", "steps": [{"type": "noop"}], "workflow_confg": {}}, {"workflow_confg"}),
    ({"name": "x", "steps": [{"type": "noop"}], "input": []}, {"input"}),
    ({"name": 1, "timeout_seconds": -1, "nmae": 2, "max_retries": 1000},
     {"name", "timeout_seconds", "nmae", "max_retries"}),
]


@pytest.mark.parametrize("body, where", CASES)
def test_every_fault_is_named(admin, body, where):
    for path in (BASE, f"{BASE}/validate"):
        answer = admin.post(path, body)
        if path.endswith("validate") and where == {"name"} and "name" not in body:
            continue  # a check needs no name
        assert answer.status_code == 400, answer.text
        assert where <= set(answer.json()["details"]), answer.text


def test_the_nearest_known_member_is_named(admin):
    answer = admin.post(BASE, {"name": "x", "steps": [{"type": "noop"}], "timeout_secs": 5})
    assert "timeout_seconds" in answer.json()["details"]["timeout_secs"][0]


def steps(*given):
    return {"name": "x", "workflow_config": {"steps": list(given)}}


def log(name, message="x", **more):
    return {"name": name, "type": "log", "config": {"message": message}, **more}


DEFINITIONS = {
    "cycle": steps(log("a", depends_on=["b"]), log("b", depends_on=["a"])),
    "itself": steps(log("a", depends_on=["a"])),
    "unknown dependency": steps(log("a", depends_on=["zz"])),
    "same name": steps(log("a"), log("a")),
    "unknown type": steps({"name": "a", "type": "strange"}),
    "no type": steps({"name": "a"}),
    "bad template": steps(log("a", "{{ 1 + }}")),
    "open template": steps(log("a", "{{ trigger.x ")),
    "reference to nothing": steps(log("a", "{{ steps.zz.x }}")),
    "reference to what comes later": steps(log("a", "{{ steps.b.x }}"), log("b")),
    "bad condition": steps(log("a", when="1 +")),
    "missing config": steps({"name": "a", "type": "log"}),
    "wrong config": steps({"name": "a", "type": "delay", "config": {"seconds": "soon"}}),
    "no steps": steps(),
    "name too long": steps(log("a" * 101)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_bad_definitions(admin, name):
    for path in (BASE, f"{BASE}/validate"):
        answer = admin.post(path, DEFINITIONS[name])
        assert answer.status_code == 400, answer.text
        assert answer.json()["error_code"] == "VALIDATION_FAILED"
        assert any(p.startswith("workflow_config") for p in answer.json()["details"]), answer.text


def test_a_cycle_is_told_by_name(admin):
    answer = admin.post(BASE, DEFINITIONS["cycle"])
    assert "a" in str(answer.json()["details"]) and "b" in str(answer.json()["details"])


def test_content_types(admin):
    body = json.dumps({"steps": [{"type": "noop"}]})
    good = ("application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "application/vnd.x+json")
    bad = ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/xml",
           "multipart/form-data; boundary=x")
    for kind in good:
        assert post(admin, body, f"{BASE}/validate", {"Content-Type": kind}).status_code == 200, kind
    for kind in bad:
        answer = post(admin, body, f"{BASE}/validate", {"Content-Type": kind})
        assert answer.status_code == 415, kind


def test_oversized_bodies(admin):
    answer = answered(lambda: post(admin, b'{"name": "' + b"x" * (17 << 20) + b'"}'))
    assert answer.status_code == 413 and answer.json()["error_code"] == "BODY_TOO_LARGE"


def answered(ask, tries=10):
    """nginx closes while the rest is still on its way; then the answer may be lost."""
    for left in reversed(range(tries)):
        try:
            return ask()
        except requests.ConnectionError:
            if left == 0:
                raise


def test_long_addresses_and_headers(admin):
    answer = answered(lambda: admin.get(f"{BASE}?search=" + "x" * 17000))
    assert answer.status_code == 414
    answer = answered(lambda: admin.get(BASE, headers={"X-Long": "x" * 17000}))
    assert answer.status_code in (400, 431)


def test_many_members(admin):
    answer = admin.post(BASE, {f"m{i}": i for i in range(5000)})
    assert answer.status_code == 400
    assert len(answer.json()["details"]) <= 101


def test_queries(admin):
    for query in ("search=%ff", "search=%00", "status=strange", "tag=%ed%a0%80"):
        assert admin.get(f"{BASE}?{query}").status_code == 400, query
    for query in ("search=%27%20or%20%271%27=%271", "search=%25_", "owner=%5C", "tag=%7B%7D,%22"):
        assert admin.get(f"{BASE}?{query}").status_code == 200, query
    assert admin.get(f"{BASE}?a&b=&=c&&").status_code == 400


def raw(stack, data):
    """Bytes as they are, past every client library."""
    at = urlsplit(stack.url)
    context = ssl.create_default_context(cafile=stack.ca)
    with socket.create_connection((at.hostname, at.port), 10) as plain:
        with context.wrap_socket(plain, server_hostname=at.hostname) as s:
            s.sendall(data)
            answer = b""
            s.settimeout(10)
            while b"\r\n\r\n" not in answer:
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer


def status_of(answer):
    return int(answer.split(None, 2)[1]) if answer.startswith(b"HTTP/") else 400


def test_escapes_that_clients_would_mend(stack):
    for query in ("search=%", "search=%zz", "search=%4"):
        answer = raw(stack, f"GET /api/v1/workflows?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                     f"X-API-Key: {stack.key}\r\n\r\n".encode())
        assert status_of(answer) == 400, (query, answer)


def test_requests_that_are_none(stack):
    for data in (b"GARBAGE\r\n\r\n", b"GET /api/v1/workflows HTTP/1.1\r\n\r\n",
                 b"GET /api/v1/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                 b"STRANGE /api/v1/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
                 b"POST /api/v1/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
                 b"GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        answer = raw(stack, data)
        assert 400 <= status_of(answer) < 500, (data, answer[:300])
        assert b"<html" not in answer.lower(), (data, answer[:600])


# ---- all at once: what the schema says, and what only the compiler, the database or a key file can tell ----

ALL_AT_ONCE = [
    ("POST", "/api/v1/workflows",
     {"name": "", "zzz": 1, "steps": [{"name": "a", "type": "htp"}, {"name": "a", "type": "log"}],
      "trigger_config": {"type": "event"}},
     {"name", "zzz", "steps[0].type", "steps[1].name", "steps[1].config.message", "trigger_config.type"}),
    ("POST", "/api/v1/workflows",
     {"name": "", "steps": [{"name": "a", "type": "agent", "config": {"agent": "nobody at all"}}]},
     {"name", "steps[0].config.agent"}),
    ("POST", "/api/v1/workflows/validate", {"name": 5, "steps": [{"name": "a", "type": "htp"}]},
     {"name", "steps[0].type"}),
    ("POST", "/api/v1/workflows", {"tags": 5}, {"name", "tags", "steps"}),
    ("PUT", "/api/v1/workflows/{workflow}", {"tags": 5, "steps": [{"name": "a", "type": "htp"}]},
     {"tags", "steps[0].type"}),
    ("PATCH", "/api/v1/workflows/{workflow}", {"tags": 5, "name": None}, {"tags", "name"}),
    ("POST", "/api/v1/agents", {"name": "", "auth_type": "basic", "auth_config": {"user": 1}, "url": "x"},
     {"name", "url", "auth_config.user", "auth_config.username", "auth_config.password"}),
    ("POST", "/api/v1/agents", {"name": "a", "auth_type": "zz", "auth_config": {"user": 1}, "url": 5},
     {"auth_type", "url"}),
    ("POST", "/api/v1/templates", {"name": 5, "template_config": {"steps": [{"name": "a", "type": "htp"}]}},
     {"name", "template_config.steps[0].type"}),
    ("POST", "/api/v1/templates", {"name": 5, "template_config": 5}, {"name", "template_config"}),
    ("POST", "/api/v1/issuers", {"issuer": 5, "key_name": "nokey", "required_claims": {"": 1}},
     {"issuer", "audience", "algorithm", "key_name", "required_claims."}),
    ("POST", "/api/v1/issuers", {"issuer": "https://id.example.com", "audience": "a", "algorithm": "RS256",
                                 "key_name": 5}, {"key_name"}),
]


@pytest.mark.parametrize("method,path,body,where", ALL_AT_ONCE)
def test_schema_and_handler_tell_all_at_once(admin, things, method, path, body, where):
    path = path.replace("{workflow}", str(things.quick))
    answer = admin.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()["details"]) == where, answer.text


def test_a_place_that_the_schema_refuses_is_told_once(admin):
    details = admin.post(BASE, json={"name": "x", "tags": 5, "steps": 5}).json()["details"]
    assert len(details["steps"]) == 1 and set(details) == {"tags", "steps"}, details


@pytest.mark.parametrize("path", ["/api/v1/workflows/4503599627370496", "/api/v1/agents/nobody-at-all"])
def test_what_is_not_there_has_no_faults(admin, path):
    answer = admin.patch(path, json={"name": None, "steps": [{"type": "htp"}], "url": 5, "auth_type": "zz"})
    assert answer.status_code == 404 and answer.json()["details"] == {}, answer.text
