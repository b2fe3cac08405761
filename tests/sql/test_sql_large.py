"""On a large database (a million runs and what belongs to them; ten million with --long, as bench/big makes it) every
statement of the API and the engine that reads is planned and carried out: lists with each filter, each pair of filters and
each ordering, first pages and deep ones, for values that are common, rare and not there. None reads a large table whole, and
none touches more of it than is said here. The statements and what can be asked of them come from their headers: a new
one is covered when it is there."""
import pathlib
import subprocess

import pytest

import plans
from database import fresh
from libpq import DatabaseError
from statements import HEADERS

BIG = pathlib.Path(plans.__file__).resolve().parents[2] / "bench/big"
# A table with more rows than this is large.
LARGE_ROWS = 5000
# How many buffers (8 KiB) a statement may touch. One that isn't a list finds what it shows by an index.
ONE = 1500
# Runs that haven't ended are counted, up to 100,000 of each status.
COUNTED = {"system_status": 3000}
# What no index knows is looked for among ten thousand entries, and a total is counted up to as many; a status is a
# list of its own that is merged with the others.
LIST = 26000
# A page further on, without a filter, reads what it shows, and what belongs to that.
FURTHER = 1500
COLUMNS = {
    "runs": "id, tenant_id, workflow_id, version, status, queued, fence, seq, trigger_type, triggered_by, correlation_id, "
            "progress, input, result, error, created_at, started_at, completed_at",
    "journal": "id, tenant_id, run_id, seq, kind, step, step_execution_id, at, duration_us, data",
}


def filled(db, runs):
    """As bench/big/big.sh fills its database."""
    def psql(*arguments, **options):
        return subprocess.Popen(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *map(str, arguments)],
                                env=db.cluster.environment(db.name), **options)

    def script(name):
        assert psql("-v", f"runs={runs}", "-f", BIG / f"{name}.sql", stdout=subprocess.DEVNULL).wait() == 0, name

    script("owners")
    for table, columns in COLUMNS.items():
        rows = psql("-v", f"runs={runs}", "-f", BIG / f"{table}.sql", stdout=subprocess.PIPE)
        took = psql("-1", "-v", f"table={table}", "-f", BIG / "open.sql", "-c",
                    f"copy millrace.{table}_p0 ({columns}) from stdin with (freeze)", "-f", BIG / "close.sql", stdin=rows.stdout)
        rows.stdout.close()
        assert took.wait() == 0 and rows.wait() == 0, table
    script("end")
    script("more")


@pytest.fixture(scope="module")
def large(cluster, deployed, texts, request):
    for db in fresh(cluster, deployed, texts):
        filled(db, 10000000 if request.config.getoption("--long") else 1000000)
        yield plans.Plans(db.conn(), db.conn, texts, LARGE_ROWS), plans.Asked(db.conn())


def most(name, tell, values):
    if HEADERS[name].kind != "list":
        return COUNTED.get(name, ONE)
    return FURTHER if tell.endswith("page 100") and not values else LIST


def test_no_statement_reads_a_large_table_whole(large):
    """As it is planned, whatever is given: also of those that change something."""
    found, asked = large
    assert {"runs", "journal", "workflows"} <= set(found.large.values())
    wrong = []
    for name in sorted(HEADERS):
        if plans.role_of(name) == "owner":
            continue
        for v in found.texts.variants[name]:
            whole = found.explain_text(name, v, asked.tenant, {}).whole
            if whole:
                wrong.append(f"{name} by {v['order']} with {v['given']}: {whole}")
    assert not wrong, "\n".join(wrong[:40])


def test_what_is_read_costs_what_is_shown(large):
    found, asked = large
    wrong, names = [], set()
    for tell, name, order, tenant, values in plans.cases(found, asked):
        names.add(name)
        try:
            cost = found.explain(name, order, tenant, values)
        except DatabaseError as e:
            wrong.append(f"{tell}: {e}")
            continue
        given = {k for k in values if k in HEADERS[name].optional and k not in plans.PLACE}
        if cost.whole or cost.buffers > most(name, tell, given):
            wrong.append(f"{tell}: {cost}")
    assert len(names) > 60 and {"run_list", "engine_claim", "analytics_usage"} <= names
    assert not wrong, "\n".join(wrong[:40])
