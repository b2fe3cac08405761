"""What the documents that Millrace reconciles have to the letter (tests/contract/seeds): their examples, by the heading
above them, and the addresses that they name."""
import json
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "contract" / "seeds"
METHODS = "GET|POST|PUT|PATCH|DELETE"


class Seed:
    def __init__(self, name):
        self.text = (FOLDER / f"{name}.md").read_text()
        self.waiting = self._blocks()  # (heading, label, the block's text) of those that nobody has taken

    def _blocks(self):
        found, heading, label, block = [], "", "", None
        for line in self.text.splitlines():
            if block is not None:
                if line.strip() == "```":
                    found.append((heading, label, "\n".join(block)))
                    block = None
                else:
                    block.append(line)
            elif line.strip() == "```json":
                block = []
            elif line.startswith("#"):
                heading, label = re.sub(r"^#+\s*", "", line).strip(), ""
            elif line.startswith("**"):
                label = line.replace("*", "").split(":")[0].strip()
        return found

    def take(self, heading, label=""):
        """The next example under this heading (and the label in bold before it), parsed; what it leaves out ({...})
        is {}."""
        at = next(i for i, b in enumerate(self.waiting) if b[0] == heading and b[1].startswith(label))
        return json.loads(self.waiting.pop(at)[2].replace("{...}", "{}"))

    def left(self):
        return [(heading, label) for heading, label, _ in self.waiting]

    def addresses(self):
        """(method, path), the path's variables as {}."""
        found = re.findall(rf"\b({METHODS})\s+(/[^\s`)]*)", self.text)
        return {(m, shape(p)) for m, p in found}


def shape(path):
    return re.sub(r":\w+|\{[^}]*\}", "{}", path).rstrip("/")
