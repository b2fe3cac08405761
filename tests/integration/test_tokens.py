"""Tokens of every algorithm, keys that are fetched, and what stops working when: by real workers, real
issuers (an HTTPS server of the test), real PostgreSQL and Redis."""
import concurrent.futures
import json
import threading
import time
import uuid

import pytest

from support.stack import Everywhere, Stack, everywhere, wait_until
from support.tokens import Key

ISSUERS, THERE = "/api/v1/issuers", "/api/v1/workflows"


@pytest.fixture(scope="module")
def stack():
    """Three workers, and issuers that may be asked again after a second."""
    s = Stack("tokens", settings={"api_workers": "3", "jwks_retry_seconds": "1"})
    try:
        s.start()
        s.admin("tenant", "create", "--name", "default", "--platform")  # files of keys_dir are the platform's
        wait_until(lambda: everywhere(lambda: s.api.get("/api/v1/tenants").status_code == 200), 20)
        yield s
    except BaseException:
        s.close(keep_logs=True)
        raise
    s.close()


def name():
    return uuid.uuid4().hex[:8]


class Issuer:
    """An issuer that publishes its keys at a URL of the test's server."""

    def __init__(self, stack, algorithm="ES256", **row):
        self.stack, self.algorithm, self.path = stack, algorithm, f"/keys-{name()}"
        self.iss, self.asked, self.answer = f"https://{name()}.test", [], None
        self.keys = [Key(algorithm, kid="1")]
        stack.receiver.on(self.path, self._publish)
        self.row = {"issuer": self.iss, "audience": "millrace", "algorithm": algorithm, "provision": True,
                    "jwks_url": stack.receiver.tls_url + self.path, **row}

    def _publish(self, received):
        self.asked.append(received)
        return self.answer or (200, {"keys": [k.jwk() for k in self.keys]})

    def made(self):
        self.id = self.stack.api.ok("POST", ISSUERS, json=self.row)["id"]
        return self

    def get(self):
        return self.stack.api.ok("GET", f"{ISSUERS}/{self.id}")

    def token(self, key=None, subject=None, **claims):
        return (key or self.keys[-1]).token(self.iss, "millrace", subject or name(),
                                            **{"scope": "read-only", "roles": "viewer", **claims})


def status(stack, token, **options):
    return stack.with_key(token).get(THERE, **options).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("source", ["public_key", "key_name", "jwks_file", "jwks_url"])
def test_every_algorithm_from_every_source(stack, algorithm, source):
    issuer = Issuer(stack, algorithm)
    key = issuer.keys[0]
    if source != "jwks_url":
        del issuer.row["jwks_url"]
        file = f"{name()}.keys"
        text = json.dumps({"keys": [key.jwk()]}) if source == "jwks_file" else key.public
        (stack.state / "keys" / file).write_text(text)
        issuer.row[source] = text if source == "public_key" else file
    issuer.made()
    token = issuer.token()
    wait_until(lambda: status(stack, token) == 200, 20, message="a good token is taken")
    assert status(stack, issuer.token(Key(algorithm, kid="1"))) == 401, "another key under the same name"
    assert status(stack, issuer.token(expires=-600)) == 401


def test_claims_by_path_and_table(stack):
    issuer = Issuer(stack, roles_claim="realm_access.roles", groups_claim="https://x.test/groups", scope_claim="scp",
                    name_claim="profile.name", required_claims={"azp": ["web", "cli"], "email_verified": True},
                    value_map={"roles": {"wf-edit": "editor"}, "scopes": {"write": ["workflow-management"]}}).made()
    claims = {"realm_access": {"roles": ["wf-edit", "admin"]}, "https://x.test/groups": ["staff"], "scp": "write admin",
              "profile": {"name": f"Ada {name()}"}, "azp": "cli", "email_verified": True}
    caller = stack.with_key(issuer.token(**claims))
    wait_until(lambda: everywhere(lambda: caller.get(THERE).status_code == 200), 20)
    assert caller.workflow([{"type": "noop"}])["created_by"] == claims["profile"]["name"]
    assert caller.get(ISSUERS).status_code == 403, "admin is a word of theirs that isn't in the table"
    for missing in ({"azp": "other"}, {"email_verified": "true"}, {"email_verified": None}):
        answer = stack.with_key(issuer.token(**{**claims, **missing})).get(THERE)
        assert answer.status_code == 401 and next(iter(missing)) in answer.json()["detail"]


def test_a_new_key_is_fetched_when_its_first_token_comes(stack):
    issuer = Issuer(stack).made()
    wait_until(lambda: everywhere(lambda: status(stack, issuer.token()) == 200), 20)
    old = issuer.token(issuer.keys[0])
    issuer.keys.append(Key("ES256", kid="2"))
    wait_until(lambda: time.time() - issuer.asked[-1].at > 1.1, 10)
    assert status(stack, issuer.token()) == 200, "it waits for the fetch instead of being refused"
    assert status(stack, old) == 200 and issuer.get()["key_ids"] == ["1", "2"]
    # the old key is withdrawn: with the next fetch its tokens end, those that are remembered, too
    issuer.keys = [Key("ES256", kid="3")]
    wait_until(lambda: time.time() - issuer.asked[-1].at > 1.1, 10)
    assert status(stack, issuer.token()) == 200
    wait_until(lambda: status(stack, old) == 401, 5)


def test_unknown_keys_ask_no_more_than_allowed(stack):
    """Whoever sends tokens with keys that don't exist must not turn the workers against the issuer."""
    issuer = Issuer(stack).made()
    wait_until(lambda: everywhere(lambda: status(stack, issuer.token()) == 200), 20)
    unknown = [issuer.token(Key("ES256", kid=name())) for _ in range(6)]
    before, began = len(issuer.asked), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert set(pool.map(lambda i: status(stack, unknown[i % 6]), range(60))) == {401}
        assert status(stack, issuer.token()) == 200, "others are served meanwhile"
    assert len(issuer.asked) - before <= time.monotonic() - began + 2, "at most one a second, of three workers"


def test_an_issuer_that_is_away_takes_nothing_with_it(stack):
    issuer = Issuer(stack).made()
    wait_until(lambda: everywhere(lambda: status(stack, issuer.token()) == 200), 20)
    for answer, says in (((500, {"error": "down"}), "500"), ((200, {"keys": []}), "must have a key"),
                         ((302, {}, {"Location": stack.receiver.tls_url + "/elsewhere"}), "302"),
                         ((200, b"x" * 1100000), "limit"), ((200, b"not json"), "JWKS")):
        issuer.answer, before = answer, len(issuer.asked)
        wait_until(lambda: status(stack, issuer.token(Key("ES256", kid=name()))) == 401 and len(issuer.asked) > before, 20,
                   every=0.3)
        wait_until(lambda: says in (issuer.get()["keys_error"] or ""), 10, message=f"{says}: {issuer.get()['keys_error']}")
        assert status(stack, issuer.token()) == 200, "the keys from before go on being used"
    assert not [r for r in stack.receiver.requests if r.path == "/elsewhere"], "redirects are not followed"
    issuer.answer = None
    wait_until(lambda: status(stack, issuer.token(Key("ES256", kid=name()))) == 401 and issuer.get()["keys_error"] is None, 20,
               every=0.3)


def test_a_slow_issuer_holds_nobody_up(stack):
    issuer, may_answer = Issuer(stack), threading.Event()

    def slowly(received):
        may_answer.wait(8)
        return issuer._publish(received)

    stack.receiver.on(issuer.path, slowly)
    issuer.made()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waits = pool.submit(status, stack, issuer.token())
        for _ in range(20):
            began = time.monotonic()
            assert stack.api.get(THERE).status_code == 200
            assert time.monotonic() - began < 3, "the loop of a worker stood still"
        assert waits.result() == 401, "it waits for a few seconds at most"
        wait_until(lambda: issuer.get()["keys_error"], 15)
        may_answer.set()
    wait_until(lambda: status(stack, issuer.token()) == 200, 20, every=0.3)


@pytest.mark.parametrize("url", ["https://169.254.169.254/keys", "https://[::1]/keys", "https://10.0.0.1/keys", "https://127.0.0.1:1/keys"])
def test_keys_are_not_fetched_from_inside(stack, url):
    """Whoever may make an issuer must not be able to make a worker call its own network."""
    issuer = Issuer(stack, jwks_url=url).made()
    wait_until(lambda: "not allowed" in (issuer.get()["keys_error"] or ""), 20, message=f"{issuer.get()['keys_error']}")


def test_keys_come_by_tls_that_is_verified(stack):
    issuer = Issuer(stack)
    issuer.row["jwks_url"] = issuer.row["jwks_url"].replace(str(stack.receiver.https_port), str(stack.receiver.http_port))
    issuer.made()
    wait_until(lambda: issuer.get()["keys_error"], 20)
    assert not issuer.asked and status(stack, issuer.token()) == 401


def test_a_replaced_file_counts_at_once(stack):
    file = stack.state / "keys" / f"{name()}.json"
    issuer = Issuer(stack)
    del issuer.row["jwks_url"]
    file.write_text(json.dumps({"keys": [issuer.keys[0].jwk()]}))
    issuer.row["jwks_file"] = file.name
    issuer.made()
    old = Everywhere(stack, issuer.token())

    def replace():
        issuer.keys = [Key("ES256", kid="2")]
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"keys": [issuer.keys[0].jwk()]}))
        new.rename(file)

    old.stops(replace)
    assert status(stack, issuer.token()) == 200


def test_the_keys_of_one_issuer_are_no_good_for_another(stack):
    mine, theirs = Issuer(stack).made(), Issuer(stack).made()
    wait_until(lambda: status(stack, mine.token()) == 200 and status(stack, theirs.token()) == 200, 20)
    theirs.keys[0].kid = "theirs"
    assert status(stack, mine.token(theirs.keys[0])) == 401
    theirs.keys[0].kid = "1"
    assert status(stack, mine.token(theirs.keys[0])) == 401


def test_an_issuer_of_one_tenant_speaks_for_no_other(stack):
    """Whatever a token says of its tenant: who made the issuer decides."""
    other = stack.client(tenant=f"t-{name()}")
    issuer = Issuer(stack)
    issuer.id = other.ok("POST", ISSUERS, json=issuer.row)["id"]
    caller = stack.with_key(issuer.token(tenant="default", scope="admin", roles=["admin"]))
    wait_until(lambda: everywhere(lambda: caller.get(THERE).status_code == 200), 20)
    made = caller.workflow([{"type": "noop"}])["id"]
    assert other.get(f"{THERE}/{made}").status_code == 200 and stack.api.get(f"{THERE}/{made}").status_code == 404
    assert stack.api.get(f"{ISSUERS}/{issuer.id}").status_code == 404


# ---- what stops working, within two seconds, on every worker ----

@pytest.fixture(params=["redis", "no redis"])
def redis(request, stack):
    if request.param == "no redis":
        stack.stop_redis()
    yield request.param
    if request.param == "no redis":
        stack.start_redis()


def test_a_revoked_key_stops_everywhere(stack, redis):
    made = stack.api.ok("POST", "/api/v1/api-keys", json={"name": name(), "scopes": ["read-only"]})
    Everywhere(stack, made["key"]).stops(lambda: stack.api.ok("DELETE", f"/api/v1/api-keys/{made['id']}"))


def test_a_disabled_principal_stops_everywhere(stack, redis):
    issuer, subject = Issuer(stack).made(), name()
    Everywhere(stack, issuer.token(subject=subject)).stops(
        lambda: stack.psql(f"update millrace.principals set is_enabled = false where subject = '{subject}'"))


def test_a_removed_issuer_stops_everywhere(stack, redis):
    issuer = Issuer(stack).made()
    Everywhere(stack, issuer.token()).stops(lambda: stack.api.ok("DELETE", f"{ISSUERS}/{issuer.id}"))


def test_a_disabled_issuer_stops_everywhere_and_comes_back(stack, redis):
    issuer = Issuer(stack).made()
    caller = Everywhere(stack, issuer.token())
    caller.stops(lambda: stack.api.ok("PATCH", f"{ISSUERS}/{issuer.id}", json={"is_enabled": False}))
    stack.api.ok("PATCH", f"{ISSUERS}/{issuer.id}", json={"is_enabled": True})
    caller.works()
