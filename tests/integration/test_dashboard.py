"""The dashboard as nginx serves it: its files, their headers, the policy, and which operations its scripts name."""
import json
import re

import pytest

from support.pages import page, policy_of
from support.stack import ROOT

WEB = ROOT / "web"
SCRIPTS = sorted(WEB.glob("*.js"))
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".html": "text/html; charset=utf-8"}
FILES = sorted(p for p in WEB.iterdir() if p.suffix in TYPES)


def code(script):
    """A script without its comments."""
    return re.sub(r"^\s*//.*$", "", script.read_text(), flags=re.M)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_slash_it_is_one_step_away(stack, method):
    answer = stack.anonymous().request(method, "/dashboard")
    assert answer.status_code == 308 and answer.headers["Location"] == "/dashboard/"
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == 308
    assert answer.headers["X-Request-ID"] == answer.json()["correlation_id"]


def test_the_page_and_its_policy(stack):
    answer, p = page(stack.anonymous(), "/dashboard/")
    assert not p.inline
    assert sorted(p.loads) == ["/dashboard/app.js", "/dashboard/dashboard.css", "/dashboard/icon.svg"]
    assert all(re.match(r"#/|/docs$", a) for a in p.links), p.links
    none, own = ["'none'"], ["'self'"]
    assert policy_of(answer) == {
        "default-src": none, "script-src": own, "style-src": own, "img-src": own, "connect-src": own, "base-uri": none,
        "form-action": none, "frame-ancestors": none, "require-trusted-types-for": ["'script'"], "trusted-types": none}
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["X-Request-ID"]


@pytest.mark.parametrize("name", ["", *(p.name for p in FILES)])
def test_every_file_is_asked_for_anew_and_mostly_the_same(stack, name):
    answer = stack.anonymous().get(f"/dashboard/{name}")
    file = WEB / (name or "index.html")
    assert answer.status_code == 200 and answer.content == file.read_bytes()
    assert answer.headers["Content-Type"] == TYPES[file.suffix] and answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = stack.anonymous().get(f"/dashboard/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_only_the_page_runs_scripts(stack):
    for name in ("app.js", "icon.svg", "none"):
        assert "script-src" not in policy_of(stack.anonymous().get(f"/dashboard/{name}"))


@pytest.mark.parametrize("path", ["/dashboard/none", "/dashboard/x/y.js", "/dashboard/../docs/errors.html", "/dashboard/Makefile.inc"])
def test_nothing_else_is_there(stack, path):
    answer = stack.anonymous().get(path)
    assert answer.status_code == 404 and answer.json()["error_code"] == "ROUTE_NOT_FOUND"


def test_it_is_only_read(stack):
    answer = stack.anonymous().post("/dashboard/")
    assert answer.status_code == 405 and answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


def test_scripts_load_each_other_alone():
    """All that is imported exists, all that exists is imported, and nothing names another server."""
    imported = {"app.js"}
    for script in SCRIPTS:
        for name in re.findall(r'\bfrom "([^"]*)";', code(script)):
            assert re.fullmatch(r"\./[a-z]+\.js", name), f"{script.name}: {name}"
            imported.add(name[2:])
    assert imported == {p.name for p in SCRIPTS}
    for file in FILES:
        foreign = re.sub(r"http://www\.w3\.org/2000/svg", "", file.read_text())
        assert not re.search(r"https?:|[\"'(]//", foreign), file.name


def test_installed_is_what_the_folder_has():
    listed = re.findall(r"web/([a-z]+\.\w+)", (WEB / "Makefile.inc").read_text())
    assert sorted(listed) == [p.name for p in FILES]


def test_every_operation_is_in_the_document():
    """The API's addresses stand in one table, and each is the document's."""
    paths = json.loads((ROOT / "docs/reference/openapi.json").read_text())["paths"]
    named = re.findall(r'^  (\w+): \["([A-Z]+)", "([^"]+)"\],$', code(WEB / "api.js"), re.M)
    assert len(named) >= 19
    assert [(m, p) for _, m, p in named if m.lower() not in paths.get(p, {})] == []
    elsewhere = [s.name for s in SCRIPTS if "/api/" in code(s) and s.name != "api.js"]
    assert elsewhere == [] and code(WEB / "api.js").count("/api/") == len(named)
    used = "".join(code(s) for s in SCRIPTS)
    operations = re.findall(r'(?:call\(|operation: |allowed\()"(\w+)"', used)
    assert set(operations) == {name for name, *_ in named}


def test_text_never_becomes_markup_or_a_credential_an_address():
    for script in SCRIPTS:
        text = code(script)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser|srcdoc", text), script.name
        assert not re.search(r"localStorage|document\.cookie|indexedDB|console\.", text), script.name
        assert not re.search(r"\.style\b|cssText", text), script.name
        if script.name != "api.js":
            assert "sessionStorage" not in text and "fetch(" not in text, script.name
