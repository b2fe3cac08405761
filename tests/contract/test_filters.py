"""Every filter of every list finds what fits and nothing else, every ordering sorts, and every way to page shows the same,
whatever the document has: a filter that this test doesn't know fails it."""
import datetime
import itertools
import json
import uuid

import pytest
from requests.adapters import HTTPAdapter

from support.stack import wait_until
from support.tokens import Key

from .openapi import PAGING

# the member of an entry that a filter is about, where it has another name
MEMBERS = {("workflows", "tag"): "tags", ("workflows", "owner"): "created_by", ("agents", "capability"): "capabilities",
           ("users", "group"): "groups", ("users", "role"): "effective_roles", ("groups", "role"): "roles",
           ("runs/{id}/logs", "step"): "step_name", ("workflows/{id}/logs", "step"): "step_name",
           ("sagas", "saga_type"): "saga_type"}
SEARCHED = {"agents": ("name", "description"), "api-keys": ("name",), "events": ("event_type", "source"), "files": ("name",),
            "groups": ("name", "description"), "groups/{id}/members": ("name",), "issuers": ("issuer",),
            "runs": ("correlation_id", "triggered_by", "workflow_name"), "runs/{id}/logs": ("message",), "secrets": ("name",),
            "templates": ("name", "description"), "tenants": ("name", "description"), "users": ("name", "description"),
            "workflows": ("name", "description"), "workflows/{id}/logs": ("message",)}
TIMES = {"runs": "created_at", "events": "published_at", "audit-logs": "timestamp"}
LEVELS = ("debug", "info", "warning", "error")
# a list of the same entries under another address
SAME = {"workflow-templates": "templates", "workflow/process-templates": "templates",
        "workflows/executions/{id}/steps": "runs/{id}/steps"}
LOG = {"name": "hello", "type": "log", "config": {"message": "Hello"}}

SUMS = "/api/v1/analytics/"
# what a list leaves out unless it is asked for
HIDDEN = ({"status": "deleted"}, {"is_active": "false"}, {"public_only": "false"})


class From(HTTPAdapter):
    """Asks from another address of this host."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


class World:
    """A tenant in which each list has entries of every kind that a filter tells apart."""

    def __init__(self, stack, platform):
        self.client = stack.client(tenant="filtered", scopes="admin", roles="admin", name="Ada Filter")
        self.second = stack.client(tenant="filtered", scopes="admin", roles="admin", name="Bob Filter")
        self.stack, self.platform = stack, platform
        self.ids = {}
        for make in (self.people, self.workflows, self.runs, self.states, self.refusals, self.agents, self.keys, self.events, self.files,
                     self.issuers, self.secrets, self.templates, self.tenants, self.requests):
            make()

    def ok(self, path, body=None, method="POST", who=None, **options):
        return (who or self.client).ok(method, f"/api/v1/{path}", json=body, **options)

    def people(self):
        groups = [self.ok("groups", {"name": f"group {word}", "description": f"The {word}", "roles": roles})["id"]
                  for word, roles in (("Alpha", ["viewer"]), ("Beta", ["operator", "editor"]), ("Gamma", ["admin"]), ("Delta", []))]
        people = [self.ok("users", {"name": f"person {i}", "kind": "service" if i % 2 else "user", "description": f"Number {i}",
                                    "roles": [role]})["id"] for i, role in enumerate(("viewer", "operator", "editor", "admin", "viewer"))]
        for group, members in ((groups[0], people[:3]), (groups[1], people[1:2])):
            for person in members:
                self.ok(f"groups/{group}/members/{person}", method="PUT")
        self.ok(f"users/{people[3]}", {"is_enabled": False}, "PATCH")
        self.ok(f"users/{people[4]}", method="DELETE")
        self.ids["groups"] = groups[0]

    def workflow(self, name, *steps, who=None, **more):
        return self.ok("workflows", {"name": name, "steps": list(steps) or [LOG], **more}, who=who)["id"]

    def workflows(self):
        one, two, three, four = (self.workflow(f"flow {i}", description=f"Does {i}", tags=tags, who=who) for i, tags, who in (
            (1, ["red"], None), (2, ["red", "blue"], self.second), (3, ["blue"], None), (4, [], self.second)))
        self.ok(f"workflows/{one}", {"name": "flow 1 again"}, "PATCH")
        self.ok(f"workflows/{two}/pause")
        self.ok(f"workflows/{three}", {"is_enabled": False}, "PATCH")
        self.ok(f"workflows/{four}", method="DELETE")

    def run(self, workflow, until, who=None, **options):
        run = self.ok(f"workflows/{workflow}/execute", {}, who=who, **options)["run_id"]
        self.client.wait_run(run, until=until)
        return run

    def runs(self):
        logs = [{"name": f"say {level}", "type": "log", "config": {"message": f"Words of {level}", "level": level}} for level in LEVELS]
        self.logged = self.workflow("talks", *logs)
        for who, mark in ((None, "order-one"), (self.second, "order-two"), (self.second, "order-two")):
            self.ids["runs"] = self.run(self.logged, "completed", who, headers={"X-Request-ID": mark})
        self.ids["workflows"] = self.logged
        self.ok(f"workflows/{self.logged}", {"steps": logs[:1]}, "PATCH")

    def states(self):
        """Runs of one workflow in every state, all of them sagas."""
        steps = [{"name": "wait", "type": "delay", "config": {"seconds": "{{trigger.wait}}"}},
                 {"name": "first", "type": "log", "config": {"message": "{{trigger.first}}"}},
                 {"name": "book", "type": "log", "config": {"message": "booked"},
                  "compensate": {"name": "undo", "type": "delay", "config": {"seconds": "{{trigger.undo}}"}}},
                 {"name": "last", "type": "log", "config": {"message": "{{trigger.last}}"}}]
        workflow = self.workflow("in every state", *steps, mode="saga", concurrency={"limit": 1, "key": "{{trigger.who}}"})
        self.ids["workflows/{id}/executions"] = workflow
        whole = {"wait": 0, "first": "x", "undo": 0, "last": "x"}
        for n, (until, less, more, act) in enumerate((
                ("completed", (), {}, None), ("failed", ("first",), {}, None), ("compensated", ("last",), {}, None),
                ("compensating", ("last",), {"undo": 3600}, None), ("running", (), {"wait": 3600}, None),
                ("pending", (), {"who": 4}, None), ("paused", (), {"wait": 3600}, "pause"), ("cancelled", (), {"wait": 3600}, "cancel"),
                ("timed_out", (), {"wait": 3600, "timeout_seconds": 1}, None))):
            data = {k: v for k, v in {"workflow_id": workflow, "who": n, **whole, **more}.items() if k not in less}
            run = self.ok("sagas/start", {"saga_type": f"type {n % 2}", "input_data": data, "correlation_id": f"saga {n % 3}"})["run_id"]
            if act:
                self.client.wait_run(run, until="running")
                self.ok(f"runs/{run}/{act}")
            self.client.wait_run(run, until=until)

    def refusals(self):
        """What the audit log has beside changes, some of it from another address."""
        reader = self.stack.client(tenant="filtered", scopes="read-only", roles="viewer", name="Cy Filter")
        for who in (reader, self.client):
            who.session.mount("https://", From("127.0.0.2"))
            assert who.delete("/api/v1/workflows/9007199254740991").status_code in (403, 404)
            who.session.mount("https://", HTTPAdapter())

    def agents(self):
        auth = {"none": None, "api_key": {"key": "k"}, "bearer": {"token": "t"}, "basic": {"username": "u", "password": "p"},
                "oauth2": {"token_url": "https://id.example.com/t", "client_id": "c", "client_secret": "s"}}
        for i, (kind, config) in enumerate(auth.items()):
            made = self.ok("agents", {"name": f"agent-{i}", "url": "http://127.0.0.1:9/", "auth_type": kind, "description": f"Helps {i}",
                                      "capabilities": ["ocr", "sum"] if i % 2 else ["sum"], **({"auth_config": config} if config else {})})
            if i in (1, 2):
                self.ok(f"agents/{made['id']}", {"status": ("inactive", "maintenance")[i - 1]}, "PATCH")

    def keys(self):
        for i, more in enumerate(({}, {"expires_at": "2020-01-01T00:00:00Z"}, {})):
            made = self.ok("api-keys", {"name": f"key {i}", "scopes": ["read-only"], **more})
        self.ok(f"api-keys/{made['id']}", method="DELETE")

    def events(self):
        for i in range(4):
            self.ok("events/publish", {"event_type": ("order.made", "order.paid")[i % 2], "source": ("shop", "Bank")[i // 2],
                                       "data": {"i": i}, "correlation_id": f"c{i % 3}"})

    def files(self):
        made = [self.ok("files", None, files={"file": (f"{name}.csv", b"a,b\n1,2\n" * (i + 1))}) for i, name in enumerate(("Alpha", "beta", "gamma"))]
        convert = self.workflow("converts", {"name": "convert", "type": "file_process",
                                             "config": {"action": "convert", "file_id": made[0]["id"], "to": "json"}})
        self.run(convert, "completed")

    def issuers(self):
        public = Key("ES256", kid="first").public
        for i in range(3):
            made = self.ok("issuers", {"issuer": f"https://{'abc'[i]}.filtered.test", "audience": "millrace", "algorithm": "ES256",
                                       "public_key": public})["id"]
            if i == 1:
                self.ok(f"issuers/{made}", {"is_enabled": False}, "PATCH")
            if i == 2:
                self.ok(f"issuers/{made}", method="DELETE")

    def secrets(self):
        for name in ("ALPHA_KEY", "BETA_KEY", "GAMMA"):
            self.ok("secrets", {"name": name, "value": "x"})

    def templates(self):
        for i in range(4):
            self.ok("templates", {"name": f"template {i}", "description": f"For {i}", "category": ("reports", "mail")[i % 2],
                                  "tags": ["a", "b"] if i % 2 else ["a"], "template_type": ("kind", None)[i // 2],
                                  "is_public": i != 1, "is_active": i != 2, "template_config": {"steps": [LOG]}})

    def tenants(self):
        made = [self.ok("tenants", {"name": f"{word} {uuid.uuid4().hex[:6]}", "description": f"The {word}"}, who=self.platform)["id"]
                for word in ("north", "south")]
        self.ok(f"tenants/{made[0]}/suspend", who=self.platform)

    def requests(self):
        """What is summed up of a caller who asks for nothing else."""
        caller = self.stack.client(tenant="filtered", scopes="read-only", roles="viewer", name="Dee Filter")
        kinds = ("agents", "events", "files", "runs", "sagas", "templates", "workflows")
        for kind in kinds:
            assert caller.get(f"/api/v1/{kind}/9007199254740991").status_code == 404
        key, = self.ok("api-keys?search=Dee", method="GET")["items"]
        self.summed = {"key_id": key["id"], "group_by": "route"}
        wait_until(lambda: len(self.client.ok("GET", f"{SUMS}usage", params=self.summed)["items"]) == len(kinds))


@pytest.fixture(scope="module")
def world(stack, recorder, platform):
    return World(stack, platform)


class Page:
    """One page of a list, whatever its envelope: its entries, its total, and where the next one is said to be."""

    def __init__(self, answer):
        self.answer, self.body = answer, answer.json()
        body = self.body
        self.entries = body if isinstance(body, list) else next(v for v in body.values() if isinstance(v, list))
        self.total = int(answer.headers["X-Total-Count"]) if isinstance(body, list) else body["count" if "count" in body else "total"]
        self.link = answer.links.get("next", {}).get("url")
        self.cursor = body["next_cursor"] if "next_cursor" in body else answer.headers.get("X-Next-Cursor")

    def addresses(self):
        """Where the next one is, in each way that the form has a place for."""
        return [a for a in (self.link, isinstance(self.body, dict) and self.body.get("next")) if a]


class List:
    """One list of the document, as WORLD has it."""

    def __init__(self, world, path, operation):
        self.name = path.removeprefix("/api/v1/")
        self.path, self.parameters = path, {p["name"]: p["schema"] for p in operation["parameters"] if p["in"] == "query"}
        self.kind = SAME.get(self.name, self.name)
        self.client = world.platform if operation.get("x-platform") else world.client
        self.always = world.summed if path.startswith(SUMS) else {}
        owner = "runs" if "/executions/" in path else self.name.split("/")[0]
        self.address = path.replace("{id}", str(world.ids.get(self.name, world.ids.get(owner, ""))))
        self.all, self.shown_by = {}, {}  # an entry, and the filter that it is only shown with
        for asked in [{}, *(h for h in HIDDEN if h.keys() <= self.parameters.keys())]:
            if asked.get("status") in (None, *self.words("status")):
                for item in self.walk(**asked):
                    self.all.setdefault(self.id(item), item)
                    self.shown_by.setdefault(self.id(item), set(asked))

    def id(self, item):
        return item["route"] if self.always else item["version"] if self.kind.endswith("versions") else item["id"]

    def page(self, client=None, **asked):
        answer = (client or self.client).get(self.address, params={**self.always, **asked})
        assert answer.status_code == 200, (answer.url, answer.text)
        return Page(answer)

    def walk(self, **asked):
        page = self.page(**asked)
        items = page.entries
        while page.cursor:
            page = self.page(**asked, cursor=page.cursor)
            items += page.entries
        return items

    def words(self, name):
        schema = self.parameters.get(name, {})
        return schema.get("enum") or schema.get("items", {}).get("enum") or []

    @property
    def filters(self):
        return [n for n in self.parameters if n not in PAGING]

    # ---- what a filter means ----

    def cases(self, name):
        """(value, does an entry fit?) for what is worth asking."""
        if name == "search":
            return self.searches()
        if name in ("from", "to"):
            moments = sorted(i[TIMES[self.kind]] for i in self.all.values())
            middle = moments[len(moments) // 2]
            return [(middle, lambda i: (i[TIMES[self.kind]] >= middle) == (name == "from"))]
        if name == "after":
            order = sorted(self.all, key=lambda k: (self.all[k].get("run_id", 0), self.all[k]["timestamp"], k))
            middle = order[len(order) // 2]
            return [(middle, lambda i: order.index(i["id"]) > order.index(middle))]
        if name == "level":
            return [(v, lambda i, v=v: LEVELS.index(i["level"]) >= LEVELS.index(v)) for v in LEVELS]
        if name == "public_only":
            return [("true", lambda i: i["is_public"]), ("false", lambda i: True)]
        return self.values(MEMBERS.get((self.kind, name), name), self.words(name))

    def values(self, member, words):
        def fits(item, value):
            return value in item[member] if isinstance(item[member], list) else item[member] == value

        assert all(member in i for i in self.all.values()), f"{self.name}: no entry has {member}: tell MEMBERS what it is about"
        lists = [i[member] if isinstance(i[member], list) else [i[member]] for i in self.all.values()]
        values = words or sorted({v for v in itertools.chain(*lists) if v is not None}, key=str)[:4]
        return [(json.dumps(v) if isinstance(v, bool) else v, lambda i, v=v: fits(i, v)) for v in values]

    def searches(self):
        texts = [[str(i.get(m) or "").lower() for m in SEARCHED[self.kind]] for i in self.all.values()]
        for n in range(len(SEARCHED[self.kind])):
            word = next(t[n] for t in texts if t[n])[1:].upper()
            yield word, lambda i, w=word.lower(): any(w in str(i.get(m) or "").lower() for m in SEARCHED[self.kind])

    @property
    def usual(self):
        return {k for k, by in self.shown_by.items() if not by}

    def fitting(self, names, *fits):
        return {k for k, i in self.all.items() if self.shown_by[k] <= set(names) and all(f(i) for f in fits)}


@pytest.fixture(scope="module")
def every_list(world, recorder):
    return {path: List(world, path, operation) for method, path, operation in recorder.document.operations()
            if method == "GET" and any(p["name"] == "cursor" for p in operation["parameters"])}


@pytest.fixture(scope="module")
def lists(every_list):
    return {path: one for path, one in every_list.items() if not path.startswith(SUMS)}  # those: test_analytics.py


def test_each_filter_finds_what_fits(lists):
    wrong = []
    for one in lists.values():
        for name in one.filters:
            told = set()
            for value, fits in one.cases(name):
                got, want = {one.id(i) for i in one.walk(**{name: value})}, one.fitting([name], fits)
                told |= {len(want) > 0, "fewer" if len(want) < len(one.all) else "all"}
                if got != want:
                    wrong.append(f"{one.name}?{name}={value}: lacks {want - got}, has {got - want}")
                if value in one.words(name) and not want and (one.kind, value) not in UNSEEN:
                    wrong.append(f"{one.name}?{name}={value}: nothing here fits")
            if not told >= {True, "fewer"}:
                wrong.append(f"{one.name}?{name}: tells nothing apart here")
    assert not wrong, "\n".join(wrong)


# an agent's certificate has to be one that is there
UNSEEN = {("agents", "mtls")}


def test_two_filters_are_both_kept(lists):
    wrong = []
    for one in lists.values():
        for a, b in itertools.combinations(one.filters, 2):
            (x, fits_x), (y, fits_y) = next(iter(one.cases(a))), next(iter(one.cases(b)))
            want = one.fitting([a, b], fits_x, fits_y)
            got = {one.id(i) for i in one.walk(**{a: x, b: y})}
            if got != want:
                wrong.append(f"{one.name}?{a}={x}&{b}={y}: lacks {want - got}, has {got - want}")
    assert not wrong, "\n".join(wrong)


def test_several_values_of_one_filter(lists):
    wrong = []
    for one in lists.values():
        for name in (n for n in one.filters if one.parameters[n]["type"] == "array" and one.words(n)):
            x, y = one.words(name)[:2]
            want = one.fitting([name], lambda i: i[name] in (x, y))
            for asked in (f"{x},{y}", [x, y], f"{y},{x},{x}"):
                if {one.id(i) for i in one.walk(**{name: asked})} != want:
                    wrong.append(f"{one.name}?{name}={asked}")
    assert not wrong, "\n".join(wrong)


def test_values_that_can_not_be(lists):
    wrong = []
    for one in lists.values():
        for name in one.filters:
            schema = one.parameters[name]
            bad = ["\x00"]
            if one.words(name) or schema.get("format") or schema.get("pattern") or schema["type"] in ("integer", "boolean"):
                bad += ["no such"]
            for value in bad:
                answer = one.client.get(one.address, params={name: value})
                if answer.status_code != 400 or name not in json.dumps(answer.json()["details"]):
                    wrong.append(f"{one.name}?{name}={value!r}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)


# what an entry is sorted by, where it isn't the member of that name
KEYS = {"id": "created_at", ("runs/{id}/events", "timestamp"): "seq", ("runs/{id}/logs", "timestamp"): "seq"}


def key(one, word, item):
    member = KEYS.get((one.kind, word), KEYS.get(word, word))
    value = item[member if member in item else word]
    moment = word.endswith("_at") or word in ("id", "timestamp")
    value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00")) if moment and isinstance(value, str) else value
    return value, one.id(item)


def test_each_ordering_sorts_and_sees_each_once(lists):
    wrong = []
    for one in lists.values():
        for word in one.words("ordering"):
            down, name = word.startswith("-"), word.lstrip("-")
            size = max(2, len(one.usual) // 4)
            got = one.walk(ordering=word, limit=size)
            if len(got) != len(one.usual) or {one.id(i) for i in got} != one.usual:
                wrong.append(f"{one.name}?ordering={word}: saw {len(got)} of {len(one.usual)}")
            keys = [key(one, name, i) for i in got]
            if keys != sorted(keys, reverse=down):
                wrong.append(f"{one.name}?ordering={word}: {keys}")
            if len({k[0] for k in keys}) < 2:
                wrong.append(f"{one.name}?ordering={word}: nothing here to tell apart")
            same = one.walk(sort_by=name, sort_order="desc" if down else "asc", limit=size)
            if [one.id(i) for i in same] != [one.id(i) for i in got]:
                wrong.append(f"{one.name}?sort_by={name} isn't {word}")
    assert not wrong, "\n".join(wrong)


# ---- pages ----

def by_page(size, n, page):
    return {"page": n + 1, "page_size": size}


def by_offset(size, n, page):
    return {"limit": size, "offset": n * size}


def by_cursor(size, n, page):
    return {"limit": size, **({"cursor": page.cursor} if page else {})}


FORMS = (by_page, by_offset, by_cursor)


def a_sixth(whole):
    """So that a list has at most six pages, and two at least."""
    return -(-len(whole) // 6)


def faults_of(one, page, n, size, whole):
    """What is wrong with the n-th page of SIZE entries."""
    begin, end = n * size, (n + 1) * size
    if [one.id(i) for i in page.entries] != whole[begin:end]:
        yield f"has {[one.id(i) for i in page.entries]}, not {whole[begin:end]}"
    if page.total != len(whole):
        yield f"tells {page.total} of {len(whole)}"
    told = page.body if isinstance(page.body, dict) else {}
    ways = [page.cursor] + ([] if "next_cursor" in told else [page.link]) + ([told["next"]] if "next" in told else [])
    if any((way is None) != (end >= len(whole)) for way in ways):
        yield f"tells {ways} as the next"
    right = {"limit": size, "offset": begin, "page": n + 1, "page_size": size, "total_exact": None}
    if wrong := {m: told[m] for m in right if m in told and told[m] != right[m]}:
        yield f"tells {wrong}"
    if "previous" in told and (told["previous"] is None) != (n == 0):
        yield f"tells {told['previous']} as the one before"


def faults_in(one, form, size, whole, **asked):
    """Reads the list in that form, and one page more where that can be asked for; yields what is wrong."""
    page, count = None, -(-len(whole) // size)
    for n in range(count + (form is not by_cursor)):
        page = one.page(**asked, **form(size, n, page))
        for fault in faults_of(one, page, n, size, whole):
            yield f"{page.answer.url}: {fault}"
        if form is by_cursor and page.cursor is None:
            return


def test_each_list_in_all_its_paging_forms(every_list):
    """The same entries, each once, in the same order, by whatever way they are read, and the last page is told as such; a
    last page that is full, too."""
    wrong = []
    for one in every_list.values():
        assert {"limit", "offset", "page", "page_size", "cursor"} <= one.parameters.keys(), one.name
        whole = [one.id(i) for i in one.walk()]
        assert len(set(whole)) == len(whole) > 1, f"{one.name}: nothing here to turn pages"
        for form, size in itertools.product(FORMS, {a_sixth(whole), len(whole)}):
            wrong += faults_in(one, form, size, whole)
        for word in one.words("ordering"):
            whole = [one.id(i) for i in one.page(ordering=word, limit=len(whole)).entries]
            for form in [by_offset, by_cursor] if one.always else [by_offset]:  # cursors of the others: see above
                wrong += faults_in(one, form, (len(whole) + 1) // 2, whole, ordering=word)
    assert len(every_list) >= 27 and not wrong, "\n".join(wrong)


@pytest.mark.parametrize("listener", [None, "management", "automation"])
def test_pages_are_followed_by_the_addresses_they_tell(stack, every_list, listener):
    """In the forms that tell one: next, previous, and the header's."""
    wrong, seen = [], set()
    for one in every_list.values():
        client = stack.local(listener, key=one.client.key) if listener else one.client
        whole = [one.id(i) for i in one.walk()]
        size = a_sixth(whole)
        at, n = [one.page(client, limit=size)], 0
        while at and n < len(whole):
            wrong += [f"{page.answer.url}: {fault}" for page in at for fault in faults_of(one, page, n, size, whole)]
            for back in [p.body["previous"] for p in at if n > 0 and "previous" in p.body]:
                before = Page(client.get(back.removeprefix(client.url)))
                wrong += [f"{before.answer.url}: {fault}" for fault in faults_of(one, before, n - 1, size, whole)]
            addresses = [a for page in at[-1:] for a in page.addresses()]
            seen |= {(one.name, a.startswith(client.url)) for a in addresses}
            at, n = [Page(client.get(a.removeprefix(client.url))) for a in addresses], n + 1
    absolute = {("workflow/process-templates", True)}
    assert seen == absolute | {(name, False) for name in (
        "templates", "workflow/process-templates", "workflows/{id}/executions", "workflows/executions/{id}/steps")}
    assert not wrong, "\n".join(wrong)
