"""Files: both ways to upload, ranges, deletion, and the runs that an upload starts."""
import uuid

FILES = "/api/v1/files"
TEXT = b"one two three\n" * 100


def upload(client, name="notes.txt", content=TEXT, kind="text/plain"):
    return client.request("POST", FILES, files={"file": (name, content, kind)})


def test_multipart_and_raw_bodies(admin):
    made = upload(admin)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["name"] == "notes.txt" and body["size"] == len(TEXT) and body["extension"] == "txt"
    raw = admin.request("POST", f"{FILES}?name=raw.txt", data=TEXT, headers={"Content-Type": "text/plain"})
    assert raw.status_code == 201, raw.text
    assert raw.json()["name"] == "raw.txt" and raw.json()["sha256"] == body["sha256"]
    assert admin.ok("GET", f"{FILES}/{body['id']}")["sha256"] == body["sha256"]
    assert admin.ok("GET", f"{FILES}/file_{body['id']}")["id"] == body["id"]


def test_content_and_ranges(admin):
    path = f"{FILES}/{upload(admin).json()['id']}/content"
    whole = admin.get(path)
    assert whole.content == TEXT and whole.headers["Content-Type"].startswith("text/plain")
    part = admin.get(path, headers={"Range": "bytes=4-6"})
    assert part.status_code == 206 and part.content == TEXT[4:7]
    beyond = admin.get(path, headers={"Range": f"bytes={len(TEXT)}-"})
    assert beyond.status_code == 416 and beyond.json()["error_code"] == "RANGE_NOT_SATISFIABLE"
    head = admin.request("HEAD", path)
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(TEXT)


def test_list_and_delete(admin):
    name = f"{uuid.uuid4().hex}.txt"
    made = upload(admin, name).json()
    found = admin.ok("GET", f"{FILES}?search={name}")
    assert [f["id"] for f in found["items"]] == [made["id"]]
    gone = admin.delete(f"{FILES}/{made['id']}")
    assert gone.status_code == 200 and gone.json()["id"] == made["id"]
    assert admin.get(f"{FILES}/{made['id']}").json()["error_code"] == "FILE_NOT_FOUND"
    assert admin.get(f"{FILES}/{made['id']}/content").json()["error_code"] == "FILE_NOT_FOUND"
    assert admin.delete(f"{FILES}/{made['id']}").json()["error_code"] == "FILE_NOT_FOUND"


def test_if_match_on_delete(admin):
    made = upload(admin)
    path = f"{FILES}/{made.json()['id']}"
    assert admin.delete(path, headers={"If-Match": '"77.0123456789abcdef"'}).status_code == 412
    assert admin.delete(path, headers={"If-Match": admin.get(path).headers["ETag"]}).status_code == 200


def test_bad_uploads(admin):
    cases = [
        ({"files": {"other": ("a.txt", b"x", "text/plain")}}, "no part named file"),
        ({"data": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "cut"),
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "no boundary"),
    ]
    for options, name in cases:
        answer = admin.request("POST", FILES, **options)
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["error_code"] in ("UPLOAD_INVALID", "VALIDATION_FAILED"), name


def test_an_upload_starts_workflows(admin):
    extension = uuid.uuid4().hex[:6]
    made = admin.workflow([{"name": "a", "type": "log", "config": {"message": "{{trigger.file_id}}"}}],
                          trigger_on_file_upload=True, trigger_file_extensions=[extension])
    body = upload(admin, f"x.{extension.upper()}").json()
    runs = admin.ok("GET", f"/api/v1/runs?workflow_id={made['id']}")["items"]
    assert len(runs) == 1 and runs[0]["trigger_type"] == "file_upload"
    run = admin.wait_run(runs[0]["id"])
    assert run["status"] == "completed"
    assert str(body["id"]) in str(run["input_data"]["file_id"])


def test_the_same_upload_again_with_its_key(admin):
    key = uuid.uuid4().hex
    first = admin.request("POST", FILES, files={"file": ("a.txt", TEXT, "text/plain")}, headers={"Idempotency-Key": key})
    again = admin.request("POST", FILES, files={"file": ("a.txt", TEXT, "text/plain")}, headers={"Idempotency-Key": key})
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    other = admin.request("POST", FILES, files={"file": ("a.txt", b"other", "text/plain")}, headers={"Idempotency-Key": key})
    assert other.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"
