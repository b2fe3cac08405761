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


def make(admin, content=TEXT):
    return f"{FILES}/{upload(admin, content=content).json()['id']}/content"


def test_single_ranges(admin):
    path, n = make(admin), len(TEXT)
    cases = [
        ("bytes=0-0", TEXT[:1], (0, 0)),
        ("bytes=4-", TEXT[4:], (4, n - 1)),
        ("bytes=-5", TEXT[-5:], (n - 5, n - 1)),
        (f"bytes=-{n + 99}", TEXT, (0, n - 1)),
        (f"bytes=10-{n + 99}", TEXT[10:], (10, n - 1)),
    ]
    for asked, content, (first, last) in cases:
        part = admin.get(path, headers={"Range": asked})
        assert part.status_code == 206 and part.content == content, asked
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{n}", asked
        assert int(part.headers["Content-Length"]) == len(content)
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        assert "notes.txt" in part.headers["Content-Disposition"]
    assert admin.get(path).headers["Accept-Ranges"] == "bytes"


def test_ranges_that_cannot_be_met(admin):
    path = make(admin)
    for asked in (f"bytes={len(TEXT)}-", "bytes=99999999999999-", "bytes=5-4", "bytes=-0"):
        answer = admin.get(path, headers={"Range": asked})
        assert answer.status_code == 416, asked
        assert answer.headers["Content-Range"] == f"bytes */{len(TEXT)}", asked
        assert answer.json()["error_code"] == "RANGE_NOT_SATISFIABLE"
    # another unit is none of ours: it is passed over (RFC 9110, 14.2)
    assert admin.get(path, headers={"Range": "lines=1-2"}).content == TEXT


def test_several_ranges(admin):
    path = make(admin)
    answer = admin.get(path, headers={"Range": "bytes=0-2,8-12,-3"})
    assert answer.status_code == 206
    kind, boundary = answer.headers["Content-Type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.content.split(f"--{boundary}".encode())
    assert parts[-1].strip() == b"--" and len(parts) == 5
    bodies = [p.split(b"\r\n\r\n", 1) for p in parts[1:-1]]
    assert [b[:-2] for _, b in bodies] == [TEXT[:3], TEXT[8:13], TEXT[-3:]]
    n = len(TEXT)
    for (head, _), (first, last) in zip(bodies, [(0, 2), (8, 12), (n - 3, n - 1)]):
        assert f"Content-Range: bytes {first}-{last}/{n}".encode() in head
        assert b"Content-Type: text/plain" in head
    # together more than the file: all of it is sent, once
    assert admin.get(path, headers={"Range": "bytes=" + ",".join(["0-"] * 50)}).content == TEXT


def test_if_range(admin):
    path = make(admin)
    whole = admin.get(path)
    ranged = {"Range": "bytes=4-6"}
    for validator in (whole.headers["ETag"], whole.headers["Last-Modified"]):
        assert admin.get(path, headers={**ranged, "If-Range": validator}).content == TEXT[4:7], validator
    for validator in ('"other"', f"W/{whole.headers['ETag']}", "Mon, 01 Jan 2001 00:00:00 GMT"):
        answer = admin.get(path, headers={**ranged, "If-Range": validator})
        assert answer.status_code == 200 and answer.content == TEXT, validator


def test_conditional_downloads(admin):
    path = make(admin)
    whole = admin.get(path)
    assert not whole.headers["ETag"].startswith("W/")
    for headers in ({"If-None-Match": whole.headers["ETag"]}, {"If-None-Match": f'"x", {whole.headers["ETag"]}'},
                    {"If-Modified-Since": whole.headers["Last-Modified"]}):
        answer = admin.get(path, headers=headers)
        assert answer.status_code == 304 and answer.content == b"", headers
        assert answer.headers["ETag"] == whole.headers["ETag"]
    for headers in ({"If-None-Match": '"x"'}, {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}):
        assert admin.get(path, headers=headers).content == TEXT, headers
    head = admin.request("HEAD", path)
    assert head.status_code == 200 and head.content == b"" and head.headers["ETag"] == whole.headers["ETag"]
    part = admin.request("HEAD", path, headers={"Range": "bytes=4-6"})
    assert part.status_code in (200, 206) and part.content == b""


def test_an_empty_file(admin):
    path = f"{FILES}/{upload(admin, content=b'').json()['id']}/content"
    assert admin.get(path).content == b""
    assert admin.get(path, headers={"Range": "bytes=0-"}).status_code in (200, 416)


def test_damage_is_an_error_and_no_wrong_data(admin, stack):
    made = upload(admin).json()
    path = f"{FILES}/{made['id']}/content"
    stored = stack.state / "files" / stack.psql(f"select storage_key from millrace.files where id = {made['id']}")
    assert admin.get(path).content == TEXT
    for content in (TEXT.replace(b"two", b"owt"), TEXT[:-1], None):
        if content is None:
            stored.unlink()
        else:
            stored.write_bytes(content)
        for headers in ({}, {"Range": "bytes=0-3"}):
            answer = admin.get(path, headers=headers)
            assert answer.status_code == 500, content
            assert answer.json()["error_code"] == "FILE_DAMAGED"
            assert "ETag" not in answer.headers
    assert admin.delete(f"{FILES}/{made['id']}").status_code == 200


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
