"""Templates as S3 has them: processes, and blueprints that are exported and imported."""
import uuid

from .test_seed_s3 import BLUEPRINT, IMPORT, PROCESSES, blueprint
from .test_templates import LOG, TEMPLATES, code, make, unique


def test_a_template_of_the_other_view_can_be_shared_whole(admin, other):
    config = {"steps": [{"name": "say", "type": "log", "config": {"message": "{{vars.n}}", "level": "info"}}], "vars": {"n": 1E2}}
    made = make(admin, template_config=config, category="c", tags="x,y", default_cron_schedule="0 9 * * 1",
                slug=f"own-{uuid.uuid4().hex[:6]}", default_trigger_config={"type": "manual"})
    exported = admin.get(f"{PROCESSES}/{made['id']}/export")
    there = other.post(IMPORT, exported.json())
    assert there.status_code == 201, there.text
    got = other.ok("GET", f"{TEMPLATES}/{there.json()['id']}")
    for member in ("template_config", "category", "tags", "default_cron_schedule", "slug", "default_trigger_config"):
        assert got[member] == made[member], member
    assert other.get(f"{PROCESSES}/{there.json()['id']}/export").json() == exported.json()


def test_an_import_is_checked_whole(admin):
    body = {**blueprint(), "version": "1", "process_steps": [
        {"name": "a", "type": "log", "config": {"mesage": "x"}}, {"name": "a", "type": "nothing"}]}
    answer = admin.post(IMPORT, body)
    assert code(answer) == (400, "VALIDATION_FAILED")
    assert {"process_steps[0].config.mesage", "process_steps[0].config.message", "process_steps[1].type",
            "process_steps[1].name"} <= set(answer.json()["details"])
    for more, where in (({"process_steps": None}, "process_steps"), ({"template_config": LOG}, "process_steps"),
                        ({"graph_spec": []}, "graph_spec"), ({"stetings": {}}, "stetings")):
        answer = admin.post(IMPORT, {**blueprint(), **more})
        assert code(answer) == (400, "VALIDATION_FAILED") and where in answer.json()["details"], answer.text


def test_made_changed_listed_deleted(admin):
    body = blueprint()
    answer = admin.post(f"{PROCESSES}/", body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {k: made[k] for k in BLUEPRINT} == body and made["is_active"] and made["usage_count"] == 0
    assert code(admin.post(f"{PROCESSES}/", body)) == (409, "TEMPLATE_VERSION_TAKEN")
    path = f"{PROCESSES}/{made['id']}/"
    got = admin.get(path)
    assert got.json() == made and admin.get(path, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    back = admin.put(path, made)
    assert back.status_code == 200 and {**back.json(), "updated_at": 0} == {**made, "updated_at": 0}
    steps = [{"step": 1, "name": "say", "action": "log", "config": {"message": "x"}}]
    changed = admin.patch(path, {"process_steps": steps, "graph_spec": None, "settings": None, "is_active": False})
    assert changed.status_code == 200 and changed.json()["process_steps"] == steps and changed.json()["settings"] == {}
    assert changed.json()["graph_spec"] == {"nodes": [], "edges": []}
    assert admin.ok("GET", f"{TEMPLATES}/{made['id']}")["template_config"] == {"steps": steps}
    wrong = admin.patch(path, {"process_steps": [{"name": "a", "type": "logg"}]})
    assert list(wrong.json()["details"]) == ["process_steps[0].type"], "as the body calls it"
    second = admin.ok("POST", f"{PROCESSES}/", json={**body, "version": "2.0.0", "is_public": True})
    for method in (admin.put, admin.patch):
        assert code(method(path, {"version": "2.0.0"})) == (409, "TEMPLATE_VERSION_TAKEN")
        assert code(method(path, {"name": "x"}, headers={"If-Match": got.headers["ETag"]})) == (412, "PRECONDITION_FAILED")

    def ids(query):
        return [t["id"] for t in admin.ok("GET", f"{PROCESSES}/?{query}")["results"]]

    search = body["name"]
    assert ids(f"search={search}") == [made["id"], second["id"]] and ids(f"search={search}&is_active=true") == [second["id"]]
    assert ids(f"search={search}&template_type=approval&public_only=true") == [second["id"]] and ids(f"search={search}&category=x") == []
    assert ids(f"search={search}&tags=x") == [] and ids(f"search={search}&ordering=-created_at") == [second["id"], made["id"]]
    page = admin.ok("GET", f"{PROCESSES}/?search={search}&page_size=1")
    assert list(page) == ["count", "next", "previous", "results"] and page["count"] == 2 and page["previous"] is None
    assert page["next"].startswith(admin.url)
    following = admin.ok("GET", page["next"][len(admin.url):])
    assert [t["id"] for t in following["results"]] == [second["id"]] and following["next"] is None
    assert admin.ok("GET", following["previous"][len(admin.url):]) == page
    assert code(admin.get(f"{PROCESSES}?cursor=x")) == (400, "CURSOR_INVALID")
    assert code(admin.delete(path, headers={"If-Match": got.headers["ETag"]})) == (412, "PRECONDITION_FAILED")
    gone = admin.delete(path)
    assert gone.status_code == 200 and gone.json()["id"] == made["id"]
    for answer in (admin.get(path), admin.get(path + "export/"), admin.put(path, {"name": "x"}), admin.patch(path, {"name": "x"}),
                   admin.delete(path)):
        assert code(answer) == (404, "TEMPLATE_NOT_FOUND")


def test_the_library_is_nobodys_to_change(stack, admin):
    slug = f"built-in-{uuid.uuid4().hex[:6]}"
    stack.psql("insert into millrace.templates (name, slug, version, template_config, is_public) "
               f"values ('{slug}', '{slug}', '1.0.0', '{{\"steps\": []}}', true)")
    path = f"{PROCESSES}/{slug}"
    for answer in (admin.put(path, {"name": "x"}), admin.patch(path, {"name": "x"}), admin.delete(path)):
        assert code(answer) == (403, "TEMPLATE_READ_ONLY")
    stack.psql(f"update millrace.templates set deleted_at = now() where slug = '{slug}'")


def test_the_same_key_twice(admin):
    for path in (f"{PROCESSES}/", IMPORT):
        key, body = {"Idempotency-Key": uuid.uuid4().hex}, blueprint()
        first = admin.post(path, body, headers=key)
        again = admin.post(path, body, headers=key)
        assert first.status_code == again.status_code == 201 and first.json() == again.json()
        assert code(admin.post(path, {**body, "description": "x"}, headers=key)) == (409, "IDEMPOTENCY_KEY_REUSED")
