"""The document pipeline as a user has it: an upload starts it, and the right text comes out."""
import json

import pytest

from support.documents import LETTER, letter_pdf, letter_scan
from support.stack import ROOT, wait_until

DEFINITION = json.loads((ROOT / "examples" / "document-processing-pipeline.json").read_text())


@pytest.fixture(scope="module")
def pipeline(stack):
    return stack.api.ok("POST", "/api/v1/workflows", json=DEFINITION)


def words(text):
    return text.replace(",", " ").replace(".", " ").split()


@pytest.mark.parametrize("name, make, media_type", [
    ("letter.pdf", letter_pdf, "application/pdf"),
    ("scan.png", letter_scan, "image/png"),
])
def test_pipeline(stack, receiver, pipeline, name, make, media_type):
    receiver.on("/documents", 201, {"id": "doc-77"})
    file = stack.api.ok("POST", "/api/v1/files", files={"file": (name, make(), media_type)})
    assert [r["workflow_id"] for r in file["runs"]] == [pipeline["id"]]
    run = stack.api.wait_run(file["runs"][0]["id"], timeout=60)
    assert run["status"] == "completed", run["error"]
    assert run["trigger_type"] == "file_upload"
    steps = {s["step_name"]: s for s in stack.api.steps(run["id"])}
    order = [s["step_name"] for s in sorted(steps.values(), key=lambda s: s["step_order"]) if s["step_order"] > 0]
    assert order == [s["name"] for s in DEFINITION["workflow_config"]["steps"]]
    assert steps["validate_upload"]["output_data"]["valid"] is True
    text = steps["extract_text"]["output_data"]["content"]
    missing = [w for line in LETTER for w in words(line) if w not in words(text)]
    assert missing == []
    assert steps["extract_text"]["output_data"]["word_count"] == len(text.split())
    assert steps["validate_content"]["output_data"]["branch"] == "true"

    saved = receiver.wait("/documents", 1)[0]
    assert saved.host.startswith("api.internal.com")
    assert saved.json["extracted_text"] == text
    assert str(saved.json["file_id"]) == str(file["id"])
    assert saved.json["word_count"] == steps["extract_text"]["output_data"]["word_count"]
    token = saved.headers["authorization"].removeprefix("Bearer ")
    assert len(token) > 10
    told = receiver.wait("/webhook", 1)[0]
    assert told.json["message"] == f"Document {file['id']} processed successfully. Database ID: doc-77"

    # what the environment lent must show up nowhere
    shown = json.dumps([run, list(steps.values()), stack.api.ok("GET", f"/api/v1/runs/{run['id']}/events"),
                        stack.api.ok("GET", f"/api/v1/runs/{run['id']}/logs")])
    assert token not in shown
    assert token not in stack.psql(f"select string_agg(data::text, ' ') from millrace.journal where run_id = {run['id']}")
    assert token not in stack.log("engine")


def test_other_files_start_nothing(stack, pipeline):
    file = stack.api.ok("POST", "/api/v1/files", files={"file": ("notes.txt", b"hello", "text/plain")})
    assert file["runs"] == []


def test_definition_comes_back_as_written(stack, pipeline):
    got = stack.api.ok("GET", f"/api/v1/workflows/{pipeline['id']}")
    assert got["workflow_config"] == DEFINITION["workflow_config"]
    assert [s["name"] for s in got["steps"]] == [s["name"] for s in DEFINITION["workflow_config"]["steps"]]
    wait_until(lambda: stack.api.ok("GET", f"/api/v1/workflows/{pipeline['id']}")["latest_run"], 5)


def test_the_example_is_the_documented_one():
    names = [s["name"] for s in DEFINITION["workflow_config"]["steps"]]
    assert names == ["validate_upload", "extract_text", "validate_content", "save_to_database", "send_notification"]
    assert DEFINITION["trigger_file_extensions"] == "pdf,jpg,jpeg,png"
