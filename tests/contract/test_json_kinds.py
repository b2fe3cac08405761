"""Every kind of JSON that RFC 8259 allows, forbids, or leaves open: in every body, and as values that must come back as sent."""
import decimal
import itertools
import json
import re

import pytest

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
