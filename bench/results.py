#!/usr/bin/env python3
"""Puts a suite's table into RESULTS.md, between the lines that mark its section.

    results.py SUITE MACHINE-FILE ROWS-FILE…"""
import datetime
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
COMMANDS = {"api": "./dev bench", "routes": "./dev bench api --all", "load": "./dev bench load", "engine": "./dev bench engine"}


def section(suite, machine, rows):
    version = re.search(r"AC_INIT\(\[millrace\], \[([^]]*)\]", (HERE.parent / "configure.ac").read_text()).group(1)
    title, _, how = (HERE / f"{suite}.md").read_text(encoding="utf-8").partition("\n")
    return (f"## {title.lstrip('# ')}\n\nMade by `{COMMANDS[suite]}` on {datetime.date.today()}, version {version}.\n\n{machine.strip()}\n\n"
            f"| what | measured | wanted |\n|---|---|---|\n{rows.strip()}\n\n{how.strip()}\n")


def main():
    suite, machine, *files = sys.argv[1:]
    rows = "".join(pathlib.Path(f).read_text(encoding="utf-8") for f in sorted(files))
    path = HERE / "RESULTS.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = {s: m.group(1) for s in COMMANDS
             if (m := re.search(f"<!-- {s} -->\n(.*?)<!-- end -->", text, re.S))}
    parts[suite] = section(suite, pathlib.Path(machine).read_text(encoding="utf-8"), rows)
    path.write_text("# Results\n\n" + "\n".join(f"<!-- {s} -->\n{parts[s]}<!-- end -->\n" for s in COMMANDS if s in parts),
                    encoding="utf-8")


if __name__ == "__main__":
    main()
