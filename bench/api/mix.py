"""The requests of a mix: every GET of the document that is one request's answer, its path filled in with what the lists
show, and the common writes. A new route is in it when it is in the document."""
import json
import pathlib
import re
import urllib.parse

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/openapi.json"
# What a path's variable is called in the entries of the list before it.
NAMES = {"agent": "id", "secret": "name", "template": "name", "name": "step", "version": "version"}
# Where there is no such list.
FIXED = {"base": 1, "other": 2}
SPREAD = 32 # rows that a write is spread over, one for each connection: on one row they would wait for each other
STEPS = [{"name": n, "type": "log", "config": {"message": n}} for n in ("one", "two", "three")]


def fixtures(api):
    """At least one of what can be made by one request."""
    made = api.call("POST", "/api/v1/workflows", {"name": f"mix {id(api)}", "workflow_config": {"steps": STEPS}})
    workflow = made["id"]
    api.call("PATCH", f"/api/v1/workflows/{workflow}", {"workflow_config": {"steps": STEPS[:2]}})
    for _ in range(200):
        api.call("POST", f"/api/v1/workflows/{workflow}/execute", {"trigger_data": {"n": 1}})
    run = api.call("POST", f"/api/v1/workflows/{workflow}/execute?wait=10", {})["run_id"]
    api.call("POST", "/api/v1/sagas/start", {"saga_type": "bench", "input_data": {"workflow_id": workflow}})
    api.call("POST", "/api/v1/events/publish", {"event_type": "bench", "data": {}})
    api.call("POST", "/api/v1/agents", {"name": f"bench-{workflow}", "url": "http://127.0.0.1:9/", "capabilities": ["bench"]})
    if not entries(api.call("GET", "/api/v1/secrets?limit=1")): # a tenant may hold a thousand of them, and this one may be an old one
        api.call("POST", "/api/v1/secrets", {"name": f"BENCH_{workflow}", "value": "secret"})
    api.call("POST", "/api/v1/groups", {"name": f"bench {workflow}", "roles": ["viewer"]})
    api.send("POST", "/api/v1/files", FILE, FILE_TYPE)
    return workflow, run


FILE = "\r\n".join(("--bench", 'Content-Disposition: form-data; name="file"; filename="bench.txt"', "Content-Type: text/plain", "",
                    "a line of the file that is uploaded\n" * 28, "--bench--", ""))
FILE_TYPE = "multipart/form-data; boundary=bench"


def entries(answer):
    return answer if isinstance(answer, list) else next((answer[k] for k in ("items", "templates", "results") if k in answer), [])


class Mix:
    def __init__(self, api):
        self.api, self.seen = api, {}
        self.workflow, self.run = fixtures(api)
        self.workflows = [self.workflow, *(api.log_workflow() for _ in range(SPREAD - 1))]

    def value(self, before, variable):
        """Something for {VARIABLE} behind the path BEFORE; nothing when no list shows one."""
        if variable in FIXED:
            return FIXED[variable]
        if before.endswith(("/runs/", "/executions/")):
            return self.run
        if before.endswith("/workflows/"):
            return self.workflow
        if before.endswith("/tenants/"):
            return 1 # only the platform's tenant lists them
        if before not in self.seen:
            try:
                self.seen[before] = entries(self.api.call("GET", before.rstrip("/") + "?limit=1"))
            except SystemExit:
                self.seen[before] = []
        first = (self.seen[before] or [{}])[0]
        return first.get(NAMES.get(variable, variable), first.get("name"))

    def filled(self, path):
        """The path with its variables; nothing when one can't be filled in."""
        done = ""
        for part in re.split(r"(\{\w+\})", path):
            if not part.startswith("{"):
                done += part
                continue
            value = self.value(done, part[1:-1])
            if value is None:
                return None
            done += urllib.parse.quote(str(value), safe="")
        return done

    @staticmethod
    def gets():
        """(path, names of its parameters) of each GET of the document."""
        for path, operations in sorted(json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"].items()):
            if "get" in operations:
                yield path, {p.get("name") for p in operations["get"].get("parameters", [])}

    def is_list(self, what):
        """Whether WHAT, as reads() calls it, has pages."""
        return what.removeprefix("GET ").removesuffix("?search=") in {path for path, arguments in self.gets() if "cursor" in arguments}

    def reads(self):
        """(what it is, its path) of each GET, and of each list's search."""
        for path, arguments in self.gets():
            filled = self.filled(path)
            yield f"GET {path}", filled
            if "search" in arguments:
                yield f"GET {path}?search=", filled and filled + "?search=bench"

    def writes(self):
        """(what it is, its requests) of the common writes."""
        w = f"/api/v1/workflows/{self.workflow}"
        for path, body in (("/{id}/execute", {"trigger_data": {"n": 1}}), ("/validate", {"workflow_config": {"steps": STEPS}})):
            yield f"POST /api/v1/workflows{path}", [("POST", w + "/execute" if "{" in path else "/api/v1/workflows" + path, body)]
        yield "PATCH /api/v1/workflows/{id}", [("PATCH", f"/api/v1/workflows/{id}", {"description": "as measured"}) for id in self.workflows]
        yield "POST /api/v1/expressions/evaluate", [("POST", "/api/v1/expressions/evaluate", {"expression": "1 + 1"})]
        yield "POST /api/v1/events/publish", [("POST", "/api/v1/events/publish", {"event_type": f"bench.{n}", "data": {"n": 1}})
                                              for n in range(SPREAD)]
        yield "POST /api/v1/files", [("POST", "/api/v1/files", FILE, FILE_TYPE)]

    def requests(self):
        """All of them that this key may ask: (method, path, body) each, and the body's type when it isn't JSON."""
        reads = [("GET", path, None) for _, path in self.reads() if path is not None]
        return [r for r in reads if self.is_allowed(r[1])] + [r for _, requests in self.writes() for r in requests]

    def is_allowed(self, path):
        connection = self.api.connection
        connection.request("GET", path, headers=self.api.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status < 300
