#!/usr/bin/env python3
"""Brings files with agents and workflows to a server.

    import_workflows.py [--dry-run] FILE_OR_FOLDER…

A file holds one JSON object, or a list of them: one with a url and no steps is an agent, all others are workflows; a
workflow without a name is called as its file. What has the same name there already is changed, and a definition that
is the same stays the version that it is: so it can be run again, after every change of the files or after a failure.
Workflows are checked before anything is written. --dry-run ends after that.

The server's address, the file with its authority and a key with the scope workflow-management come from MILLRACE_URL,
MILLRACE_CA and MILLRACE_KEY. Ends with 1 when something was refused, each fault told with its file and place.
"""
import json
import os
import pathlib
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

API = os.environ["MILLRACE_URL"].rstrip("/") + "/api/v1"
TLS = ssl.create_default_context(cafile=os.environ.get("MILLRACE_CA")) if API.startswith("https:") else None


def ask(method, path, body=None):
    """The status and the body of the answer; waits when it is told to."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + os.environ["MILLRACE_KEY"], "Content-Type": "application/json"}
    while True:
        request = urllib.request.Request(API + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=TLS, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            if e.code not in (429, 503) or "Retry-After" not in e.headers:
                return e.code, json.load(e)
            time.sleep(int(e.headers["Retry-After"]))


def read(places):
    """(file, kind, body) of everything in the files, agents first."""
    found = []
    for place in map(pathlib.Path, places):
        for file in sorted(place.rglob("*.json")) if place.is_dir() else [place]:
            try:
                content = json.loads(file.read_text("utf-8"))
            except ValueError as e:
                sys.exit(f"{file}: {e}")
            for body in content if isinstance(content, list) else [content]:
                if not isinstance(body, dict):
                    sys.exit(f"{file}: must hold an object, or a list of objects")
                is_agent = "url" in body and not {"steps", "definition", "workflow_config", "process_steps"} & set(body)
                found.append((file, "agents" if is_agent else "workflows", {"name": file.stem, **body}))
    return sorted(found, key=lambda entry: entry[1])


def refused(file, body, answer):
    for path, faults in (answer["details"] or {"": [answer["detail"]]}).items():
        for fault in faults:
            print(f"{file}: {body['name']}: {path or answer['error_code']}: {fault}", file=sys.stderr)


def there(kind, name):
    """What has this name on the server, or None."""
    if kind == "agents":
        status, found = ask("GET", "/agents/" + urllib.parse.quote(name, safe=""))
        return found if status == 200 else None
    path = "/workflows?limit=1000&search=" + urllib.parse.quote(name, safe="")
    while path:
        status, page = ask("GET", path)
        if status != 200:
            sys.exit(page["detail"])
        for entry in page["items"]:
            if entry["name"] == name:
                return entry
        path = page["next_cursor"] and "/workflows?limit=1000&cursor=" + page["next_cursor"]
    return None


def agent_at(body, path):
    """The agent that a step names, where a fault's path says it does; None: no agent is named there."""
    *inner, last = re.findall(r"[^.\[\]]+", path)
    try:
        for name in inner:
            body = body[int(name)] if isinstance(body, list) else body[name]
        return body.get(last, body.get("agent_name")) if last in ("agent", "agent_name") else None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def is_valid(file, kind, body, coming):
    """Whether the server would take it, once the agents that come with it are there."""
    if kind == "agents":
        return True  # checked when it is written: there is nothing to ask before
    status, answer = ask("POST", "/workflows/validate", body)
    if status == 200:
        return True
    known = {path for path in answer["details"] if agent_at(body, path) in coming}
    answer["details"] = {path: faults for path, faults in answer["details"].items() if path not in known}
    if known and not answer["details"]:
        return True
    refused(file, body, answer)
    return False


def bring(file, kind, body):
    old = there(kind, body["name"])
    if old is None:
        status, answer = ask("POST", "/" + kind, body)
    else:
        status, old = ask("GET", f"/{kind}/{old['id']}")
        status, answer = ask("PUT", f"/{kind}/{old['id']}", body)
    if status >= 400:
        refused(file, body, answer)
        return False
    done = "made" if old is None else "same" if answer == {**old, "updated_at": answer["updated_at"]} else "changed"
    print(f"{done}\t{kind[:-1]} {answer['id']}\t{answer['name']}")
    return True


def main(arguments):
    dry = "--dry-run" in arguments
    found = read(a for a in arguments if a != "--dry-run")
    if not found:
        sys.exit(__doc__)
    coming = {body["name"] for _, kind, body in found if kind == "agents"}
    good = [is_valid(*entry, coming) for entry in found]
    if dry or not all(good):
        print(f"{sum(good)} of {len(good)} are valid")
        return not all(good)
    return not all([bring(*entry) for entry in found])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
