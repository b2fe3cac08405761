"""Who gets in, as whom, and what they may do: through nginx, with real keys, tokens, certificates."""
import base64
import hashlib
import hmac
import json
import pathlib
import time
from urllib.parse import quote

import pytest

from support.stack import Client, everywhere, wait_until

ISSUER, AUDIENCE = "https://issuer.test", "millrace"


@pytest.fixture(scope="module")
def issuer(stack):
    """An issuer of tenant "default" whose unknown subjects become principals."""
    stack.admin("issuer", "create", "--issuer", ISSUER, "--audience", AUDIENCE, "--tenant", "default",
                "--key-name", "dev.key", "--provision")
    token = stack.make_token(ISSUER, AUDIENCE, "warm-up", scope="read-only", roles="viewer")
    # workers learn of an issuer within a second
    wait_until(lambda: everywhere(lambda: stack.with_key(token).get("/api/v1/workflows").status_code == 200), 10)
    return (stack.state / "keys" / "dev.key").read_text().strip().encode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key, claims=None, header=None):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "scope": "read-only", **(claims or {})}
    claims = {k: v for k, v in claims.items() if v is not None}
    signed = b64(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
    return signed + "." + b64(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def test_no_credentials(stack):
    answer = stack.anonymous().get("/api/v1/workflows")
    assert answer.status_code == 401
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert answer.json()["error_code"] == "AUTHENTICATION_REQUIRED"


@pytest.mark.parametrize("headers", [
    {"Authorization": "Bearer mrk_unknown0_0000000000000000000000000000000000000000000"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic dXNlcjpwYXNz"},
    {"X-API-Key": "nonsense"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"Authorization": "Bearer " + "x" * 5000},
])
def test_bad_credentials(stack, headers):
    answer = stack.anonymous(**headers).get("/api/v1/workflows")
    assert answer.status_code == 401, answer.text
    assert answer.json()["error_code"] in ("CREDENTIALS_INVALID", "AUTHENTICATION_REQUIRED")


def test_both_ways_to_send_a_key(stack):
    assert stack.anonymous(**{"X-API-Key": stack.key}).get("/api/v1/workflows").status_code == 200
    assert stack.with_key(stack.key).get("/api/v1/workflows").status_code == 200


def test_two_principals_in_one_request(stack):
    other = stack.client(scopes="read-only", roles="viewer")
    answer = stack.with_key(stack.key).get("/api/v1/workflows", headers={"X-API-Key": other.key})
    assert answer.status_code == 401


def test_revoked_key_stops_working(stack):
    api = stack.api
    made = api.ok("POST", "/api/v1/api-keys", json={"name": "short-lived", "scopes": ["read-only"]})
    caller = stack.with_key(made["key"])
    wait_until(lambda: everywhere(lambda: caller.get("/api/v1/workflows").status_code == 200), 5)
    api.ok("DELETE", f"/api/v1/api-keys/{made['id']}")
    wait_until(lambda: caller.get("/api/v1/workflows").status_code == 401, 2, message="the revoked key still works")


def test_good_token(stack, issuer):
    assert stack.with_key(token(issuer)).get("/api/v1/workflows").status_code == 200
    answer = stack.with_key(token(issuer)).post("/api/v1/workflows", {"name": "x", "steps": []})
    assert answer.status_code == 403  # the token's scope is read-only
    writer = stack.with_key(token(issuer, {"scope": "workflow-management", "roles": ["editor"], "sub": "grace"}))
    assert writer.workflow([{"name": "a", "type": "noop"}])["created_by"] == "grace"


@pytest.mark.parametrize("claims", [
    {"exp": None}, {"exp": 1}, {"exp": "soon"}, {"aud": "another"}, {"aud": None}, {"iss": "https://evil.test"},
    {"sub": None}, {"sub": ""}, {"nbf": 1 << 39}, {"iat": 1 << 39},
], ids=str)
def test_bad_claims(stack, issuer, claims):
    assert stack.with_key(token(issuer, claims)).get("/api/v1/workflows").status_code == 401


def test_an_issuer_without_audience(stack, issuer):
    """Its tokens name nobody. One that names somebody isn't meant for us, however right its signature is."""
    stack.admin("issuer", "create", "--issuer", "https://no-audience.test", "--tenant", "default", "--key-name", "dev.key", "--provision")
    def status(**claims):
        return stack.with_key(token(issuer, {"iss": "https://no-audience.test", "aud": None, **claims})).get("/api/v1/workflows").status_code
    wait_until(lambda: everywhere(lambda: status() == 200), 10)
    for aud in ("another", [AUDIENCE], ""):
        assert status(aud=aud) == 401, aud


@pytest.mark.parametrize("header", [
    {"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "HS256", "crit": ["exp"]},
    {"alg": "HS256", "jku": "https://evil.test/keys"}, {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}, {},
], ids=str)
def test_bad_headers(stack, issuer, header):
    assert stack.with_key(token(issuer, header=header or {"typ": "JWT"})).get("/api/v1/workflows").status_code == 401


def test_token_of_another_key(stack, issuer):
    assert stack.with_key(token(b"another key, and long enough to be one")).get("/api/v1/workflows").status_code == 401


def test_scopes_and_roles(stack):
    reader = stack.client(scopes="read-only", roles="admin")
    viewer = stack.client(scopes="workflow-management", roles="viewer")
    for caller in (reader, viewer):
        assert caller.get("/api/v1/workflows").status_code == 200
        answer = caller.post("/api/v1/workflows", {"name": "not theirs", "steps": [{"type": "noop"}]})
        assert answer.status_code == 403, answer.text
        assert answer.json()["error_code"] == "FORBIDDEN"
    assert viewer.get("/api/v1/api-keys").status_code == 403


def test_client_certificate(stack):
    pem, key = stack.make_certificate("robot")
    stack.admin("certificate", "add", "--tenant", "default", "--name", "robot", "--file", pem, "--scopes", "read-only",
                "--roles", "viewer")
    robot = Client(stack.url, stack.ca, cert=(pem, key))
    wait_until(lambda: everywhere(lambda: robot.get("/api/v1/workflows").status_code == 200), 5)
    assert robot.post("/api/v1/workflows", {"name": "no"}).status_code == 403
    stranger_pem, stranger_key = stack.make_certificate("stranger")
    stranger = Client(stack.url, stack.ca, cert=(stranger_pem, stranger_key))
    assert stranger.get("/api/v1/workflows").status_code == 401
    # a certificate is no secret: its text is no key, however well it is remembered whose it is
    text = quote(pathlib.Path(pem).read_text(), safe="")
    assert everywhere(lambda: robot.get("/api/v1/workflows").status_code == 200)
    assert everywhere(lambda: stack.anonymous(**{"X-API-Key": text}).get("/api/v1/workflows").status_code == 401)
    assert everywhere(lambda: stack.with_key(text).get("/api/v1/workflows").status_code == 401)
    # a header can't stand in for a certificate
    forged = stack.anonymous(**{"SSL-CLIENT-CERT": "x", "SSL-CLIENT-VERIFY": "SUCCESS"})
    assert forged.get("/api/v1/workflows").status_code == 401


def test_tenant_wall(stack):
    mine = stack.api.workflow([{"name": "a", "type": "noop"}])
    other = stack.client(tenant="wall")
    assert other.get(f"/api/v1/workflows/{mine['id']}").status_code == 404
    assert other.delete(f"/api/v1/workflows/{mine['id']}").status_code == 404
    assert other.post(f"/api/v1/workflows/{mine['id']}/execute", {}).status_code == 404
    assert mine["id"] not in [w["id"] for w in other.ok("GET", "/api/v1/workflows?limit=1000")["items"]]


def test_changes_are_audited(stack):
    api = stack.api
    made = api.workflow([{"name": "a", "type": "noop"}])
    api.ok("PATCH", f"/api/v1/workflows/{made['id']}", json={"description": "changed"}, headers={"X-Request-ID": "audit-1"})
    rows = stack.rows(f"select action, correlation_id from millrace.audit_logs where entity_type = 'workflow' "
                      f"and entity_id = {made['id']} order by id")
    assert [r["action"] for r in rows] == ["created", "updated"]
    assert rows[1]["correlation_id"] == "audit-1"
