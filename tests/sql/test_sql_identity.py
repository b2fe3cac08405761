"""Keys, certificates, tokens: who they stand for, and when that changes."""
import pytest

from libpq import DatabaseError

HASH = bytes(range(32))


def revision(db):
    return db.one("auth_revision")["revision"]


def test_key_life(db, tenant):
    before = revision(db)
    made = tenant.one("api_key_create", name="ci", key_hash=HASH, key_prefix="mrk_ab", scopes=["workflow-management"])
    key = made["body"]
    assert made["status"] == 201 and revision(db) > before
    assert (key["roles"], key["principal_name"], key["status"], key["created_by"]) == (["editor"], "ci", "active", "root")
    assert "hash" not in key
    who = db.one("auth_by_key", key_hash=HASH)
    assert (who["tenant_id"], who["name"], who["kind"], who["credential_id"], who["scopes"], who["roles"], who["expires_us"]) == (
        tenant.id, "ci", "api_key", key["id"], "{workflow-management}", "{editor}", 0)
    assert db.run("auth_by_key", key_hash=bytes(32)) == []
    assert tenant.one("api_key_get", id=key["id"])["body"]["last_used_at"]
    same = revision(db)
    db.one("auth_by_key", key_hash=HASH)
    assert revision(db) == same, "being used is no change"

    with pytest.raises(DatabaseError) as e:
        tenant.one("api_key_create", name="ci", key_hash=bytes(32), key_prefix="x", scopes=["admin"])
    assert e.value.constraint == "api_keys_tenant_id_name_key"

    new = bytes(reversed(HASH))
    rotated = tenant.one("api_key_rotate", id=key["id"], key_hash=new, key_prefix="mrk_cd")
    assert rotated["body"]["prefix"] == "mrk_cd" and rotated["body"]["rotated_at"] and rotated["version"] == 2
    assert db.run("auth_by_key", key_hash=HASH) == [] and db.one("auth_by_key", key_hash=new)

    changed = tenant.one("api_key_update", id=key["id"], body={"expires_at": "2100-01-01T00:00:00Z", "name": "ci2"},
                         name="ci2", expires_at="2100-01-01T00:00:00Z", roles=["viewer"])
    assert (changed["body"]["name"], changed["body"]["expires_at"], changed["body"]["roles"], changed["body"]["scopes"]) == (
        "ci2", "2100-01-01T00:00:00Z", ["viewer"], ["workflow-management"])
    assert db.one("auth_by_key", key_hash=new)["expires_us"] == 4102444800000000
    assert tenant.one("api_key_update", id=key["id"], body={}, if_match=1)["error"] == "PRECONDITION_FAILED"

    gone = tenant.one("api_key_delete", id=key["id"])
    assert gone["body"]["status"] == "revoked" and gone["body"]["is_active"] is False
    assert db.run("auth_by_key", key_hash=new) == []
    assert tenant.one("api_key_rotate", id=key["id"], key_hash=HASH, key_prefix="x")["error"] == "API_KEY_REVOKED"
    assert tenant.one("api_key_update", id=key["id"], body={})["error"] == "API_KEY_REVOKED"
    # the name is free again, and stands for the same principal
    again = tenant.one("api_key_create", name="ci2", key_hash=HASH, key_prefix="x", scopes=["read-only"])
    assert again["body"]["roles"] == ["viewer"]
    assert tenant.run("api_key_get", id=999) == [] and tenant.run("api_key_delete", id=999) == []


def test_limits_of_a_key(db, tenant):
    limits = {"standard": None, "monitoring": {"limit": 5}}
    made = tenant.one("api_key_create", name="ci", key_hash=HASH, key_prefix="x", scopes=["read-only"], rate_limits=limits)["body"]
    assert made["rate_limits"] == limits
    same = revision(db)
    kept = tenant.one("api_key_update", id=made["id"], body={"name": "ci2"}, name="ci2")["body"]
    assert kept["rate_limits"] == limits
    changed = tenant.one("api_key_update", id=made["id"], body={"rate_limits": {}}, rate_limits={"standard": {"limit": 1}})
    assert changed["body"]["rate_limits"] == {"standard": {"limit": 1}} and revision(db) > same
    assert db.one("auth_by_key", key_hash=HASH)["rate_limits"] == {"standard": {"limit": 1}}
    assert tenant.one("api_key_update", id=made["id"], body={"rate_limits": None})["body"]["rate_limits"] is None


def test_a_key_never_stands_for_a_person(tenant):
    made = tenant.one("api_key_create", name="root", key_hash=HASH, key_prefix="x", scopes=["read-only"])["body"]
    assert made["principal_name"] == "root (key)" and made["principal_id"] != tenant.principal


def test_key_list(db, tenant):
    for i in range(5):
        tenant.one("api_key_create", name=f"k{i}", key_hash=bytes([i] * 32), key_prefix="x", scopes=["admin"])
    tenant.one("api_key_delete", id=2)
    db.admin("update api_keys set expires_at = now() - interval '1 hour' where id = 3")
    names = lambda order=None, **f: [k["name"] for k in tenant.one("api_key_list", order, **f)["items"]]  # noqa: E731
    assert names() == ["k0", "k1", "k2", "k3", "k4"]
    assert names(status=["revoked"]) == ["k1"] and names(status=["expired"]) == ["k2"]
    assert names("-name", page_limit=2) == ["k4", "k3"]
    page = tenant.one("api_key_list", page_limit=2)
    assert names(after_key=page["next_key"], after_id=page["next_id"]) == ["k2", "k3", "k4"]
    assert db.run("auth_by_key", key_hash=bytes([2] * 32)) == []


def test_disabled_principals(db, tenant):
    tenant.one("api_key_create", name="ci", key_hash=HASH, key_prefix="x", scopes=["admin"])
    before = revision(db)
    db.admin("update principals set is_enabled = false where name = 'ci'")
    assert revision(db) > before and db.run("auth_by_key", key_hash=HASH) == []


def test_certificates(db, tenant):
    fingerprint = "ab" * 32
    db.one("admin_certificate_create", tenant_id=tenant.id, principal_id=tenant.principal, fingerprint=fingerprint,
           subject="CN=x", scopes=["read-only"])
    who = db.one("auth_by_certificate", fingerprint=fingerprint)
    assert (who["principal_id"], who["scopes"], who["roles"], who["kind"]) == (
        tenant.principal, "{read-only}", "{admin}", "certificate")
    assert db.run("auth_by_certificate", fingerprint="cd" * 32) == []
    db.one("admin_certificate_create", tenant_id=tenant.id, principal_id=tenant.principal, fingerprint=fingerprint,
           subject="CN=x", scopes=["admin"], expires_at="2020-01-01T00:00:00Z")
    assert db.run("auth_by_certificate", fingerprint=fingerprint) == []


def test_the_anonymous_principal(db, tenant):
    who = db.one("auth_by_principal", principal=tenant.principal)
    assert (who["principal_id"], who["tenant_id"], who["roles"], who["kind"]) == (
        tenant.principal, tenant.id, "{admin}", "anonymous")
    assert db.run("auth_by_principal", principal=999999) == []
    db.admin(f"update tenants set status = 'suspended' where id = {tenant.id}")
    assert db.run("auth_by_principal", principal=tenant.principal) == []
    db.admin(f"update tenants set status = 'active' where id = {tenant.id};"
             f"update principals set is_enabled = false where id = {tenant.principal}")
    assert db.run("auth_by_principal", principal=tenant.principal) == []


def test_subjects(db, tenant, other):
    any_tenant = db.one("admin_issuer_create", issuer="https://a", algorithm="HS256", key_name="a.key", provision=True,
                        default_roles=["operator"], default_scopes=["workflow-management"])["issuer_id"]
    one_tenant = db.one("admin_issuer_create", tenant_id=tenant.id, issuer="https://b", audience="m", algorithm="RS256",
                        key_name="b.pem", key_type="RSA", provision=False)["issuer_id"]
    who = lambda issuer, subject, name=None, claim=None: db.run(  # noqa: E731
        "auth_by_subject", issuer_id=issuer, subject=subject, name=name, tenant=claim)
    first, = who(any_tenant, "s1", "Ann", "second")
    assert (first["tenant_id"], first["name"], first["roles"], first["scopes"]) == (
        other.id, "Ann", "{operator}", "{workflow-management}")
    assert who(any_tenant, "s1", "Another name", "second")[0]["principal_id"] == first["principal_id"]
    namesake, = who(any_tenant, "s2", "Ann", str(other.id))
    assert namesake["principal_id"] != first["principal_id"] and namesake["name"].startswith("Ann (")
    assert who(any_tenant, "s1", "Ann", "nosuch") == [] and who(any_tenant, "s1") == []
    assert who(one_tenant, "s1", "Bob") == [] and who(999, "s1", "x", "second") == [] and who(any_tenant, "", "x", "second") == []
    issuers = db.run("auth_issuers")
    assert [(i["issuer"], i["tenant_id"], i["algorithm"], i["audience"], i["tenant_claim"]) for i in issuers] == [
        ("https://a", None, "HS256", None, "tenant"), ("https://b", tenant.id, "RS256", "m", "tenant")]
    again = db.one("admin_issuer_create", issuer="https://a", algorithm="HS256", key_name="c.key", provision=False)
    assert again["issuer_id"] == any_tenant and len(db.run("auth_issuers")) == 2


ISSUER = {"issuer": "https://i.test", "audience": "m", "algorithm": "RS256", "jwks_url": "https://i.test/keys"}


def test_issuer_life(db, tenant, other):
    before = revision(db)
    made = tenant.one("issuer_create", **ISSUER, value_map={"roles": {"wf-admin": "admin"}}, provision=True)
    issuer = made["body"]
    assert made["status"] == 201 and revision(db) > before and made["version"] == 1
    assert (issuer["issuer"], issuer["status"], issuer["roles_claim"], issuer["required_claims"], issuer["key_ids"]) == (
        "https://i.test", "active", "roles", {}, [])
    row, = db.run("auth_issuers")
    assert (row["tenant_id"], row["jwks_url"], row["jwks"], row["jwks_age_ms"]) == (tenant.id, "https://i.test/keys", None, None)
    assert other.run("issuer_get", id=issuer["id"]) == [] and other.one("issuer_list")["items"] == []
    # the same issuer, audience and algorithm is somebody's already, whoever asks
    for who in (tenant, other):
        with pytest.raises(DatabaseError) as e:
            who.one("issuer_create", **ISSUER)
        assert e.value.constraint == "issuers_issuer_key"

    changed = tenant.one("issuer_update", id=issuer["id"], body={"is_enabled": False}, is_enabled=False)
    assert changed["body"]["status"] == "disabled" and db.run("auth_issuers") == []
    assert tenant.one("issuer_update", id=issuer["id"], body={}, if_match=1)["error"] == "PRECONDITION_FAILED"
    changed = tenant.one("issuer_update", id=issuer["id"], body={"key_name": "k.pem", "is_enabled": True, "value_map": None},
                         key_name="k.pem", key_type="RSA", is_enabled=True)["body"]
    assert (changed["key_name"], changed["jwks_url"], changed["value_map"]) == ("k.pem", None, {})
    assert tenant.one("issuer_list", search="I.TEST", status=["active"])["items"][0]["id"] == issuer["id"]

    before = revision(db)
    assert tenant.one("issuer_delete", id=issuer["id"])["body"]["status"] == "deleted" and revision(db) > before
    assert db.run("auth_issuers") == [] and tenant.one("issuer_list")["items"] == []
    assert tenant.one("issuer_list", status=["deleted"])["items"] and tenant.run("issuer_get", id=issuer["id"])
    assert tenant.one("issuer_update", id=issuer["id"], body={})["error"] == "ISSUER_DELETED"
    assert other.one("issuer_create", **ISSUER)["status"] == 201, "a removed issuer is nobody's"


@pytest.mark.parametrize("changes,constraint", [
    ({"key_name": "k"}, "issuers_key_check"),
    ({"jwks_url": None}, "issuers_key_check"),
    ({"algorithm": "HS256"}, "issuers_key_fits_check"),
    ({"algorithm": "RS512"}, "issuers_algorithm_check"),
    ({"jwks_url": None, "key_name": "k", "key_type": "EC"}, "issuers_key_fits_check"),
    ({"jwks_url": None, "key_name": "k", "key_type": "oct"}, "issuers_key_fits_check"),
    ({"jwks_url": None, "public_key": "k", "key_type": "RSA", "algorithm": "EdDSA"}, "issuers_key_fits_check"),
    ({"default_roles": ["root"]}, "issuers_default_roles_check"),
], ids=str)
def test_issuers_that_do_not_hold_together(tenant, changes, constraint):
    with pytest.raises(DatabaseError) as e:
        tenant.one("issuer_create", **{**ISSUER, **changes})
    assert e.value.constraint == constraint


def test_a_tenant_has_a_limit_of_issuers(db, tenant):
    for i in range(50):
        tenant.one("issuer_create", **{**ISSUER, "audience": f"a{i}"})
    with pytest.raises(DatabaseError) as e:
        tenant.one("issuer_create", **ISSUER)
    assert e.value.constraint == "issuers_limit"
    tenant.one("issuer_delete", id=1)
    assert tenant.one("issuer_create", **ISSUER)["status"] == 201


def test_one_worker_fetches_keys_for_all(db, tenant):
    i = tenant.one("issuer_create", **ISSUER)["body"]["id"]
    url = ISSUER["jwks_url"]
    claim = lambda age=None, retry=60: db.one("auth_keys_claim", issuer_id=i, url=url, max_age_s=age, retry_s=retry)  # noqa: E731
    store = lambda **what: db.one("auth_keys_store", issuer_id=i, url=what.pop("url", url), **what)["changed"]  # noqa: E731
    first = claim(300)
    assert (first["mine"], first["pending"], first["age_ms"]) == (True, False, None) and 59000 < first["retry_ms"] <= 60000
    second = claim(300)
    assert (second["mine"], second["pending"]) == (False, True) and 0 < second["retry_ms"] <= 60000
    before = revision(db)
    assert store(error="It is away.") is False and revision(db) == before, "a failed try is no change"
    assert claim()["pending"] is False and tenant.run("issuer_get", id=i)[0]["body"]["keys_error"] == "It is away."

    db.admin("update issuers set jwks_tried_at = now() - interval '61 seconds'")
    assert claim(300)["mine"] and store(keys='{"keys":[{"kid":"1"}]}') and revision(db) > before
    body = tenant.run("issuer_get", id=i)[0]["body"]
    assert body["key_ids"] == ["1"] and body["keys_error"] is None and body["keys_fetched_at"]
    assert db.run("auth_issuers")[0]["jwks_age_ms"] is not None
    before = revision(db)
    assert store(keys='{"keys":[{"kid":"1"}]}') is False and revision(db) == before, "the same keys are no change"
    assert store(url="https://elsewhere.test/", keys='{"keys":[]}') is False, "an answer to an address that is no more"
    assert store(error="Away again.") is False and db.run("auth_issuers")[0]["jwks"] == '{"keys":[{"kid":"1"}]}'
    # not due by age; an unknown key asks whatever the age, but not too often
    db.admin("update issuers set jwks_tried_at = now() - interval '61 seconds'")
    late = claim(300)
    assert late["mine"] is False and late["retry_ms"] == 0 and late["age_ms"] < 60000
    assert claim()["mine"] and claim()["mine"] is False and claim(retry=0)["mine"]
    assert db.run("auth_keys_claim", issuer_id=i, url="https://elsewhere.test/", retry_s=1) == []
    # another address begins anew
    tenant.one("issuer_update", id=i, body={"jwks_url": "x"}, jwks_url="https://new.test/keys")
    assert db.run("auth_issuers")[0]["jwks"] is None


def test_admin_statements_can_be_repeated(db, tenant):
    assert db.one("admin_tenant_create", name="first") == {"tenant_id": tenant.id, "created": False}
    for _ in range(2):
        key = db.one("admin_key_create", tenant_id=tenant.id, principal_id=tenant.principal, name="k",
                     key_hash=HASH if _ else bytes(32), key_prefix="x", scopes=["admin"], roles=["admin"])
    assert db.one("auth_by_key", key_hash=HASH)["credential_id"] == key["key_id"]
    assert db.run("auth_by_key", key_hash=bytes(32)) == []
    assert db.one("admin_partitions") == {"made": 0, "dropped": 0}
