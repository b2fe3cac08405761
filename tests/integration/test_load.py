"""Every GET, list and search and the common writes, in turn on a thousand open connections, each asking every two seconds,
and then as soon as it is answered: nothing fails. How fast it is isn't judged here; ./dev bench load tells it."""
import pathlib
import sys

import pytest

from support.stack import Stack

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "api")]

from client import Api  # noqa: E402
from mix import Mix  # noqa: E402
from wrk import measure  # noqa: E402


@pytest.fixture
def stack(request):
    s = Stack("load", settings={"nginx_rate": 1000000, "nginx_burst": 100000})
    failed = request.session.testsfailed
    try:
        s.start()
        yield s
    finally:
        s.close(keep_logs=request.session.testsfailed > failed)


@pytest.mark.long
def test_the_whole_mix_on_many_connections(stack):
    key = stack.make_key("default", "load", "admin", "admin", "--rate-limits", "none")
    mix = Mix(Api({"MILLRACE_URL": stack.url, "MILLRACE_CA": str(stack.ca), "MILLRACE_KEY": key}))
    requests = mix.requests()
    assert len(requests) > 60
    for seconds, pause_ms in ((20, 2000), (10, 0)):  # without a pause the queues are seconds long
        told = measure(requests, 1000, seconds, url=stack.url, key=key, pause_ms=pause_ms)
        assert told["requests"] > 1000
        assert set(told["status"]) <= {200, 201, 202, 429} and not any(told["error"].values()), told
