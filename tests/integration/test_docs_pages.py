"""The documentation pages as nginx serves them: files, headers, policies, and what they say without viewers."""
import re

import pytest

from support.pages import Page, page, policy_of
from support.stack import ROOT

PAGES = {"/docs": "swagger", "/redoc": "redoc"}
VIEWERS = {"/docs": "swagger-ui-bundle.js", "/redoc": "redoc.standalone.js"}


@pytest.fixture
def without_viewers(stack):
    """The web root as an installation without "make viewers" leaves it."""
    docs = stack.state / "www/docs"
    there = [p for p in (docs / f"{name}.html" for name in PAGES.values()) if p.exists()]
    for p in there:
        p.rename(p.with_suffix(".away"))
    yield
    for p in there:
        p.with_suffix(".away").rename(p)


def has_viewers(stack):
    return all((stack.state / f"www/docs/{name}.html").exists() for name in PAGES.values())


@pytest.mark.parametrize("path", [*PAGES, "/docs/", "/redoc/", "/docs/errors", "/docs/errors/"])
def test_pages_need_nobody_else(stack, path):
    """Whatever is installed: no script or style inside, nothing from elsewhere, and a policy that says so."""
    answer, p = page(stack.anonymous(), path)
    assert not p.inline
    assert all(re.match(r"/(?!/)|data:,$|#", a) for a in p.loads + p.links), p.loads + p.links
    assert "/openapi.json" in p.links
    policy = policy_of(answer)
    assert policy["default-src"] == ["'none'"] and policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] == policy["form-action"] == ["'none'"]
    for name, sources in policy.items():
        own = {"'none'", "'self'", "data:", "blob:"}
        assert set(sources) <= own or name == "style-src", policy
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:"} & set(sources), policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-cache"
    for a in p.loads:
        if a.startswith("/"):
            assert stack.anonymous().get(a).status_code == 200, a


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_be_kept(stack, path):
    answer = stack.anonymous().get(path)
    again = stack.anonymous().get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", PAGES)
def test_without_the_viewer_a_page_says_so(stack, without_viewers, path):
    answer, p = page(stack.anonymous(), path)
    assert "viewer isn't installed" in p.text and "make viewers" in p.text
    assert "/openapi.json" in p.links
    assert "script-src" not in policy_of(answer)


def locked():
    for line in (ROOT / "tools/viewers/packages.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version, integrity, *files = line.split()
            yield name, version, integrity, files


def test_the_viewers_are_pinned():
    rows = list(locked())
    assert [r[0] for r in rows] == ["swagger-ui-dist", "redoc"]
    for name, version, integrity, files in rows:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version) and files
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", integrity)


@pytest.mark.parametrize("path", PAGES)
def test_the_viewer_is_served_by_its_version(stack, path):
    if not has_viewers(stack):
        pytest.skip("make viewers had no npm or no network")
    _, p = page(stack.anonymous(), path)
    versions = {name: version for name, version, _, _ in locked()}
    script = next(a for a in p.loads if a.endswith(VIEWERS[path]))
    name, version = script.split("/")[3:5]
    assert versions[name] == version
    assert f"/static/docs/{PAGES[path]}.js" in p.loads
    answer = stack.anonymous().get(script)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "javascript" in answer.headers["Content-Type"]
    assert "cdn.redoc.ly/redoc/logo" not in answer.text
    missing = stack.anonymous().get(script.replace(version, "0.0.0"))
    assert missing.status_code == 404 and "immutable" not in missing.headers.get("Cache-Control", "")


def test_our_own_scripts_are_asked_for_anew(stack):
    for name in ("swagger.js", "redoc.js", "docs.css"):
        answer = stack.anonymous().get(f"/static/docs/{name}")
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", [*PAGES, "/docs/errors"])
def test_pages_are_only_read(stack, path):
    answer = stack.anonymous().post(path)
    assert answer.status_code == 405 and answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/docs/none", "/docs/../nginx.conf", "/docs/swagger.js", "/redoc/x"])
def test_other_addresses_below_are_not_there(stack, path):
    answer = stack.anonymous().get(path)
    assert answer.status_code == 404 and answer.json()["error_code"] == "ROUTE_NOT_FOUND"


# ---- the error catalogue ----

def error_rows():
    text = (ROOT / "lib/errors.def").read_text()
    return re.findall(r'^MR_ERROR\((\w+), (\d+), "(.+?)", "(.+)"\)$', text, re.M)


def test_every_error_is_on_its_page(stack):
    answer, p = page(stack.anonymous(), "/docs/errors")
    rows = error_rows()
    assert [r[0] for r in rows] == [i for i in p.ids if i.isupper()]
    for code, status, title, sentence in rows:
        entry = Page(answer.text.split(f'<section id="{code}">', 1)[1].split("</section>", 1)[0])
        assert f"#{code}" in entry.links and title in entry.text and f"Status{status}" in entry.text
        assert f"Meaning{sentence}" in entry.text
        advice, answered_by = entry.text.split("What to do", 1)[1].split("Answered by")
        assert advice.strip().endswith(".") and advice.strip() != sentence and answered_by.strip()


def test_an_errors_type_is_its_place_on_the_page(stack):
    nobody = stack.anonymous()
    _, p = page(nobody, "/docs/errors")
    for answer in (nobody.get("/api/v1/workflows"), nobody.get("/static/none")):
        path, anchor = answer.json()["type"].split("#")
        assert path == "/docs/errors" and anchor in p.ids


def test_the_reference_has_the_same_errors():
    text = (ROOT / "docs/reference/errors.md").read_text()
    for code, *_ in error_rows():
        assert f'<a id="{code}"></a>' in text
