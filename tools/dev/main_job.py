#!/usr/bin/env python3
"""The main job, shown: a scanned page and a PDF go through the example pipeline.

    main_job.py ENV-FILE RECORD-OF-THE-RECEIVER WORKFLOW.json

Creates the workflow (or finds it), makes both files on the spot, uploads them, and follows the
runs that the uploads start. Standard library only; poppler's pdftoppm makes the scan.
"""
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

LETTER = ["Invoice 2047 of the North Sea Trading Company",
          "Hamburg, 14 March 2025",
          "For twelve crates of Darjeeling tea and three barrels",
          "of smoked herring we charge you 1840 euros.",
          "Please pay within thirty days by bank transfer.",
          "With kind regards, Ingrid Petersen"]
DEADLINE_S = 120


def make_pdf(lines):
    """One page with the lines on it, in a PDF written by hand."""
    text = "BT /F1 20 Tf 60 760 Td 30 TL\n" + "".join(
        "(%s) Tj T*\n" % s.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for s in lines) + "ET\n"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 842] /Contents 4 0 R "
               "/Resources << /Font << /F1 5 0 R >> >> >>",
               "<< /Length %d >>\nstream\n%sendstream" % (len(text), text),
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += "%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += "xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += "".join("%010d 00000 n \n" % o for o in offsets)
    out += "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return out.encode("ascii")


def make_scan(pdf):
    """The same page as pixels only, as a scanner would give it."""
    with tempfile.TemporaryDirectory() as d:
        (pathlib.Path(d) / "page.pdf").write_bytes(pdf)
        subprocess.run(["pdftoppm", "-png", "-r", "150", "-gray", "-singlefile", "page.pdf", "page"],
                       cwd=d, check=True)
        return (pathlib.Path(d) / "page.png").read_bytes()


class Api:
    def __init__(self, env):
        self.url, self.key = env["MILLRACE_URL"], env["MILLRACE_KEY"]
        self.context = ssl.create_default_context(cafile=env["MILLRACE_CA"])

    def call(self, method, path, body=None, headers=None):
        headers = {"Authorization": "Bearer " + self.key, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            sys.exit(f"{method} {path}: {e.code} {e.read().decode('utf-8', 'replace')}")

    def upload(self, name, content, media_type):
        mark = uuid.uuid4().hex
        body = (f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                f"Content-Type: {media_type}\r\n\r\n").encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self.call("POST", "/api/v1/files", body,
                         {"Content-Type": f"multipart/form-data; boundary={mark}"})


def find_or_create(api, definition):
    """The pipeline as the file has it; on a second ./dev up it is there already."""
    found = api.call("GET", "/api/v1/workflows?search=" + definition["name"].replace(" ", "%20"))
    for item in found["items"]:
        if item["name"] == definition["name"]:
            return api.call("PUT", f"/api/v1/workflows/{item['id']}", definition)
    return api.call("POST", "/api/v1/workflows", definition)


def run_of(workflow, file):
    """The run that this upload started, as the trigger says."""
    for run in file["runs"]:
        if run["workflow_id"] == workflow["id"]:
            return run
    sys.exit(f"the upload of file {file['id']} started no run of workflow {workflow['id']}")


def show_step(step):
    took = step.get("execution_time_ms")
    output = step.get("output_data") or {}
    if not isinstance(output, dict):
        output = {"result": output}
    text = ", ".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in output.items()
                     if k in ("valid", "mime_type", "size", "pages", "word_count", "result", "branch",
                              "status_code", "json", "sent", "message"))
    order = f"{step['step_order']}." if step["step_order"] else "  "
    print(f"    {order} {step['step_name']:<22} {step['step_type']:<13} {step['status']:<10}"
          f"{'' if took is None else f'{took} ms':>8}  {text[:110]}", flush=True)


def follow(api, run, deadline):
    """Prints each step as it ends; returns the run when it has ended."""
    shown = set()
    while True:
        run = api.call("GET", f"/api/v1/runs/{run['id']}")
        for step in api.call("GET", f"/api/v1/workflows/executions/{run['id']}/steps"):
            if step["status"] in ("completed", "failed", "skipped", "cancelled") and step["id"] not in shown:
                shown.add(step["id"])
                show_step(step)
        if run["is_terminal"]:
            return run
        if time.monotonic() > deadline:
            sys.exit(f"run {run['id']} is still {run['status']}")
        time.sleep(0.05)


def extracted_text(api, run):
    for step in api.call("GET", f"/api/v1/workflows/executions/{run['id']}/steps"):
        if step["step_name"] == "extract_text":
            return (step["output_data"] or {}).get("content") or ""
    return ""


def received_for(record, run):
    """What the receiver got of this run: it is named in the body."""
    path = pathlib.Path(record)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in map(json.loads, lines):
        body = line["body"] if isinstance(line["body"], dict) else {}
        if str(body.get("execution_id") or body.get("processed_at")) == str(run["id"]):
            yield line


def one_file(api, workflow, record, name, content, media_type):
    deadline = time.monotonic() + DEADLINE_S
    print(f"\n  {name} ({media_type}, {len(content)} bytes) goes up; the upload starts the workflow:")
    file = api.upload(name, content, media_type)
    run = run_of(workflow, file)
    print(f"    file {file['id']}, run {run['id']}")
    run = follow(api, run, deadline)
    print(f"    run {run['id']}: {run['status']} after {run['execution_time_ms']} ms")
    if run["status"] != "completed":
        sys.exit(f"run {run['id']} ended as {run['status']}: {json.dumps(run.get('error'))}")
    text = extracted_text(api, run)
    print("    extracted text:")
    for line in filter(str.strip, text.splitlines()):
        print(f"      | {line}")
    print("    the receiver got:")
    for got in received_for(record, run):
        shown = json.dumps(got["body"], ensure_ascii=False)
        print(f"      {got['method']} {got['host']}{got['path']}  {shown[:150]}{' …' if len(shown) > 150 else ''}")
    missing = [w for line in LETTER for w in line.replace(",", " ").replace(".", " ").split()
               if w not in text]
    if missing:
        sys.exit(f"the text of {name} lacks: {' '.join(missing)}")
    return run


def main():
    env_file, record, definition_file = sys.argv[1:4]
    env = dict(line.split("=", 1) for line in pathlib.Path(env_file).read_text().splitlines() if "=" in line)
    api = Api(env)
    definition = json.loads(pathlib.Path(definition_file).read_text(encoding="utf-8"))
    workflow = find_or_create(api, definition)
    print(f"\nThe main job: workflow {workflow['id']}, \"{workflow['name']}\"")
    pdf = make_pdf(LETTER)
    one_file(api, workflow, record, "scan.png", make_scan(pdf), "image/png")
    run = one_file(api, workflow, record, "letter.pdf", pdf, "application/pdf")
    here = os.path.relpath(env_file)
    print(f"""
  Look at it yourself:
    set -a; . {here}; set +a
    curl --cacert $MILLRACE_CA -H "Authorization: Bearer $MILLRACE_KEY" $MILLRACE_URL/api/v1/runs/{run['id']}
    curl --cacert $MILLRACE_CA -H "Authorization: Bearer $MILLRACE_KEY" $MILLRACE_URL/api/v1/runs/{run['id']}/steps
    curl --cacert $MILLRACE_CA -H "Authorization: Bearer $MILLRACE_KEY" $MILLRACE_URL/api/v1/runs/{run['id']}/logs
    the key: {env['MILLRACE_KEY']}""")


if __name__ == "__main__":
    main()
