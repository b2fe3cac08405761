#!/usr/bin/env python3
"""Requests of one kind beside their limit, in turn: medians, and the median of the ratios.

    beside.py create | list | conditional"""
import json
import os
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from client import Api, Database, HERE, median, row, wrk # noqa: E402
from statement import Sql, Statement # noqa: E402

ROUNDS, SECONDS, CLIENTS = int(os.environ.get("ROUNDS", 5)), int(os.environ.get("SECONDS_EACH", 5)), 32
STEPS = [{"name": n, "type": "log", "config": {"message": n}} for n in ("one", "two", "three")]


def bearer():
    return ["-H", "Authorization: Bearer " + os.environ["MILLRACE_TOKEN"]]


def in_turn(ours, limit):
    ours(), limit() # warm
    pairs = []
    for i in range(1, ROUNDS + 1):
        pairs.append((ours(), limit()))
        print(f"  round {i}: {pairs[-1][0]:,.0f}/s, beside it {pairs[-1][1]:,.0f}/s", flush=True)
    return median([a for a, _ in pairs]), median([b for _, b in pairs]), median([a / b for a, b in pairs])


def caller(db):
    """The tenant and the principal that the token stands for, once it has been used."""
    tenant, principal = db.ask("select p.tenant_id, p.id from millrace.principals p join millrace.tenants t on t.id = p.tenant_id "
                               "where t.name = 'bench' and p.name = 'bench' order by p.id desc limit 1")
    return {"tenant_id": tenant, "principal_id": principal, "principal_name": "bench", "correlation_id": "bench", "remote_address": "127.0.0.1"}


def create(api, db):
    run = os.urandom(4).hex()
    made = api.call("POST", "/api/v1/workflows", {"name": f"bench-{run}", "workflow_config": {"steps": STEPS}})
    # the rows that a request has made, once more: as they were written
    definition, config, steps, digest = db.ask(
        "select definition, coalesce(config::text, ''), steps, digest from millrace.workflow_versions "
        f"where workflow_id = {made['id']}", separator="\x1f")
    limit = Statement("workflow_create", caller(db)["tenant_id"], {
        **caller(db), "name": Sql("'bench-' || gen_random_uuid()"), "definition": definition, "workflow_config": config or None,
        "steps": steps, "digest": digest})
    rounds = iter(range(1000))
    body = json.dumps({"name": "%s", "workflow_config": {"steps": STEPS}})
    a, b, ratio = in_turn(
        lambda: wrk("/", SECONDS, "-s", str(HERE / "api/create.lua"), PREFIX=f"bench-{run}-{next(rounds)}", DEFINITION=body),
        lambda: limit.rate(CLIENTS, SECONDS))
    row("5-create", "`POST /workflows`, three steps, 32 connections",
        f"{a:,.0f}/s, {ratio:.2f} of the {b:,.0f}/s of pgbench, which inserts the same rows by the same statement", "≥ 0.3")


def list_of_50(api, db):
    for i in range(60):
        api.workflow(STEPS)
    limit = Statement("workflow_list", caller(db)["tenant_id"], {
        "page_limit": 50, "page_offset": 0, "want_total": "true"}, order="-created_at")
    path = "/api/v1/workflows?limit=50"
    assert len(api.call("GET", path)["items"]) == 50
    a, b, ratio = in_turn(lambda: wrk(path, SECONDS, *bearer()), lambda: limit.rate(CLIENTS, SECONDS))
    row("6-list", "`GET /workflows?limit=50`, 32 connections",
        f"{a:,.0f}/s, {ratio:.2f} of the {b:,.0f}/s of pgbench running its statement", "≥ 0.6")


def conditional(api, _):
    example = json.loads((HERE.parent / "examples/document-processing-pipeline.json").read_text(encoding="utf-8"))
    example["name"] += f" {os.urandom(4).hex()}"
    for number, what, workflow in (("7", "the same GET", api.workflow(STEPS)),
                                   ("7b", "that of examples/document-processing-pipeline.json", api.call("POST", "/api/v1/workflows", example)["id"])):
        path = f"/api/v1/workflows/{workflow}"
        url = urllib.parse.urlsplit(os.environ["MILLRACE_URL"] + path)
        api.connection.request("GET", url.path, headers=api.headers)
        answer = api.connection.getresponse()
        size = len(answer.read())
        etag = answer.headers["ETag"]
        a, b, ratio = in_turn(lambda: wrk(path, SECONDS, *bearer(), "-H", f"If-None-Match: {etag}"), lambda: wrk(path, SECONDS, *bearer()))
        row(f"{number}-conditional", f"{what} with `If-None-Match`: 304", f"{a:,.0f}/s, {ratio:.2f} of the {b:,.0f}/s of the 200 with {size:,} bytes", "≥ 1.1")


if __name__ == "__main__":
    {"create": create, "list": list_of_50, "conditional": conditional}[sys.argv[1]](Api(), Database())
