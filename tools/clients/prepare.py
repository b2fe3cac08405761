#!/usr/bin/env python3
"""The API's document as the client generators should read it: prepare.py OPENAPI.json > prepared.json

Four things that are right in the document make bad clients:

- Answers say which members there are ("additionalProperties": false). A client that takes this for a promise fails
  at the first member that a newer server adds. So whatever an answer holds is open here.
- Some members are one of several words. A newer server may have more of them (a status, a type of steps), so in
  answers they are any text; the words are told in the description.
- A member that is another schema or null is said by anyOf, since that schema has a type of its own; generators know it
  as that schema, with "nullable".
- Some members may be written in several ways (steps: a list, or an object by name). A client offers the first of
  them; in answers such a member is whatever it is.
"""
import json
import sys

METHODS = ("get", "post", "put", "patch", "delete")


def references(node):
    """The names of the schemas that a part of the document refers to."""
    if isinstance(node, list):
        for n in node:
            yield from references(n)
    elif isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/components/schemas/"):
            yield ref.rsplit("/", 1)[1]
        for n in node.values():
            yield from references(n)


def reached(doc, parts):
    """The names of all schemas that these parts lead to."""
    todo, found = list(references(parts)), set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(references(doc["components"]["schemas"][name]))
    return found


def or_null(node, schemas):
    """{anyOf: [an object's schema, null]} as {allOf: [schema], nullable: true}; anything else as it is."""
    if isinstance(node, list):
        return [or_null(n, schemas) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: or_null(v, schemas) for k, v in node.items()}
    forms = node.get("anyOf")
    if isinstance(forms, list) and len(forms) == 2 and forms[1].get("enum") == [None]:
        name = next(references(forms[0]), None)
        if name and schemas[name].get("type") == "object":
            del node["anyOf"]
            node.update(type="object", nullable=True, allOf=[forms[0]])
    return node


def open_up(node):
    """What an answer holds: any further member, any other word, and any of several forms."""
    if isinstance(node, list):
        return [open_up(n) for n in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("oneOf"), list) or isinstance(node.get("anyOf"), list):
        return {k: node[k] for k in ("description", "example") if k in node}
    opened = {k: open_up(v) for k, v in node.items()}
    if opened.get("additionalProperties") is False:
        del opened["additionalProperties"]
    if isinstance(opened.get("enum"), list):
        words = ", ".join(str(w) for w in opened.pop("enum") if w is not None)
        opened["description"] = " ".join([*filter(None, [opened.get("description")]), f"One of {words}; later versions may have more."])
    return opened


def first_form(node):
    """What a request holds: the first of several forms."""
    if isinstance(node, list):
        return [first_form(n) for n in node]
    if not isinstance(node, dict):
        return node
    for several in ("oneOf", "anyOf"):
        if isinstance(node.get(several), list) and several in node and "properties" not in node:
            rest = {k: v for k, v in node.items() if k != several}
            first = first_form(node[several][0])
            return {**first, **rest} if "$ref" not in first else first
    return {k: first_form(v) for k, v in node.items() if k not in ("oneOf", "anyOf", "not") or not isinstance(v, (list, dict))}


def prepare(doc):
    answers = [operation["responses"] for item in doc["paths"].values() for m, operation in item.items() if m in METHODS]
    answered = reached(doc, [answers, doc["components"]["responses"]])
    schemas = doc["components"]["schemas"]
    schemas.update(or_null(schemas, schemas))
    for name, schema in schemas.items():
        schemas[name] = open_up(schema) if name in answered else first_form(schema)
    for item in doc["paths"].values():
        for operation in item.values():
            for part in ("parameters", "requestBody"):
                if part in operation:
                    operation[part] = first_form(operation[part])
    doc["servers"] = [{"url": "https://localhost"}]  # each program says which server it means
    return doc


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        json.dump(prepare(json.load(f)), sys.stdout, ensure_ascii=True)
