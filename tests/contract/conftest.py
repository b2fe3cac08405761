"""The contract suite: whatever is asked, the answer must be one that the API's document declares."""
import pytest

from .recorder import Recorder


def pytest_collection_modifyitems(items):
    """The tests that look at what all others did go last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_configure(config):
    config.addinivalue_line("markers", "last: judges the whole session")


@pytest.fixture(scope="session")
def recorder(stack):
    r = Recorder()
    r.start(stack)
    yield r
    r.close()


@pytest.fixture(autouse=True)
def recorded(recorder):
    """Everything in this folder is recorded."""
    return recorder


@pytest.fixture(scope="session")
def admin(stack, recorder):
    return stack.client()


@pytest.fixture(scope="session")
def other(stack, recorder):
    """Somebody who may do everything, in another tenant."""
    return stack.client(tenant="other", scopes="admin", roles="admin")


@pytest.fixture(scope="session")
def platform(stack, recorder):
    """An administrator of the platform's tenant."""
    stack.admin("tenant", "create", "--name", "platform", "--platform")
    return stack.client(tenant="platform", scopes="admin", roles="admin")


@pytest.fixture(scope="session")
def things(admin):
    return Things(admin)


class Things:
    """Makes workflows and runs in the states that tests want; each is made once where it can be."""

    def __init__(self, client):
        self.client = client
        self.made = {}

    def once(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    LOG = [{"name": "hello", "type": "log", "config": {"message": "hello {{trigger.name ?? 'you'}}"}}]
    SLOW = [{"name": "first", "type": "log", "config": {"message": "begun"}},
            {"name": "sleep", "type": "delay", "config": {"seconds": 3600}}]
    FAILING = [{"name": "first", "type": "log", "config": {"message": "begun"}},
               {"name": "fail", "type": "log", "config": {"message": "{{trigger.missing}}"}}]

    @property
    def quick(self):
        return self.once("quick", lambda: self.client.workflow(self.LOG)["id"])

    @property
    def slow(self):
        return self.once("slow", lambda: self.client.workflow(self.SLOW)["id"])

    @property
    def failing(self):
        return self.once("failing", lambda: self.client.workflow(self.FAILING)["id"])

    def completed(self):
        return self.once("completed", self.new_completed)

    def new_completed(self):
        run = self.client.execute(self.quick)["run_id"]
        assert self.client.wait_run(run)["status"] == "completed"
        return run

    def new_failed(self):
        run = self.client.execute(self.failing)["run_id"]
        assert self.client.wait_run(run)["status"] == "failed"
        return run

    def new_sleeping(self, workflow=None):
        run = self.client.execute(workflow or self.slow)["run_id"]
        self.client.wait_run(run, until={"running"})
        return run

    def new_workflow(self, steps=None, **more):
        return self.client.workflow(steps or self.LOG, **more)
