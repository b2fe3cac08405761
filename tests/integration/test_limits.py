"""Rate limits, in a stack of their own with the contract's figures and three workers: no window ever holds
more than the limit, each caller and class has its own, and Redis may go at any time."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time
import uuid

import pytest

from support.stack import RATE_CLASSES, Stack, everywhere, wait_until

FIGURES = {"templates": "100/min", "workflow_creation": "50/min", "workflow_execution": "200/min",
           "monitoring": "500/min", "intelligence": "100/min", "simulation": "20/min",
           "suggestion_generation": "10/h", "standard": "100/min"}
WORKERS = 3
LIST = "/api/v1/workflows?limit=1"
KEYS = "/api/v1/api-keys"
LOG = [{"name": "a", "type": "log", "config": {"message": "hello"}}]
UNLIMITED = 1000000000


@pytest.fixture(scope="module")
def limited(request):
    """A machine under load doesn't make Redis slow here: requests wait for it. Tests of a slow one set less."""
    s = Stack("limits", settings={**{f"rate_limit_{c}": FIGURES[c] for c in RATE_CLASSES}, "api_workers": WORKERS,
                                  "rate_limit_wait_ms": 10000})
    failed = request.session.testsfailed
    try:
        s.start()
        s.root = s.with_key(s.make_key("default", "unlimited", "admin", "admin", "--rate-limits", "none"))
        yield s
    finally:
        s.close(keep_logs=request.session.testsfailed > failed)


@pytest.fixture
def impatient(limited):
    """With the short wait that is the default."""
    limited.configure(rate_limit_wait_ms=20)
    limited.restart("api")
    limited.ready()
    yield limited
    limited.configure(rate_limit_wait_ms=10000)
    limited.restart("api")
    limited.ready()


def key(stack, limits=None, **more):
    body = {"name": f"k-{uuid.uuid4().hex[:8]}", "scopes": ["admin"], "roles": ["admin"], **more}
    if limits is not None:
        body["rate_limits"] = limits
    made = stack.root.ok("POST", KEYS, json=body)
    client = stack.with_key(made["key"])
    client.id = made["id"]
    return client


def told(answer):
    return tuple(int(answer.headers[f"RateLimit-{x}"]) for x in ("Limit", "Remaining", "Reset"))


def redis(stack, *command):
    env = {**os.environ, "REDISCLI_AUTH": re.search(r":([^:@]+)@", stack.redis_url).group(1)}
    return subprocess.run(["redis-cli", "-p", stack.ports["REDIS_PORT"], *map(str, command)], env=env, check=True,
                          capture_output=True, text=True).stdout.strip()


def metric(stack, name):
    text = stack.root.get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line))


def limits_component(stack):
    return stack.anonymous().get("/health").json()["components"]["rate_limits"]


# ---- what is promised ----

def test_the_figures_by_class(limited):
    me = key(limited)
    workflow = me.post("/api/v1/workflows", {"name": f"w-{uuid.uuid4().hex}", "steps": LOG})
    assert workflow.status_code == 201, workflow.text
    path = f"/api/v1/workflows/{workflow.json()['id']}"
    assert told(workflow)[:2] == (50, 49)
    assert told(me.patch(path, {"description": "x"}))[:2] == (50, 48)
    assert told(me.post(path + "/execute", {}))[:2] == (200, 199)
    assert told(me.post("/api/v1/workflows/validate", {"steps": LOG}))[:2] == (100, 99)
    assert told(me.get(path))[:2] == (500, 499)
    limit, remaining, reset = told(me.request("HEAD", LIST))
    assert (limit, remaining) == (500, 498) and 0 < reset <= 61


def test_one_too_many(limited):
    me = key(limited, {"standard": {"limit": 3, "window": 5}})
    for left in (2, 1, 0):
        answer = me.post("/api/v1/workflows/validate", {"steps": LOG})
        assert answer.status_code == 200 and told(answer)[:2] == (3, left)
    answer = me.post("/api/v1/workflows/validate", {"steps": LOG})
    assert answer.status_code == 429 and answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["error_code"] == "TOO_MANY_REQUESTS" and "standard" in problem["detail"]
    again = int(answer.headers["Retry-After"])
    assert told(answer) == (3, 0, again) and 1 <= again <= 6
    assert f"try again in {again} seconds" in problem["detail"]
    time.sleep(again)  # what was said is what is tested
    assert me.post("/api/v1/workflows/validate", {"steps": LOG}).status_code == 200


def test_errors_tell_and_count_too(limited):
    me = key(limited, {"monitoring": {"limit": 4}, "standard": {"limit": 2}})
    assert told(me.get("/api/v1/runs/9007199254740000"))[:2] == (4, 3)
    assert told(me.get("/api/v1/runs?limit=x"))[:2] == (4, 2)
    assert me.post("/api/v1/events/publish", {"no": "event"}).status_code == 400
    assert told(me.post("/api/v1/events/publish", data="{", headers={"Content-Type": "application/json"}))[:2] == (2, 0)
    faulty = me.post("/api/v1/events/publish", {"no": "event"})
    assert faulty.status_code == 429 and faulty.json()["details"] == {}
    reader = key(limited, {"standard": {"limit": 1}}, scopes=["read-only"], roles=["viewer"])
    assert reader.post("/api/v1/events/publish", {}).status_code == 403
    assert reader.post("/api/v1/events/publish", {}).status_code == 429


def test_what_is_not_served_counts_for_the_address(limited):
    nobody, me = limited.anonymous(), key(limited, {"standard": {"limit": 1}})
    limit, before, _ = told(nobody.get("/api/v1/nothing"))
    assert limit == 100
    for client, method, path, status in ((nobody, "GET", "/api/v1/nothing/either", 404), (me, "GET", "/api/v1/nothing", 404),
                                         (nobody, "PUT", LIST, 405), (me, "PUT", LIST, 405)):
        answer = client.request(method, path)
        before -= 1
        assert answer.status_code == status and told(answer)[:2] == (100, before)


def test_exempt(limited):
    me = key(limited, {c: {"limit": 1} for c in RATE_CLASSES})
    for path in ("/health", "/health/ready", "/metrics", "/openapi.json", "/api/v1/health", "/api/v1/metrics") * 3:
        answer = me.get(path)
        assert answer.status_code == 200 and "RateLimit-Limit" not in answer.headers


def test_keys_classes_and_tenants_are_apart(limited):
    limited.admin("tenant", "create", "--name", "elsewhere")
    limits = {"monitoring": {"limit": 2}, "standard": {"limit": 2}}
    one, two = key(limited, limits), key(limited, limits)
    abroad = limited.with_key(limited.make_key("elsewhere", "k", "admin", "admin", "--rate-limits", "monitoring=2/min"))
    for _ in range(2):
        assert one.get(LIST).status_code == 200
    assert one.get(LIST).status_code == 429
    assert told(two.get(LIST))[:2] == told(abroad.get(LIST))[:2] == (2, 1)
    assert told(one.post("/api/v1/workflows/validate", {"steps": LOG}))[:2] == (2, 1)


def test_several_keys_of_one_program_count_apart_and_tokens_of_one_subject_together(limited):
    name = f"k-{uuid.uuid4().hex[:8]}"
    limited.admin("issuer", "create", "--issuer", "https://limits.test", "--audience", "millrace", "--key-name", "dev.key",
                  "--tenant", "default", "--provision", "--roles", "viewer", "--scopes", "read-only")
    tokens = [limited.make_token(issuer="https://limits.test", subject=name) for _ in range(2)]
    one, two = (limited.with_key(token) for token in tokens)
    # a worker that doesn't know the issuer yet counts for the address, with its 401
    wait_until(lambda: everywhere(lambda: one.get(LIST).status_code == 200))
    before, after = one.get(LIST), two.get(LIST)
    assert before.status_code == after.status_code == 200
    assert told(before)[0] == told(after)[0] == 500 and told(after)[1] == told(before)[1] - 1


def test_a_keys_own_limits_change_within_seconds(limited):
    me = key(limited, {"monitoring": {"limit": 3}})
    path = f"{KEYS}/{me.id}"
    assert limited.root.ok("GET", path)["rate_limits"] == {"monitoring": {"limit": 3}}
    for _ in range(3):
        me.get(LIST)
    assert me.get(LIST).status_code == 429
    changed = limited.root.patch(path, {"rate_limits": {"monitoring": {"limit": 1000}, "standard": None}})
    assert changed.json()["rate_limits"] == {"monitoring": {"limit": 1000}, "standard": None}, changed.text
    wait_until(lambda: everywhere(lambda: told(me.get(LIST))[0] == 1000), 10)
    assert told(me.get(LIST))[1] < 1000 - 3  # the window is the same
    assert told(me.post("/api/v1/workflows/validate", {"steps": LOG}))[:2] == (UNLIMITED, UNLIMITED - 1)
    limited.root.ok("PATCH", path, json={"name": f"k-{uuid.uuid4().hex[:8]}"})
    assert limited.root.ok("GET", path)["rate_limits"]["monitoring"] == {"limit": 1000}
    limited.root.ok("PATCH", path, json={"rate_limits": None})
    wait_until(lambda: everywhere(lambda: told(me.get(LIST))[0] == 500), 10)
    entry = limited.root.ok("GET", f"/api/v1/audit-logs?entity_type=api_key&entity_id={me.id}")["items"][0]
    assert entry["action"] == "updated" and "rate_limits" in entry["changes"]


@pytest.mark.parametrize("limits, where", [
    ({"monitring": {"limit": 1}}, "rate_limits.monitring"), ({"monitoring": {"limit": 0}}, "rate_limits.monitoring.limit"),
    ({"monitoring": {}}, "rate_limits.monitoring.limit"), ({"monitoring": {"limit": 1, "window": 0}}, "rate_limits.monitoring.window"),
    ({"monitoring": {"limit": 1, "window": 86401}}, "rate_limits.monitoring.window"), ("none", "rate_limits"),
])
def test_faulty_limits_are_named(limited, limits, where):
    answer = limited.root.post(KEYS, {"name": f"k-{uuid.uuid4().hex[:8]}", "scopes": ["read-only"], "rate_limits": limits})
    assert answer.status_code == 400 and where in answer.json()["details"], answer.text


def test_no_limit_is_counted_all_the_same(limited):
    me = limited.with_key(limited.make_key("default", f"k-{uuid.uuid4().hex[:8]}", "admin", "admin", "--rate-limits", "none"))
    left = [told(me.get(LIST))[1] for _ in range(20)]
    assert left == list(range(UNLIMITED - 1, UNLIMITED - 21, -1))


def test_an_hour(limited):
    me = key(limited, {"monitoring": {"limit": 2, "window": 3600}})
    path = [me.get(LIST).status_code for _ in range(3)]
    assert path == [200, 200, 429]
    assert 3600 - 60 < told(me.get(LIST))[2] <= 3660
    name = redis(limited, "keys", f"millrace:rate:k{me.id}:*")
    assert name == f"millrace:rate:k{me.id}:monitoring:3600"
    assert 3600 <= int(redis(limited, "ttl", name)) <= 3662


def test_strangers_count_by_their_address(limited):
    stranger = limited.anonymous()
    first = stranger.get(LIST)
    assert first.status_code == 401
    limit, left, _ = told(first)
    assert limit == 500
    wrong = limited.with_key("mrk_aaaaaaaa_" + "b" * 43)
    assert wrong.get(LIST).status_code == 401
    codes = [stranger.get(LIST).status_code for _ in range(left + 20)]
    assert 429 in codes[left - 2:left + 1] and set(codes[:left - 1]) == {401}
    assert wrong.get(LIST).status_code == 429
    assert limited.root.get(LIST).status_code == 200
    redis(limited, "flushall")


# ---- never more than the limit ----

def flood(client_of, path, seconds, threads):
    """(sent, received) of what was let in, and how many were refused; each thread has a connection of its own."""
    until = time.monotonic() + seconds

    def one(_):
        client, passed, refused = client_of(), [], 0
        while time.monotonic() < until:
            sent = time.monotonic()
            answer = client.get(path)
            assert answer.status_code in (200, 429), answer.text
            if answer.status_code == 200:
                passed.append((sent, time.monotonic()))
            else:
                refused += 1
        return passed, refused

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(one, range(threads)))
    return sorted(x for r in results for x in r[0]), sum(r[1] for r in results)


def most_in_a_window(passed, window):
    """Of those that for certain lie in one window (sent after its beginning, answered before its end), the most."""
    most = 0
    for begin, _ in passed:
        most = max(most, sum(1 for sent, received in passed if sent >= begin and received <= begin + window))
    return most


@pytest.mark.parametrize("limit, window", [(30, 3), (7, 1)])
def test_no_window_holds_more(limited, limit, window):
    """Clients in crowds, on all workers, through many edges of buckets and several windows."""
    me = key(limited, {"monitoring": {"limit": limit, "window": window}})
    alone = metric(limited, "millrace_api_rate_limit_local_total")
    seconds = window * 4
    passed, refused = flood(lambda: limited.with_key(me.key), LIST, seconds, 6)
    assert refused > 0
    assert most_in_a_window(passed, window) <= limit
    # nor is anybody held back: what leaves the window makes room
    assert len(passed) >= limit * 2
    assert metric(limited, "millrace_api_rate_limit_local_total") == alone


def test_redis_forgets_the_script(limited):
    me = key(limited, {"monitoring": {"limit": 50}})
    alone = metric(limited, "millrace_api_rate_limit_local_total")
    left = []
    for _ in range(5):
        redis(limited, "script", "flush")
        left += [told(me.get(LIST))[1] for _ in range(4)]
    assert left == list(range(49, 29, -1))
    assert metric(limited, "millrace_api_rate_limit_script_errors_total") == 0
    assert metric(limited, "millrace_api_rate_limit_local_total") == alone


def test_redis_is_emptied(limited):
    me = key(limited, {"monitoring": {"limit": 10}})
    assert told(me.get(LIST))[1] == 9
    redis(limited, "flushall")
    assert told(me.get(LIST))[1] == 9


def test_what_is_not_ours_in_the_way_is_no_fault_of_the_client(limited):
    me = key(limited, {"monitoring": {"limit": 30}})
    redis(limited, "set", f"millrace:rate:k{me.id}:monitoring:60", "a text")
    for _ in range(6):
        assert me.get(LIST).status_code == 200
    assert metric(limited, "millrace_api_rate_limit_script_errors_total") > 0
    redis(limited, "del", f"millrace:rate:k{me.id}:monitoring:60")
    wait_until(lambda: everywhere(lambda: told(me.get(LIST))[0] == 30))


# ---- Redis away ----

def by_themselves(stack, client):
    """Waits until every worker counts alone: it tells its share."""
    wait_until(lambda: everywhere(lambda: told(client.get(LIST))[0] == 300 // WORKERS))


def together(stack, client):
    wait_until(lambda: everywhere(lambda: told(client.get(LIST))[0] == 300))


def test_redis_is_killed_and_comes_back(impatient):
    stack = impatient
    watcher = key(stack, {"monitoring": {"limit": 300}, "standard": {"limit": 30, "window": 3600}})
    together(stack, watcher)
    refusals = metric(stack, "millrace_api_rate_limit_refusals_total")
    stack.kill9("redis")
    try:
        by_themselves(stack, watcher)
        wait_until(lambda: everywhere(lambda: limits_component(stack) == "unhealthy"))
        assert stack.anonymous().get("/health").json()["status"] == "degraded"
        codes = [watcher.post("/api/v1/workflows/validate", {"steps": LOG}) for _ in range(60)]
        assert {a.status_code for a in codes} == {200, 429}
        # each worker lets its share through, and together they let through no more than the limit
        assert sum(a.status_code == 200 for a in codes) == 30
        assert {told(a)[0] for a in codes} == {10}
        assert all(int(a.headers["Retry-After"]) > 0 for a in codes if a.status_code == 429)
        assert metric(stack, "millrace_api_rate_limit_refusals_total") == refusals + 30
        assert metric(stack, "millrace_api_rate_limit_shared") == 0
        assert stack.log("api").count("rate limits are counted by each worker alone") <= WORKERS * 2
    finally:
        stack.start_redis()
    watcher = key(stack, {"monitoring": {"limit": 300}})
    together(stack, watcher)
    wait_until(lambda: everywhere(lambda: limits_component(stack) == "healthy"))


@contextlib.contextmanager
def frozen(stack):
    pid = stack.pid("redis")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_redis_is_frozen(impatient):
    """Nothing fails; a worker waits once, for a moment, and not again."""
    stack = impatient
    watcher = key(stack, {"monitoring": {"limit": 300}})
    together(stack, watcher)
    seconds = []
    with frozen(stack):
        before = metric(stack, "millrace_api_rate_limit_redis_total")
        for _ in range(40):
            begin = time.monotonic()
            assert watcher.get(LIST).status_code == 200
            seconds.append(time.monotonic() - begin)
        assert metric(stack, "millrace_api_rate_limit_redis_total") == before
        assert everywhere(lambda: limits_component(stack) == "unhealthy")
    assert max(seconds) < 2 and sorted(seconds)[20] < 0.5, sorted(seconds)[-5:]
    together(stack, watcher)
    wait_until(lambda: everywhere(lambda: limits_component(stack) == "healthy"))


def test_redis_is_restarted_under_load(impatient):
    stack = impatient
    me = key(stack, {"monitoring": None})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        going = pool.submit(flood, lambda: stack.with_key(me.key), LIST, 8, 3)
        for _ in range(2):
            stack.stop_redis()
            stack.start_redis()
        passed, refused = going.result()
    assert refused == 0 and passed
    watcher = key(stack, {"monitoring": {"limit": 300}})
    together(stack, watcher)


def test_no_redis_is_configured(limited):
    limited.configure(redis_url="")
    limited.restart("api")
    limited.ready()
    try:
        assert limits_component(limited) == "per_worker"
        me = key(limited, {"standard": {"limit": 30, "window": 3600}})
        codes = [me.post("/api/v1/workflows/validate", {"steps": LOG}).status_code for _ in range(50)]
        assert codes.count(200) == 30
    finally:
        del limited.settings["redis_url"]
        limited.configure()
        limited.restart("api")
        limited.ready()


def test_limits_can_be_switched_off(limited):
    limited.configure(rate_limits="false")
    limited.restart("api")
    limited.ready()
    try:
        me = key(limited, {"monitoring": {"limit": 1}})
        for _ in range(5):
            answer = me.get(LIST)
            assert answer.status_code == 200 and "RateLimit-Limit" not in answer.headers
    finally:
        limited.configure(rate_limits="true")
        limited.restart("api")
        limited.ready()


# ---- nginx's guard ----


def nginx_workers(stack):
    pid = stack.pid("nginx")
    return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def reload_nginx(stack, **settings):
    """With these settings, and until no worker of before is left."""
    before = nginx_workers(stack)
    stack.configure(**settings)
    stack.start("nginx")
    wait_until(lambda: not before & nginx_workers(stack) and nginx_workers(stack), message="nginx did not take its settings")


@pytest.fixture
def narrow(limited):
    """One request a second of each address; six are held back beyond that, the first three of them without a delay."""
    reload_nginx(limited, nginx_rate=1, nginx_burst=6)
    yield limited
    del limited.settings["nginx_rate"], limited.settings["nginx_burst"]
    reload_nginx(limited)


class From:
    """A connection from an address of the loopback network: nginx takes each for a caller of its own."""

    def __init__(self, stack, address):
        self.connection = http.client.HTTPSConnection("127.0.0.1", int(stack.ports["HTTPS_PORT"]), source_address=(address, 0), timeout=120,
                                                      context=ssl.create_default_context(cafile=stack.ca))
        self.connection.connect()

    def ask(self, path="/health/ready"):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()
        self.at = time.monotonic()
        return self


def test_bursts_are_queued_before_they_are_refused(narrow):
    rate, burst = 1, 6
    undelayed = burst // 2
    callers = [From(narrow, "127.0.0.2") for _ in range(30)]
    start = time.monotonic()
    threads = [threading.Thread(target=c.ask) for c in callers]
    for t in threads:
        t.start()
    # while these wait, another address is answered
    assert From(narrow, "127.0.0.3").ask().status == 200
    for t in threads:
        t.join()
    served = sorted((c for c in callers if c.status == 200), key=lambda c: c.at)
    refused = [c for c in callers if c.status != 200]
    # room comes back at the rate, so a slow machine gets in more than the burst
    took = max(c.at for c in refused) - start
    assert 1 + burst <= len(served) <= 1 + burst + rate * took + 1
    # the one that the rate allows and half of the burst pass; then each waits for its turn, and is answered all the same
    for n, caller in enumerate(served):
        assert caller.at - start >= (n - undelayed) / rate - 0.05, (n, [c.at - start for c in served])
    for c in refused:
        problem = json.loads(c.body)
        assert (c.status, problem["status"], problem["error_code"]) == (503, 503, "OVERLOADED"), problem
        assert c.headers["Content-Type"] == "application/problem+json" and c.headers["Retry-After"] == "1"
        assert problem["correlation_id"] == c.headers["X-Request-ID"] and "RateLimit-Limit" not in c.headers
    said = [line for line in narrow.log("nginx.error").splitlines() if "client: 127.0.0.2," in line]
    assert sum("limiting requests" in line for line in said) == len(refused)
    assert burst - undelayed <= sum("delaying request" in line for line in said) <= len(served) - 1 - undelayed
    # the queue runs empty, and nothing is held against anybody
    wait_until(lambda: From(narrow, "127.0.0.2").ask().status == 200, every=1)
