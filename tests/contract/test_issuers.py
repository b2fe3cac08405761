"""Issuers of tokens: made, looked at, changed, removed; keys that are no good are refused."""
import json
import uuid

import pytest

from support.stack import everywhere, wait_until
from support.tokens import Key

ISSUERS = "/api/v1/issuers"


@pytest.fixture(scope="module")
def key():
    return Key("ES256", kid="first")


def body(key, **more):
    return {"issuer": f"https://{uuid.uuid4().hex[:8]}.test", "audience": "millrace", "algorithm": "ES256",
            "public_key": key.public, **more}


def test_made_used_changed_removed(admin, stack, key):
    made = admin.post(ISSUERS, body(key, provision=True, roles_claim="realm_access.roles", scope_claim="realm_access.scopes",
                                    value_map={"roles": {"wf-admin": "admin"}, "scopes": {"all": "admin"}}))
    assert made.status_code == 201, made.text
    issuer = made.json()
    path = f"{ISSUERS}/{issuer['id']}"
    assert made.headers["Location"] == path and admin.get(path).json() == issuer
    assert issuer["id"] in [i["id"] for i in admin.ok("GET", ISSUERS + "?limit=1000&search=.test")["items"]]
    token = key.token(issuer["issuer"], "millrace", "ada", name="Ada", realm_access={"roles": ["wf-admin"], "scopes": ["all"]})
    caller = stack.with_key(token)
    wait_until(lambda: everywhere(lambda: caller.get(ISSUERS).status_code == 200), 10, message="the new issuer's token is taken")

    got = admin.get(path)
    changed = admin.put(path, {**got.json(), "default_roles": ["operator"]}, headers={"If-Match": got.headers["ETag"]})
    assert changed.status_code == 200 and changed.json()["default_roles"] == ["operator"], changed.text
    assert admin.put(path, {}, headers={"If-Match": got.headers["ETag"]}).status_code == 412
    assert admin.patch(path, {"is_enabled": True}, headers={"If-Match": got.headers["ETag"]}).status_code == 412
    assert admin.patch(path, {"is_enabled": False}).json()["status"] == "disabled"
    wait_until(lambda: caller.get(ISSUERS).status_code == 401, 10, message="a disabled issuer's token is refused")
    assert admin.patch(path, {"is_enabled": True, "value_map": None}).json()["value_map"] == {}
    assert admin.delete(path, headers={"If-Match": '"999.0"'}).status_code == 412
    assert admin.delete(path).json()["status"] == "deleted"
    assert admin.delete(path).status_code == 200
    for answer in (admin.patch(path, {"is_enabled": True}), admin.put(path, {})):
        assert answer.status_code == 409 and answer.json()["error_code"] == "ISSUER_DELETED"
    assert [i["id"] for i in admin.ok("GET", ISSUERS + "?status=deleted&ordering=-id&limit=1")["items"]] == [issuer["id"]]


def test_the_same_twice(admin, other, key):
    one = body(key)
    assert admin.post(ISSUERS, one).status_code == 201
    for who in (admin, other):
        answer = who.post(ISSUERS, one)
        assert answer.status_code == 409 and "issuer" in answer.json()["details"], answer.text
    second = admin.post(ISSUERS, {**one, "audience": "another"})
    assert second.status_code == 201
    for change in (admin.put, admin.patch):
        answer = change(second.headers["Location"], {"audience": "millrace"})
        assert answer.status_code == 409 and answer.json()["error_code"] == "CONFLICT", answer.text


def test_sources_of_keys(platform, stack, key):
    admin = platform
    (stack.state / "keys" / "set.json").write_text('{"keys": [%s]}' % json.dumps(key.jwk()))
    (stack.state / "keys" / "pub.pem").write_text(key.public)
    url = admin.ok("POST", ISSUERS, json=body(key, public_key=None, jwks_url="https://issuer.invalid/keys"))
    assert url["jwks_url"] and url["key_ids"] == [] and url["public_key"] is None
    path = f"{ISSUERS}/{url['id']}"
    for source, value in (("key_name", "pub.pem"), ("jwks_file", "set.json"), ("public_key", json.dumps(key.jwk()))):
        now = admin.patch(path, {source: value}).json()
        assert {s: now[s] for s in ("key_name", "jwks_file", "public_key", "jwks_url") if now[s]} == {source: value}


BAD = {
    "no key": ({"public_key": None}, "key_name"),
    "two sources": ({"jwks_url": "https://x.test/"}, "jwks_url"),
    "no audience": ({"audience": None}, "audience"),
    "a file that is not there": ({"public_key": None, "key_name": "none.key"}, "key_name"),
    "a file elsewhere": ({"public_key": None, "key_name": "../millrace.conf"}, "key_name"),
    "a folder": ({"public_key": None, "key_name": "."}, "key_name"),
    "a set elsewhere": ({"public_key": None, "jwks_file": "/etc/passwd"}, "jwks_file"),
    "a set that is none": ({"public_key": None, "jwks_file": "dev.key"}, "jwks_file"),
    "plain http": ({"public_key": None, "jwks_url": "http://x.test/keys"}, "jwks_url"),
    "credentials in the URL": ({"public_key": None, "jwks_url": "https://u:p@x.test/keys"}, "jwks_url"),
    "another kind of key": ({"algorithm": "RS256"}, "algorithm"),
    "a secret for a public algorithm": ({"public_key": None, "key_name": "dev.key"}, "algorithm"),
    "a public key as a secret": ({"algorithm": "HS256"}, "algorithm"),
    "an algorithm by another name": ({"algorithm": "none"}, "algorithm"),
    "no key at all": ({"public_key": "hello"}, "public_key"),
    "a required claim that can't be": ({"required_claims": {"a": {"b": 1}}}, "required_claims.a"),
    "a word that means a number": ({"value_map": {"roles": {"a": 1}}}, "value_map.roles.a"),
    "an unknown table": ({"value_map": {"rolls": {}}}, "value_map.rolls"),
    "a role that isn't": ({"default_roles": ["root"]}, "default_roles[0]"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_ones(admin, platform, key, name):
    changes, member = BAD[name]
    who = platform if {"key_name", "jwks_file"} & set(changes) else admin
    answer = who.post(ISSUERS, {k: v for k, v in body(key, **changes).items() if k != "audience" or v})
    assert answer.status_code == 400, answer.text
    assert member in answer.json()["details"], answer.json()["details"]


def test_weak_keys(platform, stack, key):
    admin = platform
    weak = Key("RS256", bits=1024)
    for text in (weak.public, json.dumps(weak.jwk())):
        answer = admin.post(ISSUERS, body(key, algorithm="RS256", public_key=text))
        assert answer.status_code == 400 and "2048" in answer.json()["details"]["public_key"][0], answer.text
    (stack.state / "keys" / "short.key").write_text("0123456789abcdef0123456789abcde\n")
    answer = admin.post(ISSUERS, body(key, algorithm="HS256", public_key=None, key_name="short.key"))
    assert answer.status_code == 400 and "32 bytes" in answer.json()["details"]["key_name"][0]
    # the algorithm confusion's other half: a public key must not become a secret
    (stack.state / "keys" / "public.pem").write_text(Key("RS256").public)
    answer = admin.post(ISSUERS, body(key, algorithm="HS256", public_key=None, key_name="public.pem"))
    assert answer.status_code == 400 and "algorithm" in answer.json()["details"]


def test_files_are_the_platforms(admin, platform, stack, key):
    """keys_dir is one for all. Tenants don't learn which files are there, and none takes another's key for its own."""
    (stack.state / "keys" / "theirs.pem").write_text(key.public)
    (stack.state / "keys" / "theirs.json").write_text('{"keys": [%s]}' % json.dumps(key.jwk()))
    path = admin.post(ISSUERS, body(key)).headers["Location"]
    for source, there in (("key_name", "theirs.pem"), ("jwks_file", "theirs.json")):
        told = []
        for file in (there, "none.pem", "../millrace.conf"):
            for answer in (admin.post(ISSUERS, body(key, public_key=None, **{source: file})), admin.patch(path, {source: file}),
                           admin.put(path, {source: file})):
                assert answer.status_code == 400, answer.text
                told.append(answer.json()["details"])
        assert list(told[0]) == [source] and all(t == told[0] for t in told)
        assert platform.post(ISSUERS, body(key, public_key=None, **{source: there})).status_code == 201


def test_who_may(stack, recorder):
    for scopes, roles in (("workflow-management", "admin"), ("admin", "editor"), ("read-only", "viewer")):
        assert stack.client(scopes=scopes, roles=roles).get(ISSUERS).status_code == 403
