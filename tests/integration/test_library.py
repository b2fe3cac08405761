"""Each template that ships makes a workflow that does what it is for, with real values and a real service."""
import json
import os
import pathlib
import tempfile
import uuid

import pytest

from support.documents import letter_scan

LIBRARY = {p.stem: json.loads(p.read_text()) for p in sorted((pathlib.Path(__file__).parents[2] / "library").glob("*.json"))}


def use(stack, slug, input=None, **parameters):
    answer = stack.api.post(f"/api/v1/workflows/from-template/{slug}", {
        "name": f"{slug} {uuid.uuid4().hex[:8]}", "parameters": parameters, "input": input or {}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["template_version"] == LIBRARY[slug]["version"]
    return stack.api.wait_run(answer.json()["run_id"])


def completed(run):
    assert run["status"] == "completed", run
    return run["result_data"]


def upload(stack, name, content, kind):
    answer = stack.api.request("POST", f"/api/v1/files?name={name}", data=content, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_library_is_there(stack):
    listed = {t["slug"]: t for t in stack.api.ok("GET", "/api/v1/templates?limit=100")["templates"]}
    assert set(LIBRARY) <= set(listed) and len(LIBRARY) >= 10
    for slug, blueprint in LIBRARY.items():
        assert listed[slug]["is_global"] and listed[slug]["is_public"] and listed[slug]["template_config"] == blueprint["template_config"]
    simple = listed["simple-http-request"]
    assert simple["description"] == "Execute a simple HTTP request with optional data processing"
    assert simple["template_config"] == {"steps": [{"name": "http_request", "type": "http_request",
                                                    "config": {"url": "", "method": "GET", "headers": {}}}]}


@pytest.fixture
def folder():
    """One that the stack's own user may read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


def test_loading_it_again_changes_nothing(stack, folder):
    assert "0 added, 0 changed" in stack.admin("library")
    slug = f"later-{uuid.uuid4().hex[:6]}"
    blueprint = {**LIBRARY["simple-http-request"], "name": slug}
    (folder / "later.json").write_text(json.dumps(blueprint))
    assert "1 templates, 1 added, 0 changed" in stack.admin("library", "--dir", str(folder))
    (folder / "later.json").write_text(json.dumps({**blueprint, "description": "another"}))
    assert "1 templates, 0 added, 1 changed" in stack.admin("library", "--dir", str(folder))
    assert stack.api.ok("GET", f"/api/v1/templates/{slug}")["description"] == "another"
    (folder / "later.json").write_text(json.dumps({**blueprint, "version": "1.1.0"}))
    assert "1 templates, 1 added, 0 changed" in stack.admin("library", "--dir", str(folder))
    assert stack.api.ok("GET", f"/api/v1/templates/{slug}")["version"] == "1.1.0"
    stack.psql(f"update millrace.templates set deleted_at = now() where slug = '{slug}'")


def test_simple_http_request(stack, receiver):
    assert completed(use(stack, "simple-http-request", url=receiver.url + "/simple"))["http_request"]["status_code"] == 200


def test_custom_integration(stack, receiver):
    receiver.on("/api", 200, {"data": {"items": [1, 2]}})
    result = completed(use(stack, "custom-integration", api_endpoint=receiver.url + "/api", api_token="t0ken"))
    assert result["process_data"]["extracted_items"] == [1, 2]
    assert receiver.of("/api")[0].headers["authorization"] == "Bearer t0ken"


def test_document_processing_pipeline(stack, receiver):
    receiver.on("/documents", 201, {"id": 5})
    file = upload(stack, "scan.png", letter_scan(), "image/png")
    completed(use(stack, "document-processing-pipeline", {"file_id": file}, documents_url=receiver.url + "/documents",
                  api_token="t", notification_url=receiver.url + "/told"))
    stored = receiver.of("/documents")[0]
    assert stored.json["word_count"] > 10 and stored.headers["authorization"] == "Bearer t"
    assert "Database ID: 5" in receiver.of("/told")[0].body.decode()


def test_file_processing_and_sync(stack, receiver):
    completed(use(stack, "file-processing-and-sync", {"file_id": upload(stack, "a.txt", b"some words", "text/plain")},
                  sync_url=receiver.url + "/sync", notification_url=receiver.url + "/told"))
    assert "some words" in receiver.of("/sync")[0].json["content"] and receiver.of("/told")


def test_api_pagination(stack, receiver):
    pages = {"1": [1, 2], "2": [3], "3": []}
    receiver.on("/list", lambda r: (200, {"items": pages[dict(p.split("=") for p in r.query.split("&"))["page"]]}))
    assert completed(use(stack, "api-pagination", list_url=receiver.url + "/list")) == {"seen": 3, "pages": 2}


def test_api_to_api_sync(stack, receiver):
    receiver.on("/from", 200, {"items": [{"n": i} for i in range(7)]})
    result = completed(use(stack, "api-to-api-sync", source_url=receiver.url + "/from", target_url=receiver.url + "/to"))
    assert result == {"succeeded": 7, "failed": 0} and sorted(r.json["n"] for r in receiver.of("/to")) == list(range(7))


def test_csv_import(stack, receiver):
    file = upload(stack, "a.csv", b"name,age\nann,5\nbob,6\n", "text/csv")
    assert completed(use(stack, "csv-import", {"file_id": file}, target_url=receiver.url + "/row")) == {"imported": 2, "failed": 0}
    assert sorted(tuple(r.json["values"]) for r in receiver.of("/row")) == [("ann", "5"), ("bob", "6")]
    assert receiver.of("/row")[0].json["columns"] == ["name", "age"]


def test_order_saga(stack, receiver):
    urls = {"stock_url": receiver.url + "/stock", "payment_url": receiver.url + "/payment", "shipping_url": receiver.url + "/ship"}
    completed(use(stack, "order-saga", {"order_id": "o1", "amount": 5}, **urls))
    receiver.clear()
    receiver.on("/ship", 400, {})
    assert use(stack, "order-saga", {"order_id": "o2", "amount": 5}, **urls)["status"] == "compensated"
    assert [r.json["act"] for r in receiver.of("/payment")] == ["charge", "refund"]
    assert [r.json["act"] for r in receiver.of("/stock")] == ["reserve", "release"]


def test_webhook_notification(stack, receiver):
    completed(use(stack, "webhook-notification", webhook_url=receiver.url + "/hook", message="hello"))
    assert "hello" in receiver.of("/hook")[0].body.decode()


def test_endpoint_health_check(stack, receiver):
    receiver.on("/sick", 500, {})
    well = use(stack, "endpoint-health-check", endpoint=receiver.url + "/well", alert_url=receiver.url + "/alert")
    assert completed(well) == {"well": True} and not receiver.of("/alert")
    sick = use(stack, "endpoint-health-check", endpoint=receiver.url + "/sick", alert_url=receiver.url + "/alert")
    assert completed(sick) == {"well": False} and "is not well" in receiver.of("/alert")[0].body.decode()


def test_wait_for_an_event(stack):
    kind = f"kind-{uuid.uuid4().hex[:8]}"
    answer = stack.api.post("/api/v1/workflows/from-template/wait-for-an-event", {
        "name": kind, "parameters": {"event_type": kind}, "input": {"id": 7}})
    assert answer.status_code == 201, answer.text
    run = answer.json()["run_id"]
    for id in (8, 7):
        stack.api.ok("POST", "/api/v1/events/publish", json={"event_type": kind, "data": {"id": id}})
    assert completed(stack.api.wait_run(run)) == {"reason": "event"}
    assert completed(use(stack, "wait-for-an-event", {"id": 1}, event_type=kind, at_most="100ms")) == {"reason": "time"}


def test_batch_of_agents(stack, receiver):
    name = f"batch-{uuid.uuid4().hex[:8]}"
    stack.api.ok("POST", "/api/v1/agents", json={"name": name, "url": receiver.url + "/agent"})
    receiver.on("/agent", lambda r: (200, {"did": r.json["item"]}))
    result = completed(use(stack, "batch-of-agents", {"items": [1, 2, 3]}, agent=name))
    assert [r["did"] for r in result["results"]] == [1, 2, 3] and result["failed"] == 0


def test_standard_report(stack, receiver):
    receiver.on("/figures", 200, {"total": 42})
    completed(use(stack, "standard-report", figures_url=receiver.url + "/figures", report_url=receiver.url + "/report"))
    assert "Total: 42" in receiver.of("/report")[0].body.decode()
