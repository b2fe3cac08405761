#!/usr/bin/env python3
"""Which lines ran: a table per folder from what programs built with --enable-coverage left behind.

    coverage.py ROOT BUILD LEAST TREE…   folders of .gcda files; BUILD has their .gcno

Lines of a source count once, whichever program ran them. Ends with 1 when a folder that is asked for (fcgi,
handlers, auth, lib) has less than LEAST per cent. BUILD/coverage.txt names the lines that never ran.
"""
import collections
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ASKED = ("fcgi", "handlers", "auth", "lib")


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


def collect(root, build, trees):
    """{source: {line: times}}"""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
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
            for report in gcov(files):
                if "current_working_directory" not in report:
                    continue  # its program was built anew since
                where = pathlib.Path(report["current_working_directory"])
                for f in report["files"]:
                    path = (where / f["file"]).resolve()
                    if root in path.parents and build not in path.parents:
                        for line in f["lines"]:
                            lines[str(path.relative_to(root))][line["line_number"]] += line["count"]
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
            if not source.endswith(".c") or source.startswith("tests/"):
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
        if folder in ASKED and share < least:
            low.append(folder)
        print(f"{folder:<16}{of:>8}{ran:>8}{share:>8.1f}")
    for folder in low:
        print(f"{folder} has less than {least:g} %")
    print(f"lines that never ran: {build / 'coverage.txt'}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
