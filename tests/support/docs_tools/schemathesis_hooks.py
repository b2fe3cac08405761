"""What schemathesis loads (SCHEMATHESIS_HOOKS) for tests/registry/test_schemathesis.py."""
import os

import schemathesis

OWN_KEY = os.environ["MILLRACE_OWN_KEY"]
NOBODY = "9007199254740991"
# Ways to ask for a page, and for an order: of several only the first is sent, since OpenAPI 3.0 can't say that.
WAYS = [(("page", "page_size"), ("offset", "limit"), ("cursor",)), (("ordering",), ("sort_by", "sort_order"))]


def one_way(query):
    """The arguments of a list that go together."""
    left = dict(query)
    for ways in WAYS:
        chosen = next((way for way in ways if way[0] in left), None)
        for way in ways:
            for name in way:
                if chosen and way != chosen:
                    left.pop(name, None)
    if "limit" in left:
        left.pop("page_size", None)
    return left


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path.startswith("/api/v1/api-keys/{id}") and str(case.path_parameters.get("id")).split("_")[-1] == OWN_KEY:
        case.path_parameters["id"] = NOBODY  # all is asked with this key: nobody revokes it on the way
    for name, value in (case.path_parameters or {}).items():
        if value in (None, "None"):
            case.path_parameters[name] = NOBODY  # a link from a member that is null leads to nothing
    if case.query and case.meta and case.meta.generation.mode.is_positive:
        left = one_way(case.query)
        if left != case.query:
            case.query = left
