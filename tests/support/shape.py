"""Compares an answer with an example of a document: same members, same JSON types, whole numbers where it has whole
numbers, times where it has times."""
import re

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "time" if TIME.match(value) else "string"
    return "array" if isinstance(value, list) else "object"


def fits(example, answer):
    wanted, got = kind(example), kind(answer)
    if isinstance(example, int) and wanted == "number":
        return got == "number" and isinstance(answer, int)
    return wanted == got or (wanted, got) == ("string", "time")


def differences(example, answer, path="$"):
    """Each path of the example that the answer lacks, or has with another JSON type. What the answer has beside
    it is no difference: a program that knows the example passes over it. Each entry of a list must be like the
    example's entry in its place, further ones like the last one."""
    if not fits(example, answer):
        return [f"{path}: {kind(example)} in the example, {kind(answer)} in the answer ({answer!r})"]
    if isinstance(example, dict):
        found = []
        for name, value in example.items():
            if name in answer:
                found += differences(value, answer[name], f"{path}.{name}")
            else:
                found.append(f"{path}.{name}: is missing")
        return found
    if isinstance(example, list) and example:
        if not answer:
            return [f"{path}: is empty"]
        return [d for i, entry in enumerate(answer)
                for d in differences(example[min(i, len(example) - 1)], entry, f"{path}[{i}]")]
    return []


def like(example, answer):
    found = differences(example, answer)
    assert not found, "\n".join(found) + f"\n{answer}"
    return answer
