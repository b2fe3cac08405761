"""What every operation of a kind refuses in the same way, asked of each of them: with test_system.py's look at all that
the suite has seen, that is every error that the document declares."""
import uuid

import pytest
import requests

from support.stack import everywhere, wait_until

from .test_tenants import body_for, filled, owned  # noqa: F401


@pytest.fixture(scope="module")
def operations(recorder, owned):  # noqa: F811
    """(method, address, operation) with ids of what is there."""
    return [(m, filled(p, owned) if "{" in p else p, o) for m, p, o in recorder.document.operations()]


@pytest.fixture(scope="module")
def callers(admin, platform):
    return lambda operation: platform if operation.get("x-platform") else admin


def refused(answer, status, code, what):
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), f"{what}: {answer.status_code} {answer.text[:300]}"


def takes_json(operation):
    return "application/json" in operation.get("requestBody", {}).get("content", {})


@pytest.mark.parametrize("status, code, query, headers", [
    (400, "VALIDATION_FAILED", "?no_such_argument=1", {}),
    (400, "BAD_REQUEST", "", {"Host": "no host"}),
    (414, "URI_TOO_LONG", "?search=" + "x" * 20000, {}),
    (431, "HEADERS_TOO_LARGE", "", {"X-Long": "x" * 70000}),
])
def test_requests_that_no_operation_takes(operations, callers, status, code, query, headers):
    for method, path, operation in operations:
        answer = callers(operation).request(method, path + query, headers=headers)
        refused(answer, status, code, f"{method} {path}")


def test_a_token_that_allows_nothing(operations, stack):
    issuer = f"https://{uuid.uuid4().hex[:12]}.test"
    stack.admin("issuer", "create", "--issuer", issuer, "--audience", "millrace", "--tenant", "default", "--key-name", "dev.key",
                "--provision")
    client = stack.with_key(stack.make_token(issuer, "millrace", "nobody", scope="of-others", roles="viewer"))
    wait_until(lambda: everywhere(lambda: client.get("/api/v1/workflows").status_code == 403), 20)
    for method, path, operation in operations:
        if "x-scope" in operation:
            refused(client.request(method, path), 403, "FORBIDDEN", f"{method} {path}")


def test_bodies_that_no_operation_takes(operations, callers):
    for method, path, operation in operations:
        if "requestBody" not in operation:
            continue
        caller, what = callers(operation), f"{method} {path}"
        if takes_json(operation):
            for kind, body, status, code in (("application/json", b"{", 400, "JSON_INVALID"),
                                             ("text/xml", b"<a/>", 415, "MEDIA_TYPE_UNSUPPORTED")):
                refused(caller.request(method, path, data=body, headers={"Content-Type": kind}), status, code, what)
        refused(too_large(caller, method, path), 413, "BODY_TOO_LARGE", what)


def too_large(caller, method, path):
    """Only told, never sent: nginx refuses it by its length."""
    request = caller.session.prepare_request(requests.Request(method, caller.url + path, headers={"Content-Type": "application/json"}))
    request.headers.update({"Content-Length": str(1 << 50), "Connection": "close"})
    answer = caller.session.send(request, verify=caller.ca, timeout=60, allow_redirects=False)
    for observe in caller.observers:
        observe(answer)
    return answer


def test_cursors_of_nobody(operations, callers):
    for method, path, operation in operations:
        if any(p["name"] == "cursor" for p in operation["parameters"]):
            refused(callers(operation).get(f"{path}?cursor=nobodys"), 400, "CURSOR_INVALID", path)


def test_what_is_read_has_another_version(recorder, operations, callers):
    for method, path, operation in operations:
        path = path.replace("/steps/hello/", "/steps/first/")
        if method == "GET" and "412" in operation["responses"]:
            refused(callers(operation).get(path, headers={"If-Match": '"999999.0123456789abcdef"'}), 412, "PRECONDITION_FAILED", path)


def test_each_operation_is_limited(operations, callers, stack):
    """By keys that may ask once in an hour, in each class of limits."""
    classes = {o["x-rate-limit-class"] for _, _, o in operations} - {"exempt"}
    keys = {}
    for method, path, operation in operations:
        class_ = operation["x-rate-limit-class"]
        if class_ == "exempt":
            continue
        maker = callers(operation)
        if maker not in keys:
            made = maker.ok("POST", "/api/v1/api-keys", json={
                "name": f"asks once {len(keys)}", "scopes": ["admin"], "roles": ["admin"],
                "rate_limits": {c: {"limit": 1, "window": 3600} for c in classes}})
            keys[maker] = stack.with_key(made["key"]), set()
        client, used = keys[maker]
        if class_ not in used:
            client.request(method, path + "?no_such_argument=1")
            used.add(class_)
        refused(client.request(method, path), 429, "TOO_MANY_REQUESTS", f"{method} {path}")


@pytest.mark.last
def test_requests_whose_first_is_still_at_work(recorder, stack):
    """What the suite sent with a key, sent again while that key's first request has no answer yet."""
    declared, others = recorder.document.declared_errors(), []
    session = requests.Session()
    session.trust_env = False
    stack.psql("update millrace.idempotency_keys set status = null, body = null")

    def is_at_work(request):
        answer = session.send(request, verify=stack.ca, timeout=60, allow_redirects=False)
        recorder.check(answer)
        return answer.status_code == 409 and answer.json()["error_code"] == "IDEMPOTENCY_IN_PROGRESS"

    for (method, path), sent in recorder.keyed.items():
        # the first of them may be about what is gone by now, such as a template
        if (method, path, "IDEMPOTENCY_IN_PROGRESS") in declared and not any(map(is_at_work, sent)):
            others.append((method, path))
    assert others == []
