"""What /metrics says, and the table that it comes from, as docs/reference/metrics.md has it."""
import pathlib
import re
import subprocess

from support.stack import places

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
ENDINGS = ("_bucket", "_sum", "_count")


def tool(name):
    """promtool or amtool, out of Debian's packages; it is a failure when they can't be had."""
    folder = pathlib.Path(places()["DEV"]) / "monitoring"
    r = subprocess.run(["sh", str(ROOT / "tools/monitoring/fetch.sh"), str(folder)], capture_output=True, text=True)
    assert r.returncode == 0, f"{name} can't be had: {r.stderr}"
    return str(folder / name)


def table():
    """name → type, labels, source and where it is seen."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| [^|]* \| ([\w-]+) \| ([^|]*) \|",
                      (ROOT / "docs/reference/metrics.md").read_text(), re.M)
    assert rows
    return {name: {"type": kind, "labels": re.findall(r"`(\w+)`", labels), "source": source, "in": seen.strip("`")}
            for name, kind, labels, source, seen in rows}


def samples(text):
    """(name, its labels as a frozenset of pairs) → number."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, number = SAMPLE.fullmatch(line).groups()
            key = name, frozenset(LABEL.findall(labels or ""))
            assert key not in found, line
            found[key] = float(number)
    return found


def family(name, types):
    """The metric that a series belongs to."""
    for ending in ENDINGS:
        if name.endswith(ending) and types.get(name[:-len(ending)]) == "histogram":
            return name[:-len(ending)]
    return name


def total(text, name, **labels):
    """The sum over all series of NAME that have these labels."""
    return sum(n for (series, has), n in samples(text).items() if series == name and set(labels.items()) <= has)
