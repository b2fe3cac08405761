"""How every operation that changes something is asked for by every.py: a row of WRITES each. A new one needs a row here,
and nothing else; tests/integration/test_bench.py says when one is missing."""
import concurrent.futures
import datetime
import itertools
import re
import time
import typing
import uuid

from client import Api
from mix import FILE, FILE_TYPE, SPREAD, STEPS

COUNT = 384 # requests that are sent once
FEW = 48 # where a tenant may have fifty, or they stay for ever
TOGETHER = 10 # entries of a request for many
SLEEPING = [{"name": "sleep", "type": "delay", "config": {"seconds": 30 * 86400}}]
FAILING = [{"name": "fail", "type": "log", "config": {"message": "{{trigger.missing}}"}}]

# What stands in a body for something else: a word that no other request has, the thing, and all that belong together.
WORD, THING, THINGS = object(), object(), object()


def put(body, places):
    """BODY with what stands in its places."""
    if isinstance(body, dict):
        return {k: put(v, places) for k, v in body.items()}
    if isinstance(body, list):
        return [put(v, places) for v in body]
    return places.get(id(body), body)


class Row(typing.NamedTuple):
    """OF: what makes the things that it is asked for on, an operation of this table or a method of Things; BODY; how many
    things; how many requests; whether each is sent once."""
    of: str | None
    body: object
    things: int
    count: int
    once: bool

    @property
    def warm(self):
        """How many go ahead, so that every worker has prepared its statements."""
        return self.count // 6 if self.once else self.count

    def requests(self, what, things):
        method, path = what.split(" ")
        made = things.made(self.of, self.things) if self.of else [()]
        for thing in itertools.islice(itertools.cycle(made), self.count):
            values = iter(thing)
            filled = re.sub(r"\{\w+\}", lambda _, values=values: str(next(values)), path)
            yield method, filled, put(self.body, {id(WORD): things.word(), id(THING): next(iter(thing), None), id(THINGS): list(thing)})


def again(of, body=None):
    """Over and over, on things enough that none waits for another."""
    return Row(of, body, SPREAD, 2 * SPREAD, False) # twice on each: another word changes it again


def new(body, of=None, count=COUNT):
    """Makes something, of another name each time."""
    return Row(of, body, 1, count, True)


def used_up(of, body=None, count=COUNT):
    """Once on each thing, which isn't what it was then."""
    return Row(of, body, count, count, True)


# As the load's mix asks for it: Mix.writes().
IN_MIX = "in the mix"

TEMPLATE = {"name": WORD, "template_config": {"steps": STEPS}}
PROCESS = {"name": WORD, "version": "1.0.0", "process_steps": [{"step": 1, "name": "say", "action": "log", "config": {"message": "x"}}]}
DESCRIBED, REASON = {"description": WORD}, {"reason": "as measured"}

WRITES = {
    "POST /api/v1/agents": new({"name": WORD, "url": "http://127.0.0.1:9/"}),
    "PUT /api/v1/agents/{agent}": again("POST /api/v1/agents", DESCRIBED),
    "PATCH /api/v1/agents/{agent}": again("POST /api/v1/agents", DESCRIBED),
    "DELETE /api/v1/agents/{agent}": used_up("POST /api/v1/agents"),
    "POST /api/v1/api-keys": new({"name": WORD, "scopes": ["read-only"]}),
    "PATCH /api/v1/api-keys/{id}": again("POST /api/v1/api-keys", {"name": WORD}),
    "DELETE /api/v1/api-keys/{id}": used_up("POST /api/v1/api-keys"),
    "POST /api/v1/api-keys/{id}/rotate": again("POST /api/v1/api-keys"),
    "POST /api/v1/events/publish": IN_MIX,
    "POST /api/v1/expressions/evaluate": IN_MIX,
    "POST /api/v1/files": IN_MIX,
    "DELETE /api/v1/files/{id}": used_up("files"),
    "POST /api/v1/groups": new({"name": WORD, "roles": ["viewer"]}),
    "PUT /api/v1/groups/{id}": again("POST /api/v1/groups", DESCRIBED),
    "PATCH /api/v1/groups/{id}": again("POST /api/v1/groups", DESCRIBED),
    "DELETE /api/v1/groups/{id}": used_up("POST /api/v1/groups"),
    "PUT /api/v1/groups/{id}/members/{user_id}": used_up("strangers"),
    "DELETE /api/v1/groups/{id}/members/{user_id}": used_up("members"),
    # enabled ones would be asked for their keys, of which there are none
    "POST /api/v1/issuers": new({"issuer": WORD, "audience": "millrace", "algorithm": "ES256", "jwks_url": "https://bench.invalid/keys",
                                 "is_enabled": False}, "no_issuers", FEW),
    "PUT /api/v1/issuers/{id}": again("issuers", {"audience": WORD}),
    "PATCH /api/v1/issuers/{id}": again("issuers", {"audience": WORD}),
    "DELETE /api/v1/issuers/{id}": used_up("issuers", count=FEW),
    "POST /api/v1/runs/bulk": used_up("sleeping_together", {"op": "cancel", "ids": THINGS}),
    "PATCH /api/v1/runs/{id}": again("sleeping", {"parameters": {"n": WORD}}),
    "POST /api/v1/runs/{id}/cancel": used_up("sleeping", REASON),
    "POST /api/v1/runs/{id}/pause": used_up("sleeping", REASON),
    "POST /api/v1/runs/{id}/rerun": again("completed", {"trigger_data": {"n": 1}}),
    "POST /api/v1/runs/{id}/resume": used_up("paused", REASON),
    "POST /api/v1/runs/{id}/retry": used_up("failed"),
    "POST /api/v1/runs/{id}/signals/{name}": again("signalled", {"n": 1}),
    "POST /api/v1/sagas/start": again("workflows", {"saga_type": "bench", "input_data": {"workflow_id": THING}}),
    "POST /api/v1/sagas/{id}/cancel": used_up("sagas", REASON),
    "POST /api/v1/secrets": new({"name": WORD, "value": "secret"}),
    "PUT /api/v1/secrets/{secret}": again("POST /api/v1/secrets", {"value": WORD}),
    "PATCH /api/v1/secrets/{secret}": again("POST /api/v1/secrets", DESCRIBED),
    "DELETE /api/v1/secrets/{secret}": used_up("POST /api/v1/secrets"),
    "POST /api/v1/templates": new(TEMPLATE),
    "POST /api/v1/templates/create-workflow": new({"template_id": THING, "workflow_name": WORD}, "POST /api/v1/templates"),
    "PUT /api/v1/templates/{template}": again("POST /api/v1/templates", DESCRIBED),
    "PATCH /api/v1/templates/{template}": again("POST /api/v1/templates", DESCRIBED),
    "DELETE /api/v1/templates/{template}": used_up("POST /api/v1/templates"),
    "POST /api/v1/tenants": new({"name": WORD}, count=FEW),
    "PUT /api/v1/tenants/{id}": again("POST /api/v1/tenants", DESCRIBED),
    "PATCH /api/v1/tenants/{id}": again("POST /api/v1/tenants", DESCRIBED),
    "POST /api/v1/tenants/{id}/activate": used_up("suspended", count=FEW),
    "POST /api/v1/tenants/{id}/suspend": used_up("POST /api/v1/tenants", REASON, FEW),
    "POST /api/v1/users": new({"name": WORD, "roles": ["viewer"]}),
    "PUT /api/v1/users/{id}": again("POST /api/v1/users", DESCRIBED),
    "PATCH /api/v1/users/{id}": again("POST /api/v1/users", DESCRIBED),
    "DELETE /api/v1/users/{id}": used_up("POST /api/v1/users"),
    "POST /api/v1/workflow/process-templates": new(PROCESS),
    "POST /api/v1/workflow/process-templates/import_blueprint": new(PROCESS),
    "PUT /api/v1/workflow/process-templates/{template}": again("POST /api/v1/workflow/process-templates", DESCRIBED),
    "PATCH /api/v1/workflow/process-templates/{template}": again("POST /api/v1/workflow/process-templates", DESCRIBED),
    "DELETE /api/v1/workflow/process-templates/{template}": used_up("POST /api/v1/workflow/process-templates"),
    "POST /api/v1/workflows": new({"name": WORD, "workflow_config": {"steps": STEPS}}),
    "POST /api/v1/workflows/bulk": again("workflows", {"op": "execute", "workflow_id": THING, "items": [{"input": {"n": 1}}] * TOGETHER}),
    "POST /api/v1/workflows/from-template/{template}": new({"name": WORD}, "POST /api/v1/templates"),
    "POST /api/v1/workflows/steps/{step_execution_id}/retry": used_up("failed_steps"),
    "POST /api/v1/workflows/validate": IN_MIX,
    "PUT /api/v1/workflows/{id}": again("workflows", DESCRIBED),
    "PATCH /api/v1/workflows/{id}": IN_MIX,
    "DELETE /api/v1/workflows/{id}": used_up("workflows"),
    "POST /api/v1/workflows/{id}/cancel": used_up("sleeping_workflows", REASON),
    "POST /api/v1/workflows/{id}/execute": IN_MIX,
    "POST /api/v1/workflows/{id}/pause": used_up("sleeping_workflows", REASON),
    "POST /api/v1/workflows/{id}/resume": used_up("paused_workflows", REASON),
    "POST /api/v1/workflows/{id}/steps/{step}/retry": used_up("failed_workflows"),
    "POST /api/v1/workflows/{id}/undelete": used_up("deleted_workflows"),
    "POST /api/v1/workflows/{id}/versions/{version}/restore": used_up("changed_workflows"),
}


class Crew:
    """A few connections of one key, for what is prepared."""

    SIZE, SECONDS = 8, 120

    def __init__(self, env):
        self.key, self.apis = env["MILLRACE_KEY"], [Api(env) for _ in range(self.SIZE)]
        self.pool = concurrent.futures.ThreadPoolExecutor(self.SIZE)

    def each(self, requests):
        """The answers to REQUESTS, in their order."""
        requests = list(requests)
        shares = self.pool.map(lambda n: [self.ask(self.apis[n], *r) for r in requests[n::self.SIZE]], range(self.SIZE))
        answers = [None] * len(requests)
        for n, share in enumerate(shares):
            answers[n::self.SIZE] = share
        return answers

    @staticmethod
    def ask(api, method, path, body=None, kind=None):
        return api.send(method, path, body, kind) if kind else api.call(method, path, body)

    def act(self, what, op, **more):
        """Many at once; all must have been taken."""
        answer = self.apis[0].call("POST", f"/api/v1/{what}/bulk", {"op": op, **more})
        if answer.get("refused"):
            raise SystemExit(f"POST /api/v1/{what}/bulk: {op}: {answer['refused']} of {answer['matched']} were refused")
        return answer

    def settle(self, since, *status):
        """Until no run that was made since then has one of these statuses."""
        path = f"/api/v1/runs?from={since:%Y-%m-%dT%H:%M:%S.%fZ}&status={','.join(status)}&limit=1"
        end = time.monotonic() + self.SECONDS
        while self.apis[0].call("GET", path)["items"]:
            if time.monotonic() > end:
                raise SystemExit(f"GET {path}: there is still one after {self.SECONDS} s")
            time.sleep(0.05)


class Things:
    """What the operations are asked for on. A thing is what stands in its path, in turn; each method makes N of them."""

    def __init__(self, own, platform):
        self.crew, self.platform = Crew(own), Crew(platform)
        self.tag, self.numbers = uuid.uuid4().hex[:12], itertools.count()

    def word(self):
        return f"bench_{self.tag}_{next(self.numbers)}"

    def crew_of(self, what):
        """Only the platform's tenant may ask for tenants."""
        return self.platform if "/tenants" in what else self.crew

    def made(self, of, n):
        if " " not in of:
            return getattr(self, of)(n)
        return [(made["id"],) for made in self.crew_of(of).each(itertools.islice(WRITES[of].requests(of, self), n))]

    def end(self):
        """Nothing that was started goes on beside what is measured later."""
        self.crew.act("runs", "cancel", filter={"status": ["pending", "running", "paused"]})

    def files(self, n):
        return [(file["id"],) for file in self.crew.each([("POST", "/api/v1/files", FILE, FILE_TYPE)] * n)]

    def no_issuers(self, n):
        """Deletes them: nothing, N times."""
        there = self.crew.apis[0].call("GET", "/api/v1/issuers?limit=100")["items"]
        self.crew.each(("DELETE", f"/api/v1/issuers/{issuer['id']}") for issuer in there)
        return [()] * n

    def issuers(self, n):
        """In place of those that were there."""
        return self.made("POST /api/v1/issuers", n)

    def strangers(self, n):
        """A group each, and a user who isn't in it."""
        groups, users = self.made("POST /api/v1/groups", SPREAD), self.made("POST /api/v1/users", n)
        return [group + user for group, user in zip(itertools.cycle(groups), users)]

    def members(self, n):
        made = self.strangers(n)
        self.crew.each(("PUT", f"/api/v1/groups/{group}/members/{user}") for group, user in made)
        return made

    def suspended(self, n):
        made = self.made("POST /api/v1/tenants", n)
        self.platform.each(("POST", f"/api/v1/tenants/{id}/suspend") for id, in made)
        return made

    def workflows(self, n, steps=STEPS):
        items = [{"name": self.word(), "workflow_config": {"steps": steps}} for _ in range(n)]
        return [(r["id"],) for r in self.crew.act("workflows", "create", items=items)["results"]]

    def act(self, made, op):
        self.crew.act("workflows", op, ids=[id for id, *_ in made])
        return made

    def started(self, n, steps, *status):
        """Workflows with a run each that has another status by now."""
        made, since = self.workflows(n, steps), datetime.datetime.now(datetime.UTC)
        self.act(made, "execute")
        self.crew.settle(since, *status)
        return made

    def sleeping_workflows(self, n):
        return self.started(n, SLEEPING, "pending")

    def failed_workflows(self, n):
        return [(id, "fail") for id, in self.started(n, FAILING, "pending", "running")]

    def paused_workflows(self, n):
        return self.act(self.workflows(n), "pause")

    def deleted_workflows(self, n):
        return self.act(self.workflows(n), "delete")

    def changed_workflows(self, n):
        """Of two versions, with the first one's number."""
        made = self.workflows(n)
        self.crew.each(("PATCH", f"/api/v1/workflows/{id}", {"workflow_config": {"steps": STEPS[:2]}}) for id, in made)
        return [(id, 1) for id, in made]

    def runs(self, n, steps, *status):
        """Runs that have another status by now."""
        (workflow,), = self.workflows(1, steps)
        since = datetime.datetime.now(datetime.UTC)
        made = self.crew.act("workflows", "execute", workflow_id=workflow, items=[{"input": {"n": 1}}] * n)["run_ids"]
        self.crew.settle(since, *status)
        return [(run,) for run in made]

    def sleeping(self, n):
        return self.runs(n, SLEEPING, "pending")

    def sleeping_together(self, n):
        runs = [run for run, in self.sleeping(n * TOGETHER)]
        return [tuple(runs[i::n]) for i in range(n)]

    def signalled(self, n):
        return [(run, "go") for run, in self.sleeping(n)]

    def completed(self, n):
        return self.runs(n, STEPS, "pending", "running")

    def failed(self, n):
        return self.runs(n, FAILING, "pending", "running")

    def failed_steps(self, n):
        steps = self.crew.each(("GET", f"/api/v1/runs/{run}/steps") for run, in self.failed(n))
        return [(s["items"][0]["id"],) for s in steps]

    def paused(self, n):
        made = self.sleeping(n)
        self.crew.act("runs", "pause", ids=[run for run, in made])
        return made

    def sagas(self, n):
        (workflow,), = self.workflows(1, SLEEPING)
        since = datetime.datetime.now(datetime.UTC)
        body = {"saga_type": "bench", "input_data": {"workflow_id": workflow}}
        made = self.crew.each(("POST", "/api/v1/sagas/start", body) for _ in range(n))
        self.crew.settle(since, "pending")
        return [(saga["id"],) for saga in made]
