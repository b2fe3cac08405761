"""The API's examples: requests and answers of the contract suite, made the same for everybody.

docs/reference/examples.json is what openapi-gen puts into the document:

    {"operations": {"createAgent": {"201": {"request": {"path", "query", "type", "body"}, "type", "answer"}}},
     "errors": {"createAgent": {"AGENT_NAME_TAKEN": {…}, "VALIDATION_FAILED": {…}}},
     "problems": {"AGENT_NOT_FOUND": {…}}}

What is wrong with its own input, and what only some operations answer, is kept for each operation; of each error one
answer besides, for those that say the same everywhere.

`make examples` runs the suite with MILLRACE_EXAMPLES naming that file. What is in it stays while it still fits the
document, so that a new row of the route table adds its own examples and changes no others. Of everything that was
sent and answered the plainest is taken, then the smallest. Ids, times, measured values and whatever is made anew
each time become the same small values; credentials are never written.
"""
import datetime
import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|\+00:00)")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
BASE = datetime.datetime(2025, 1, 8, 10, 0, 0)
HEX = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}\b|\b\d{10,}\b")
MADE_ANEW = re.compile(r"\b((?=\w*[g-z])[A-Za-z]+?|[A-Za-z]+[-_ ])((?=[0-9a-f]*\d)(?:[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{12}))\b")
"""A name of a test's: a word and what uuid4 gave."""
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
PREFIXED = re.compile(r"^([a-z]{2,8})_(\d+)$")
NUMBERED = re.compile(r"\b([Rr]un|[Ww]orkflow|[Ff]ile|[Ss]aga) (\d+)\b")
ADDRESS = re.compile(r"\b(https?|tls|unix)://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?")
HOST = re.compile(r"\b127\.0\.0\.1(?::\d+)?")
MEASURED = re.compile(r"^(duration|latency|response_time|took|elapsed|uptime|lag|p\d\d|avg|average|mean)\w*$")
PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.S)
A_PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETwhxgcjzMGZsBxRgVUL1uafu2xtL
OdYgTBls37bYK0UwlcGRPKyRa3y3jaIPoOwhnuM6cGIluYSBEmIM9Cfzjw==
-----END PUBLIC KEY-----"""
KEY_PREFIX = re.compile(r"^mrk_[A-Za-z0-9]{8}$")
CREDENTIAL = re.compile(r"eyJ[\w-]{10,}\.[\w-]+|-----BEGIN [A-Z ]*PRIVATE|\bmrk_[A-Za-z0-9_-]{12,}|\b[A-Za-z0-9_-]{40,}\b")
SECRET_NAME = re.compile(r"password|secret$|token$|^api_key$|private_key|^authorization$|^k$", re.I)
NO_IDS = {"{version}", "{base}", "{other}", "{name}", "{step}"}
NOT_SHOWN = "example-not-a-real-value"
ITSELF = {"getOpenapi", "getLanguageSchema", "getMetrics", "getSystemMetrics"}
"""What these answer is a document of its own, or what changes with every request: no example says more."""


EVERYWHERE_ALIKE = {"CURSOR_INVALID", "IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED", "JSON_INVALID"}
"""Errors of some operations that say nothing of which one it is."""


def is_id(name):
    return name in ("id", "agent", "workflow") or name.endswith(("_id", "_of"))


def is_read_only(schema):
    """Of a schema as the judge has it: null is one of two."""
    return schema.get("readOnly") or any(is_read_only(s) for s in schema.get("anyOf", ()))


def plain(text):
    return all(" " <= c <= "~" or c == "\n" for c in text)


class Canon:
    """One request with its answer, with the same values for everybody."""

    def __init__(self, document, secrets=()):
        self.document = document
        self.ids, self.hexes, self.times, self.names = {}, {}, {}, {}
        self.secrets = sorted((s for s in secrets if s), key=len, reverse=True)

    def learn_times(self, *texts):
        found = sorted({m for text in texts for m in TIME.findall(text)})
        first = datetime.datetime.fromisoformat(found[0]) if found else None
        for i, t in enumerate(found):
            after = (datetime.datetime.fromisoformat(t) - first).total_seconds()
            after = i if after < 3600 else round(after / 3600) * 3600
            self.times[t] = (BASE + datetime.timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def id(self, value):
        return self.ids.setdefault(int(value), 12 + len(self.ids))

    def hex(self, value):
        if value not in self.hexes:
            digits = "5f1d3c8a9b7e4d20" if not value.isdigit() else "4070129358"
            n = len(self.hexes)
            made = (digits[n % len(digits):] + digits * (1 + len(value) // len(digits)))[:len(value)]
            self.hexes[value] = made
        return self.hexes[value]

    def name(self, found):
        """The first of a test's names is its word alone, the others are numbered."""
        number = self.names.setdefault(found[2], 1 + len(self.names))
        return found[1].rstrip("-_ ") + (f"-{number}" if number > 1 else "")

    def path(self, text):
        """An address with other ids, as its template says where those are."""
        template = self.document.path_of(text)
        if template is None:
            return text
        parts = text.rstrip("/").split("/")
        for i, variable in enumerate(template.split("/")):
            number = PREFIXED.match(parts[i])
            if not variable.startswith("{") or variable in NO_IDS:
                continue
            if parts[i].isdigit() or number:
                parts[i] = str(self.id(number[2] if number else parts[i]))
        return "/".join(parts)

    def text(self, s, name=""):
        if SECRET_NAME.search(name) and s:
            return NOT_SHOWN
        for secret in self.secrets:
            s = s.replace(secret, NOT_SHOWN)
        if name.endswith("cursor"):
            return "MjAyNS0wMS0wOFQxMDowMDowMFo"
        if KEY_PREFIX.match(s):
            return "mrk_5f1d3c8a"
        if PUBLIC_KEY.search(s):
            return PUBLIC_KEY.sub(A_PUBLIC_KEY, s)
        s = CREDENTIAL.sub(lambda m: m[0] if re.fullmatch(r"[0-9a-f]{64}", m[0]) else NOT_SHOWN, s)
        if is_id(name) and (s.isdigit() or PREFIXED.match(s)):
            prefix, _, number = s.rpartition("_")
            return f"{prefix}{'_' if prefix else ''}{self.id(number)}"
        s = TIME.sub(lambda m: self.times.get(m[1], m[0]), s)
        if DATE.fullmatch(s):
            return BASE.strftime("%Y-%m-%d")
        if s.startswith("/"):
            s = self.path(s)
        s = NUMBERED.sub(lambda m: f"{m[1]} {self.id(m[2])}", s)
        s = ADDRESS.sub(lambda m: f"{m[1]}://service.example", s)
        s = HOST.sub("192.0.2.7", s)
        s = UUID.sub("8d6f3b1c-52a7-4c0e-9b1f-0c7a5d2e4f60", s)
        return HEX.sub(lambda m: self.hex(m[0]), MADE_ANEW.sub(self.name, s))

    def value(self, v, name="", answered=False):
        if isinstance(v, dict):
            return {k: self.value(x, k, answered) for k, x in v.items()}
        if isinstance(v, list):
            return [self.value(x, name[:-1] if name.endswith("s") else name, answered) for x in v]
        if isinstance(v, bool) or v is None:
            return v
        if isinstance(v, (int, float)):
            if isinstance(v, int) and is_id(name) and v > 0:
                return self.id(v)
            return (12.5 if isinstance(v, float) else 12) if answered and MEASURED.search(name) and v else v
        return self.text(v, name)


def part_of_upload(body, kind):
    """The first file of multipart/form-data: its text, None where that is no text."""
    mark = re.search(r'boundary="?([^";]+)', kind)
    for part in (body or b"").split(b"--" + mark[1].encode() if mark else b"\0"):
        if b'name="file"' in part:
            try:
                return part.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0].decode()
            except (IndexError, UnicodeDecodeError):
                return None
    return None


def sent(request):
    """(media type, body) of a request; the body is None when there is none that can be shown."""
    body, kind = request.body, request.headers.get("Content-Type", "")
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes) or not body:
        return None, None
    if kind.startswith("multipart/"):
        return "multipart/form-data", part_of_upload(body, kind)
    try:
        text = body.decode()
        return ("application/json", json.loads(text)) if "json" in kind else (kind.split(";")[0], text)
    except ValueError:
        return None, None


def entries(answer):
    """The entries of a list, None of what is none."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        for name in ("items", "templates", "results"):
            if isinstance(answer.get(name), list):
                return answer[name]
    return None


class Examples:
    def __init__(self, document, kept=None):
        self.document = document
        kept = kept or {}
        self.operations, self.errors, self.problems = {}, {}, {}
        self.had = {part: kept.get(part, {}) for part in ("operations", "errors", "problems")}
        self.alike = EVERYWHERE_ALIKE | {
            code for r in document.doc["components"]["responses"].values() for code in self.codes(r)} - {"VALIDATION_FAILED"}

    # ---- what a test's answer is worth ----

    def see(self, answer, method, template, operation, secrets=()):
        """One answer that the document declares, of the operation that it belongs to."""
        request, status = answer.request, answer.status_code
        if urlsplit(request.url).scheme != "https" or method == "HEAD" or operation["operationId"] in ITSELF:
            return
        if "Idempotency-Replayed" in answer.headers:
            return  # without what is shown only once
        if status >= 400:
            self.see_problem(answer, operation, secrets)
        elif status < 300:
            self.see_success(answer, template, operation, secrets)

    def own_errors(self, operation):
        """What it answers that another operation doesn't, or not so."""
        return {code for r in operation["responses"].values() for code in self.codes(r)} - self.alike

    def see_problem(self, answer, operation, secrets):
        body = answer.json()
        if "error_code" not in body or not plain(answer.text):
            return
        canon = Canon(self.document, secrets)
        canon.learn_times(answer.text)
        made = canon.value(body, answered=True)
        # the plainest names what is wrong: not the whole body, not what nobody would send
        rank = (not made["details"], bool({"", "no_such_argument"} & set(made["details"])), len(json.dumps(made)), json.dumps(made))
        self.take(self.problems, body["error_code"], rank, made)
        if body["error_code"] in self.own_errors(operation):
            self.take(self.errors.setdefault(operation["operationId"], {}), body["error_code"], rank, made)

    def see_success(self, answer, template, operation, secrets):
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        url, request = urlsplit(answer.request.url), answer.request
        type_, body = sent(request)
        if request.body and type_ is None:
            return
        if kind.endswith("json"):
            told = answer.json()
        elif plain(answer.text) and len(answer.content) < 4000:
            told = answer.text
        else:
            return
        if not plain(unquote(url.path + url.query)) or not plain(json.dumps(body, ensure_ascii=False)):
            return
        canon = Canon(self.document, secrets)
        canon.learn_times(unquote(url.path + "?" + url.query), json.dumps(body), answer.text)
        made = self.canonical(canon, url, type_, body, kind, told, operation)
        if made is None or not self.fits(made, template, operation, answer.status_code):
            return
        listed = entries(told)
        text = json.dumps(made, ensure_ascii=False)
        # what says that it is an array is taken for a schema without items by who reads the document
        short = any(isinstance(t, str) and len(t) < 10 for t in (told, body))
        rank = ("requestBody" in operation and (type_ is None, not body), listed is not None and not listed, short, not plain(text),
                '"type": "array"' in text, len(text) > 3000, bool(url.query), len(text), text)
        self.take(self.operations.setdefault(operation["operationId"], {}), str(answer.status_code), rank, made)

    def canonical(self, canon, url, type_, body, kind, told, operation):
        made = {"path": canon.text(unquote(url.path).rstrip("/") or "/")}
        if url.query:
            made["query"] = {k: canon.text(v, k) for k, v in parse_qsl(url.query, keep_blank_values=True)}
        if type_ is not None:
            made["type"] = type_
            made["body"] = canon.value(self.written(body, operation, type_))
        if "secrets" in operation["tags"] and isinstance(body, dict) and "value" in body:
            made["body"]["value"] = NOT_SHOWN
        shown = {"request": made, "type": kind, "answer": canon.value(told, answered=True)}
        if "api-keys" in operation["tags"] and isinstance(told, dict) and "key" in told:
            shown["answer"]["key"] = NOT_SHOWN
        return shown

    def written(self, body, operation, type_):
        """A body without the members that only answers hold: who sends back what was read sends them, too."""
        schema = operation.get("requestBody", {}).get("content", {}).get(type_, {}).get("schema", {})
        while "$ref" in schema:
            schema = self.document.resolver.resolve(schema["$ref"])[1]
        if not isinstance(body, dict):
            return body
        only_read = {name for name, s in schema.get("properties", {}).items() if is_read_only(s)}
        return {k: v for k, v in body.items() if k not in only_read}

    @staticmethod
    def take(all_, name, rank, made):
        if name not in all_ or rank < all_[name][0]:
            all_[name] = (rank, made)

    # ---- what still fits ----

    def fits(self, made, template, operation, status):
        """Whether request and answer are as the document has them."""
        return not self.faults(made, template, operation, status)

    def faults(self, made, template, operation, status):
        request, found = made["request"], []
        if self.document.path_of(request["path"]) != template:
            found.append(f"{request['path']} is no {template}")
        if "body" in request:
            media = operation.get("requestBody", {}).get("content", {}).get(request["type"])
            if media is None:
                found.append(f"{request['type']} is not declared")
            elif request["type"] == "application/json":
                found += self.document.faults(media["schema"], request["body"])
        response = self.document.response(operation, status)
        media = ((response or {}).get("content") or {}).get(made["type"])
        if media is None and "application/octet-stream" not in (response or {}).get("content", {}):
            found.append(f"{status} with {made['type']} is not declared")
        elif media is not None:
            found += self.document.faults(media["schema"], made["answer"])
        return found

    def write(self, path):
        """What is known from before, where it still fits, and what was seen now."""
        made = {"operations": {}, "errors": {}, "problems": {}}
        for method, template, operation in sorted(self.document.operations(), key=lambda o: o[2]["operationId"]):
            name = operation["operationId"]
            judged = self.document.operation(method, template)[1]
            now = {status: m for status, (_, m) in self.operations.get(name, {}).items()}
            for status, m in self.had["operations"].get(name, {}).items():
                if status in operation["responses"] and self.fits(m, template, judged, status):
                    now[status] = m
            if now:
                made["operations"][name] = dict(sorted(now.items()))
            own = {**{c: m for c, (_, m) in self.errors.get(name, {}).items()}, **self.had["errors"].get(name, {})}
            if own:
                made["errors"][name] = {c: own[c] for c in sorted(own) if c in self.own_errors(operation)}
        declared = {code for _, _, o in self.document.operations() for r in o["responses"].values()
                    for code in self.codes(r)}
        known = {**{c: m for c, (_, m) in self.problems.items()}, **self.had["problems"]}
        made["problems"] = {c: known[c] for c in sorted(known) if c in declared}
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")

    def codes(self, response):
        if "$ref" in response:
            response = self.document.doc["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        return response.get("x-error-codes", ())
