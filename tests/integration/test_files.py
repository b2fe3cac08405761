"""Files between steps: converted ones are files of the tenant, hostile ones harm nobody."""
import io
import json
import os
import time
import uuid
import zipfile

import pytest

from support.documents import docx, letter_pdf, letter_scan, png
from support.stack import wait_until

FILES = "/api/v1/files"
CONVERT = {"action": "convert", "file_id": "{{trigger.file_id}}", "to": "{{trigger.to}}"}


@pytest.fixture(scope="module")
def converter(stack):
    made = stack.api.ok("POST", "/api/v1/workflows", json={
        "name": f"convert-{uuid.uuid4().hex[:8]}", "output": "{{steps.convert}}",
        "steps": [{"name": "convert", "type": "file_process", "max_retries": 0, "config": CONVERT}]})
    return made["id"]


def upload(api, name, content, kind="application/octet-stream"):
    return api.ok("POST", FILES, files={"file": (name, content, kind)})


def convert(api, workflow, name, content, to):
    file = upload(api, name, content)
    run = api.execute(workflow, input={"file_id": file["id"], "to": to})["run_id"]
    return file, api.wait_run(run)


def stored(stack):
    """Every file of the file store that is a tenant's, by its path."""
    root = (stack.state / "files")
    return {str(p.relative_to(root)) for p in root.glob("[0-9]*/??/*")}


CASES = [
    ("t.csv", b'\xef\xbb\xbfa,b\r\n1,"x, y"\r\n', "json", b'[\n{"a":"1","b":"x, y"}\n]\n', "application/json"),
    ("t.json", b'[{"a": {"b": 1}, "c": [1, 2]}, {"c": null}]', "csv", b'a.b,c\r\n1,"[1,2]"\r\n,\r\n', "text/csv"),
    ("t.docx", docx(["Dear Sir,", "hello"]), "txt", b"Dear Sir,\nhello\n", "text/plain"),
    ("t.html", b"<!doctype html><script>x()</script><p>Hi <b>there</b>", "txt", b"Hi there", "text/plain"),
    ("t.pdf", letter_pdf(), "txt", None, "text/plain"),
    ("t.png", letter_scan(), "png", None, "image/png"),
]


@pytest.mark.parametrize("name, content, to, wanted, kind", CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_a_converted_file_is_the_tenants(stack, converter, name, content, to, wanted, kind):
    api = stack.api
    file, run = convert(api, converter, name, content, to)
    assert run["status"] == "completed", run["error"]
    result = run["result_data"]
    made = api.ok("GET", f"{FILES}/{result['file_id']}")
    assert made["run_id"] == run["id"] and result["source_file_id"] == file["id"]
    assert made["name"] == f"t.{to}" and made["content_type"].startswith(kind)
    assert made["sha256"] == result["sha256"] and made["size"] == result["size"]
    assert [f["id"] for f in api.ok("GET", f"{FILES}?run_id={run['id']}")["items"]] == [made["id"]]
    got = api.get(f"{FILES}/{made['id']}/content")
    assert got.status_code == 200 and len(got.content) == made["size"]
    if wanted is not None:
        assert got.content == wanted
    assert file["run_id"] is None


def zip_of(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return out.getvalue()


def laughs():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    xml = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY e0 "lol">{entities}]><w:document>&e9;</w:document>'
    return zip_of(**{"word/document.xml": xml})


HOSTILE = [
    ("bomb.docx", docx(["x"], document_size=200 << 20), "txt", "limit", "unpacks to more"),
    ("laughs.docx", laughs(), "txt", "validation", "declares entities"),
    ("outside.docx", zip_of(**{"word/document.xml": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><w:t>&f;</w:t>'}),
     "txt", "validation", "declares entities"),
    ("climbs.docx", zip_of(**{"../../word/document.xml": "<w:t>x</w:t>"}), "txt", "validation", "content is zip"),
    ("bomb.png", png(8000, 8000), "png", "limit", "64.0 megapixels"),
    ("lies.png", letter_pdf(), "png", "validation", "content is pdf"),
    ("ragged.csv", b"a,b\n1,2\n3\n", "json", "validation", "line 3 has 1 field"),
    ("long.csv", b"a\n" + b"x" * (3 << 20), "json", "limit", "line 2: a field is longer"),
    ("junk.pdf", b"%PDF-1.7\nno such thing\n%%EOF\n", "txt", "validation", "can't be read as PDF"),
]


@pytest.mark.parametrize("name, content, to, kind, says", HOSTILE, ids=[h[0] for h in HOSTILE])
def test_a_hostile_file_ends_its_step_and_nothing_else(stack, converter, name, content, to, kind, says):
    pid = stack.engine_pid
    file = upload(stack.api, name, content)
    before = stored(stack)
    run = stack.api.wait_run(stack.api.execute(converter, input={"file_id": file["id"], "to": to})["run_id"])
    assert run["status"] == "failed"
    assert run["error"]["type"] == kind and says in run["error"]["message"], run["error"]
    assert stack.engine_pid == pid
    wait_until(lambda: stored(stack) == before, message="something was left in the store")
    assert stack.api.ok("GET", f"{FILES}?run_id={run['id']}")["items"] == []
    # and the engine goes on
    _, good = convert(stack.api, converter, "t.csv", b"a\n1\n", "json")
    assert good["status"] == "completed", good["error"]


def test_what_changed_in_the_store_is_not_used(stack, converter):
    file = upload(stack.api, "t.csv", b"a,b\n1,2\n")
    path = (stack.state / "files") / stack.psql(f"select storage_key from millrace.files where id = {file['id']}")
    path.write_bytes(b"a,b\n1,3\n")
    run = stack.api.wait_run(stack.api.execute(converter, input={"file_id": file["id"], "to": "json"})["run_id"])
    assert run["status"] == "failed" and run["error"]["type"] == "damaged"
    assert "not what was stored" in run["error"]["message"]
    assert json.dumps(run).find("1,3") < 0


def orphan(stack, tenant, age):
    """A file in the store that no row names."""
    name = uuid.uuid4().hex
    path = stack.state / "files" / str(tenant) / name[:2] / name
    put_as_the_server(stack, path, b"nobody's")
    os.utime(path, (time.time() - age,) * 2)
    return path


def put_as_the_server(stack, path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    owner = (stack.state / "files").stat()
    for p in (path, path.parent, path.parent.parent):
        os.chown(p, owner.st_uid, owner.st_gid)


def test_bytes_without_a_row_are_swept(stack, converter):
    """An upload that was answered 503 leaves them, a crash between bytes and row does, too."""
    tenant = stack.psql("select id from millrace.tenants order by id limit 1")
    kept = upload(stack.api, "kept.txt", b"kept")
    deleted = upload(stack.api, "deleted.txt", b"deleted")

    def path_of(file):
        return stack.state / "files" / stack.psql(f"select storage_key from millrace.files where id = {file['id']}")

    old, young, foreign = orphan(stack, tenant, 5000), orphan(stack, tenant, 0), orphan(stack, 987654, 5000)
    unfinished = orphan(stack, tenant, 0).with_suffix(".tmp")
    put_as_the_server(stack, unfinished, b"half")
    # its row was deleted, its removal never came
    at = path_of(deleted)
    stack.psql(f"update millrace.files set deleted_at = now() where id = {deleted['id']}")
    for p in (path_of(kept), at, unfinished):
        os.utime(p, (time.time() - 5000,) * 2)
    stack.configure(file_orphan_seconds=4)
    stack.restart_engine()
    try:
        wait_until(lambda: not (old.exists() or foreign.exists() or at.exists() or unfinished.exists()), 60)
        wait_until(lambda: not young.exists(), 60)
        assert path_of(kept).exists()
        assert stack.api.get(f"{FILES}/{kept['id']}/content").content == b"kept"
    finally:
        stack.configure(file_orphan_seconds=86400)
        stack.restart_engine()
