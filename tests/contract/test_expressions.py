"""POST /expressions/evaluate: values, types, and where an expression is wrong."""
import pytest

PATH = "/api/v1/expressions/evaluate"
CONTEXT = {"trigger": {"kind": "x", "amount": 12, "name": "Ada"},
           "steps": {"a": {"n": 12, "list": [1, 2.5, "b", None]}, "Manager Approval": {"approved": True}},
           "limit": 10}


def evaluate(client, expression, context=CONTEXT):
    return client.post(PATH, {"expression": expression, "context": context})


@pytest.mark.parametrize("expression, value, kind", [
    ("steps.a.n > 10 && trigger.kind == 'x'", True, "bool"),
    ("{{steps.a.n}} > limit", True, "bool"),
    ("null", None, "null"),
    ("1 + 2", 3, "int"),
    ("9223372036854775807", 9223372036854775807, "int"),
    ("18446744073709551615u", 18446744073709551615, "uint"),
    ("1.0 + 1.0", 2.0, "double"),
    ("0.0 / 0.0", "NaN", "double"),
    ("1.0 / 0.0", "Infinity", "double"),
    ("-1.0 / 0.0", "-Infinity", "double"),
    ("'a' + \"b\"", "ab", "string"),
    ("b'\\xff\\x00'", "/wA=", "bytes"),
    ("timestamp('2025-01-31T12:00:00.5Z')", "2025-01-31T12:00:00.5Z", "timestamp"),
    ("duration('1500ms')", "1.5s", "duration"),
    ("[1, 2u, 'a']", [1, 2, "a"], "list"),
    ("{1: 'a', true: 'b', 'c': duration('1m')}", {"1": "a", "true": "b", "c": "60s"}, "map"),
    ("type(1)", "int", "type"),
    ("type(null)", "null_type", "type"),
    ("type(timestamp(0))", "google.protobuf.Timestamp", "type"),
    ("steps['Manager Approval'].approved", True, "bool"),
    ("input.amount + amount", 24, "int"),
    ("steps.b.n ?? 'none'", "none", "string"),
    ("steps.a.list", [1, 2.5, "b", None], "list"),
    ({"amount": {"$gt": 10}, "kind": "x"}, True, "bool"),
    ({"$or": [{"steps.a.n": 1}, {"missing": {"$exists": True}}]}, False, "bool"),
    ({}, True, "bool"),
    (False, False, "bool"),
])
def test_values_and_their_types(admin, expression, value, kind):
    answer = evaluate(admin, expression)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == {"value": value, "type": kind}
    assert type(body["value"]) is type(value)


def test_whole_doubles_stay_doubles_in_the_text(admin):
    assert '"value":2.0' in evaluate(admin, "1.0 + 1.0").text.replace(" ", "")


def test_now_is_the_requests_time(admin):
    answer = admin.post(PATH, {"expression": "now() > timestamp('2025-01-01T00:00:00Z') && now() == now()"})
    assert answer.json() == {"value": True, "type": "bool"}


def test_context_may_be_left_out(admin):
    assert admin.post(PATH, {"expression": "2 * 3"}).json() == {"value": 6, "type": "int"}
    assert admin.post(PATH, {"expression": "2 * 3", "context": None}).json()["value"] == 6


@pytest.mark.parametrize("expression, offset, line, column", [
    ("steps.a.n >", 11, 1, 12),
    ("1 +\n  * 2", 6, 2, 3),
    ("'é' + 1 / 0 + ]", 14, 1, 15),
    ("1 / 0", 2, 1, 3),
    ("true &&\nsteps.a.missing", 16, 2, 9),
    ("nosuch(1)", 0, 1, 1),
    ("1 + true", 2, 1, 3),
    ("'a'.matches('(')", 4, 1, 5),
    ("{{steps.a.n}", 11, 1, 12),
])
def test_what_is_wrong_is_told_with_its_place(admin, expression, offset, line, column):
    answer = evaluate(admin, expression)
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["error_code"] == "EXPRESSION_INVALID"
    details = body["details"]
    assert details["expression"] and details["expression"][0] in body["detail"]
    assert (details["offset"], details["line"], details["column"]) == ([str(offset)], [str(line)], [str(column)])
    text, caret = details["excerpt"][0].split("\n")
    assert text == expression.split("\n")[line - 1]
    assert caret == " " * (column - 1) + "^"


def test_a_missing_value_is_named(admin):
    details = evaluate(admin, "trigger.order.id > 1").json()["details"]
    assert details["missing"] == ["trigger.order"]


def test_a_long_line_is_shown_in_part(admin):
    details = evaluate(admin, "1 + " * 500 + "]").json()["details"]
    text, caret = details["excerpt"][0].split("\n")
    assert len(text) < 150 and caret.index("^") == text.index("]")


@pytest.mark.parametrize("expression", [
    {"amount": {"$near": 1}}, {"amount": {"$gt": "a"}}, {"$and": []}, {"nosuch": 1}])
def test_conditions_that_fail(admin, expression):
    answer = evaluate(admin, expression)
    assert answer.status_code == 400 and answer.json()["error_code"] == "EXPRESSION_INVALID"
    assert "expression" in answer.json()["details"] and "excerpt" not in answer.json()["details"]


@pytest.mark.parametrize("body, where", [
    ({}, "expression"), ({"expression": ""}, "expression"), ({"expression": 1}, "expression"),
    ({"expression": "1", "context": []}, "context"), ({"expression": "1", "contexts": {}}, "contexts"),
    ({"expression": "1 + " * 20000 + "1"}, "expression")])
def test_bodies_that_are_no_expression(admin, body, where):
    answer = admin.post(PATH, body)
    assert answer.status_code == 400 and where in answer.json()["details"]


@pytest.mark.parametrize("expression", [
    "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a + b + c >= 0)))",
    "('a' * 2)", "(" * 300 + "1" + ")" * 300,
    "lists.range(1000000).map(x, lists.range(1000))",
    "'" + "a" * 60000 + "'.matches('^(a+)+$b')",
    # a value that is small to hold and huge to write
    "cel.bind(a, lists.range(1000), cel.bind(b, lists.range(1000).map(x, a), lists.range(1000).map(x, b)))",
])
def test_what_would_be_too_much_ends_as_a_400(admin, expression):
    answer = evaluate(admin, expression)
    assert answer.status_code == 400 and answer.json()["error_code"] == "EXPRESSION_INVALID", answer.text


def test_a_large_context_is_refused(admin):
    answer = evaluate(admin, "1", {"text": "a" * (1 << 20)})
    assert answer.status_code == 413 and answer.json()["error_code"] == "BODY_TOO_LARGE"


def test_reading_is_enough(stack, admin):
    reader = stack.client(scopes="read-only", roles="viewer")
    assert evaluate(reader, "1 == 1").json()["value"] is True
    assert stack.anonymous().post(PATH, {"expression": "1"}).status_code == 401
