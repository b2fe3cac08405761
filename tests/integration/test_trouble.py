"""Hostile files and hostile services: the step fails with a clear error inside its limits, and the
engine goes on with everybody else's work."""
import concurrent.futures
import itertools
import time

import pytest

from support import documents
from support.stack import wait_until

NO_RETRY = {"max_retries": 0}


def upload(api, name, content, media_type="application/octet-stream"):
    return api.ok("POST", "/api/v1/files", files={"file": (name, content, media_type)})


def run_step(stack, step, wait=50):
    """Runs one step without retries; gives back the run and the step's row."""
    workflow = stack.api.workflow([{"name": "it", **NO_RETRY, **step}])
    run = stack.api.execute(workflow["id"], wait=wait)["run"]
    return run, stack.api.steps(run["id"])[0]


def file_step(file, action, **config):
    return {"type": "file_process", "config": {"action": action, "file_id": str(file["id"]), **config}, "timeout_seconds": 30}


def engine_is_well(stack, pid):
    workflow = stack.api.workflow([{"name": "a", "type": "log", "config": {"message": "well"}}])
    assert stack.api.execute(workflow["id"], wait=10)["status"] == "completed"
    assert stack.engine_pid == pid


HOSTILE = {
    "truncated pdf": ("t.pdf", lambda: documents.letter_pdf()[:300], "extract"),
    "pdf of noise": ("n.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 400, "extract"),
    "zip bomb": ("b.docx", lambda: documents.docx(["x"], 3 << 30), "extract"),
    "50 megapixels": ("p.png", lambda: documents.png(10000, 5001), "ocr_extract"),
    "png that lies about its size": ("l.png", lambda: documents.png(8, 8).replace(b"\0\0\0\x08\0\0\0\x08", b"\x7f\xff\xff\xff\x7f\xff\xff\xff"), "ocr_extract"),
    "noise called png": ("q.png", lambda: b"\x89PNG\r\n\x1a\n" + b"\xff" * 5000, "ocr_extract"),
    "empty pdf": ("e.pdf", lambda: b"", "extract"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file(stack, case):
    name, make, action = HOSTILE[case]
    pid = stack.engine_pid
    file = upload(stack.api, name, make())
    begin = time.monotonic()
    run, step = run_step(stack, file_step(file, action))
    assert run["status"] == "failed", (run["status"], step.get("output_data"))
    assert step["status"] == "failed"
    error = run["error"]
    assert error["type"] in ("validation", "limit", "timeout"), error
    assert error["step"] == "it" and len(error["message"]) > 10
    assert str(stack.state) not in error["message"] and "/tmp" not in error["message"]
    assert time.monotonic() - begin < 45
    engine_is_well(stack, pid)


def test_pdf_that_refers_to_itself(stack):
    """Its page tree is a loop: poppler finds no page in it, and says so by finding no text."""
    pid = stack.engine_pid
    file = upload(stack.api, "r.pdf", documents.letter_pdf().replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"))
    run, step = run_step(stack, file_step(file, "extract"))
    assert run["status"] == "failed" or step["output_data"]["content"] == ""
    engine_is_well(stack, pid)


def test_validation_finds_what_a_file_really_is(stack):
    file = upload(stack.api, "really-a-png.pdf", documents.png(10, 10))
    run, _ = run_step(stack, file_step(file, "validate", allowed_types=["pdf"]))
    assert run["status"] == "failed" and run["error"]["type"] == "validation"
    good = upload(stack.api, "letter.pdf", documents.letter_pdf())
    run, step = run_step(stack, file_step(good, "validate", allowed_types=["pdf", "jpg"], max_size_mb=1))
    assert run["status"] == "completed" and step["output_data"]["valid"] is True
    run, _ = run_step(stack, file_step(good, "validate", max_size_mb=0.0001))
    assert run["status"] == "failed" and run["error"]["type"] == "validation"


def test_files_that_are_not_there(stack):
    for file_id in ("99999999", "{{trigger.nothing}}"):
        run, _ = run_step(stack, {"type": "file_process", "config": {"action": "extract", "file_id": file_id}})
        assert run["status"] == "failed"
    other = stack.client(tenant="files-wall")
    theirs = upload(other, "theirs.txt", b"not yours")
    run, _ = run_step(stack, file_step(theirs, "extract"))
    assert run["status"] == "failed" and "not yours" not in str(run)


def test_text_and_docx(stack):
    file = upload(stack.api, "a.txt", "Grüße aus Köln".encode())
    run, step = run_step(stack, file_step(file, "extract"))
    assert step["output_data"]["content"].strip() == "Grüße aus Köln" and step["output_data"]["word_count"] == 3


def endless():
    return itertools.repeat(b"x" * 65536)


def test_endless_answer(stack, receiver):
    pid = stack.engine_pid
    receiver.on("/endless", lambda _: (200, endless()))
    begin = time.monotonic()
    run, _ = run_step(stack, {"type": "http_request", "config": {"url": receiver.url + "/endless", "method": "GET"}})
    assert run["status"] == "failed" and run["error"]["type"] == "limit", run["error"]
    assert time.monotonic() - begin < 30
    engine_is_well(stack, pid)


def test_silent_service(stack, receiver):
    release = concurrent.futures.Future()
    receiver.on("/silent", lambda _: (release.result(30), (200, {}))[1])
    run, _ = run_step(stack, {"type": "http_request", "config": {"url": receiver.url + "/silent", "method": "GET"}, "timeout_seconds": 1})
    release.set_result(None)
    assert run["status"] == "failed" and run["error"]["type"] == "timeout", run["error"]


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:1/", "http://localhost:9/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[::1]/",
    "http://0x7f.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://192.168.1.1/",
])
def test_address_guard(stack, url):
    run, _ = run_step(stack, {"type": "http_request", "config": {"url": url, "method": "GET"}, "timeout_seconds": 5})
    assert run["status"] == "failed", run
    assert run["error"]["type"] in ("connect", "validation"), run["error"]
    assert "not allowed" in run["error"]["message"], run["error"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "ftp://x/", "not a url", "http://"])
def test_other_schemes(stack, url):
    workflow = stack.api.workflow([{"name": "it", "type": "http_request", **NO_RETRY, "config": {"url": "{{trigger.url}}", "method": "GET"}}])
    run = stack.api.execute(workflow["id"], wait=20, trigger_data={"url": url})["run"]
    assert run["status"] == "failed" and run["error"]["type"] in ("validation", "connect"), run["error"]


def test_redirect_into_the_house(stack, receiver):
    """A service that is allowed sends the engine to one that isn't."""
    receiver.on("/away", 302, {}, {"Location": "http://169.254.169.254/"})
    run, _ = run_step(stack, {"type": "http_request", "config": {"url": receiver.url + "/away", "method": "GET", "follow_redirects": True}, "timeout_seconds": 5})
    assert run["status"] == "failed" and "not allowed" in run["error"]["message"], run["error"]


def test_slow_requests_delay_nobody(stack, receiver):
    """A hundred requests wait for runs that take their time; a quick one isn't held up."""
    workflow = stack.api.workflow([{"name": "nap", "type": "delay", "config": {"seconds": 6}}])
    callers = [stack.client() for _ in range(4)]

    def wait_one(n):
        return callers[n % 4].execute(workflow["id"], wait=30)["status"]

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        slow = [pool.submit(wait_one, n) for n in range(100)]
        wait_until(lambda: stack.api.ok("GET", f"/api/v1/runs?workflow_id={workflow['id']}&limit=1")["total"] == 100, 20)
        times = []
        for _ in range(50):
            begin = time.monotonic()
            stack.api.ok("GET", f"/api/v1/workflows/{workflow['id']}")
            times.append(time.monotonic() - begin)
        assert sorted(times)[25] < 0.1, sorted(times)
        assert {s.result() for s in slow} == {"completed"}
