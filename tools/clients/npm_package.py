#!/usr/bin/env python3
"""npm_package.py FOLDER: the generated package.json without what is not true of us, and one build instead of two."""
import json
import pathlib
import sys

path = pathlib.Path(sys.argv[1]) / "package.json"
made = json.loads(path.read_text())
path.write_text(json.dumps({
    "name": made["name"],
    "version": made["version"],
    "description": "Millrace's API for TypeScript and JavaScript.",
    "license": "Apache-2.0",
    "main": "./dist/index.js",
    "types": "./dist/index.d.ts",
    "files": ["dist", "docs", "README.md"],
    "engines": {"node": ">=18"},
}, indent=2) + "\n")
