"""Secrets in the database: sealed, walled in, and told of when they change."""
import pytest

from libpq import DatabaseError

SEALED, OTHER = bytes(range(40)), bytes(range(1, 41))


def make(tenant, name="s", **more):
    return tenant.one("secret_create", name=name, sealed=SEALED, **{"secrets_max": 100, **more})


def revision(engine, tenant=1):
    return engine.db.run("engine_secret_revisions", None, tenant_ids=[tenant])[0]["revision"]


def test_the_api_cannot_read_what_it_wrote(db, tenant):
    make(tenant)
    with pytest.raises(DatabaseError) as e:
        db.conn("api").execute("select sealed from secrets")
    assert e.value.sqlstate == "42501"
    assert "sealed" not in str(tenant.one("secret_get", secret="s"))


def test_engines_are_told_of_each_change_of_a_value(db, tenant, other, engine):
    assert revision(engine) == 0
    made = make(tenant)
    assert made["wake"] == "s:1"
    first = revision(engine)
    rows = db.run("engine_secrets", None, tenant_ids=[1, 2])
    assert {(r["tenant_id"], r["name"], r["revision"]) for r in rows} == {(1, "s", first), (2, None, 0)}
    # a description is no value
    changed = tenant.one("secret_update", secret="s", given=["description"], description="d")
    assert changed["body"]["description"] == "d" and not changed["wake"] and revision(engine) == first
    changed = tenant.one("secret_update", secret="s", given=["value"], sealed=OTHER)
    assert changed["body"]["version"] == 2 and changed["wake"] and revision(engine) > first
    second = revision(engine)
    assert tenant.one("secret_delete", secret="s")["status"] == 200 and revision(engine) > second
    make(other)
    assert revision(engine, 2) == 1


def test_as_many_as_allowed(tenant):
    make(tenant, "a", secrets_max=2)
    make(tenant, "b", secrets_max=2)
    refused = make(tenant, "c", secrets_max=2)
    assert refused["error"] == "SECRETS_FULL" and "2" in refused["detail"]
    assert make(tenant, "c", secrets_max=3)["status"] == 201


def test_resealing_keeps_what_came_meanwhile(db, tenant, other):
    for i, t in enumerate((tenant, other, tenant)):
        make(t, f"s{i}")
    key = SEALED[1:9].hex()
    rows = db.run("admin_secrets_next", None, after_id=0, key_id="ff" * 8, batch=2)
    assert [r["id"] for r in rows] == [1, 2] and {r["tenant_id"] for r in rows} == {1, 2}
    assert [r["id"] for r in db.run("admin_secrets_next", None, after_id=2, key_id="ff" * 8, batch=2)] == [3]
    assert db.run("admin_secrets_next", None, after_id=0, key_id=key, batch=2) == []
    tenant.one("secret_update", secret="s2", given=["value"], sealed=OTHER)
    new = (b"\x01" + b"\xff" * 39).hex()
    done = db.run("admin_secrets_reseal", None, ids=[1, 2, 3], old=[SEALED.hex()] * 3, new=[new] * 3)
    assert done[0]["changed"] == 2
    keys = {r["key_id"]: r["secrets"] for r in db.run("admin_secrets_keys", None)}
    assert keys == {"ff" * 8: 2, OTHER[1:9].hex(): 1}


def test_only_the_owner_reseals(db):
    for role in ("api", "engine"):
        with pytest.raises(DatabaseError) as e:
            db.conn(role).execute("update secrets set name = 'x'")
        assert e.value.sqlstate == "42501"
