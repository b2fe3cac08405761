#!/usr/bin/env python3
"""index.py FOLDER VERSION: what is in the folder, as index.html for people, index.json and SHA256SUMS for programs."""
import hashlib
import html
import json
import pathlib
import sys

folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
WHAT = (
    (f"millrace-client-{version}.tar.gz", "Python", "pip install"),
    (f"millrace-client-{version}.tgz", "TypeScript and JavaScript", "npm install"),
    (f"millrace-client-go-{version}.zip", "Go", "unpack, go mod edit -replace"),
    ("millrace.postman_collection.json", "Postman: every operation, in order", "Import, or newman run"),
    ("millrace.postman_environment.json", "Postman: the server's address and your key", "Import"),
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace clients</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/docs/docs.css">
</head>
<body>
<nav><a href="/docs">API</a> <a href="/docs/errors">Errors</a> <a href="/openapi.json">openapi.json</a></nav>
<main class="text">
<h1>Clients, version %(version)s</h1>
<p>Made from <a href="/openapi.json">this server's document</a>. Checksums for <code>sha256sum -c</code> are in
<a href="/clients/SHA256SUMS">SHA256SUMS</a>; for programs there is <a href="/clients/index.json">index.json</a>.</p>
<table>
<thead><tr><th>For</th><th>File</th><th>Version</th><th>Bytes</th><th>Installed by</th><th>SHA-256</th></tr></thead>
<tbody>
%(rows)s
</tbody>
</table>
</main>
</body>
</html>
"""

files = []
for name, what, how in WHAT:
    content = (folder / name).read_bytes()
    files.append({"name": name, "for": what, "version": version, "size": len(content), "installed_by": how,
                  "sha256": hashlib.sha256(content).hexdigest()})
rows = "\n".join(
    "<tr><td>{for}</td><td><a href=\"/clients/{name}\">{name}</a></td><td>{version}</td><td>{size}</td>"
    "<td>{installed_by}</td><td><code>{sha256}</code></td></tr>".format(**{k: html.escape(str(v)) for k, v in f.items()})
    for f in files)
(folder / "index.html").write_text(PAGE % {"version": html.escape(version), "rows": rows})
(folder / "index.json").write_text(json.dumps({"version": version, "files": files}, indent=2) + "\n")
(folder / "SHA256SUMS").write_text("".join(f"{f['sha256']}  {f['name']}\n" for f in files))
