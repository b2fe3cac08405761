"""The workflow intelligence API: of the examples of its document (seeds/s3.md), blueprints and errors are replayed here. The
form of its lists is that of process-templates (test_process_templates.py, test_filters.py)."""
import pytest

from support.seeds import Seed
from support.shape import differences, kind, like

from .test_templates import code, unique

S3 = Seed("s3")
BLUEPRINT, IMPORTED = S3.take("Export Template", "Response"), S3.take("Import Blueprint", "Response")
REFUSED, GONE = S3.take("Error Handling", "400"), S3.take("Error Handling", "404")
BROKEN = ("Error Handling", "500 Internal Server Error")

BASE = "/api/v1/workflow"
PROCESSES = f"{BASE}/process-templates"
IMPORT = f"{PROCESSES}/import_blueprint/"

# heading of an example: the address that it is of, which isn't served yet
LATER = {"List Actions": "action-catalog", "Create Action": "action-catalog", "List Suggestions": "workflow-suggestions", "Generate Suggestions": "workflow-suggestions",
         "Accept Suggestion": "workflow-suggestions", "Reject Suggestion": "workflow-suggestions",
         "Create Simulation (Dry-Run)": "workflow-simulations", "List SLAs": "workflow-slas", "Create SLA": "workflow-slas",
         "Get SLA Metrics": "workflow-slas", "List Breaches": "sla-breaches", "Acknowledge Breach": "sla-breaches"}


def test_every_example_is_replayed(recorder):
    """Here, but for the answer of a server that fails (fault/test_error_answers.py), and what waits for its address."""
    left = [place for place in S3.left() if place != BROKEN]
    assert len(S3.left()) == len(left) + 1 and {heading for heading, _ in left} == set(LATER)
    for part in LATER.values():
        assert recorder.document.path_of(f"{BASE}/{part}") is None, f"{part} is served: replay its examples"


def test_the_form_of_a_list(admin):
    """The one that the documented lists have, whose entries come with their addresses: count and results; next and previous
    stand beside."""
    admin.ok("POST", IMPORT, json=blueprint())
    listed = admin.ok("GET", f"{PROCESSES}/?search=Standard%20Approval%20Process")
    for heading in (h for h in LATER if h.startswith("List")):
        example = Seed("s3").take(heading, "Response")
        assert list(example) == [m for m in listed if m not in ("next", "previous")]
        like({**example, "results": [{"id": 1}]}, listed)
    assert listed["count"] == len(listed["results"])


def blueprint():
    return {**BLUEPRINT, "name": unique("Standard Approval Process")}


def test_the_seeds_blueprint_goes_in_and_comes_out(admin, other):
    body = blueprint()
    answer = admin.post(IMPORT, body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert list(made) == list(IMPORTED)
    like(IMPORTED, made)
    assert (made["name"], made["version"], made["template_type"], made["is_active"]) == (body["name"], "1.2.0", "approval", True)
    assert answer.headers["Location"] == f"{PROCESSES}/{made['id']}"
    exported = admin.get(f"{PROCESSES}/{made['id']}/export/")
    assert exported.status_code == 200 and exported.json() == body and list(exported.json()) == list(BLUEPRINT)
    again = admin.post(IMPORT, body)
    assert again.status_code == 200 and again.json() == made
    there = other.post(IMPORT, exported.json())
    assert there.status_code == 201
    assert other.get(f"{PROCESSES}/{there.json()['id']}/export").content == exported.content
    taken = admin.post(IMPORT, {**body, "description": "another"})
    assert code(taken) == (409, "TEMPLATE_VERSION_TAKEN") and "version" in taken.json()["details"]
    assert admin.post(IMPORT, {**body, "version": "1.3.0", "description": "another"}).status_code == 201
    newest = admin.ok("GET", f"{PROCESSES}/{body['name'].lower().replace(' ', '-')}/")
    assert newest["version"] == "1.3.0" and newest["process_steps"] == body["process_steps"]
    refused = admin.post(f"/api/v1/workflows/from-template/{made['id']}", {"name": unique()})
    assert code(refused) == (400, "VALIDATION_FAILED") and len(refused.json()["details"]) >= 2


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/api/v1/workflows/bulk", {"op": "execute", "items": [{}]}), ("GET", "/api/v1/runs?workflow_id=x", None)])
def test_errors_about_a_workflow(admin, method, path, body):
    """The example as it stands: it says what is wrong with workflow_id."""
    answer = admin.request(method, path, json=body)
    assert answer.status_code == 400
    like(REFUSED, answer.json())


def test_errors(admin):
    """At this document's own addresses: of the same form, about what is missing there."""
    wrong = admin.post(IMPORT, {})
    assert wrong.status_code == 400 and kind(wrong.json()["error"]) == kind(REFUSED["error"])
    assert differences(REFUSED, wrong.json()) == ["$.details.workflow_id: is missing"], "a blueprint is of no workflow"
    like(REFUSED["details"]["workflow_id"], wrong.json()["details"]["name"])
    for path in (f"{PROCESSES}/999000999/", f"{PROCESSES}/999000999/export/", "/api/v1/workflows/999000999"):
        gone = admin.get(path)
        assert gone.status_code == 404
        like(GONE, gone.json())
