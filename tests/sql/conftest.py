"""Fixtures for the tests of sql/: a cluster, deployed databases, and who acts in them."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import statements  # noqa: E402
from database import CHANGES, MIGRATIONS, Cluster, Engine, Tenant, fresh  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    c = Cluster()
    yield c
    c.stop()


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return statements.build(tmp_path_factory.mktemp("statements"))


@pytest.fixture(scope="session")
def texts(program):
    return statements.Texts(program)


@pytest.fixture(scope="session")
def deployed(cluster):
    """Name of a deployed, empty database, to be used as a template."""
    name = cluster.create()
    for change in CHANGES:
        cluster.psql(name, MIGRATIONS / "deploy" / f"{change}.sql", "millrace_owner")
    return name


@pytest.fixture
def db(cluster, deployed, texts):
    yield from fresh(cluster, deployed, texts)


@pytest.fixture
def tenant(db):
    return Tenant(db, "first")


@pytest.fixture
def other(db):
    return Tenant(db, "second")


@pytest.fixture
def engine(db):
    return Engine(db)
