"""Agents: registered services, what they know us by kept back, looks at them, and what they have to do."""
import uuid

import pytest

AGENTS = "/api/v1/agents"
CANARY = "canary-4f1d9c"  # nothing that anybody can read ever holds it


def make(admin, **more):
    body = {"name": f"a-{uuid.uuid4().hex[:8]}", "url": "http://127.0.0.1:9/work", **more}
    return admin.ok("POST", AGENTS, json=body)


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def test_one_with_its_defaults(admin):
    made = make(admin)
    assert made["auth_type"] == "none" and made["has_auth_config"] is False
    assert made["timeout_ms"] == 30000 and made["max_concurrency"] is None and made["status"] == "active"
    assert made["retry_config"] == {"max_retries": 3, "initial_delay_ms": 1000, "max_delay_ms": 60000,
                                    "backoff_multiplier": 2, "jitter": True}
    assert made["capabilities"] == [] and made["health"] == {"status": "unknown"}
    for ref in (made["id"], f"agent_{made['id']}", made["name"]):
        answer = admin.get(f"{AGENTS}/{ref}")
        assert answer.status_code == 200 and answer.json() == made and answer.headers["ETag"]


def test_created_answers_201_with_its_place(admin):
    answer = admin.post(AGENTS, {"name": f"a-{uuid.uuid4().hex[:8]}", "url": "https://agents.example.com/x"})
    assert answer.status_code == 201 and answer.headers["Location"] == f"{AGENTS}/{answer.json()['id']}"


CONFIGS = {
    "api_key": {"key": CANARY, "header": "X-Agent-Key"},
    "bearer": {"token": CANARY},
    "basic": {"username": "us", "password": CANARY},
    "oauth2": {"token_url": "https://id.example.com/token", "client_id": "us", "client_secret": CANARY, "scope": "run"},
}


@pytest.mark.parametrize("auth_type", CONFIGS)
def test_what_it_knows_us_by_is_never_read_back(admin, stack, auth_type):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"name": f"a-{uuid.uuid4().hex[:8]}", "url": "http://127.0.0.1:9/", "auth_type": auth_type,
            "auth_config": CONFIGS[auth_type]}
    made = admin.post(AGENTS, body, headers=key)
    assert made.status_code == 201 and made.json()["has_auth_config"] is True, made.text
    again = admin.post(AGENTS, body, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true" and again.json()["id"] == made.json()["id"]
    path = f"{AGENTS}/{made.json()['id']}"
    for answer in (made, again, admin.get(path), admin.get(AGENTS), admin.patch(path, {"auth_config": CONFIGS[auth_type]})):
        assert answer.status_code < 300 and CANARY not in answer.text and "auth_config\":" not in answer.text.replace(
            "has_auth_config\":", "")
    for table in ("agents", "audit_logs", "idempotency_keys"):
        held = stack.rows(f"select count(*) as n from millrace.{table} t where strpos(t::text, '{CANARY}') > 0 "
                          f"or strpos(t::text, encode('{CANARY}', 'hex')) > 0")
        assert held[0]["n"] == 0, table
    noted = stack.rows("select changes from millrace.audit_logs where entity_type = 'agent' and action = 'created' "
                       f"and entity_id = {made.json()['id']}")
    assert noted[0]["changes"]["auth_config"] == "[redacted]"


def test_the_same_key_with_another_secret_is_another_request(admin):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"name": f"a-{uuid.uuid4().hex[:8]}", "url": "http://127.0.0.1:9/", "auth_type": "bearer"}
    assert admin.post(AGENTS, {**body, "auth_config": {"token": "one"}}, headers=key).status_code == 201
    assert code(admin.post(AGENTS, {**body, "auth_config": {"token": "two"}}, headers=key)) == (
        409, "IDEMPOTENCY_KEY_REUSED")


def test_names_are_unique_and_free_again_when_deleted(admin, other):
    made = make(admin)
    again = {"name": made["name"], "url": "http://127.0.0.1:9/"}
    assert code(admin.post(AGENTS, again)) == (409, "AGENT_NAME_TAKEN")
    assert other.post(AGENTS, again).status_code == 201
    taken = make(admin)
    assert code(admin.put(f"{AGENTS}/{taken['id']}", {"name": made["name"]})) == (409, "AGENT_NAME_TAKEN")
    assert code(admin.patch(f"{AGENTS}/{taken['id']}", {"name": made["name"]})) == (409, "AGENT_NAME_TAKEN")
    gone = admin.delete(f"{AGENTS}/{made['name']}")
    assert gone.status_code == 200 and gone.json()["id"] == made["id"]
    assert code(admin.get(f"{AGENTS}/{made['id']}")) == (404, "AGENT_NOT_FOUND")
    assert admin.post(AGENTS, again).status_code == 201


def test_changing(admin):
    made = make(admin, description="x", capabilities=["a", "b"], max_concurrency=3)
    path = f"{AGENTS}/{made['id']}"
    back = admin.put(path, made)  # as it was read
    assert back.status_code == 200 and {**back.json(), "updated_at": 0} == {**made, "updated_at": 0}
    changed = admin.patch(path, {"url": "https://agents.example.com/", "timeout_ms": 100, "status": "maintenance",
                                 "retry_config": {"max_retries": 1}, "max_concurrency": None, "description": None}).json()
    assert changed["url"] == "https://agents.example.com/" and changed["timeout_ms"] == 100
    assert changed["retry_config"]["max_retries"] == 1 and changed["retry_config"]["initial_delay_ms"] == 1000
    assert changed["max_concurrency"] is None and changed["description"] is None and changed["capabilities"] == ["a", "b"]
    assert admin.patch(path, {"retry_config": None, "timeout_ms": None}).json()["timeout_ms"] == 30000
    typed = admin.patch(path, {"auth_type": "bearer", "auth_config": {"token": "t"}})
    assert typed.status_code == 200 and typed.json()["has_auth_config"] is True
    assert admin.patch(path, {"auth_type": "bearer"}).json()["has_auth_config"] is True  # it stays
    assert admin.patch(path, {"auth_type": "none"}).json()["has_auth_config"] is False
    assert admin.get(path, headers={"If-None-Match": admin.get(path).headers["ETag"]}).status_code == 304
    stale = {"If-Match": '"999.0123456789abcdef"'}
    for answer in (admin.patch(path, {"description": "y"}, headers=stale), admin.put(path, {"description": "y"}, headers=stale),
                   admin.delete(path, headers=stale)):
        assert code(answer) == (412, "PRECONDITION_FAILED")


URL = "http://127.0.0.1:9/"


@pytest.mark.parametrize("body,where", [
    ({"url": URL}, "name"), ({"name": "x"}, "url"), ({"name": "x", "url": "ftp://x/"}, "url"),
    ({"name": "x", "url": "https://me:pw@x/"}, "url"), ({"name": "123", "url": URL}, "name"),
    ({"name": "agent_5", "url": URL}, "name"), ({"name": "a/b", "url": URL}, "name"),
    ({"name": "x", "url": URL, "timeout_ms": 99}, "timeout_ms"), ({"name": "x", "url": URL, "timeout_ms": 600001}, "timeout_ms"),
    ({"name": "x", "url": URL, "max_concurrency": 0}, "max_concurrency"),
    ({"name": "x", "url": URL, "auth_type": "digest"}, "auth_type"),
    ({"name": "x", "url": URL, "auth_type": "bearer"}, "auth_config.token"),
    ({"name": "x", "url": URL, "auth_type": "bearer", "auth_config": {"token": 1}}, "auth_config.token"),
    ({"name": "x", "url": URL, "auth_type": "bearer", "auth_config": {"token": "a\nb"}}, "auth_config.token"),
    ({"name": "x", "url": URL, "auth_type": "bearer", "auth_config": {"tokn": "a"}}, "auth_config.tokn"),
    ({"name": "x", "url": URL, "auth_config": {"token": "a"}}, "auth_config.token"),
    ({"name": "x", "url": URL, "auth_type": "basic", "auth_config": {"username": "a:b", "password": "c"}}, "auth_config"),
    ({"name": "x", "url": URL, "auth_type": "api_key", "auth_config": {"key": "k", "header": "Host"}}, "auth_config.header"),
    ({"name": "x", "url": URL, "auth_type": "api_key", "auth_config": {"key": "k", "in": "body"}}, "auth_config.in"),
    ({"name": "x", "url": URL, "auth_type": "oauth2", "auth_config": {"token_url": "x", "client_id": "a", "client_secret": "b"}},
     "auth_config.token_url"),
    ({"name": "x", "url": URL, "auth_type": "mtls", "auth_config": {"certificate": "x", "key": "y"}}, "auth_config.certificate"),
    ({"name": "x", "url": URL, "auth_type": "mtls", "auth_config": {"certificate": "x", "key": "y"}}, "url"),
    ({"name": "x", "url": URL, "retry_config": {"max_retries": 101}}, "retry_config.max_retries"),
    ({"name": "x", "url": URL, "retry_config": {"retries": 1}}, "retry_config.retries"),
    ({"name": "x", "url": URL, "status": "deleted"}, "status"), ({"name": "x", "url": URL, "uri": "y"}, "uri"),
])
def test_bad_bodies(admin, body, where):
    answer = admin.post(AGENTS, body)
    assert answer.status_code == 400 and where in answer.json()["details"], answer.text


def test_nulls_that_clear_nothing(admin):
    path = f"{AGENTS}/{make(admin)['id']}"
    for member in ("name", "url", "auth_type", "status"):
        answer = admin.patch(path, {member: None})
        assert answer.status_code == 400 and member in answer.json()["details"]
    answer = admin.patch(path, {"auth_type": "bearer"})
    assert answer.status_code == 400 and "auth_config.token" in answer.json()["details"]


def test_lists(admin):
    mark = uuid.uuid4().hex[:8]
    first, second = make(admin, name=f"b-{mark}", capabilities=["x" + mark, "y"]), make(
        admin, name=f"a-{mark}", capabilities=["x" + mark], status="maintenance")

    def ids(query):
        return [a["id"] for a in admin.ok("GET", f"{AGENTS}?search={mark}&{query}")["items"]]
    assert ids("ordering=name") == [second["id"], first["id"]]
    assert ids("status=ACTIVE") == [first["id"]] and ids("status=active,maintenance&ordering=name") == [second["id"], first["id"]]
    assert ids(f"capability=x{mark}&capability=y") == [first["id"]] and ids("auth_type=bearer") == []
    page = admin.ok("GET", f"{AGENTS}?search={mark}&limit=1&ordering=name")
    assert page["total"] == 2 and page["next_cursor"]
    rest = admin.ok("GET", f"{AGENTS}?search={mark}&limit=1&ordering=name&cursor={page['next_cursor']}")
    assert [a["id"] for a in rest["items"]] == [first["id"]]


def test_only_editors_write(stack):
    reader, viewer = stack.client(scopes="read-only", roles="viewer"), stack.client(scopes="workflow-management", roles="viewer")
    assert reader.get(AGENTS).status_code == 200
    for client in (reader, viewer):
        assert client.post(AGENTS, {"name": "x", "url": URL}).status_code == 403


# ---- health and status ----

def test_a_look_at_a_healthy_one(admin, receiver):
    made = make(admin, url=receiver.url + "/svc?x=1", auth_type="bearer", auth_config={"token": CANARY})
    receiver.on("/svc/health", 200, {"status": "fine"})
    found = admin.ok("GET", f"{AGENTS}/{made['name']}/health")
    assert found["status"] == "healthy" and found["status_code"] == 200 and found["response_time_ms"] >= 0
    assert found["agent_id"] == made["id"] and found["checked_at"]
    asked = receiver.wait("/svc/health")[0]
    assert asked.method == "GET" and asked.headers["authorization"] == f"Bearer {CANARY}"
    kept = admin.ok("GET", f"{AGENTS}/{made['id']}")
    assert kept["health"]["status"] == "healthy" and kept["updated_at"] == made["updated_at"]


def test_looks_at_others(admin, receiver):
    sick = make(admin, url=receiver.url + "/svc", health_url=receiver.url + "/how")
    receiver.on("/how", 503, {"secret": CANARY})
    found = admin.ok("GET", f"{AGENTS}/{sick['id']}/health")
    assert found["status"] == "unhealthy" and found["status_code"] == 503 and CANARY not in str(found)
    away = make(admin, url="http://127.0.0.1:1/")
    found = admin.ok("GET", f"{AGENTS}/{away['id']}/health")
    assert found["status"] == "unhealthy" and found["message"] and found.get("status_code") is None
    inner = make(admin, url="http://169.254.169.254/latest")  # what the guard keeps
    assert "not allowed" in admin.ok("GET", f"{AGENTS}/{inner['id']}/health")["message"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_look_follows_no_redirect(admin, receiver, status):
    """Whoever answers may not send the credential on to somewhere else."""
    made = make(admin, url=receiver.url + "/svc", auth_type="bearer", auth_config={"token": CANARY})
    receiver.on("/svc/health", lambda _: (status, {}, {"Location": receiver.url + "/elsewhere"}))
    receiver.on("/elsewhere", 200, {"status": "fine"})
    found = admin.ok("GET", f"{AGENTS}/{made['name']}/health")
    assert found["status"] == "unhealthy" and found["status_code"] == status
    assert len(receiver.of("/svc/health")) == 1 and receiver.of("/elsewhere") == []


def test_a_look_has_an_end(admin, receiver):
    import threading
    gate = threading.Event()
    receiver.on("/slow/health", lambda _: (gate.wait(30), (200, {}))[1])
    made = make(admin, url=receiver.url + "/slow", timeout_ms=200)
    found = admin.ok("GET", f"{AGENTS}/{made['id']}/health")
    gate.set()
    assert found["status"] == "unhealthy" and found["message"]


def test_what_is_sealed_under_a_lost_key(admin, stack):
    made = make(admin, auth_type="bearer", auth_config={"token": "t"})
    stack.psql(f"update millrace.agents set auth_sealed = '\\x01' || auth_sealed where id = {made['id']}")
    assert code(admin.get(f"{AGENTS}/{made['id']}/health")) == (503, "SECRETS_UNAVAILABLE")
    assert admin.patch(f"{AGENTS}/{made['id']}", {"auth_config": {"token": "u"}}).status_code == 200


def test_status(admin):
    made = make(admin, max_concurrency=4)
    status = admin.ok("GET", f"{AGENTS}/agent_{made['id']}/status")
    assert status["available"] is True and status["availability"] == "available" and status["calls"] == 0
    assert status["load"] == {"running": 0, "queued": 0, "max_concurrency": 4} and status["success_rate"] is None
    assert status["circuit"]["state"] == "closed" and status["p95_ms"] is None
    admin.patch(f"{AGENTS}/{made['id']}", {"status": "maintenance"})
    status = admin.ok("GET", f"{AGENTS}/{made['id']}/status")
    assert status["available"] is False and "maintenance" in status["reason"]


def test_agents_in_the_system_status(admin):
    made = make(admin)
    found = [a for a in admin.ok("GET", "/api/v1/status")["agents"] if a["id"] == made["id"]]
    assert found and found[0]["availability"] == "available" and found[0]["load"]["running"] == 0


def named(ref):
    return [{"name": "a", "type": "agent", "config": {"agent": ref}}]


@pytest.mark.parametrize("by", ["name", "id"])
def test_one_that_a_workflow_names_stays(admin, by):
    agent = make(admin)
    workflow = admin.workflow(named(agent[by]))
    path = f"{AGENTS}/{agent['id']}"
    refused = admin.delete(path)
    assert code(refused) == (409, "AGENT_IN_USE") and workflow["name"] in refused.json()["detail"], refused.text
    renamed = admin.patch(path, {"name": f"b-{uuid.uuid4().hex[:8]}"})
    if by == "name":
        assert code(renamed) == (409, "AGENT_IN_USE"), renamed.text
        renamed = admin.put(path, {"name": f"b-{uuid.uuid4().hex[:8]}", "url": agent["url"]})
        assert code(renamed) == (409, "AGENT_IN_USE"), renamed.text
    else:  # an id stays what it is
        assert renamed.status_code == 200, renamed.text
    assert admin.put(f"/api/v1/workflows/{workflow['id']}", {
        "name": workflow["name"], "workflow_config": {"steps": [{"name": "n", "type": "noop"}]}}).status_code == 200
    assert admin.delete(path).status_code == 200


def test_one_that_an_executor_file_names_stays(admin):
    agent = make(admin)
    workflow = admin.ok("POST", "/api/v1/workflows", json={"name": uuid.uuid4().hex, "start_step": "a", "steps": {
        "a": {"agent_name": agent["name"], "next_step": None}}})
    assert code(admin.delete(f"{AGENTS}/{agent['id']}")) == (409, "AGENT_IN_USE")
    assert admin.delete(f"/api/v1/workflows/{workflow['id']}").status_code == 200
    assert admin.delete(f"{AGENTS}/{agent['id']}").status_code == 200


def test_inside_of_blocks_too(admin):
    agent = make(admin)
    admin.workflow([{"name": "each", "type": "foreach", "config": {"items": [1], "steps": named(agent["name"])}}])
    assert code(admin.delete(f"{AGENTS}/{agent['id']}")) == (409, "AGENT_IN_USE")


@pytest.fixture
def wrong(admin):
    """Faults of a definition whose step has this config, by path."""
    def faults(**config):
        body = {"name": uuid.uuid4().hex, "workflow_config": {"steps": [{"name": "a", "type": "agent", "config": config}]}}
        seen = []
        for path in ("/api/v1/workflows", "/api/v1/workflows/validate"):
            answer = admin.post(path, body)
            assert answer.status_code == 400, answer.text
            seen.append(answer.json()["details"])
        bulk = admin.post("/api/v1/workflows/bulk", {"op": "create", "items": [body]})
        assert bulk.status_code == 400 and set(bulk.json()["details"]) == {f"items[0].{p}" for p in seen[0]}, bulk.text
        assert seen[0] == seen[1]
        return seen[0]
    return faults


def test_unknown_ones_are_faults_with_the_nearest_names(admin, wrong):
    mark = uuid.uuid4().hex[:10]
    for name in (f"summarizer-{mark}", f"summarizer-{mark}x", f"translator-{mark}"):
        make(admin, name=name)
    (path, (fault,)), = wrong(agent=f"sumarizer-{mark}").items()
    assert path == "workflow_config.steps[0].config.agent", path
    assert f'"summarizer-{mark}" or "summarizer-{mark}x"?' in fault and "translator" not in fault, fault
    assert "did you mean" not in wrong(agent="nobody-is-called-like-that-" + uuid.uuid4().hex)[path][0]


def test_inactive_ones_are_faults(admin, wrong):
    agent = make(admin, status="maintenance", capabilities=["m" + uuid.uuid4().hex])
    (fault,), = wrong(agent=agent["id"]).values()
    assert "maintenance" in fault
    (fault,), = wrong(requires=agent["capabilities"]).values()
    assert "capabilities" in fault


def test_those_of_others_are_unknown(admin, stack, wrong):
    other = make(stack.client(tenant=f"t-{uuid.uuid4().hex[:8]}"))
    assert set(wrong(agent=other["name"])) == {"workflow_config.steps[0].config.agent"}


def test_which_agent_is_said_once(wrong):
    assert set(wrong()) == {"workflow_config.steps[0]"}
    assert set(wrong(agent="a", requires=["b"])) == {"workflow_config.steps[0].config"}


def test_sagas_with_a_definition(admin):
    answer = admin.post("/api/v1/sagas/start", {"saga_type": "x", "input_data": {"workflow_config": {"steps": named("nobody")}}})
    assert answer.status_code == 400 and list(answer.json()["details"]) == ["input_data.workflow_config.steps[0].config.agent"], answer.text
