"""Every kind of JSON that RFC 8259 allows, forbids, or leaves open: in every body, and as values that must come back as sent."""
import decimal
import itertools
import json
import re

import pytest

from support.stack import ROOT, wait_until

NOBODY = 9007199254740991
JSON = {"Content-Type": "application/json"}

VALID = [
    "0", "-0", "1", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808", "0.1", "-0.0", "1.0", "1.50", "1e2", "1E+2", "1e-7",
    "12345678901234567.25", "0.1000000000000000055511151231257827", "1.7976931348623157e308", "5e-324", "123456.789e-3",
    '""', '" "', '"a"', r'"\" \\ \/ \b \f \n \r \t"', r'"\u0041\u00e9\u20ac"', r'"\ud83d\ude00"', '"é€😀"', r'"\u2028\u2029"', '"\u2028"', '"\x7f"',
    r'"\uffff\ufffe"', r'"\u0001\u001f"', '"{{not.an expression here}}"', '"</script>"', '"' + "x" * 70000 + '"',
    "true", "false", "null", "[]", "{}", "[[]]", '[{}, [], "", 0, null, true]', '{"": ""}', '{" ": {"a.b": {"a[0]": 1}}}', '{"é": "è", "\\u00e8": 1}',
    '{"' + "k" * 500 + '": 1}', "[" * 40 + "]" * 40, " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 ] \t\r\n", "[" + ",".join(["1"] * 5000) + "]",
]

INVALID = [
    "", "+1", "01", "-01", "1.", ".5", "-.5", "1e", "1e+", "1.e1", "0x1", "1_000", "1 2", "- 1", "--1", "NaN", "Infinity", "-Infinity", "nan",
    "'x'", '"', '"x', r'"\x41"', r'"\u12"', r'"\u12g4"', r'"\"', r'"\a"', '"\t"', '"\n"', '"\x00"', r'"\ud800"', r'"\udc00"', r'"\ud800\u0041"', r'"\udc00\ud800"',
    "tru", "True", "TRUE", "nul", "None", "undefined", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1;2]", "[1]]", "{", "}", "{]", "[}", '{"a"}',
    '{"a":}', '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', "{a:1}", "{'a':1}", "{1:1}", '{"a"=1}', '{"a":1,"a":1}', '{"a":1,"\\u0061":2}', "/* c */ 1", "1 // c",
    "1 # c", "\ufeff1", "\u00a01", "\x0b1", "1;", "$", "()", "<a/>",
]
# what is no UTF-8
BYTES = [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\x80"', b"\xff\xfe1\x00"]
# allowed by the grammar, more than we hold: refused, never rounded
TOO_MUCH = ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e999", "-1e999", "[" * 200 + "]" * 200, r'"\u0000"']


def exactly(text):
    return json.loads(text, parse_float=decimal.Decimal)


def bodies(recorder):
    """(method, address) of every operation with a JSON body, of things that are not there where it names one."""
    for path, item in recorder.document.doc["paths"].items():
        for method, operation in item.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}) and not (
                    "multipart/form-data" in operation["requestBody"]["content"]):
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                yield method.upper(), re.sub(r"\{\w+\}", str(NOBODY), path), schema


def send(client, method, path, text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return client.request(method, path, data=data, headers=JSON)


@pytest.fixture(scope="module")
def waiting(things):
    return things.new_workflow()["id"]


@pytest.mark.parametrize("text", VALID, ids=range(len(VALID)))
def test_values_come_back_as_they_were_sent(admin, waiting, text):
    answer = send(admin, "POST", f"/api/v1/workflows/{waiting}/execute", '{"input": {"v": %s}}' % text)
    assert answer.status_code == 202, answer.text
    got = exactly(admin.get(f"/api/v1/runs/{answer.json()['run_id']}").text)["input_data"]["v"]
    assert got == exactly(text) and type(got) is type(exactly(text)), got


@pytest.mark.parametrize("text", [t for t in VALID if len(t) < 1000], ids=str)
def test_values_in_definitions_come_back_too(admin, text):
    steps = '[{"name": "a", "type": "set", "config": {"v": %s}}]' % text
    answer = send(admin, "POST", "/api/v1/workflows", '{"name": "kinds", "steps": %s}' % steps)
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 201:
        path = answer.headers["Location"]
        got = exactly(admin.get(path + "/versions/1").text)
        admin.delete(path)
        assert exactly(text) in found(got, "v"), got
    else:  # a text that looks like an expression is read as one
        assert "{{" in text, answer.text


def found(value, name):
    """All values of members called so, at any depth."""
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == name] + list(itertools.chain(*(found(v, name) for v in value.values())))
    return list(itertools.chain(*(found(v, name) for v in value))) if isinstance(value, list) else []


@pytest.mark.parametrize("text", [*INVALID, *BYTES, *TOO_MUCH], ids=lambda t: ascii(t)[:30])
def test_what_is_no_json_is_refused_with_its_place(admin, waiting, text):
    text = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    path = f"/api/v1/workflows/{waiting}/execute"
    for body in (b'{"input": {"v": ' + text + b"}}", text):
        answer = send(admin, "POST", path, body)
        if body == b"":
            assert answer.status_code == 202  # no body at all: no input
            continue
        assert answer.status_code == 400 and answer.json()["error_code"] in ("JSON_INVALID", "VALIDATION_FAILED"), answer.text
        assert answer.json()["details"], answer.text


def test_every_body_refuses_what_is_no_json(recorder, admin, platform):
    for method, path, _ in bodies(recorder):
        client = platform if "/tenants" in path else admin
        for text in ("", "{", "{]", '{"a":1,}', "nul", '{"name": "\\ud800"}', '{"a":1,"a":2}', b'{"name": "\xff"}', "[" * 100000):
            answer = send(client, method, path, text)
            assert answer.status_code in ((400, 404) if text == "" else (400,)), (method, path, text[:20], answer.status_code, answer.text[:500])


def test_every_body_takes_objects_only(recorder, admin, platform):
    for method, path, _ in bodies(recorder):
        client = platform if "/tenants" in path else admin
        for text in ("[]", "1", "-0.5", '"x"', "true", "null", "[{}]"):
            answer = send(client, method, path, text)
            # a signal is any JSON
            assert answer.status_code in ((400, 404) if "/signals/" in path else (400,)), (method, path, text, answer.text[:500])


def test_members_of_every_kind(recorder, admin, platform):
    """Each member of each body, alone, as each kind: whatever comes of it is one of the declared answers."""
    kinds = ("null", "true", "-1", "1e300", '""', '"%s"' % ("x" * 3000), "[]", '[[null], {"": 0}]', "{}", '{"steps": [{"a": []}]}')
    for method, path, schema in bodies(recorder):
        client = platform if "/tenants" in path else admin
        names = recorder.document.doc["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]].get("properties", {}) if "$ref" in schema else schema.get("properties", {})
        for name, kind in itertools.product(names, kinds):
            answer = send(client, method, path, "{%s: %s}" % (json.dumps(name), kind))
            assert answer.status_code < 500, (method, path, name, kind, answer.text[:500])

# Members without a fixed form, wherever a request has one: what stands in them comes back as it was sent.

ALL = "{%s}" % ", ".join(f'"v{i}": {text}' for i, text in enumerate(t for t in VALID if len(t) < 1000 and "{{" not in t))
MARKED = '{"marked": %s}' % ALL
# free to the document's eye, but the text says what may stand there: anything else is refused there
FORMED = {"concurrency", "finally", "on_failure", "secrets", "filter", "retry", "settings", "variables", "variables[]",
          "expression", "required_claims", "value_map.groups", "value_map.roles", "value_map.scopes", "value_map.tenant"}
# what is free only in a place within it
WITHIN = {"variables": '[{"name": "x", "type": "object", "default": %s}]', "input_schema": '{"default": %s}', "custom_config": '{"vars": %s}',
          "parameters": '{"given": %s}'}
# Not walked: what is kept nowhere, what is refused or the same as elsewhere (a bulk's), and what test_what_runs_are_sent walks.
ELSEWHERE = re.compile(r".*/(validate|bulk|expressions/evaluate) .*|PUT \S+/workflows/\{id\} parameters|PATCH \S+/workflows/\{id\} parameters"
                       r"|POST \S+/(signals/.*|retry input)|\S+ \S+/issuers/.*")
STEP = {"name": '"a"', "type": '"set"'}
STEPS = '[{"name": "a", "type": "set", "config": {"x": 1}}]'


def free_members(document, schema, path="", seen=frozenset(), inline=True):
    """The members of a request's body that may be any JSON, or any object."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name not in seen:
            yield from free_members(document, document["components"]["schemas"][name], path, seen | {name}, False)
        return
    for part in itertools.chain(*(schema.get(word, ()) for word in ("allOf", "oneOf", "anyOf"))):
        yield from free_members(document, part, path, seen)
    for name, member in schema.get("properties", {}).items():
        if not member.get("readOnly") and not member.get("writeOnly"):
            yield from free_members(document, member, f"{path}.{name}".lstrip("."), seen)
    if "items" in schema:
        yield from free_members(document, schema["items"], path + "[]", seen)
    more = schema.get("additionalProperties")
    if more is True and inline or more is None and schema.get("type") in (None, "object") and not (
            {"properties", "enum", "items", "allOf", "oneOf", "anyOf", "not"} & schema.keys()):
        yield path


def put_in(members, path, value):
    """MEMBERS, JSON texts by name, and at PATH in them the JSON text VALUE."""
    name, _, rest = path.partition(".")
    if not name:
        return value
    if rest:
        value = put_in(STEP if name.endswith("steps[]") else {}, rest, value)
    if name.endswith("[]"):
        value = f"[{value}]"
    return "{%s}" % ", ".join(f'"{k}": {v}' for k, v in {**members, name.removesuffix("[]"): value}.items())


def written(text):
    """JSON in which numbers are still as they were written."""
    return json.loads(text, parse_int=lambda n: ("number", n), parse_float=lambda n: ("number", n))


# What has been a value of the language, whose integer 0 has no sign.
AS_VALUES = {**written(ALL), "v1": ("number", "0")}


class Places:
    """What the addresses with a body name, and what else such a body must have."""

    def __init__(self, admin, things):
        self.admin, self.things, self.number = admin, things, itertools.count()
        self.held = self.template("{{given}}")
        self.changed = self.template(1)
        self.slow = things.new_sleeping()

    def template(self, value):
        config = {"steps": [{"name": "a", "type": "set", "config": {"x": value}}]}
        return self.admin.ok("POST", "/api/v1/templates", json={"name": self.name(), "template_config": config})["id"]

    def name(self):
        return f"kinds {next(self.number)}"

    def address(self, path):
        path = path.removeprefix("/api/v1")
        if path.startswith("/runs/{id}"):
            path = path.replace("{id}", str(self.slow if path == "/runs/{id}" else self.things.new_failed()))
        elif path.startswith("/workflows/{id}/"):
            path = path.replace("{id}", str(self.things.failing if "/steps/" in path else self.things.quick))
        elif path == "/workflows/{id}":
            path = path.replace("{id}", str(self.things.new_workflow()["id"]))
        elif "{step_execution_id}" in path:
            path = path.replace("{step_execution_id}", str(self.admin.steps(self.things.new_failed())[0]["id"]))
        template = self.held if "from-template" in path else self.changed
        return "/api/v1" + path.replace("{template}", str(template)).replace("{step}", "fail")

    def body(self, path, member, value):
        """The least body of PATH with VALUE as its MEMBER."""
        path, first = path.removeprefix("/api/v1"), re.split(r"[.\[]", member)[0]
        named, least = {"name": json.dumps(self.name())}, {}
        if path in ("/workflows", "/workflows/validate", "/workflows/{id}"):
            least = {**named, "steps": STEPS}
        elif "template" in path and "from-template" not in path:
            least = {**named, "description": '"d"', "template_config": '{"steps": %s}' % STEPS}
        if first in ("steps", "definition", "workflow_config", "template_config", "process_steps"):
            least = {k: v for k, v in least.items() if k not in ("steps", "template_config")}
        least = {"/workflows/from-template/{template}": {**named, "parameters": '{"given": 1}'},
                 "/templates/create-workflow": {"workflow_name": named["name"], "template_id": str(self.held), "parameters": '{"given": 1}'},
                 "/events/publish": {"event_type": '"kinds"'}, "/sagas/start": {"saga_type": '"kinds"'},
                 "/issuers": {"issuer": '"https://id.example.com"'}}.get(path, least)
        if member == "input_data" and path == "/sagas/start":
            value = '%s, "workflow_id": %d}' % (value[:-1], self.things.quick)
        return put_in(least, member, value)

    def seen(self, method, address, answer):
        """The texts in which what was sent may be read."""
        yield answer.text
        value = answer.json()
        run = value.get("run_id") or next((r.get("run_id") for r in value.get("results", ())), None)
        paths = [answer.headers.get("Location"), address if method != "POST" else None, f"/api/v1/runs/{run}" if run else None,
                 re.sub(r"/retry$", "", address) if "/runs/" in address else None,
                 *(f"/api/v1/{view}/{value.get('id')}" for view in ("templates", "workflow/process-templates") if "templates" in address),
                 f"/api/v1/workflows/{value['workflow_id']}" if value.get("workflow_id") else None]
        for path in filter(None, paths):
            got = self.admin.get(path)
            if got.status_code == 200:
                yield got.text


@pytest.fixture(scope="module")
def free_places(admin, things):
    return Places(admin, things)


def free_ones():
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    return [(method.upper(), path, member) for path, item in document["paths"].items() for method, operation in item.items()
            for kind, content in operation.get("requestBody", {}).get("content", {}).items() if kind == "application/json"
            for member in sorted(set(free_members(document, content["schema"])))
            if not ELSEWHERE.fullmatch(f"{method.upper()} {path} {member}")]


@pytest.mark.parametrize("method, path, member", free_ones(), ids=str)
def test_free_members_come_back_as_they_were_sent(admin, free_places, method, path, member):
    last = member.rsplit(".", 1)[-1]
    address = free_places.address(path)
    answer = send(admin, method, address, free_places.body(path, member, WITHIN.get(last, "%s") % MARKED))
    if any(member == f or member.endswith("." + f) for f in FORMED) and last not in WITHIN:
        assert answer.status_code == 400 and any(k.startswith(member.replace("[]", "[0]")) for k in answer.json()["details"]), answer.text
        return
    assert answer.status_code < 300, answer.text[:1000]

    def back():
        return [v for text in free_places.seen(method, address, answer) for v in found(written(text), "marked")]
    got = wait_until(back, message="what was sent is nowhere to be read") if "/runs/" in path else back()
    want = [written(ALL), *([AS_VALUES] if "steps[]" in member or last in ("parameters", "custom_config") else [])]
    assert got and all(v in want for v in got), [(k, want[0][k], v.get(k)) for v in got for k in want[0] if v.get(k) != want[0][k]]


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/runs/{failed}/retry", '{"input": %s}'),
    ("POST", "/workflows/steps/{failed_step}/retry", '{"input": %s}'),
    ("POST", "/workflows/{failing}/steps/fail/retry", '{"input": %s}'),
    ("POST", "/runs/{waiting}/signals/kinds", "%s"),
    ("POST", "/workflows/bulk", '{"op": "execute", "workflow_id": {quick}, "items": [{"input": %s}]}'),
    ("POST", "/workflows/bulk", '{"op": "execute", "ids": [{quick}], "input": %s}'),
], ids=str)
def test_what_runs_are_sent(admin, things, method, path, body):
    failed = things.new_failed()
    waits = things.new_workflow([{"name": "waits", "type": "wait", "config": {"event": {"type": "kinds"}}}])["id"]
    known = {"failed": failed, "failed_step": admin.steps(failed)[0]["id"], "failing": things.failing, "quick": things.quick,
             "waiting": admin.execute(waits)["run_id"]}
    for name, value in known.items():
        path, body = path.replace("{%s}" % name, str(value)), body.replace("{%s}" % name, str(value))
    answer = send(admin, method, "/api/v1" + path, body % MARKED)
    assert answer.status_code < 300, answer.text[:1000]
    told = answer.json()
    run = told.get("run_id") or next(iter(told.get("run_ids") or told["results"][0]["run_ids"]))

    def back():
        return [v for part in ("", "/events") for v in found(written(admin.get(f"/api/v1/runs/{run}{part}").text), "marked")]
    sent = wait_until(back, message="what was sent is nowhere to be read")
    assert (AS_VALUES if "/signals/" in path else written(ALL)) in sent, sent


def test_values_of_expressions_come_back(admin):
    answer = send(admin, "POST", "/api/v1/expressions/evaluate", '{"expression": "input", "context": {"input": %s}}' % MARKED)
    assert answer.status_code == 200, answer.text
    assert found(written(answer.text), "marked")[:1] == [AS_VALUES]
