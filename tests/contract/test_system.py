"""Health, metrics, status, the document itself."""
import json
import os
import pathlib
import re

import pytest

from .recorder import OF_FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_public_addresses_need_no_key(stack):
    nobody = stack.anonymous()
    for path in ("/health", "/health/ready", "/openapi.json", "/schemas/workflow-1.json", "/health/"):
        assert nobody.get(path).status_code == 200, path
    health = nobody.get("/health").json()
    assert health["status"] == "healthy" and health["components"]["database"] == "healthy"
    assert 0 <= health["metrics"]["success_rate_24h"] <= 100 and health["metrics"]["total_workflows"] >= 0


def test_the_tenants_views(admin, things):
    things.completed()
    assert admin.ok("GET", "/api/v1/health")["status"] == "healthy"
    status = admin.ok("GET", "/api/v1/status")
    assert status["components"]["database"] == "healthy"
    text = admin.get("/api/v1/metrics")
    assert text.status_code == 200 and "# TYPE" in text.text


def test_status_tells_the_last_day_of_the_tenant_and_its_agents(stack, things):
    mine = stack.client(tenant="status-of-its-own")
    fresh = mine.ok("GET", "/api/v1/status")
    assert fresh["metrics"] == {"total_workflows": 0, "active_executions": 0, "completed_executions_24h": 0, "failed_executions_24h": 0,
                                "success_rate_24h": 100}
    assert fresh["agents"] == [] and fresh["workflows"] == {} and things.completed()
    kept, gone = (mine.workflow(things.LOG)["id"] for _ in range(2))
    mine.ok("DELETE", f"/api/v1/workflows/{gone}")
    agent = mine.ok("POST", "/api/v1/agents", json={"name": "watched", "url": "http://127.0.0.1:9/"})
    assert mine.wait_run(mine.execute(kept)["run_id"])["status"] == "completed"
    now = mine.ok("GET", "/api/v1/status")
    assert now["workflows"] == {"active": 1, "deleted": 1} and [a["id"] for a in now["agents"]] == [agent["id"]]
    assert now["metrics"] == {**fresh["metrics"], "total_workflows": 1, "completed_executions_24h": 1}


def test_metrics_are_for_the_operator(stack):
    answer = stack.anonymous().get("/metrics")
    assert answer.status_code == 200 and "http_requests_total" in answer.text
    for path in ("/api/v1/health", "/api/v1/status", "/api/v1/metrics"):
        assert stack.anonymous().get(path).status_code == 401


def test_the_served_document_is_the_committed_one(stack):
    served = json.loads(stack.anonymous().get("/openapi.json").text)
    assert served == json.loads((ROOT / "docs/reference/openapi.json").read_text())


def test_the_document_may_be_kept(stack):
    nobody = stack.anonymous()
    tags = {coding: nobody.get("/openapi.json", headers={"Accept-Encoding": coding}).headers["ETag"] for coding in ("gzip", "identity")}
    assert tags["gzip"] == f"W/{tags['identity']}"
    for etag in tags.values():
        for coding in tags:
            answer = nobody.get("/openapi.json", headers={"If-None-Match": etag, "Accept-Encoding": coding})
            assert answer.status_code == 304 and answer.content == b"" and answer.headers["ETag"] == tags[coding]
            assert "Content-Encoding" not in answer.headers


def test_the_document_was_compressed_at_build(stack):
    """Smaller than nginx would make it in passing, and the same to the last byte."""
    nobody = stack.anonymous()
    plain = nobody.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in plain.headers
    packed = nobody.get("/openapi.json", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["Content-Encoding"] == "gzip" and packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 10
    assert all("Accept-Encoding" in a.headers["Vary"] for a in (plain, packed))
    head = nobody.request("HEAD", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert {n: head.headers[n] for n in ("Content-Length", "ETag")} == {n: packed.headers[n] for n in ("Content-Length", "ETag")}


def refs(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for v in node.values():
            yield from refs(v)
    elif isinstance(node, list):
        for v in node:
            yield from refs(v)


def test_the_document_is_whole(recorder):
    doc = recorder.document.doc
    for ref in set(refs(doc)):
        node = doc
        for part in ref.lstrip("#/").split("/"):
            node = node[part]
    ids = [o["operationId"] for _, _, o in recorder.document.operations()]
    assert len(ids) == len(set(ids))
    used = {r.rsplit("/", 1)[1] for r in refs(doc)}
    unused = [s for s in doc["components"]["schemas"] if s not in used]
    assert not unused, unused
    tags = {t["name"] for t in doc["tags"]}
    for method, path, operation in recorder.document.operations():
        names = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert all("{%s}" % n in path for n in names) and path.count("{") == len(names)
        assert set(operation["tags"]) <= tags
        assert operation["summary"].endswith(".")


def test_examples_fit_their_schemas(recorder):
    faults = []
    for name, schema in recorder.document.doc["components"]["schemas"].items():
        ref = {"$ref": f"#/components/schemas/{name}"}
        if "example" in schema:
            faults += [f"{name}: {f}" for f in recorder.document.faults(ref, schema["example"])]
        for member, inner in schema.get("properties", {}).items():
            if "example" in inner:
                where = {"$ref": f"#/components/schemas/{name}/properties/{member}"}
                faults += [f"{name}.{member}: {f}" for f in recorder.document.faults(where, inner["example"])]
    assert not faults, faults


def bodies(operation):
    """(where, media type's entry) of what an operation takes and answers."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {kind}", media
    for status, answer in operation["responses"].items():
        for kind, media in answer.get("content", {}).items():
            yield f"{status} {kind}", media


def test_every_json_body_has_an_example_that_fits(recorder):
    faults = []
    for path, item in recorder.document.doc["paths"].items():
        for method, operation in item.items():
            for where, media in bodies(operation):
                if where.endswith(" application/json") and not where.startswith("503"):
                    faults += [f"{method} {path} {where}: {f}"
                               for f in recorder.document.faults(media["schema"], media["example"])]
    for code, example in recorder.document.doc["components"]["examples"].items():
        assert example["value"]["error_code"] == code
        faults += recorder.document.faults({"$ref": "#/components/schemas/Problem"}, example["value"])
    assert not faults, faults


def test_operations_are_named_and_described(recorder):
    ids = [o["operationId"] for _, _, o in recorder.document.operations()]
    assert not [i for i in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", i)]
    by_address = {(m, p): o["operationId"] for m, p, o in recorder.document.operations()}
    # what clients have in their code stays
    for method, path, name in (("GET", "/api/v1/workflows", "listWorkflows"),
                               ("POST", "/api/v1/workflows", "createWorkflow"),
                               ("POST", "/api/v1/workflows/{id}/execute", "executeWorkflow"),
                               ("GET", "/api/v1/workflows/executions/{id}/steps", "listExecutionSteps"),
                               ("POST", "/api/v1/workflows/steps/{step_execution_id}/retry", "retryStep"),
                               ("POST", "/api/v1/workflows/{id}/steps/{step}/retry", "retryWorkflowStep"),
                               ("GET", "/api/v1/runs/{id}", "getRun"), ("POST", "/api/v1/runs/bulk", "bulkRuns"),
                               ("POST", "/api/v1/events/publish", "publishEvent"),
                               ("POST", "/api/v1/files", "uploadFile"), ("GET", "/health", "getSystemHealth")):
        assert by_address[(method, path)] == name
    for method, path, operation in recorder.document.operations():
        assert operation["description"].strip(), path
        assert operation["tags"] and "security" in operation and operation["responses"], path
        assert (operation["security"] == []) == (not path.startswith("/api/")), path


def nodes(node, at=""):
    if isinstance(node, dict):
        yield at, node
        for k, v in node.items():
            yield from nodes(v, f"{at}/{k}")
    elif isinstance(node, list):
        for i, v in enumerate(node):
            yield from nodes(v, f"{at}/{i}")


def test_the_document_is_openapi_3_0(recorder):
    """What its readers insist on: nullable beside a type, nothing beside $ref, no control characters."""
    doc = recorder.document.doc
    bad = [at for at, n in nodes(doc["components"]["schemas"])
           if (n.get("nullable") is True and "type" not in n) or ("$ref" in n and len(n) > 1)]
    assert not bad, bad
    assert doc["info"]["contact"]["name"] and doc["servers"] and all(s["description"] for s in doc["servers"])
    text = (ROOT / "docs/reference/openapi.json").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def only_for_the_whole_suite(request):
    here = pathlib.Path(__file__).parent
    ran = {item.path.name for item in request.session.items if item.path.parent == here}
    options = request.config.option
    if (ran != {p.name for p in here.glob("test_*.py")} or options.keyword or options.markexpr
            or "PYTEST_XDIST_WORKER" in os.environ):
        pytest.skip("only when one process runs the whole suite")


@pytest.mark.last
def test_every_route_was_called(recorder, request):
    only_for_the_whole_suite(request)
    missing = [(m, p) for m, p, _ in recorder.document.operations() if (m, p) not in recorder.called]
    assert not missing, missing




@pytest.mark.last
def test_every_declared_error_was_seen(recorder, request):
    only_for_the_whole_suite(request)
    """Of each operation. What was answered and isn't declared has failed in the recorder."""
    missing = {e for e in recorder.document.declared_errors() if e[2] not in OF_FAULTS} - recorder.seen
    assert missing == {("GET", "/metrics", "FORBIDDEN")}, "which is for who asks from another host"
