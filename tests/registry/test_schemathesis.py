"""schemathesis on the whole document: what it calls right is taken, what it calls wrong is refused, and each
answer is one that it declares.

All checks and all phases, among them the chains of calls that the links make, on a stack of its own. By chance, but
the same each time: MILLRACE_TEST_SEED gives another seed, MILLRACE_TEST_EXAMPLES how many requests each operation gets
by chance.
"""
import base64
import json
import os
import re

import pytest

from support.stack import RATE_CLASSES, ROOT, Stack

from .conftest import run

PINNED = ROOT / "tests/support/docs_tools"
SEED = os.environ.get("MILLRACE_TEST_SEED", "20261127")
EXAMPLES = os.environ.get("MILLRACE_TEST_EXAMPLES", "6")
UNLIMITED = ",".join(f"{c}=none" for c in RATE_CLASSES)
# what is made first has the id that the document's examples name
FIRST = ("select setval(format('%I.%I', schemaname, sequencename), 11) from pg_sequences "
         "where schemaname = 'millrace' and coalesce(last_value, 0) < 11")

# What OpenAPI 3.0 has no words for, so that what fits the document is refused with a 400 nevertheless: operations,
# where in the request (or nothing: then the error's code follows), the sentence, and why. It holds for
# positive_data_acceptance alone, and only where each fault of the answer is one of these.
DEFINES = (r"(POST|PUT|PATCH) /api/v1/(workflows(/validate|/bulk|/\{id\})?|templates(/\{template\})?|"
           r"workflow/process-templates(/\{template\}|/import_blueprint)?|sagas/start)")
USES = r"POST /api/v1/(templates/create-workflow|workflows/from-template/\{template\})"
DEFINITION = (r"(input_data\.|items\[\]\.)?(steps|process_steps|definition|workflow_config|template_config|start_step|"
              r"settings|mode|labels|variables|trigger_conditions|vars|secrets|concurrency|on_failure|finally|sla|retry|"
              r"output|input_schema|timeout_seconds|max_retries)\b.*")
UNSAID = [
    (DEFINES, DEFINITION, r".*", "definitions are a language, whose names, references and expressions must agree"),
    (DEFINES, r"", r"the definition is too large: .*", "how large it is comes out when it is compiled"),
    (USES, r"(parameters|custom_config)\b.*", r".*", "which parameters and steps there are is the template's to say"),
    (USES, DEFINITION, r".*", "what comes out of a template is a definition"),
    (r"POST /api/v1/expressions/evaluate", r"", r"EXPRESSION_\w+|VALIDATION_FAILED", "expressions are a language"),
    (r"POST .*", r"(items\[\]\.)?(input_data|trigger_data)", r"says something else than \w+; send only one of them",
     "the same input under several names, which may all be there if they are equal"),
    (r"(POST|PUT|PATCH) /api/v1/agents(/\{agent\})?", r"auth_config\b.*|url", r".*",
     "certificates and keys in PEM, and what the agent's own auth_type needs"),
    (r"(POST|PUT|PATCH) /api/v1/issuers(/\{id\})?", r"key_name|jwks_file|public_key", r"must be .*",
     "files that the server has, and keys of the algorithm's kind"),
    (r"(POST|PUT|PATCH) /api/v1/issuers(/\{id\})?", r"(required_claims|value_map)\b.*", r"must .*",
     "names and values of claims"),
    (r"(POST|PUT|PATCH) /api/v1/agents(/\{agent\})?", r"name", r"must have 1 to 100 characters, none of them .*",
     "a name that looks like an id would be taken for one"),
    (r"POST /api/v1/files", r"", r"UPLOAD_INVALID", "a raw body has its name elsewhere, where a form has it inside"),
    (r"POST /api/v1/api-keys", r"user_id", r"must be the id of a user or program of this tenant", "who is there"),
    (r"(POST|PUT|PATCH) /api/v1/users(/\{id\})?", r"groups", r"names no group: .*", "which groups are there"),
    (r"GET .*", r"", r"CURSOR_INVALID", "a cursor is the server's own word"),
    (r"(POST|PUT|PATCH) .*", r".*", r"line \d+, column \d+: (-?\d+ is beyond the range of an integer .*|\\u0000 can't be stored)",
     "free values hold what PostgreSQL can hold"),
    (r".*", r"…", r"and \d+ more faults", "the end of a long list of the faults above"),
]


def faults_of(answer):
    """(place, sentence) of each, with [] for any entry of a list."""
    if answer.get("error_code") not in ("VALIDATION_FAILED", "JSON_INVALID"):
        return [("", answer.get("error_code", ""))]
    return [(re.sub(r"\[\d+\]", "[]", place), text) for place, texts in answer["details"].items() for text in texts]


def excused(finding):
    """Whether all that the answer finds fault with stands in UNSAID."""
    if finding["check"] != "positive_data_acceptance" or finding["status"] != 400:
        return False
    return all(any(all(re.fullmatch(pattern, said, re.S) for pattern, said in zip(rule, (finding["operation"], *fault)))
                   for *rule, _ in UNSAID) for fault in faults_of(finding["answer"]))


def events(report):
    for line in report.read_text().splitlines():
        (kind, event), = json.loads(line).items()
        yield kind, event


def json_of(part):
    try:
        return json.loads(base64.b64decode(((part or {}).get("content") or (part or {}).get("body"))["$base64"]))
    except (TypeError, ValueError):
        return None


def findings(report):
    """Each failed check, with the request and its answer; and what schemathesis itself couldn't do."""
    for kind, event in events(report):
        if kind in ("NonFatalError", "FatalError"):
            yield {"check": kind, "operation": str(event)[:2000], "status": None, "answer": {}}
        if kind != "ScenarioFinished":
            continue
        told = event["recorder"]
        for case, checks in told.get("checks", {}).items():
            for check in checks:
                if check["status"] == "failure":
                    sent = told["interactions"].get(case, {})
                    failure = check["failure_info"]["failure"]
                    answer = sent.get("response") or {}
                    yield {"check": check["name"], "operation": failure["operation"], "phase": event["phase"],
                           "says": failure["message"], "request": sent.get("request"), "sent": json_of(sent.get("request")),
                           "status": answer.get("status_code"), "answer": json_of(answer) or {}}


@pytest.fixture
def alone():
    """A stack that nobody else uses, and the key of an administrator of the platform without limits."""
    s = Stack("schemath")
    try:
        s.start()
        s.admin("tenant", "create", "--name", "platform", "--platform")
        s.judge = s.make_key("platform", "judge", "admin", "admin", "--rate-limits", UNLIMITED)
        s.psql(FIRST)
        yield s
    finally:
        s.close()


def told(finding):
    """One of them for whoever reads the failed test."""
    request = finding.get("request") or {}
    sent = {k: finding.get(k) for k in ("phase", "status", "sent")}
    answer = {k: finding["answer"].get(k) for k in ("error_code", "details")} if finding["answer"] else ""
    return (f"{finding['check']}: {finding['operation']}\n  {finding.get('says')}\n  {request.get('method')} "
            f"{request.get('uri')}\n  {json.dumps(sent)[:1500]}\n  {json.dumps(answer)[:1500]}")


def test_schemathesis_finds_nothing(alone, tools, tmp_path):
    report = tmp_path / "events.ndjson"
    own = alone.rows("select max(id) as id from millrace.api_keys")[0]["id"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(PINNED),
                   "MILLRACE_OWN_KEY": str(own)}
    r = run(tools.pypi("st"), "--config-file", PINNED / "schemathesis.toml", "run", f"{alone.url}/openapi.json",
            "--tls-verify", alone.ca, "--header", f"Authorization: Bearer {alone.judge}", "--checks", "all",
            "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES, "--seed", SEED,
            "--continue-on-failure", "--no-shrink", "--generation-database", "none",
            "--generation-with-security-parameters", "false", "--workers", "2", "--no-color",
            "--request-timeout", "60", "--report", "ndjson", "--report-ndjson-path", report, cwd=tmp_path,
            env={k: v for k, v in environment.items() if k not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")})
    said = f"MILLRACE_TEST_SEED={SEED} MILLRACE_TEST_EXAMPLES={EXAMPLES}\n"
    assert r.returncode in (0, 1) and report.exists(), said + r.stdout[-5000:] + r.stderr[-5000:]
    left = [f for f in findings(report) if not excused(f)]
    assert not left, said + f"{len(left)} findings\n" + "\n".join(told(f) for f in left[:20])
    went_through = [e["phase"]["name"] for kind, e in events(report) if kind == "PhaseFinished"]
    assert {"examples", "coverage", "fuzzing", "stateful"} <= set(went_through), said + r.stdout[-5000:]
    assert alone.with_key(alone.judge).get("/api/v1/me").status_code == 200, said
