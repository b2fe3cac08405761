"""Who asked for what, what went wrong and how long it took: by every filter, in every order and paging form."""
import itertools
import json

import pytest

from tests.support.stack import wait_until

from .openapi import PAGING

USAGE, ERRORS, LATENCY = (f"/api/v1/analytics/{w}" for w in ("usage", "errors", "latency"))
ALL = (USAGE, ERRORS, LATENCY)
NOTHING = 9007199254740991
GET_WORKFLOW = "/api/v1/workflows/{id}"


def sums(client, path=USAGE, **asked):
    return client.ok("GET", path, params=asked)["items"]


@pytest.fixture(scope="module")
def used(stack, admin, things):
    """A caller of its own, what it asked for, and its key's id."""
    caller = stack.client(scopes="read-only", roles="viewer", name="counted")
    me = caller.ok("GET", "/api/v1/me")
    workflow = things.new_workflow()["id"]
    for _ in range(3):
        caller.ok("GET", f"/api/v1/workflows/{workflow}")
    for _ in range(2):
        assert caller.get(f"/api/v1/workflows/{NOTHING}").status_code == 404
    assert caller.delete(f"/api/v1/workflows/{workflow}").status_code == 403
    key = next(k["id"] for k in admin.ok("GET", "/api/v1/api-keys", params={"limit": 1000})["items"] if k["principal_id"] == me["id"])
    wait_until(lambda: sum(g["count"] for g in sums(admin, key_id=key)) >= 7, message="the requests are not counted")
    return {"key_id": key, "principal_id": me["id"], "name": me["name"], "workflow": workflow}


def test_usage_by_route(admin, used):
    got = {(g["method"], g["route"]): g for g in sums(admin, key_id=used["key_id"], group_by="route")}
    one = got[("GET", GET_WORKFLOW)]
    assert (one["count"], one["succeeded"], one["errors"], one["error_rate"]) == (5, 3, 2, 0.4)
    assert one["average_ms"] > 0 and one["key_id"] is None and one["time"] is None
    assert got[("DELETE", GET_WORKFLOW)]["errors"] == 1
    assert sums(admin, key_id=used["key_id"]) == sums(admin, key_id=used["key_id"], group_by="route")


def test_by_everything(admin, used):
    mine = {"principal_id": f"user_{used['principal_id']}"}
    key, = sums(admin, group_by="key", **mine)
    assert (key["key_id"], key["principal_id"], key["principal_name"], key["count"]) == (
        used["key_id"], used["principal_id"], used["name"], 7)
    by_workflow = {g["workflow_id"]: g for g in sums(admin, group_by="workflow", **mine)}
    # what isn't there is no workflow
    assert by_workflow[used["workflow"]]["count"] == 4 and by_workflow[None]["count"] == 3 and len(by_workflow) == 2
    assert by_workflow[used["workflow"]]["workflow_name"]
    by_status = {g["status"]: g["count"] for g in sums(admin, group_by="status", **mine)}
    assert by_status == {"200": 4, "403": 1, "404": 2}
    by_code = {g["error_code"]: g["count"] for g in sums(admin, group_by="error_code", **mine)}
    assert by_code == {None: 4, "FORBIDDEN": 1, "WORKFLOW_NOT_FOUND": 2}
    for grain in ("day", "hour"):
        times = sums(admin, group_by=grain, **mine)
        assert sum(t["count"] for t in times) == 7 and all(t["time"].endswith("00:00Z") for t in times)
    both = sums(admin, group_by="status,route", **mine)
    assert both == sums(admin, **mine, group_by=["status", "route"]) and len(both) == 4


def filters(used):
    """What is asked beside the key, and how many of its requests fit."""
    return (({"route": GET_WORKFLOW}, 6), ({"route": "/nothing"}, 0), ({"method": "delete"}, 1),
            ({"workflow_id": f"wf_{used['workflow']}"}, 4), ({"workflow_id": NOTHING}, 0), ({"status": "404"}, 2),
            ({"status": "4xx"}, 3), ({"status": ["200", "403"]}, 5), ({"error_code": "WORKFLOW_NOT_FOUND"}, 2),
            ({"from": "2020-01-01T00:00:00Z"}, 7), ({"from": "2099-01-01T00:00:00Z"}, 0),
            ({"to": "2020-01-01T00:00:00Z", "from": "2019-01-01T00:00:00Z"}, 0), ({"to": "2099-01-01T00:00:00Z"}, 7),
            ({"principal_id": NOTHING}, 0), ({"of": "request"}, 7), ({"of": "RUN"}, 0))


def test_filters(admin, used):
    mine = {"key_id": f"key_{used['key_id']}", "group_by": "status"}
    for asked, count in filters(used):
        for path in (USAGE, LATENCY):
            assert sum(g["count"] for g in sums(admin, path, **mine, **asked)) == count, (path, asked)
    assert [g["count"] for g in sums(admin, key_id=NOTHING)] == []


def test_errors(admin, used):
    got = sums(admin, ERRORS, key_id=used["key_id"])
    assert [(e["error_code"], e["status"], e["count"], e["client_errors"], e["server_errors"]) for e in got] == [
        ("WORKFLOW_NOT_FOUND", "404", 2, 2, 0), ("FORBIDDEN", "403", 1, 1, 0)]
    assert sum(e["share"] for e in got) == pytest.approx(1, abs=0.001)


def test_latency(admin, used):
    one, = sums(admin, LATENCY, key_id=used["key_id"], group_by="key")
    assert one["count"] == 7 and 0 < one["average_ms"] <= one["max_ms"]
    low = 0
    for p in ("p50", "p90", "p95", "p99"):
        least, most = one[f"{p}_bounds_ms"]
        assert least <= one[f"{p}_ms"] <= most <= one["max_ms"] and one[f"{p}_ms"] >= low
        low = one[f"{p}_ms"]


def test_runs(admin, things):
    workflow = things.new_workflow()["id"]
    for _ in range(2):
        run = admin.ok("POST", f"/api/v1/workflows/{workflow}/execute?wait=30", json={})
    assert run["status"] == "completed"
    failing = admin.ok("POST", "/api/v1/workflows", json={"name": "fails for analytics", "steps": [
        {"name": "a", "type": "http_request", "config": {"url": "http://127.0.0.1:1/", "method": "GET"}}]})["id"]
    assert admin.ok("POST", f"/api/v1/workflows/{failing}/execute?wait=30", json={})["status"] == "failed"

    def told():
        got = {(g["workflow_id"], g["status"]): g for g in sums(admin, of="run", group_by="workflow,status")}
        return got.get((workflow, "completed"), {}).get("count") == 2 and got.get((failing, "failed"))

    failed = wait_until(told, message="the runs are not summed up")
    assert failed["errors"] == 1 and failed["error_rate"] == 1 and failed["workflow_name"] == "fails for analytics"
    day, = sums(admin, LATENCY, of="run", group_by="day", workflow_id=workflow)
    assert day["count"] == 2 and day["p95_bounds_ms"][0] <= day["p95_ms"] <= day["max_ms"]
    error, = sums(admin, ERRORS, of="run", workflow_id=failing)
    assert error["error_code"] and error["status"] == "failed" and error["share"] == 1


def test_nothing_is_left_out(recorder, used):
    """A filter, grouping or ordering that is new in the document wants to be tried here."""
    tried = {name for asked, _ in filters(used) for name in asked} | {"key_id", "group_by"}
    for path in ALL:
        _, operation = recorder.document.operation("GET", path)
        schemas = {p["name"]: p["schema"] for p in operation["parameters"] if p["in"] == "query"}
        assert schemas.keys() - PAGING == tried, path
        assert {w.lstrip("-") for w in schemas["ordering"]["enum"]} == set(ORDERS[path]), path
        assert set(schemas["group_by"]["items"]["enum"]) == {"hour", "day", "route", "key", "workflow", "status", "error_code"}


ORDERS = {USAGE: ("count", "errors", "error_rate", "average_ms", "time", "route"), ERRORS: ("count", "time", "route"),
          LATENCY: ("count", "average_ms", "max_ms", "p95_ms", "time", "route")}


def test_orders_and_pages(admin, used):
    for path, names in ORDERS.items():
        for name, sign in itertools.product(names, ("", "-")):
            asked = {"group_by": "route,hour,status", "ordering": sign + name}
            page = admin.ok("GET", path, params={**asked, "limit": 1000})
            values = [g[name] for g in page["items"]]
            assert values == sorted(values, reverse=bool(sign)), (path, sign + name)
            assert page["total"] == len(page["items"])
    assert admin.get(USAGE, params={"ordering": "nothing"}).json()["error_code"] == "VALIDATION_FAILED"
    asked = {"group_by": "route,status", "key_id": used["key_id"]}
    whole = admin.ok("GET", USAGE, params=asked)
    assert whole["page_size"] == 100 and len(whole["items"]) == 4
    by_offset = [admin.ok("GET", USAGE, params={**asked, "limit": 1, "offset": i})["items"][0] for i in range(4)]
    by_page = [admin.ok("GET", USAGE, params={**asked, "page_size": 1, "page": i + 1})["items"][0] for i in range(4)]
    by_cursor, cursor = [], None
    while cursor is not None or not by_cursor:
        page = admin.ok("GET", USAGE, params={**asked, "limit": 1, **({"cursor": cursor} if cursor else {})})
        by_cursor += page["items"]
        cursor = page["next_cursor"]
    assert whole["items"] == by_offset == by_page == by_cursor


def test_of_others_nothing_is_told(other, used):
    for path in ALL:
        for g in sums(other, path, group_by="key", limit=1000):
            assert g["key_id"] != used["key_id"] and g["principal_id"] != used["principal_id"]
        assert sums(other, path, key_id=used["key_id"]) == []
        assert sums(other, path, workflow_id=used["workflow"]) == []


def test_whoever_reads_may_see_it(stack, used):
    reader = stack.client(scopes="read-only", roles="viewer")
    for path in ALL:
        assert sums(reader, path, key_id=used["key_id"]), path
        assert stack.anonymous().get(path).status_code == 401


def test_what_is_wrong_is_said(admin):
    for path in ALL:
        for asked, where in (({"group_by": "colour"}, "group_by"), ({"of": "steps"}, "of"), ({"from": "yesterday"}, "from"),
                             ({"to": "x"}, "to"), ({"key_id": "x"}, "key_id"), ({"workflow_id": "run_1"}, "workflow_id"),
                             ({"principal_id": "0x1"}, "principal_id"), ({"limit": "0"}, "limit")):
            answer = admin.get(path, params=asked)
            assert answer.status_code == 400 and where in json.dumps(answer.json()["details"]), (path, asked, answer.text)
