#!/usr/bin/env python3
"""zip.py OUT.zip PARENT FOLDER: a zip of PARENT/FOLDER that is the same whenever it is made."""
import pathlib
import sys
import zipfile

out, parent, folder = sys.argv[1:]
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
    for path in sorted(pathlib.Path(parent, folder).rglob("*")):
        if path.is_file():
            entry = zipfile.ZipInfo(str(path.relative_to(parent)), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            z.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
