"""The OpenAPI document as a judge: is this answer one that the row of its route declares?"""
import json
import re

import jsonschema

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")
# the query parameters of a list that say which part of it, and how sorted
PAGING = {"limit", "offset", "page", "page_size", "cursor", "ordering", "sort_by", "sort_order"}
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def _is_time(value):
    return not isinstance(value, str) or bool(TIME.match(value))


def with_nulls(node):
    """OpenAPI 3.0's nullable in JSON Schema's words."""
    if isinstance(node, list):
        return [with_nulls(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: with_nulls(v) for k, v in node.items() if k != "example"}
    if node.pop("nullable", False):
        return {"anyOf": [node, {"type": "null"}]}
    return node


def from_expression(source, answer, path, template, headers=None):
    """What a link's expression stands for, of an answer to a request for PATH (of a header: of its own in HEADERS);
    KeyError when that isn't there."""
    if source.startswith("$response.header."):
        return (headers or {})[source[17:]]
    if source.startswith("$request.path."):
        return dict(zip(template.split("/"), path.rstrip("/").split("/")))["{%s}" % source[14:]]
    assert source.startswith("$response.body#/"), source
    for part in source[16:].split("/"):
        answer = answer[int(part) if isinstance(answer, list) else part.replace("~1", "/").replace("~0", "~")]
    return answer


class Document:
    def __init__(self, text):
        self.doc = json.loads(text)
        self.judged = with_nulls(self.doc)
        self.resolver = jsonschema.RefResolver("", self.judged)
        self.patterns = []
        for path in self.doc["paths"]:
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", path)
            self.patterns.append((path.count("{"), re.compile(f"^{pattern}/?$"), path))
        self.patterns.sort(key=lambda p: p[0])  # literal segments go before variables

    def path_of(self, path):
        for _, pattern, template in self.patterns:
            if pattern.match(path):
                return template
        return None

    def operation(self, method, path):
        """(template, operation), each None when nothing is declared."""
        template = self.path_of(path)
        item = self.judged["paths"].get(template, {})
        return template, item.get("get" if method == "HEAD" else method.lower())

    def response(self, operation, status):
        found = operation["responses"].get(str(status))
        if found and "$ref" in found:
            found = self.resolver.resolve(found["$ref"])[1]
        return found

    def links(self, response):
        """The links of an answer, each as it stands among the components."""
        shared = self.doc.get("components", {}).get("links", {})
        return {name: shared[link["$ref"].rsplit("/", 1)[1]] if "$ref" in link else link
                for name, link in response.get("links", {}).items()}

    def faults(self, schema, value):
        validator = jsonschema.Draft7Validator(schema, resolver=self.resolver, format_checker=FORMATS)
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                for e in validator.iter_errors(value)]

    def operations(self):
        for path, item in self.doc["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def declared_errors(self):
        """{(method, path, code)} of everything that an operation may be refused with."""
        return {(method, path, code) for method, path, operation in self.operations()
                for status in operation["responses"]
                for code in self.response(operation, status).get("x-error-codes", ())}
