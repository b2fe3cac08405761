"""Fixtures that every suite shares: one private stack per test session."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support.stack import Stack  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes more than a few seconds; only with --long")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", default=False, help="run the long tests too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    left_out = [item for item in items if "long" in item.keywords]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if "long" not in item.keywords]


@pytest.fixture(scope="session")
def stack(request):
    """The running stack; see support/stack.py for what it offers."""
    first = request.node.items[0].path.parent.name if request.node.items else "test"
    s = Stack(first, settings={"audit_refused_per_minute": "10000", "analytics_write_ms": "500"})
    try:
        s.start()
        yield s
    finally:
        s.close(keep_logs=request.session.testsfailed > 0)


@pytest.fixture
def api(stack):
    """A caller: the administrator of the stack's first tenant."""
    return stack.api


@pytest.fixture
def receiver(stack):
    """The service that steps call, empty at the start of each test."""
    stack.receiver.clear()
    return stack.receiver
