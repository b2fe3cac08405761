#!/usr/bin/env python3
"""A thousand executions of the example pipeline at once, on one uploaded page: all must complete,
and the API must answer meanwhile. tools/dev/receiver.py plays the services that it calls."""
import json
import threading
import time
import uuid

from client import Api, Database, HERE, median, percentile, row

from main_job import LETTER, make_pdf

COUNT, DEADLINE_S = 1000, 900


def upload(api, content):
    mark = uuid.uuid4().hex
    body = (f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="letter.pdf"\r\n'
            "Content-Type: application/pdf\r\n\r\n").encode() + content + f"\r\n--{mark}--\r\n".encode()
    return api.send("POST", "/api/v1/files", body, f"multipart/form-data; boundary={mark}")["id"]


class Asker(threading.Thread):
    """A client beside it: one GET after the other, twenty a second."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.took, self.ends = path, [], threading.Event()

    def run(self):
        api = Api()
        while not self.ends.wait(0.05):
            start = time.perf_counter()
            api.call("GET", self.path)
            self.took.append((time.perf_counter() - start) * 1000)


def main():
    api, db = Api(), Database()
    definition = json.loads((HERE.parent / "examples/document-processing-pipeline.json").read_text(encoding="utf-8"))
    definition.update(name="bench-" + uuid.uuid4().hex[:12], trigger_on_file_upload=False, timeout_seconds=DEADLINE_S)
    workflow = api.call("POST", "/api/v1/workflows", definition)["id"]
    file = upload(api, make_pdf(LETTER))
    asker = Asker(f"/api/v1/workflows/{workflow}")
    asker.start()
    start = time.perf_counter()
    api.bulk(workflow, [{"file_id": str(file)} for _ in range(COUNT)])
    _, count = db.wait_for_end(workflow, DEADLINE_S)
    took = time.perf_counter() - start
    asker.ends.set()
    asker.join()
    row("19-pipeline", f"{count:,} executions of examples/document-processing-pipeline.json at once (a PDF of one page)",
        f"all completed after {took:.1f} s; GET meanwhile p50 {median(asker.took):.1f} ms, p99 {percentile(asker.took, 99):.1f} ms "
        f"({len(asker.took)})", "all end, p99 < 200 ms")


if __name__ == "__main__":
    main()
