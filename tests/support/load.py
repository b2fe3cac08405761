"""A steady load of mixed workflows whose every request and call is written down (history.py).

Each client thread takes one run after the other: asks for it with an idempotency key until it is
accepted, whatever is down meanwhile, then does to it what its kind does: cancels, pauses and resumes,
retries, or lets it be.
"""
import collections
import random
import threading
import time
import uuid

import requests

ASK_FOR = 90.0   # seconds within which a request must be accepted
ONE_TRY = 6.0    # seconds that one try may take
PAUSE = 0.1      # between tries


def call(service, name, path, at=None, body=None, **more):
    """A step that tells the service who it is: `at` is its place as the journal names it."""
    return {"name": name, "type": "http_request", "timeout_seconds": 30, **more,
            "config": {"url": service.url + path, "method": "POST",
                       "json": {"run": "{{ run.id }}", "step": at or name, **(body or {})}}}


def log(name):
    return {"name": name, "type": "log", "config": {"message": f"this is {name}"}}


def delay(name, seconds):
    return {"name": name, "type": "delay", "config": {"seconds": seconds}}


SOON = {"max_attempts": 3, "delay": 0.2, "backoff": "constant"}


class Service:
    """What the steps call, on the stack's receiver: writes down every call and how it was answered."""

    def __init__(self, receiver, recorder):
        self.url = receiver.url
        self.recorder = recorder
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.gates = {}  # (token, step): Gate
        for path, answer in (("/ok", self.ok), ("/slow", self.slow), ("/flaky", self.flaky),
                             ("/broken", self.broken), ("/held", self.held)):
            receiver.on(path, self.recorded(answer))

    def recorded(self, answer):
        def take(r):
            body = r.json or {}
            line = self.recorder.add("call", run=body.get("run"), step=body.get("step"), at=r.at,
                                     iteration=body.get("item") or 0, done=None, status=None,
                                     key=r.headers.get("idempotency-key"))
            status = answer(body)
            line["done"], line["status"] = time.time(), status
            return status, {"ok": status == 200, "step": body.get("step")}
        return take

    def ok(self, _):
        return 200

    def slow(self, _):
        time.sleep(random.uniform(0.1, 0.6))
        return 200

    def nth(self, body):
        with self.lock:
            self.counts[body["run"], body["step"], body.get("item")] += 1
            return self.counts[body["run"], body["step"], body.get("item")]

    def flaky(self, body):
        return 503 if self.nth(body) == 1 else 200

    def broken(self, body):
        return 500 if self.nth(body) <= 2 else 200

    def held(self, body):
        gate = self.gates.get((body.get("token"), body["step"]))
        if gate is None:
            return 200
        gate.calls += 1
        gate.arrived.set()
        gate.open.wait(40)
        return 200


class Gate:
    """Where calls of one step wait until they are answered."""

    def __init__(self):
        self.arrived, self.open = threading.Event(), threading.Event()
        self.calls = 0


def branches(s):
    return [call(s, "left", "/slow", depends_on=[]), call(s, "right", "/ok", depends_on=[]),
            {"name": "which", "type": "conditional", "depends_on": ["left", "right"],
             "config": {"condition": "input.n % 2 == 0",
                        "true_action": [call(s, "even", "/ok", at="which/even")], "false_action": [log("odd")]}},
            call(s, "last", "/ok", depends_on=["which"])]


def each(s):
    one = call(s, "one", "/flaky", at="each/one", body={"item": "{{ index }}"}, retry=SOON)
    return [{"name": "each", "type": "foreach", "config": {"items": [10, 20, 30], "concurrency": 2,
                                                           "steps": [one, log("l")]}},
            {"name": "rounds", "type": "while", "config": {
                "condition": "index < 2", "max_iterations": 5,
                "steps": [call(s, "two", "/ok", at="rounds/two", body={"item": "{{ index }}"})]}}]


def together(s):
    return [{"name": "together", "type": "parallel", "config": {"branches": {
        "left": [call(s, "one", "/slow", at="together/left/one")],
        "right": [delay("d", 0.2), call(s, "two", "/flaky", at="together/right/two", retry=SOON)]}}},
        call(s, "after", "/ok")]


def child(s):
    return [call(s, "before", "/ok"),
            {"name": "child", "type": "subworkflow", "config": {"workflow": s.child, "input": {"n": "{{ input.n }}"}}},
            call(s, "after", "/ok")]


def awaited(s):
    return [call(s, "before", "/slow"), {"name": "go", "type": "wait", "config": {"event": {"type": "go"}}},
            call(s, "after", "/ok")]


def saga(s):
    def undo(name):
        return call(s, "undo", "/flaky", at=f"{name}/compensate/undo", retry=SOON)
    return {"mode": "saga", "steps": [
        call(s, "book", "/ok", compensate=[undo("book")]), call(s, "pay", "/slow", compensate=[undo("pay")]),
        {"name": "no", "type": "raise", "config": {"type": "declined", "message": "no"}}],
        "finally": [call(s, "last", "/ok", at="finally/last")]}


# kind: (steps or definition, what its client does to the run, share of all runs)
KINDS = {
    "each": (each, None, 1),
    "together": (together, "maybe_cancel", 1),
    "child": (child, "maybe_cancel", 1),
    "awaited": (awaited, "signal", 1),
    "saga": (saga, None, 1),
    "logs": (lambda s: [log("a"), log("b"), log("c")], None, 2),
    "calls": (lambda s: [log("a"), call(s, "first", "/ok"), log("b"), call(s, "second", "/slow")], None, 2),
    "flaky": (lambda s: [call(s, "first", "/flaky", retry=SOON), log("a")], None, 1),
    "broken": (lambda s: [log("a"), call(s, "first", "/broken", retry={**SOON, "max_attempts": 2})], "retry", 1),
    "delays": (lambda s: [delay("short", 0.3), call(s, "first", "/ok"), delay("long", 1.3), log("a")], None, 1),
    "branches": (branches, None, 1),
    "cancelled": (lambda s: [call(s, "first", "/slow"), delay("pause", 0.3), call(s, "second", "/flaky", retry=SOON),
                             call(s, "third", "/slow")], "cancel", 1),
    "paused": (lambda s: [call(s, "first", "/slow"), call(s, "second", "/flaky", retry=SOON), delay("pause", 0.2),
                          call(s, "third", "/ok")], "pause", 1),
}


class Load:
    """`with Load(…)`: clients at work; afterwards none is left in the middle of a request."""

    def __init__(self, stack, service, recorder, rate=12.0, clients=8):
        self.stack, self.service, self.recorder = stack, service, recorder
        self.rate, self.clients = rate, clients
        self.mark = uuid.uuid4().hex[:8]
        self.lock = threading.Lock()
        self.n = 0
        self.next_at = 0.0
        self.stopping = threading.Event()
        self.failures = []
        service.child = self.make([call(service, "first", "/slow"), delay("d", 0.2), call(service, "second", "/ok")])[1]
        self.workflows = {kind: self.make(steps(service))[0] for kind, (steps, _, _) in KINDS.items()}
        self.turn = [kind for kind, (_, _, share) in KINDS.items() for _ in range(share)]

    def __enter__(self):
        self.stopping.clear()
        self.threads = [threading.Thread(target=self._client, daemon=True) for _ in range(self.clients)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for t in self.threads:
            t.join(ASK_FOR + 30)
        stuck = [t for t in self.threads if t.is_alive()]
        assert not stuck, f"{len(stuck)} clients of the load did not come back"

    def check(self):
        assert not self.failures, f"{len(self.failures)} requests were never accepted: {self.failures[:3]}"

    def make(self, definition):
        """A workflow: its id and its name."""
        definition = definition if isinstance(definition, dict) else {"steps": definition}
        body = {"name": f"load-{uuid.uuid4().hex[:12]}", "workflow_config": definition}
        return self.stack.api.ok("POST", "/api/v1/workflows", json=body)["id"], body["name"]

    # ---- one client ----

    def _wait_turn(self):
        """The next number, when its time has come: all clients together keep the rate."""
        with self.lock:
            now = time.monotonic()
            at = max(self.next_at, now)
            self.next_at = at + 1 / self.rate
            self.n += 1
            number = self.n
        return number if not self.stopping.wait(max(0.0, at - now)) else None

    def _client(self):
        api = self.stack.with_key(self.stack.key)
        while not self.stopping.is_set():
            number = self._wait_turn()
            if number is None:
                return
            try:
                self._one(api, number)
            except Exception as e:  # noqa: BLE001 (a thread's failure is the test's)
                self.failures.append(f"{type(e).__name__}: {e}")

    def _one(self, api, number):
        kind = self.turn[number % len(self.turn)]
        run = self.execute(api, self.workflows[kind], f"{self.mark}-{number}", {"n": number})
        act = KINDS[kind][1]
        if act == "cancel" or act == "maybe_cancel" and number % 3 == 0:
            time.sleep(random.uniform(0, 1.2))
            self.command(api, run, "cancel")
        elif act == "pause":
            time.sleep(random.uniform(0, 0.8))
            if self.command(api, run, "pause"):
                time.sleep(random.uniform(0.1, 0.6))
                self.command(api, run, "resume")
        elif act == "signal":
            time.sleep(random.uniform(0, 0.8))
            self.command(api, run, "signals/go")
        elif act == "retry":
            self.retry(api, run)

    # ---- requests that go through in the end ----

    def ask(self, api, path, body, key):
        """POST until it is answered for good; (answer, when the answered try was sent, when answered)."""
        deadline = time.monotonic() + ASK_FOR
        last = None
        while time.monotonic() < deadline:
            sent = time.time()
            try:
                answer = api.post(path, json=body, headers={"Idempotency-Key": key}, timeout=ONE_TRY)
                last = f"{answer.status_code} {answer.text[:200]}"
                if answer.status_code < 500 and answer.status_code != 429 and not (
                        answer.status_code == 409 and "IDEMPOTENCY_IN_PROGRESS" in answer.text):
                    return answer, sent, time.time()
            except requests.RequestException as e:
                last = f"{type(e).__name__}: {e}"
                api.session.close()
            time.sleep(PAUSE)
        raise AssertionError(f"{path} was not accepted within {ASK_FOR} s: {last}")

    def execute(self, api, workflow, key, input):
        self.recorder.add("asked", key=key, sent=time.time())
        answer, sent, answered = self.ask(api, f"/api/v1/workflows/{workflow}/execute",
                                          {"input": {**input, "key": key}}, key)
        assert answer.status_code == 202, f"execute: {answer.status_code} {answer.text[:300]}"
        run = answer.json()["run_id"]
        self.recorder.add("accepted", key=key, run=run, sent=sent, answered=answered)
        return run

    def command(self, api, run, kind):
        """True when it was taken, and not too late."""
        answer, sent, answered = self.ask(api, f"/api/v1/runs/{run}/{kind}", {}, f"{kind}-{run}-{uuid.uuid4().hex[:6]}")
        if answer.status_code == 202:
            self.recorder.add("answered", kind=kind, run=run, sent=sent, answered=answered)
        else:
            assert answer.status_code == 409, f"{kind} of run {run}: {answer.status_code} {answer.text[:300]}"
        return answer.status_code == 202

    def retry(self, api, run):
        """Once it has failed: again from there. One that was called more often may have gone well."""
        deadline = time.monotonic() + ASK_FOR
        while time.monotonic() < deadline and not self.stopping.is_set():
            try:
                answer = api.get(f"/api/v1/runs/{run}", timeout=ONE_TRY)
                if answer.status_code == 200 and answer.json()["status"] == "completed":
                    return
                if answer.status_code == 200 and answer.json()["status"] == "failed":
                    self.command(api, run, "retry")
                    return
            except requests.RequestException:
                api.session.close()
            time.sleep(PAUSE)
