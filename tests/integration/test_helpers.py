"""The programs that read foreign files, by themselves, as the engine runs them inside of its fence: a file on standard
input, the result on standard output, what became of it in the exit status."""
import io
import json
import os
import subprocess
import tempfile
import zipfile

import pytest

from support import documents
from support.stack import places

DONE, WRONG_FILE, WRONG_USE, TOO_LARGE, DECLARED = range(5)
LIMIT = 8 << 20  # of text


def run(program, *arguments, data=b"", stdin=None, stdout=subprocess.PIPE):
    """Status, output, and what it said."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        r = subprocess.run([f"{places()['INST']}/libexec/millrace/millrace-{program}", *arguments], stdout=stdout,
                           stderr=subprocess.PIPE, timeout=120, stdin=file if stdin is None else stdin)
    return r.returncode, r.stdout, r.stderr.decode()


def zipped(name, text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize("program, arguments", [
    ("extract", []), ("extract", ["pdf"]), ("extract", ["html", "docx"]),
    ("convert", []), ("convert", ["csv-json", ","]), ("convert", ["csv-xml", ",", "header"]),
    ("convert", ["csv-json", ",,", "header"]), ("convert", ["csv-json", ",", "headers"]),
    ("image", ["png"])])
def test_wrong_use(program, arguments):
    status, out, said = run(program, *arguments)
    assert (status, out) == (WRONG_USE, b"") and said.startswith(f"usage: millrace-{program}")


@pytest.mark.parametrize("program, arguments, data", [
    ("extract", ["html"], b"<p>text"), ("extract", ["docx"], documents.docx(["text"])),
    ("convert", ["csv-json", ",", "header"], b"a,b\n1,2\n"), ("convert", ["json-csv", ",", "header"], b'[{"a": 1}]'),
    ("image", [], documents.png(20, 10))])
def test_output_that_cannot_be_written(program, arguments, data):
    """No half of a result passes for a whole one."""
    with open("/dev/full", "wb") as full:
        assert run(program, *arguments, data=data, stdout=full)[0] == WRONG_FILE


def test_input_that_cannot_be_read(tmp_path):
    for program, *arguments in (("extract", "html"), ("extract", "docx"), ("image",)):
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            assert run(program, *arguments, stdin=fd)[:2] == (WRONG_FILE, b""), (program, arguments)
        finally:
            os.close(fd)


def test_html():
    status, out, _ = run("extract", "html", data=b"<title>T</title><p>a &amp; b<script>x()</script><p>c")
    text = out.decode()
    assert status == DONE and "a & b" in text and "c" in text and "x()" not in text
    assert run("extract", "html", data=b"")[:2] == (DONE, b"")
    assert run("extract", "html", data=b"<p>" + b"x" * (LIMIT + 1))[:2] == (TOO_LARGE, b"")


@pytest.mark.parametrize("data, status", [
    (documents.docx(["first", "second"]), DONE),
    (b"", WRONG_FILE), (b"no zip at all", WRONG_FILE), (documents.docx(["x" * 5000])[:-40], WRONG_FILE),
    (zipped("other.xml", "<a/>"), WRONG_FILE),
    (zipped("word/document.xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), DECLARED),
    (documents.docx(["x"], document_size=130 << 20), TOO_LARGE)])
def test_docx(data, status):
    got, out, _ = run("extract", "docx", data=data)
    assert got == status
    assert (b"first" in out and b"second" in out) if status == DONE else out == b""


def test_convert():
    status, out, said = run("convert", "csv-json", ";", "header", data=b"a;b\n1;x\n2;\"y;z\"\n")
    assert status == DONE and said == "2\n"
    assert [row["b"] for row in json.loads(out)] == ["x", "y;z"]
    status, out, said = run("convert", "json-csv", ",", "no-header", data=b'[{"a": 1, "b": "x,y"}]')
    assert (status, said) == (DONE, "1\n") and out.strip() == b'1,"x,y"'


@pytest.mark.parametrize("direction, data, says", [
    ("json-csv", b"[{", "item 1: the file ends"), ("json-csv", b"5", "neither with a list"), ("csv-json", b'a,b\n1,"open\n', "line")])
def test_convert_says_what_is_wrong(direction, data, says):
    status, _, said = run("convert", direction, ",", "header", data=data)
    assert status == WRONG_FILE and says in said and said.count("\n") == 1


def test_image():
    status, out, _ = run("image", data=documents.png(30, 20))
    assert status == DONE and out.startswith(b"\x89PNG\r\n") and out[16:24] == bytes([0, 0, 0, 30, 0, 0, 0, 20])
    whole = documents.png(300, 300)
    for data in (b"", b"GIF89a", b"no picture", whole[:60]):
        assert run("image", data=data)[:2] == (WRONG_FILE, b""), data[:20]
    # told by the header, before anything is unpacked
    assert run("image", data=documents.png(10000, 5000)[:200])[:2] == (TOO_LARGE, b"")
