"""The document's links: that they lead where they say, and that what was made is found by following them."""
import json
import pathlib
import re
import uuid

import pytest

from support.examples import ITSELF, entries

from .openapi import Document, from_expression

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "docs/reference"
DOCUMENT = Document((REFERENCE / "openapi.json").read_text())
RECORDED = json.loads((REFERENCE / "examples.json").read_text())["operations"]
OPERATIONS = {o["operationId"]: (method, path, o) for method, path, o in DOCUMENT.operations()}
SUCCESSES = [(name, status) for name, (_, _, o) in OPERATIONS.items() for status in o["responses"]
             if status[0] == "2" and name not in ITSELF]


NEXT = "$response.header.X-Next-Cursor"
"""Of lists whose form has no place for the cursor."""


def links(name, status):
    return DOCUMENT.links(OPERATIONS[name][2]["responses"][status])


def parameters(name):
    return {p["name"]: p for p in OPERATIONS[name][2]["parameters"] if p["in"] in ("path", "query")}


def test_each_leads_to_an_operation_with_what_it_takes():
    """To each once, with all that its path needs; the value that was recorded is one that it takes."""
    seen = 0
    for name, status in SUCCESSES:
        found, made = links(name, status), RECORDED[name][status]
        assert len({link["operationId"] for link in found.values()}) == len(found), name
        for as_, link in found.items():
            takes = parameters(link["operationId"])
            assert as_ in (link["operationId"], "nextPage") and link["description"], (name, as_)
            assert {p for p, s in takes.items() if s["in"] == "path"} <= set(link["parameters"]) <= set(takes), (name, as_)
            for parameter, source in link["parameters"].items():
                seen += 1
                if source == NEXT:
                    assert NEXT.rsplit(".", 1)[1] in DOCUMENT.response(OPERATIONS[name][2], status)["headers"], name
                    continue
                value = from_expression(source, made["answer"], made["request"]["path"], OPERATIONS[name][1])
                if (as_, value) == ("nextPage", None):
                    continue  # of a last page
                schema = takes[parameter]["schema"]
                sent = value if schema["type"] == "integer" else str(value)
                assert value is not None and DOCUMENT.faults(schema, sent) == [], (name, as_, source, value)
    assert seen > 500


def test_lists_lead_to_their_next_page_alone():
    for name, status in SUCCESSES:
        if name.startswith("list"):
            found, tells = links(name, status), "next_cursor" in RECORDED[name][status]["answer"]
            assert set(found) == {"nextPage"}, name
            assert found["nextPage"]["parameters"]["cursor"] == ("$response.body#/next_cursor" if tells else NEXT), name
        else:
            assert "nextPage" not in links(name, status), name


def schema_of(name, status):
    content = OPERATIONS[name][2]["responses"][status]["content"]
    return content.get("application/json", {"schema": {}})["schema"].get("$ref")


def test_what_is_answered_leads_to_all_that_can_be_done_with_it():
    """By another way than the generator's: who answers as the row that reads one does leads to what is below that row's path."""
    readers = {name: path for name, (method, path, _) in OPERATIONS.items()
               if method == "GET" and path.count("{") == 1 and path.endswith("}") and schema_of(name, "200")}
    assert len(readers) > 15
    for name, status in SUCCESSES:
        if OPERATIONS[name][0] == "DELETE":
            continue
        for reader, path in readers.items():
            if schema_of(name, status) == schema_of(reader, "200"):
                expected = {other for other, (_, p, _) in OPERATIONS.items() if p.startswith(path) and p.count("{") == 1}
                assert expected - {name, "undeleteWorkflow"} <= set(links(name, status)), (name, reader)


@pytest.mark.parametrize("name, leads_to, not_to", [
    ("executeWorkflow", {"getRun", "cancelRun", "rerunRun", "listRunSteps", "listRunEvents", "listRunLogs", "explainRun",
                         "getExecution", "getWorkflow"}, {"deleteWorkflow", "pauseWorkflow"}),
    ("cancelRun", {"getRun", "retryRun", "getWorkflow"}, {"cancelRun", "pauseWorkflow", "executeWorkflow"}),
    ("createWorkflow", {"getWorkflow", "executeWorkflow", "getWorkflowVersion", "listWorkflowVersions"}, {"getRun", "undeleteWorkflow"}),
    ("createFromTemplate", {"getWorkflow", "executeWorkflow", "getTemplate"}, {"deleteTemplate"}),
    ("deleteWorkflow", {"getWorkflow", "undeleteWorkflow"}, {"executeWorkflow", "putWorkflow"}),
    ("deleteAgent", set(), {"getAgent", "putAgent"}),
    ("getRun", {"listRunSteps", "getWorkflow", "getWorkflowVersion"}, {"listWorkflowVersions", "getRunStepOutput"}),
    ("startSaga", {"getSaga", "cancelSaga", "getRun"}, {"getTenant"}),
    ("putGroupMember", {"getUser"}, {"getGroup"}),
    ("rotateApiKey", {"getApiKey", "deleteApiKey"}, {"rotateApiKey"}),
    ("publishEvent", {"getEvent"}, {"getRun"}),
    ("importBlueprint", {"getProcessTemplate", "exportBlueprint"}, {"importBlueprint"}),
    ("bulkWorkflows", set(), {"deleteWorkflow"}),
    ("getEvent", {"listEvents"}, {"getRun"}),
    ("getAuditLog", {"listAuditLogs"}, {"getUser"}),
    ("getWorkflowNormalized", {"getWorkflow"}, {"deleteWorkflow"}),
    ("getRunStepOutput", {"getRun"}, {"getWorkflow"}),
    ("getFileContent", {"getFile"}, {"deleteFile"}),
    ("exportBlueprint", {"getProcessTemplate"}, {"getTemplate"}),
    ("deleteGroupMember", {"getGroup"}, {"putGroupMember"}),
])
def test_some_of_them(name, leads_to, not_to):
    for status in [s for n, s in SUCCESSES if n == name]:
        found = set(links(name, status))
        assert leads_to <= found and not found & not_to, found


# what was deleted for good; what is of no resource; what is about many
ENDS = {"deleteAgent", "deleteApiKey", "deleteFile", "deleteGroup", "deleteIssuer", "deleteProcessTemplate", "deleteSecret",
        "deleteTemplate", "deleteUser", "bulkRuns", "evaluateExpression", "getHealth", "getMe", "getReadiness", "getStatus",
        "getSystemHealth", "getTemplateCategories", "validateWorkflow"}


def test_what_leads_nowhere_is_known():
    assert {name for name, status in SUCCESSES if not links(name, status)} == ENDS


# ---- followed ----

STEPS = [{"name": "hello", "type": "log", "config": {"message": "hello"}}]


def named(**more):
    return {"name": f"linked {uuid.uuid4().hex[:12]}", **more}


MAKERS = {
    "createAgent": lambda t: {"name": f"linked-{uuid.uuid4().hex[:12]}", "url": "http://127.0.0.1:9/"},
    "createApiKey": lambda t: named(scopes=["read-only"]),
    "createFromTemplate": lambda t: named(),
    "createGroup": lambda t: named(),
    "createIssuer": lambda t: {"issuer": f"https://{uuid.uuid4().hex[:12]}.test", "audience": "a", "algorithm": "ES256",
                               "jwks_url": "https://linked.invalid/keys", "is_enabled": False},
    "createSecret": lambda t: {"name": f"LINKED_{uuid.uuid4().hex[:12]}", "value": "of nobody"},
    "createTemplate": lambda t: named(template_config={"steps": STEPS}),
    "createTenant": lambda t: named(),
    "createUser": lambda t: named(),
    "createWorkflow": lambda t: named(steps=STEPS),
    "createWorkflowFromTemplate": lambda t: {"template_id": t.template, "workflow_name": named()["name"]},
    "executeWorkflow": lambda t: {"input": {}},
    "importBlueprint": lambda t: named(template_config={"steps": STEPS}),
    "processTemplatesWorkflow": lambda t: named(template_config={"steps": STEPS}),
    "publishEvent": lambda t: {"event_type": "linked"},
    "startSaga": lambda t: {"saga_type": "linked", "input_data": {"workflow_id": t.things.quick}},
    "uploadFile": lambda t: None,
}
"""What each operation that makes something is sent."""


class Target:
    def __init__(self, admin, things):
        self.things = things
        self.template = str(admin.ok("POST", "/api/v1/templates", json=named(template_config={"steps": STEPS}))["id"])


@pytest.fixture(scope="module")
def target(admin, things):
    return Target(admin, things)


def test_each_that_makes_something_is_followed():
    makes = {name for name, status in SUCCESSES if status == "201"} | {"executeWorkflow"}
    assert makes == set(MAKERS)


def filled(path, values):
    return re.sub(r"\{(\w+)\}", lambda m: str(values[m[1]]), path)


def followed(client, name, answer, path):
    """Each GET that the answer of an operation leads to, asked."""
    found = {}
    for as_, link in links(name, str(answer.status_code)).items():
        method, to, _ = OPERATIONS[link["operationId"]]
        told = answer.json() if "json" in answer.headers["Content-Type"] else None
        values = {p: from_expression(s, told, path, OPERATIONS[name][1], answer.headers) for p, s in link["parameters"].items()}
        query = {p: v for p, v in values.items() if "{%s}" % p not in to}
        if method == "GET":
            found[as_] = client.get(filled(to, values), params=query)
    return found


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_what_was_made_is_found_by_its_links(admin, platform, target, name):
    _, template, operation = OPERATIONS[name]
    client = platform if operation.get("x-platform") else admin
    path = filled(template, {"id": target.things.quick, "template": target.template})
    body = MAKERS[name](target)
    made = client.post(path, body) if body is not None else client.post(path, files={"file": ("linked.txt", b"hello")})
    assert made.status_code in (201, 202), made.text
    found = followed(client, name, made, path)
    assert found and {as_: a.status_code for as_, a in found.items() if a.status_code != 200} == {}
    reader = [a for as_, a in found.items() if OPERATIONS[as_][1].endswith("}") and OPERATIONS[as_][1].count("{") == 1][0]
    if "id" in made.json():
        assert reader.json()["id"] == made.json()["id"]


@pytest.mark.parametrize("name", ["listWorkflows", "listRunEvents", "listTemplates", "listWorkflowProcessTemplates",
                                  "listWorkflowExecutions", "listExecutionSteps"])
def test_the_next_page_is_found_by_its_link(admin, things, target, name):
    things.quick, things.slow, things.new_completed()  # there are two of each
    runs = "workflows/{id}" not in OPERATIONS[name][1]
    path = filled(OPERATIONS[name][1], {"id": things.new_failed() if runs else things.quick})
    first = admin.get(path, params={"limit": 1})
    second = followed(admin, name, first, path)["nextPage"]
    assert second.status_code == 200 and entries(second.json())[0]["id"] != entries(first.json())[0]["id"]


def test_parts_lead_to_what_they_are_of(admin, things):
    run = things.completed()
    file = admin.ok("POST", "/api/v1/files", files={"file": ("part.txt", b"hello")})["id"]
    event = admin.ok("POST", "/api/v1/events/publish", json={"event_type": "of.links"})["id"]
    for name, path, id in (("getWorkflowNormalized", f"/api/v1/workflows/{things.quick}/normalized", things.quick),
                           ("getRunStepOutput", f"/api/v1/runs/{run}/steps/hello/output", run),
                           ("getFileContent", f"/api/v1/files/{file}/content", file), ("getEvent", f"/api/v1/events/{event}", event)):
        (whole,) = followed(admin, name, admin.get(path), path).values()
        assert whole.status_code == 200 and id in [e["id"] for e in entries(whole.json()) or [whole.json()]], name


def test_what_was_deleted_is_found_where_a_link_says_so(admin, things):
    gone = things.new_workflow()["id"]
    path = f"/api/v1/workflows/{gone}"
    found = followed(admin, "deleteWorkflow", admin.delete(path), path)
    assert {as_: a.json()["status"] for as_, a in found.items()} == {"getWorkflow": "deleted"}
    assert admin.post(f"{path}/undelete").status_code == 200
