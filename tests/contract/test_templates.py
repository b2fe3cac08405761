"""Templates as S4 has them: made, found, changed and deleted, by whom, and what of them is checked."""
import uuid

import pytest

TEMPLATES = "/api/v1/templates"
SEED = {
    "name": "Custom Integration Template",
    "description": "Custom template for API integrations",
    "category": "integration",
    "template_config": {"steps": [
        {"name": "fetch_data", "type": "http_request",
         "config": {"url": "{{api_endpoint}}", "method": "GET", "headers": {"Authorization": "Bearer {{api_token}}"}}},
        {"name": "process_data", "type": "data_transform",
         "config": {"transformations": [{"type": "extract", "path": "data.items", "key": "extracted_items"}]}}]},
    "default_trigger_config": {"type": "schedule", "enabled": False},
    "default_cron_schedule": "0 9 * * 1",
    "is_public": True,
    "tags": "api,integration,custom"}
LOG = {"steps": [{"name": "say", "type": "log", "config": {"message": "hello {{who}}"}}]}


def unique(word="t"):
    return f"{word} {uuid.uuid4().hex[:8]}"


def make(client, **more):
    return client.ok("POST", TEMPLATES, json={"name": unique(), "template_config": LOG, **more})


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def test_the_seeds_template(admin):
    answer = admin.post(TEMPLATES, {**SEED, "name": unique("Custom Integration Template")})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["Location"] == f"{TEMPLATES}/{made['id']}" and answer.headers["ETag"]
    for member, value in SEED.items():
        if member not in ("name", "tags"):
            assert made[member] == value, member
    assert made["tags"] == ["api", "integration", "custom"] and made["version"] == "1.0.0" and made["usage_count"] == 0
    assert made["slug"].startswith("custom-integration-template-") and made["is_global"] is False
    for ref in (made["id"], f"tmpl_{made['id']}", made["slug"], made["name"]):
        got = admin.get(f"{TEMPLATES}/{ref}")
        assert got.status_code == 200 and got.json() == made
    etag = got.headers["ETag"]
    assert admin.get(f"{TEMPLATES}/{made['id']}", headers={"If-None-Match": etag}).status_code == 304


def test_an_answer_can_be_sent_back(admin):
    made = make(admin, description="x", variables=[{"name": "who", "type": "string"}], settings={"timeout": 5}, category="c")
    back = admin.put(f"{TEMPLATES}/{made['id']}", made)
    assert back.status_code == 200, back.text
    assert {**back.json(), "updated_at": 0} == {**made, "updated_at": 0}


def test_changing(admin):
    made = make(admin, description="x", category="one", tags=["a", "b"])
    path = f"{TEMPLATES}/{made['id']}"
    config = {"steps": [{"name": "wait", "type": "delay", "config": {"seconds": 1}}]}
    changed = admin.patch(path, {"template_config": config, "description": None, "category": None, "tags": None,
                                 "version": "1.1.0", "is_public": True, "is_active": False, "default_cron_schedule": "0 9 * * 1",
                                 "slug": f"s-{uuid.uuid4().hex[:8]}", "template_type": "x"})
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert body["template_config"] == config and body["description"] is None and body["category"] is None and body["tags"] == []
    assert body["version"] == "1.1.0" and body["is_public"] and not body["is_active"]
    assert admin.get(f"{TEMPLATES}/{body['slug']}").json()["id"] == made["id"]
    stale = {"If-Match": '"1.0123456789abcdef"'}
    for answer in (admin.patch(path, {"description": "y"}, headers=stale), admin.put(path, {"description": "y"}, headers=stale),
                   admin.delete(path, headers=stale)):
        assert code(answer) == (412, "PRECONDITION_FAILED")
    fresh = admin.patch(path, {"description": "y"}, headers={"If-Match": changed.headers["ETag"]})
    assert fresh.status_code == 200 and fresh.json()["description"] == "y"
    gone = admin.delete(path)
    assert gone.status_code == 200 and gone.json()["id"] == made["id"]
    for answer in (admin.get(path), admin.patch(path, {"name": "x"}), admin.put(path, {"name": "x"}), admin.delete(path),
                   admin.put(path, {"template_config": LOG})):
        assert code(answer) == (404, "TEMPLATE_NOT_FOUND")


@pytest.mark.parametrize("body,where", [
    ({"template_config": LOG}, "name"), ({"name": "x"}, "template_config"), ({"name": "12", "template_config": LOG}, "name"),
    ({"name": "tmpl_5", "template_config": LOG}, "name"), ({"name": "a/b", "template_config": LOG}, "name"),
    ({"name": "x", "template_config": {}}, "template_config.steps"),
    ({"name": "x", "template_config": LOG, "version": "1.0"}, "version"),
    ({"name": "x", "template_config": LOG, "slug": "Not A Slug"}, "slug"),
    ({"name": "x", "template_config": LOG, "default_cron_schedule": "daily"}, "default_cron_schedule"),
    ({"name": "x", "template_config": LOG, "categry": "y"}, "categry"),
    ({"name": "x", "template_config": LOG, "variables": [{}]}, "variables[0].name"),
    ({"name": "x", "template_config": LOG, "settings": {"timeouts": 1}}, "settings.timeouts"),
    ({"name": "x", "template_config": {"steps": [{"name": "a", "type": "http_request", "config": {"url": "nowhere"}}]}},
     "template_config.steps[0].config.url"),
    ({"name": "x", "template_config": {"steps": [{"name": "a", "type": "nothing"}]}}, "template_config.steps[0].type"),
])
def test_faults_are_named(admin, body, where):
    answer = admin.post(TEMPLATES, body)
    assert code(answer) == (400, "VALIDATION_FAILED") and where in answer.json()["details"], answer.text


def test_all_faults_at_once(admin):
    steps = [{"name": "a", "type": "http_request", "config": {"url": "x", "methd": "GET"}},
             {"name": "a", "type": "log", "config": {"message": "{{steps.later.x}} {{"}}]
    answer = admin.post(TEMPLATES, {"name": "x", "template_config": {"steps": steps}})
    assert code(answer) == (400, "VALIDATION_FAILED")
    at = "template_config.steps"
    assert {f"{at}[0].config.url", f"{at}[0].config.methd", f"{at}[1].config.message", f"{at}[1].name"} <= set(
        answer.json()["details"]), answer.text
    made = make(admin)
    for answer in (admin.patch(f"{TEMPLATES}/{made['id']}", {"template_config": {"steps": steps}}),
                   admin.put(f"{TEMPLATES}/{made['id']}", {"name": None, "version": None, "template_config": None})):
        assert code(answer) == (400, "VALIDATION_FAILED") and len(answer.json()["details"]) >= 3


def test_what_is_to_be_filled_in_and_what_comes_later_is_kept(admin):
    config = {"steps": [
        {"name": "call", "type": "http_request", "config": {"url": "", "auth": {"type": "bearer", "token": "{{secrets.TOKEN}}"}}},
        {"name": "ask", "type": "approval", "approver": "manager"},
        {"name": "tell", "type": "notification", "config": {"type": "email", "message": "{{env.HELLO}} {{who}}"}}]}
    assert make(admin, template_config=config)["template_config"] == config


def test_versions_of_one_name(admin):
    name = unique("versions")
    first = make(admin, name=name, version="1.9.0", is_public=True)
    assert code(admin.post(TEMPLATES, {"name": name, "version": "1.9.0", "template_config": LOG})) == (409, "TEMPLATE_VERSION_TAKEN")
    second = make(admin, name=name, version="1.10.0", is_public=True)
    make(admin, name=name, version="1.10.0-rc.1", is_public=True)
    assert second["slug"] == first["slug"] and admin.get(f"{TEMPLATES}/{first['slug']}").json()["id"] == second["id"]
    assert [t["id"] for t in admin.ok("GET", f"{TEMPLATES}?search={name}")["templates"]] == [second["id"]]
    for method in (admin.put, admin.patch):
        assert code(method(f"{TEMPLATES}/{first['id']}", {"version": "1.10.0"})) == (409, "TEMPLATE_VERSION_TAKEN")
    admin.ok("DELETE", f"{TEMPLATES}/{second['id']}")
    assert admin.get(f"{TEMPLATES}/{first['slug']}").json()["version"] == "1.10.0-rc.1"
    assert admin.post(TEMPLATES, {"name": name, "version": "1.10.0", "template_config": LOG}).status_code == 201


def test_filters_and_pages(admin):
    mark, category = uuid.uuid4().hex[:8], f"cat-egory-{uuid.uuid4().hex[:6]}"
    made = [make(admin, name=f"{mark} {i}", category=category, tags=["even" if i % 2 == 0 else "odd", mark],
                 template_type="kind" if i < 2 else None, is_public=i != 4) for i in range(5)]

    def ids(query):
        return [t["id"] for t in admin.ok("GET", f"{TEMPLATES}?{query}")["templates"]]

    public = [t["id"] for t in made[:4]]
    assert ids(f"category={category}") == public and ids(f"category={category}&public_only=false") == [t["id"] for t in made]
    assert ids(f"search={mark.upper()}") == public and ids(f"tags={mark},even") == public[::2] and ids(f"tags={mark}x") == []
    assert ids(f"search={mark}&template_type=kind") == public[:2] and ids(f"search={mark}&is_active=false") == []
    assert ids(f"search={mark}&ordering=-name") == public[::-1] and ids(f"search={mark}&sort_by=created_at&sort_order=desc") == public[::-1]
    assert ids(f"search={mark}&ordering=-id") == public[::-1] and ids(f"search={mark}&ordering=updated_at") == public
    page = admin.get(f"{TEMPLATES}?search={mark}&page=2&page_size=3")
    assert page.json() == {"templates": [admin.ok("GET", f"{TEMPLATES}/{public[3]}")], "total": 4, "page": 2, "page_size": 3}
    assert ids(f"search={mark}&limit=2&offset=1") == public[1:3]
    seen, address = [], f"{TEMPLATES}?search={mark}&limit=3"
    while address:
        answer = admin.get(address)
        seen += [t["id"] for t in answer.json()["templates"]]
        address = answer.links["next"]["url"] if "Link" in answer.headers else None
    assert seen == public
    default = admin.ok("GET", TEMPLATES)
    assert list(default) == ["templates", "total", "page", "page_size"] and default["page_size"] == 20 and default["page"] == 1
    assert code(admin.get(f"{TEMPLATES}?page_size=101")) == (400, "VALIDATION_FAILED")
    assert code(admin.get(f"{TEMPLATES}?cursor=x")) == (400, "CURSOR_INVALID")
    assert code(admin.get(f"{TEMPLATES}?public_only=perhaps")) == (400, "VALIDATION_FAILED")
    listed = {c["name"]: c for c in admin.ok("GET", f"{TEMPLATES}/categories")["categories"]}
    assert listed[category]["count"] == 4 and listed[category]["display_name"].startswith("Cat Egory ")
    body = admin.ok("GET", f"{TEMPLATES}/categories?public_only=false")
    assert {c["name"]: c["count"] for c in body["categories"]}[category] == 5 and body["total"] == len(body["categories"])


def test_who_may(stack, admin, other):
    editor = stack.client(scopes="workflow-management", roles="editor")
    viewer = stack.client(scopes="workflow-management", roles="viewer")
    made = make(editor, is_public=False)
    path = f"{TEMPLATES}/{made['id']}"
    another = stack.client(scopes="workflow-management", roles="editor")
    assert editor.get(path).status_code == 200 and admin.get(path).status_code == 200
    for who in (viewer, another, other):
        assert code(who.get(path)) == (404, "TEMPLATE_NOT_FOUND")
        assert made["id"] not in [t["id"] for t in who.ok("GET", f"{TEMPLATES}?public_only=false&limit=100")["templates"]]
    assert code(another.patch(path, {"description": "x"})) == (404, "TEMPLATE_NOT_FOUND")
    assert code(viewer.patch(path, {"description": "x"})) == (403, "FORBIDDEN")
    assert code(viewer.post(TEMPLATES, {"name": "x", "template_config": LOG})) == (403, "FORBIDDEN")
    editor.ok("PATCH", path, json={"is_public": True})
    assert viewer.get(path).json()["id"] == made["id"] and another.patch(path, {"description": "x"}).status_code == 200
    assert code(viewer.delete(path)) == (403, "FORBIDDEN") and code(other.get(path)) == (404, "TEMPLATE_NOT_FOUND")


def test_an_owner_may_change_it_whatever_the_role(stack, platform):
    owner = stack.client(scopes="workflow-management", roles="editor", name=f"owner-{uuid.uuid4().hex[:6]}")
    made = make(owner, is_public=False)
    who = stack.rows(f"select owner_id from millrace.templates where id = {made['id']}")[0]["owner_id"]
    key = stack.rows(f"select id from millrace.api_keys where principal_id = {who}")[0]["id"]
    admin = stack.client()
    admin.ok("PATCH", f"/api/v1/api-keys/{key}", json={"roles": ["viewer"]})
    from tests.support.stack import everywhere, wait_until
    wait_until(lambda: everywhere(lambda: owner.post(TEMPLATES, {"name": "x", "template_config": LOG}).status_code == 403))
    path = f"{TEMPLATES}/{made['slug']}"
    assert owner.patch(path, {"description": "mine"}).status_code == 200
    assert owner.put(f"{TEMPLATES}/tmpl_{made['id']}", {"description": "mine"}).status_code == 200
    assert owner.delete(path).status_code == 200


def test_the_library_is_everybodys_and_nobodys_to_change(stack, admin, other):
    slug = f"built-in-{uuid.uuid4().hex[:6]}"
    stack.psql("insert into millrace.templates (name, slug, version, template_config, is_public) "
               f"values ('{slug}', '{slug}', '1.0.0', '{{\"steps\": []}}', true)")
    for who in (admin, other):
        got = who.ok("GET", f"{TEMPLATES}/{slug}")
        assert got["is_global"] is True and got["usage_count"] == 0
        assert slug in [t["slug"] for t in who.ok("GET", f"{TEMPLATES}?search={slug}")["templates"]]
        for answer in (who.patch(f"{TEMPLATES}/{slug}", {"name": "x"}), who.put(f"{TEMPLATES}/{got['id']}", {"description": "x"}),
                       who.delete(f"{TEMPLATES}/{slug}")):
            assert code(answer) == (403, "TEMPLATE_READ_ONLY")
    mine = make(admin, name=slug)  # one's own goes before
    assert admin.ok("GET", f"{TEMPLATES}/{slug}")["id"] == mine["id"] and other.ok("GET", f"{TEMPLATES}/{slug}")["is_global"]
    stack.psql(f"update millrace.templates set deleted_at = now() where slug = '{slug}'")


def test_the_same_key_twice(admin, stack):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"name": unique(), "template_config": LOG}
    first = admin.post(TEMPLATES, body, headers=key)
    again = admin.post(TEMPLATES, body, headers=key)
    assert first.json() == again.json() and again.headers["Idempotency-Replayed"] == "true"
    assert code(admin.post(TEMPLATES, {**body, "description": "x"}, headers=key)) == (409, "IDEMPOTENCY_KEY_REUSED")
    kept = stack.rows("select action, changes from millrace.audit_logs where entity_type = 'template' "
                      f"and entity_id = {first.json()['id']}")
    assert [r["action"] for r in kept] == ["created"] and kept[0]["changes"]["name"] == body["name"]
