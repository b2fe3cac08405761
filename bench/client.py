"""What the Python measurements share: one keep-alive connection with a key."""
import http.client
import json
import os
import ssl
import urllib.parse
import uuid


class Api:
    def __init__(self):
        url = urllib.parse.urlsplit(os.environ["MILLRACE_URL"])
        context = ssl.create_default_context(cafile=os.environ["MILLRACE_CA"])
        self.connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=120)
        self.headers = {"Authorization": "Bearer " + os.environ["MILLRACE_KEY"],
                        "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def log_workflow(self):
        """Three log steps; returns its id."""
        steps = [{"name": n, "type": "log", "config": {"message": n}} for n in ("one", "two", "three")]
        return self.call("POST", "/api/v1/workflows", {
            "name": "bench-" + uuid.uuid4().hex[:12], "workflow_config": {"steps": steps}})["id"]


def row(name, text):
    with open(os.path.join(os.environ["OUT"], name + ".rows"), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print("  " + text)
