"""Every text of every statement is prepared on a real server, as the role that runs it, and what the
server says of parameters and columns is compared with the header."""
import re

import pytest

import statements
from statements import HEADERS, OIDS


@pytest.fixture(scope="module", params=["api", "engine", "owner"])
def described(request, cluster, deployed, program):
    name = cluster.create(deployed)
    prefixes = [n for n in HEADERS if statements.role_of(n) == request.param]
    return statements.describe(program, cluster.conninfo(name, request.param), *prefixes)


def test_every_text_prepares(described):
    errors = [f"{v['name']} {v['order']} {v['given']}: {v['error']}" for v in described if "error" in v]
    assert not errors, "\n".join(errors[:10])


def test_parameters_are_those_of_the_header(described):
    for v in described:
        header = HEADERS[v["name"]]
        assert list(zip(v["names"], v["oids"]))[:len(header.params)] == [
            (n, OIDS[t]) for n, t in header.params], v["name"]
        assert v["params"] == v["oids"], v["name"]


def test_columns_are_those_of_the_header(described):
    for v in described:
        header = HEADERS[v["name"]]
        if header.kind == "list":
            names = [[n, t] for n, t in v["columns"]]
            assert [n for n, _ in names] == [n for n, _ in statements.LIST_COLUMNS], v["name"]
            for (n, got), (_, wanted) in zip(names, statements.LIST_COLUMNS):
                assert wanted is None or got == wanted, f"{v['name']}.{n}"
        elif header.kind != "none":
            assert v["columns"] == [[n, OIDS[t]] for n, t in header.columns], v["name"]


def test_runs_come_with_all_that_the_engine_reads():
    """A column that such a statement lacks reads as null, without a word."""
    wanted = set(re.findall(r"^MR_RUN_COLUMN\((\w+)\)", (statements.ROOT / "engine/run_row.def").read_text(), re.M)) - {"owner_id"}
    for name in ("engine_claim", "engine_claim_named", "engine_owned"):
        assert wanted <= {n for n, _ in HEADERS[name].columns}, name


def test_all_were_described(program):
    names = {v["name"] for v in statements.describe(program, "--texts")}
    assert names == set(HEADERS)
