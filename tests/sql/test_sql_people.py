"""Users, groups, tenants: what they give, how soon it is gone, and who must remain."""
import pytest

from libpq import DatabaseError

ADD = {"name": "ada", "roles": ["viewer"]}


def key(tenant, name, roles=("admin",), scopes=("admin",), n=[0], **more):
    n[0] += 1
    return tenant.one("api_key_create", name=name, key_hash=n[0].to_bytes(32, "big"), key_prefix="mrk_",
                      scopes=list(scopes), roles=list(roles), **more)["body"] | {"hash": n[0].to_bytes(32, "big")}


def roles_of(db, made):
    rows = db.run("auth_by_key", key_hash=made["hash"])
    return rows[0]["roles"] if rows else None


def revision(db):
    return db.one("auth_revision")["revision"]


@pytest.fixture
def root(tenant):
    """The tenant's administrator by a key, so that there is one."""
    return key(tenant, "root key", user_id=tenant.principal)


def test_user_life(db, tenant, root):
    made = tenant.one("user_create", **ADD)
    ada = made["body"]
    assert (made["status"], made["location"], ada["kind"], ada["scopes"], ada["status"], ada["created_by"]) == (
        201, f"/api/v1/users/{ada['id']}", "user", ["read-only"], "active", "root")
    with pytest.raises(DatabaseError) as e:
        tenant.one("user_create", **ADD)
    assert e.value.constraint == "principals_tenant_id_name_key"
    assert tenant.one("user_create", name="x", groups=["nosuch"])["details"] == {"groups": ["names no group: nosuch"]}
    before = revision(db)
    changed = tenant.one("user_update", id=ada["id"], body={"roles": 1}, roles=["editor"])
    assert changed["body"]["roles"] == ["editor"] and changed["version"] == 2 and revision(db) > before
    assert tenant.one("user_update", id=ada["id"], body={}, if_match=1)["error"] == "PRECONDITION_FAILED"
    hers = key(tenant, "hers", user_id=ada["id"])
    assert hers["principal_name"] == "ada" and roles_of(db, hers) == "{editor}", "never more than the person"
    tenant.one("user_update", id=ada["id"], body={}, is_enabled=False)
    assert roles_of(db, hers) is None
    tenant.one("user_update", id=ada["id"], body={}, is_enabled=True)
    gone = tenant.one("user_delete", id=ada["id"])
    assert gone["body"]["status"] == "deleted" and gone["changes"]["revoked_keys"] == [hers["id"]]
    assert tenant.one("user_update", id=ada["id"], body={})["error"] == "USER_DELETED"
    assert tenant.one("user_create", **ADD)["body"]["id"] != ada["id"], "the name is free"
    actions = [r["action"] for r in db.admin("select action from audit_logs where entity_type = 'user' order by id")]
    assert actions == ["created", "updated", "disabled", "enabled", "deleted", "created"]


def test_user_list(tenant, root):
    tenant.one("group_create", name="g", roles=["operator"])
    for name, kind, groups in (("ada", "user", ["g"]), ("bot", "service", []), ("cy", "user", [])):
        tenant.one("user_create", name=name, kind=kind, groups=groups)
    gone = tenant.one("user_create", name="dan")["body"]["id"]
    tenant.one("user_delete", id=gone)
    names = lambda order=None, **f: [u["name"] for u in tenant.one("user_list", order, **f)["items"]]  # noqa: E731
    assert names() == ["ada", "bot", "cy", "root"] and names(status=["deleted"]) == ["dan"]
    assert names(kind=["service"]) == ["bot"] and names(group="g") == ["ada"] and names(role="operator") == ["ada"]
    assert names("-id", page_limit=2) == ["cy", "bot"] and names(search="AD") == ["ada"]
    page = tenant.one("user_list", page_limit=2)
    assert names(after_key=page["next_key"], after_id=page["next_id"]) == ["cy", "root"] and page["total"] == 4


def test_groups_give_roles_while_they_last(db, tenant, root):
    ada = tenant.one("user_create", **ADD)["body"]["id"]
    hers = key(tenant, "hers", user_id=ada)
    group = tenant.one("group_create", name="editors", roles=["editor"])["body"]["id"]
    assert roles_of(db, hers) == "{viewer}"
    added = tenant.one("group_member_add", id=group, user_id=ada)
    assert added["body"]["effective_roles"] == ["editor", "viewer"] and added["version"] == 2
    assert roles_of(db, hers) == "{editor,viewer}"
    assert tenant.one("group_member_add", id=group, user_id=ada)["version"] == 2, "once more changes nothing"
    assert [m["name"] for m in tenant.one("group_members", id=group)["items"]] == ["ada"]
    assert tenant.one("group_get", id=group)["body"]["member_count"] == 1
    renamed = tenant.one("group_update", id=group, body={}, name="writers")["body"]
    assert renamed["member_count"] == 1 and roles_of(db, hers) == "{editor,viewer}"
    before = revision(db)
    tenant.one("group_update", id=group, body={}, roles=["operator"])
    assert roles_of(db, hers) == "{operator,viewer}" and revision(db) > before
    tenant.one("group_member_remove", id=group, user_id=ada)
    assert roles_of(db, hers) == "{viewer}"
    tenant.one("group_member_add", id=group, user_id=ada)
    before = revision(db)
    assert tenant.one("group_delete", id=group)["body"]["member_count"] == 1
    assert roles_of(db, hers) == "{viewer}" and revision(db) > before
    assert tenant.run("group_get", id=group) == [] and tenant.run("group_members", id=group) == []
    assert tenant.one("user_get", id=ada)["body"]["groups"] == []
    for statement in ("group_member_add", "group_member_remove"):
        assert tenant.run(statement, id=group, user_id=ada) == []
    other = tenant.one("group_create", name="g")["body"]["id"]
    assert tenant.one("group_member_add", id=other, user_id=999)["error"] == "USER_NOT_FOUND"


def test_nobody_locks_themselves_out(tenant, root):
    me = tenant.principal
    for values in ({"is_enabled": False}, {"roles": ["editor"]}, {"scopes": ["read-only"]}):
        assert tenant.one("user_update", id=me, body={}, **values)["error"] == "SELF_LOCKOUT", values
    assert tenant.one("user_delete", id=me)["error"] == "SELF_LOCKOUT"
    for values in ({"scopes": ["read-only"]}, {"roles": ["editor"]},
                   {"expires_at": "2020-01-01T00:00:00Z", "body": {"expires_at": 1}}):
        answer = tenant.one("api_key_update", id=root["id"], credential_id=root["id"], **{"body": {}, **values})
        assert answer["error"] == "SELF_LOCKOUT", values
    # scopes of the principal are not those of a key
    assert tenant.one("user_update", id=me, body={}, scopes=["read-only"], credential_id=root["id"])["error"] is None
    assert tenant.one("user_update", id=me, body={}, name="still root")["error"] is None
    # an administrator by a group
    group = tenant.one("group_create", name="admins", roles=["admin"])["body"]["id"]
    tenant.one("group_member_add", id=group, user_id=me)
    assert tenant.one("user_update", id=me, body={}, roles=["viewer"])["error"] is None
    assert tenant.one("user_update", id=me, body={}, groups=[])["error"] == "SELF_LOCKOUT"
    assert tenant.one("group_update", id=group, body={}, roles=["editor"])["error"] == "SELF_LOCKOUT"
    assert tenant.one("group_delete", id=group)["error"] == "SELF_LOCKOUT"
    assert tenant.one("group_member_remove", id=group, user_id=me)["error"] == "SELF_LOCKOUT"


def test_the_last_administrator_remains(db, tenant, root):
    """Whoever asks: here another administrator, who comes by claims that no row knows of."""
    tenant.caller["principal_id"] = tenant.one("user_create", name="by claims")["body"]["id"]
    group = tenant.one("group_create", name="g", roles=["admin"])["body"]["id"]
    last = [("user_update", {"id": tenant.principal, "body": {}, "is_enabled": False}),
            ("user_update", {"id": tenant.principal, "body": {}, "roles": ["editor"]}),
            ("user_delete", {"id": tenant.principal}),
            ("api_key_update", {"id": root["id"], "body": {}, "roles": ["viewer"]}),
            ("api_key_update", {"id": root["id"], "body": {"expires_at": 1}, "expires_at": "2020-01-01T00:00:00Z"}),
            ("api_key_delete", {"id": root["id"]})]

    def refused(statement, values):
        with pytest.raises(DatabaseError) as e:
            tenant.one(statement, **values)
        assert e.value.constraint == "last_admin", (statement, values)

    for statement, values in last:
        refused(statement, values)
    tenant.one("group_member_add", id=group, user_id=tenant.principal)
    tenant.one("user_update", id=tenant.principal, body={}, roles=["viewer"])
    for statement, values in (("group_update", {"id": group, "body": {}, "roles": []}), ("group_delete", {"id": group}),
                              ("group_member_remove", {"id": group, "user_id": tenant.principal})):
        refused(statement, values)
    tenant.one("group_update", id=group, body={}, name="renamed")
    # with another one there, each of them is allowed
    second = key(tenant, "second")
    assert tenant.one("group_delete", id=group)["error"] is None
    refused("api_key_delete", {"id": second["id"]})


def test_two_who_demote_each_other(db, tenant):
    """Each sees the other as an administrator; only one of them may succeed."""
    a, b = (tenant.one("user_create", name=n, roles=["admin"])["body"]["id"] for n in "ab")
    for n, p in (("a", a), ("b", b)):
        key(tenant, n, user_id=p)
    conns = [db.cluster.connect(db.name, "api") for _ in range(2)]
    for conn in conns:
        conn.execute(f"set lock_timeout = '200ms'; begin; select set_config('app.tenant', '{tenant.id}', true)")
    conns[0].execute(f"update principals set roles = '{{viewer}}' where id = {b}")
    with pytest.raises(DatabaseError) as e:
        conns[1].execute(f"update principals set roles = '{{viewer}}' where id = {a}")
    assert e.value.sqlstate == "55P03", "the second waits for the first"
    conns[1].execute("rollback")
    conns[0].execute("commit")
    conns[1].execute(f"begin; select set_config('app.tenant', '{tenant.id}', true)")
    with pytest.raises(DatabaseError) as e:
        conns[1].execute(f"update principals set roles = '{{viewer}}' where id = {a}")
    assert e.value.constraint == "last_admin"
    for conn in conns:
        conn.close()


def test_operators_may(db, tenant, root):
    """Who comes without a tenant, as millrace-admin does, isn't held."""
    db.admin(f"update principals set is_enabled = false where id = {tenant.principal}")


def test_keys_of_programs_bring_their_roles(db, tenant):
    made = key(tenant, "bot", roles=["viewer"], scopes=["read-only"])
    tenant.one("api_key_update", id=made["id"], body={}, roles=["editor"])
    assert roles_of(db, made) == "{editor}"
    bot = made["principal_id"]
    tenant.one("user_update", id=bot, body={}, roles=["operator"])
    assert roles_of(db, made) == "{operator}", "a program that is demoted takes its keys along"
    assert tenant.one("api_key_create", name="y", key_hash=b"y" * 32, key_prefix="x", scopes=["admin"],
                      user_id=999)["error"] == "VALIDATION_FAILED"


@pytest.fixture
def platform(db):
    from database import Tenant
    t = Tenant(db, "platform")
    db.one("admin_tenant_create", name="platform", platform=True)
    return t


def test_tenants_are_the_platforms(db, tenant, platform):
    made = platform.one("tenant_create", name="acme")
    acme = made["body"]
    assert (made["status"], acme["status"], acme["is_platform"], acme["created_by"]) == (201, "active", False, "root")
    assert [t["name"] for t in platform.one("tenant_list")["items"]] == ["acme", "first", "platform"]
    assert platform.one("tenant_update", id=acme["id"], body={}, name="acme 2")["body"]["name"] == "acme 2"
    assert platform.one("tenant_update", id=acme["id"], body={}, if_match=1)["error"] == "PRECONDITION_FAILED"
    assert platform.one("tenant_suspend", id=platform.id)["error"] == "TENANT_IS_PLATFORM"
    # a tenant doesn't see even itself there
    assert tenant.one("tenant_list")["items"] == [] and tenant.run("tenant_get", id=tenant.id) == []
    for statement in ("tenant_update", "tenant_suspend", "tenant_activate"):
        values = {"body": {}} if statement == "tenant_update" else {}
        assert tenant.run(statement, id=tenant.id, **values) == []
    with pytest.raises(DatabaseError) as e:
        tenant.one("tenant_create", name="x")
    assert e.value.sqlstate == "42501"
    with pytest.raises(DatabaseError):
        platform.db.admin("update tenants set is_platform = true where name = 'first'")


def test_a_suspended_tenant_gets_nobody_in(db, tenant, platform):
    made = key(tenant, "k")
    db.one("admin_certificate_create", tenant_id=tenant.id, principal_id=tenant.principal, fingerprint="ab" * 32,
           subject="CN=x", scopes=["read-only"])
    issuer = db.one("admin_issuer_create", tenant_id=tenant.id, issuer="https://a", algorithm="HS256", key_name="a.key",
                    provision=True)["issuer_id"]

    def ways():
        return [len(db.run("auth_by_key", key_hash=made["hash"])), len(db.run("auth_by_certificate", fingerprint="ab" * 32)),
                len(db.run("auth_by_subject", issuer_id=issuer, subject="s", name="s"))]

    assert ways() == [1, 1, 1]
    before = revision(db)
    assert platform.one("tenant_suspend", id=tenant.id, reason="unpaid")["body"]["suspended_at"]
    assert ways() == [0, 0, 0] and revision(db) > before
    before = revision(db)
    assert platform.one("tenant_activate", id=tenant.id)["body"]["suspended_at"] is None
    assert ways() == [1, 1, 1] and revision(db) > before


def test_me(tenant, root):
    me = tenant.one("me", credential_id=root["id"], credential_kind="api_key", expires_us=0, principal_roles=["admin"],
                    principal_groups=[], principal_scopes=["admin"])["body"]
    assert (me["name"], me["kind"], me["tenant"]["name"], me["credential"]) == (
        "root", "user", "first", {"kind": "api_key", "id": root["id"], "name": "root key", "expires_at": None})


def test_owners(tenant, other):
    mine = tenant.workflow()["body"]["id"]
    assert tenant.one("workflow_owner", id=mine)["is_owner"] is True
    assert tenant.one("workflow_owner", id=mine, principal_id=other.principal)["is_owner"] is False
    assert other.run("workflow_owner", id=mine) == []
    for ref in (tenant.one("agent_create", name="mine", url="http://127.0.0.1:9/", auth_type="none")["entity_id"], "mine"):
        assert tenant.one("agent_owner", agent=str(ref))["is_owner"] is True
        assert tenant.one("agent_owner", agent=str(ref), principal_id=other.principal)["is_owner"] is False
        assert other.run("agent_owner", agent=str(ref)) == []
