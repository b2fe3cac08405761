#!/usr/bin/env python3
"""Which lines ran: a table per folder from what programs built with --enable-coverage left behind.

    coverage.py ROOT BUILD LEAST TREE…   folders of .gcda files; BUILD has their .gcno

Lines of a source count once, whichever program ran them. Ends with 1 when a folder of ASKED or one below
it has less than LEAST per cent. BUILD/coverage.txt names the lines that never ran. A source that no program with
it said anything of counts as never run, but for those of UNMEASURED.
"""
import collections
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

# its filter lets it open no file to say so in, and it ends by _exit()
UNMEASURED = ("engine/jq/jq_main.c",)
ASKED = ("admin", "auth", "engine", "fcgi", "handlers", "lib", "net")


def gcov(files):
    """The reports of these .gcda files."""
    with tempfile.TemporaryDirectory() as folder:
        for at in range(0, len(files), 50):
            subprocess.run(["gcov", "--json-format", *map(str, files[at:at + 50])], cwd=folder,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            for report in pathlib.Path(folder).glob("*.gcov.json.gz"):
                with gzip.open(report) as f:
                    yield json.load(f)
                report.unlink()


def add(lines, root, build, reports):
    for report in reports:
        if "current_working_directory" not in report:
            continue  # its program was built anew since
        where = pathlib.Path(report["current_working_directory"])
        for f in report["files"]:
            path = (where / f["file"]).resolve()
            if root in path.parents and build not in path.parents:
                for line in f["lines"]:
                    lines[str(path.relative_to(root))][line["line_number"]] += line["count"]


def collect(root, build, trees):
    """{source: {line: times}}"""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    by_folder = collections.defaultdict(list)
    for note in build.rglob("*.gcno"):
        by_folder[note.parent].append(note)  # every line there is, none of which ran
    for files in by_folder.values():
        add(lines, root, build, gcov(files))
    for tree in trees:
        by_folder = collections.defaultdict(list)
        for data in pathlib.Path(tree).rglob("*.gcda"):
            # servers write below a prefix, with the whole path of the object
            inside = str(data)[len(str(tree)):]
            note = build / inside.partition(f"{build}/")[2] if f"{build}/" in inside else data
            note = note.with_suffix(".gcno")
            if note.parent != data.parent and note.exists():
                shutil.copy(note, data.parent)
            by_folder[data.parent].append(data)
        for files in by_folder.values():
            # two objects of one name in different folders would overwrite each other's report
            add(lines, root, build, gcov(files))
    return lines


def runs(numbers):
    """[3, 4, 5, 9] as "3-5 9"."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def main():
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    least, trees = float(sys.argv[3]), sys.argv[4:]
    lines = collect(root, build, trees)
    folders = collections.defaultdict(lambda: [0, 0])
    with open(build / "coverage.txt", "w") as out:
        for source in sorted(lines):
            if not source.endswith(".c") or source.startswith(("tests/", "tools/", "bench/")) or source in UNMEASURED:
                continue
            folder = str(pathlib.Path(source).parent)
            ran = sum(count > 0 for count in lines[source].values())
            folders[folder][0] += ran
            folders[folder][1] += len(lines[source])
            missing = runs(sorted(n for n, count in lines[source].items() if count == 0))
            print(f"{source}  {ran}/{len(lines[source])}  {100 * ran / len(lines[source]):.1f} %  {missing}", file=out)
    low = []
    print(f"{'folder':<16}{'lines':>8}{'ran':>8}{'%':>8}")
    for folder, (ran, of) in sorted(folders.items()):
        share = 100 * ran / of
        if folder.partition("/")[0] in ASKED and share < least:
            low.append(folder)
        print(f"{folder:<16}{of:>8}{ran:>8}{share:>8.1f}")
    print(f"not measured: {' '.join(UNMEASURED)}")
    for folder in low:
        print(f"{folder} has less than {least:g} %")
    print(f"lines that never ran: {build / 'coverage.txt'}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
