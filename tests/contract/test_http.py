"""What holds for every endpoint: methods, headers, pages, entity tags, idempotency."""
import concurrent.futures
import uuid

import pytest

BASE = "/api/v1/workflows"
# disabled: nobody fetches its keys, which would show in it
ISSUER = {"issuer": "https://http.test", "audience": "a", "algorithm": "ES256", "jwks_url": "https://http.invalid/keys", "is_enabled": False}


def fresh(**more):
    return {"name": f"h-{uuid.uuid4().hex[:10]}", "steps": [{"type": "noop"}], **more}


# ---- methods and addresses ----

def test_other_methods_are_405_with_allow(recorder, admin):
    methods = {}
    for method, path, _ in recorder.document.operations():
        methods.setdefault(path, set()).add(method)
    for path, known in methods.items():
        address = path.replace("{id}", "1").replace("{version}", "1").replace("{step}", "a")
        address = address.replace("{step_execution_id}", "1")
        allow = known | {"OPTIONS"} | ({"HEAD"} if "GET" in known else set())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            answer = admin.request(method, address)
            assert answer.status_code == 405, f"{method} {path}: {answer.status_code}"
            assert set(answer.headers["Allow"].split(", ")) == allow, path
        answer = admin.request("OPTIONS", address)
        assert answer.status_code == 204 and set(answer.headers["Allow"].split(", ")) == allow, path


def test_unknown_addresses(admin, stack):
    for path in ("/api/v1/nothing", "/api/v1/", "/api/v2/workflows", "/api/v1/workflows/1/nothing",
                 "/api/v1/WORKFLOWS", "/api"):
        answer = admin.get(path)
        assert answer.status_code == 404 and answer.json()["error_code"] == "ROUTE_NOT_FOUND", path
        assert stack.anonymous().get(path).status_code == 404


def test_head_is_get_without_a_body(recorder, admin, things):
    run, wf = things.completed(), things.quick
    for path in (BASE, f"{BASE}/{wf}", f"/api/v1/runs/{run}", "/health", "/openapi.json"):
        got, head = admin.get(path), admin.request("HEAD", path)
        assert head.status_code == 200 and not head.content, path
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if "ETag" in got.headers:
            assert head.headers["ETag"] == got.headers["ETag"]
    assert admin.request("HEAD", f"{BASE}/validate").status_code == 405
    assert admin.request("HEAD", f"{BASE}/9007199254740991").status_code == 404


def test_a_trailing_slash_changes_nothing(admin, things):
    for path in (BASE, f"{BASE}/{things.quick}", f"{BASE}/{things.quick}/executions", "/api/v1/runs"):
        assert admin.ok("GET", path + "/") == admin.ok("GET", path)


# ---- correlation ----

def test_request_ids_travel_into_runs(admin, things, stack):
    answer = admin.post(f"{BASE}/{things.quick}/execute", headers={"X-Request-ID": "my-own.id:1"})
    assert answer.headers["X-Request-ID"] == "my-own.id:1"
    assert admin.run(answer.json()["run_id"])["correlation_id"] == "my-own.id:1"
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = admin.post(f"{BASE}/{things.quick}/execute", headers={"traceparent": trace})
    rows = stack.rows(f"select traceparent from millrace.runs where id = {answer.json()['run_id']}")
    assert rows == [{"traceparent": trace}]


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "{}", "é".encode().decode("latin-1")])
def test_insane_request_ids_are_replaced(admin, bad):
    answer = admin.get(BASE, headers={"X-Request-ID": bad.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] != bad and len(answer.headers["X-Request-ID"]) >= 16


# ---- entity tags ----

def test_etags(admin):
    made = admin.post(BASE, fresh())
    path = made.headers["Location"]
    etag = admin.get(path).headers["ETag"]
    assert etag == made.headers["ETag"]
    for tag in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = admin.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 304 and not answer.content and answer.headers["ETag"] == etag
    assert admin.get(path, headers={"If-None-Match": '"1.0000000000000000"'}).status_code == 200
    changed = admin.put(path, {"description": "x"}, headers={"If-Match": etag})
    assert changed.status_code == 200 and changed.headers["ETag"] != etag
    for method, options in (("PUT", {"json": {"description": "y"}}), ("PATCH", {"json": {"description": "y"}}),
                            ("DELETE", {}), ("GET", {})):
        for stale in (etag, f"W/{etag}", '"strange"'):
            answer = admin.request(method, path, headers={"If-Match": stale}, **options)
            assert answer.status_code == 412, f"{method} {stale}: {answer.text}"
    assert admin.ok("GET", path)["description"] == "x"
    # nginx's gzip makes the tag a weak one
    assert admin.patch(path, {"description": "z"}, headers={"If-Match": "W/" + changed.headers["ETag"]}).status_code == 200
    assert admin.delete(path, headers={"If-Match": "*"}).status_code == 200
    answer = admin.put(path, {}, headers={"If-Match": "nonsense"})
    assert answer.status_code == 400 and "If-Match" in answer.json()["details"]


def known_everywhere(admin, path):
    """The tag of what stands there now, once every worker has given it: requests go to them in turn."""
    for _ in range(10):
        answer = admin.get(path)
    return answer.headers["ETag"]


def asked_everywhere(client, path, tag):
    """Every answer to a request on condition, as status and content."""
    answers = [client.get(path, headers={"If-None-Match": tag}) for _ in range(10)]
    return {(a.status_code, a.content) for a in answers}


def test_a_state_that_has_changed_is_not_taken_for_the_one_before(admin, things):
    made = things.new_workflow()
    path, tags = f"{BASE}/{made['id']}", set()
    for change in (lambda: admin.ok("PATCH", path, json={"description": "other"}),
                   lambda: admin.execute(made["id"], wait=20), lambda: admin.execute(made["id"], wait=20),
                   lambda: admin.ok("PATCH", path, json={"name": made["name"] + "-renamed"}),
                   lambda: admin.ok("PUT", path, json={"name": made["name"] + "-renamed", "tags": ["a"]}),
                   lambda: admin.ok("DELETE", path)):
        tag = known_everywhere(admin, path)
        tags.add(tag)
        assert asked_everywhere(admin, path, tag) == {(304, b"")}
        change()
        now = admin.get(path)
        assert asked_everywhere(admin, path, tag) == {(200, now.content)}
        assert now.headers["ETag"] not in tags


def test_an_ended_run_changes_with_its_workflow_and_by_a_retry(admin, things):
    made = things.new_workflow(things.FAILING)
    run = admin.execute(made["id"])["run_id"]
    for change in (lambda: admin.ok("PATCH", f"{BASE}/{made['id']}", json={"name": made["name"] + "-renamed"}),
                   lambda: admin.ok("POST", f"/api/v1/runs/{run}/retry")):
        assert admin.wait_run(run)["status"] == "failed"
        tags = {path: known_everywhere(admin, path) for path in (f"/api/v1/runs/{run}", f"{BASE}/executions/{run}")}
        for path, tag in tags.items():
            assert asked_everywhere(admin, path, tag) == {(304, b"")}
        change()
        for path, tag in tags.items():
            assert {status for status, _ in asked_everywhere(admin, path, tag)} == {200}


def test_a_tag_opens_nothing_to_another_tenant(admin, other, things):
    path = f"{BASE}/{things.quick}"
    tag = known_everywhere(admin, path)
    for tried in (tag, "*"):
        assert {status for status, _ in asked_everywhere(other, path, tried)} == {404}


def made_of_each_kind(admin):
    """Addresses of an agent, a secret, a group, a user and a template in each of its views."""
    name = "kind-" + uuid.uuid4().hex[:8]
    log = [{"name": "a", "type": "log", "config": {"message": "x"}}]
    for path, body in (("/api/v1/agents", {"url": "https://a.example.com"}), ("/api/v1/secrets", {"value": "x"}), ("/api/v1/groups", {}),
                       ("/api/v1/users", {}), ("/api/v1/templates", {"template_config": {"steps": log}})):
        made = admin.post(path, {"name": name.replace("-", "_"), **body})
        assert made.status_code == 201, made.text
        yield made.headers["Location"]
    for view in ("workflow-templates", "workflow/process-templates"):
        yield made.headers["Location"].replace("templates", view)


def test_every_single_resource_has_one(admin, things):
    run, wf = things.completed(), things.quick
    key = admin.ok("POST", "/api/v1/api-keys", json={"name": "e", "scopes": ["read-only"]})["id"]
    file = admin.request("POST", "/api/v1/files", files={"file": ("a.txt", b"x", "text/plain")}).json()["id"]
    event = admin.ok("POST", "/api/v1/events/publish", json={"event_type": "e"})["id"]
    issuer = admin.ok("POST", "/api/v1/issuers", json=ISSUER)["id"]
    saga = things.new_completed()
    admin.ok("POST", "/api/v1/sagas/start", json={"saga_type": "e", "input_data": {"execution_id": saga}})
    for path in (f"{BASE}/{wf}", f"{BASE}/{wf}/versions/1", f"/api/v1/runs/{run}", f"{BASE}/executions/{run}",
                 f"/api/v1/api-keys/{key}", f"/api/v1/issuers/{issuer}", f"/api/v1/files/{file}", f"/api/v1/events/{event}", f"/api/v1/sagas/{saga}",
                 f"/api/v1/runs/{run}/explain", f"/api/v1/runs/{run}/steps/hello/explain", *made_of_each_kind(admin)):
        etag = admin.get(path).headers["ETag"]
        assert admin.get(path, headers={"If-None-Match": etag}).status_code == 304, path
        assert admin.get(path, headers={"If-Match": '"99999.0"'}).status_code == 412, path


def test_two_writers_at_once_both_win_or_one_is_told(admin):
    path = admin.post(BASE, fresh(timeout_seconds=5)).headers["Location"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: admin.patch(path, {"timeout_seconds": 10 + i}).status_code, range(16)))
    assert set(answers) <= {200, 412} and 200 in answers


# ---- idempotency ----

def test_the_same_key_gives_the_stored_answer(admin, stack):
    body, headers = fresh(), {"Idempotency-Key": uuid.uuid4().hex}
    first = admin.post(BASE, body, headers=headers)
    again = admin.post(BASE, body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json() and again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"] and again.headers["ETag"] == first.headers["ETag"]
    assert "Idempotency-Replayed" not in first.headers
    other = admin.post(BASE, {**body, "description": "x"}, headers=headers)
    assert other.status_code == 409 and other.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"
    elsewhere = admin.post(f"{BASE}/validate", body, headers=headers)
    assert elsewhere.status_code == 200  # it writes nothing, so the key is not used up
    stranger = stack.client(scopes="admin", roles="admin", name=f"s-{uuid.uuid4().hex[:6]}")
    assert stranger.post(BASE, {**body, "name": body["name"] + "2"}, headers=headers).status_code == 201


def test_only_good_answers_are_stored(admin):
    name, headers = fresh()["name"], {"Idempotency-Key": uuid.uuid4().hex}
    made = admin.ok("POST", BASE, json=fresh(name=name))
    body = fresh(name=name)
    assert admin.post(BASE, body, headers=headers).status_code == 409
    assert admin.delete(f"{BASE}/{made['id']}").status_code == 200
    again = admin.post(BASE, body, headers=headers)
    assert again.status_code == 201 and "Idempotency-Replayed" not in again.headers


def test_many_at_once_make_one_run(admin, things):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    path = f"{BASE}/{things.quick}/execute"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: admin.post(path, {}, headers=headers), range(24)))
    assert {a.status_code for a in answers} <= {202, 409}
    assert len({a.json()["run_id"] for a in answers if a.status_code == 202}) == 1
    assert {a.json()["error_code"] for a in answers if a.status_code == 409} <= {"IDEMPOTENCY_IN_PROGRESS"}


def test_every_post_takes_a_key(recorder, admin, things):
    """The key of one request, sent again with another body, is refused wherever a body is taken."""
    run, failing = things.new_failed(), things.new_failed()
    step = [s for s in admin.steps(failing) if s["status"] == "failed"][0]["id"]
    slow, slow_wf = things.new_sleeping(), things.new_workflow(things.SLOW)["id"]
    third = things.new_workflow(things.FAILING)["id"]
    admin.wait_run(admin.execute(third)["run_id"])
    things.new_sleeping(slow_wf)
    key = admin.ok("POST", "/api/v1/api-keys", json={"name": "i", "scopes": ["read-only"]})["id"]
    good = {"missing": "found"}
    signalled, cancelled = things.new_sleeping(), things.new_sleeping()
    saga = {"saga_type": "one", "input_data": {"workflow_id": things.quick}}
    admin.ok("POST", "/api/v1/sagas/start", json={"saga_type": "x", "input_data": {"execution_id": cancelled}})
    acts = [
        (f"/api/v1/runs/{slow}/pause", {}, {"reason": "x"}), (f"/api/v1/runs/{slow}/resume", {}, {"reason": "x"}),
        (f"/api/v1/runs/{slow}/cancel", {}, {"reason": "x"}), (f"/api/v1/runs/{run}/retry", {"input": good}, {}),
        (f"{BASE}/steps/{step}/retry", {"input": good}, {}), (f"{BASE}/{slow_wf}/pause", {}, {"reason": "x"}),
        (f"{BASE}/{slow_wf}/resume", {}, {"reason": "x"}), (f"{BASE}/{slow_wf}/cancel", {}, {"reason": "x"}),
        (f"{BASE}/{third}/steps/fail/retry", {"input": good}, {}),
        (f"{BASE}/{things.quick}/execute", {}, {"input": {"name": 1}}),
        (f"{BASE}/bulk", {"op": "execute", "workflow_id": things.quick, "items": [{}]},
         {"op": "execute", "workflow_id": things.quick, "items": [{}, {}]}),
        ("/api/v1/runs/bulk", {"op": "cancel", "ids": [run]}, {"op": "cancel", "ids": [slow]}),
        (f"/api/v1/runs/{failing}/rerun", {}, {"input": {"name": 1}}),
        (f"/api/v1/runs/{signalled}/signals/go", {"a": 1}, {"a": 2}),
        ("/api/v1/events/publish", {"event_type": "one"}, {"event_type": "two"}),
        ("/api/v1/sagas/start", saga, {**saga, "saga_type": "other"}),
        (f"/api/v1/sagas/{cancelled}/cancel", {}, {"reason": "x"}),
        ("/api/v1/api-keys", {"name": "one", "scopes": ["admin"]}, {"name": "two", "scopes": ["admin"]}),
        ("/api/v1/issuers", {**ISSUER, "audience": "one"}, {**ISSUER, "audience": "two"}),
    ]
    for path, body, changed in acts:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        if path == f"/api/v1/runs/{slow}/resume":
            admin.wait_run(slow, until="paused")
        first = admin.post(path, body, headers=headers)
        assert first.status_code in (201, 202), f"{path}: {first.text}"
        again = admin.post(path, body, headers=headers)
        assert again.headers.get("Idempotency-Replayed") == "true", f"{path}: {again.text}"
        assert again.status_code == first.status_code
        refused = admin.post(path, changed, headers=headers)
        assert refused.status_code == 409 and refused.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED", path
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    rotated = admin.post(f"/api/v1/api-keys/{key}/rotate", headers=headers)
    again = admin.post(f"/api/v1/api-keys/{key}/rotate", headers=headers)
    assert "key" in rotated.json() and "key" not in again.json()
    refused = admin.post(f"/api/v1/api-keys/{key}/rotate/", {"x": 1}, headers=headers)
    assert refused.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä".encode().decode("latin-1")])
def test_bad_keys(admin, key):
    answer = admin.post(BASE, fresh(), headers={"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["details"]


# ---- pages ----

@pytest.fixture(scope="module")
def many(admin, things):
    mark = uuid.uuid4().hex[:8]
    made = [admin.ok("POST", BASE, json=fresh(name=f"{mark}-{i:02}", tags=[mark]))["id"] for i in range(7)]
    return mark, made


def test_page_and_offset(admin, many):
    mark, made = many
    whole = admin.ok("GET", f"{BASE}?tag={mark}&ordering=name")
    assert [w["id"] for w in whole["items"]] == made
    assert whole["total"] == 7 and whole["next_cursor"] is None and whole["limit"] == 100
    second = admin.ok("GET", f"{BASE}?tag={mark}&ordering=name&page=2&page_size=3")
    assert [w["id"] for w in second["items"]] == made[3:6]
    assert (second["page"], second["page_size"], second["offset"], second["limit"]) == (2, 3, 3, 3)
    assert admin.ok("GET", f"{BASE}?tag={mark}&ordering=name&limit=3&offset=3")["items"] == second["items"]
    assert admin.ok("GET", f"{BASE}?tag={mark}&offset=100")["items"] == []


@pytest.mark.parametrize("ordering", ["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at",
                                      "-id"])
def test_cursors_see_each_entry_once(admin, many, ordering):
    mark, made = many
    seen, cursor, pages = [], None, 0
    while True:
        query = f"tag={mark}&ordering={ordering}&limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = admin.ok("GET", f"{BASE}?{query}")
        assert page["total"] == 7 and page["page"] == pages + 1 and page["offset"] == 2 * pages
        seen += [w["id"] for w in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(made) and pages == 4
    assert seen == [w["id"] for w in admin.ok("GET", f"{BASE}?tag={mark}&ordering={ordering}")["items"]]


def test_sort_by_and_sort_order(admin, many):
    mark, made = many
    down = admin.ok("GET", f"{BASE}?tag={mark}&sort_by=name&sort_order=DESC")
    assert [w["id"] for w in down["items"]] == made[::-1]


def test_foreign_cursors(admin, other, many):
    mark, _ = many
    cursor = admin.ok("GET", f"{BASE}?tag={mark}&limit=2")["next_cursor"]
    for client, query in ((admin, f"cursor={cursor}"), (admin, f"tag={mark}x&cursor={cursor}"),
                          (admin, f"tag={mark}&ordering=-name&cursor={cursor}"), (admin, "cursor=AAAA"),
                          (admin, "cursor="), (other, f"tag={mark}&cursor={cursor}")):
        answer = client.get(f"{BASE}?{query}")
        assert answer.status_code == 400 and answer.json()["error_code"] == "CURSOR_INVALID", query
    assert admin.get(f"/api/v1/runs?cursor={cursor}").json()["error_code"] == "CURSOR_INVALID"


def test_bare_lists_link_to_the_next_page(admin, things):
    for _ in range(3):
        things.new_completed()
    answer = admin.get(f"{BASE}/{things.quick}/executions?limit=1&status=completed")
    seen = [answer.json()[0]["id"]]
    total = int(answer.headers["X-Total-Count"])
    while "next" in answer.links:
        answer = admin.get(answer.links["next"]["url"])
        assert answer.headers["X-Total-Count"] == str(total) or answer.status_code == 200
        seen += [r["id"] for r in answer.json()]
    assert len(seen) == len(set(seen)) >= 3 and seen == sorted(seen, reverse=True)


def test_every_list_pages(recorder, admin, platform, things):
    """In each ordering; what can't be asked for is refused. What the pages hold: test_filters.py."""
    group = admin.ok("POST", "/api/v1/groups", json={"name": "paged"})["id"]
    ids = {"runs": things.completed(), "executions": things.completed(), "groups": group}
    for method, path, operation in recorder.document.operations():
        names = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
        if "cursor" not in names:
            continue
        client = platform if operation.get("x-platform") else admin
        address = path.replace("{id}", str(next((i for kind, i in ids.items() if kind + "/" in path), things.quick)))
        for ordering in [p for p in operation["parameters"] if p["name"] == "ordering"]:
            for order in ordering["schema"]["enum"]:
                answer = client.get(f"{address}?limit=1&ordering={order.replace('+', '%2B')}")
                assert answer.status_code == 200, f"{address} {order}: {answer.text}"
                body = answer.json()
                cursor = body.get("next_cursor") if isinstance(body, dict) else None
                if cursor:
                    answer = client.get(f"{address}?limit=1&cursor={cursor}")
                    assert answer.status_code == 200, f"{address} {order} cursor: {answer.text}"
                    assert answer.json()["total"] == body["total"]
        for bad in ("limit=0", "limit=1001", "page=0", "offset=-1", "ordering=strange", "sort_order=up", "unknown=1",
                    "limit=1&limit=2", "limit=x", "page=1&offset=1"):
            answer = client.get(f"{address}?{bad}")
            assert answer.status_code == 400 and answer.json()["details"], f"{address}?{bad}: {answer.text}"
