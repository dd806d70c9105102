#!/usr/bin/env python3
"""What no switch can be given and no mutant tried in: scripts/mutants_pins.json names for each such line the test that pins it.

Usage: mutants_pins.py   says which entry names a line or a test that there is not

A constant is compared with its figure, and the test has to name it; where a type has no name, the test needs what the function gives.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "scripts" / "mutants_pins.json"
# The weaver's reasons that rustc has, too: nothing but `&&` stands in a chain with `let`, and each `match` has all its arms.
NO_PROGRAM = {"a chain with let has no other operator", "no other arm takes what this one takes"}
CONSTANT = re.compile(r"^(?:pub(?:\([a-z ]+\))? )?const ([A-Z][A-Z0-9_]*): ")


def pins():
    """The tests by file and line of text."""
    return {f"{file} | {line}": test for file, lines in json.loads(PINS.read_text()).items() for line, test in lines.items()}


def body(test):
    """What the function of `path::name` is; nothing when it is no test."""
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
    found = re.search(rf"#\[test\]\n(?: *#\[[^\n]*\n)*( *)fn {name}\(.*?\n\1}}\n", text, re.DOTALL)
    return found[0] if found else ""


def check(pinned):
    """What is wrong with the list: lines that are gone, tests that are, tests that do not name their constant."""
    wrong = []
    for place, test in pinned.items():
        file, _, line = place.partition(" | ")
        lines = [each.strip() for each in (ROOT / file).read_text().splitlines()] if (ROOT / file).is_file() else []
        text = body(test)
        if line not in lines:
            wrong.append(f"a pin of what is not there: {place}")
        elif not text:
            wrong.append(f"a pin by a test that is not there: {place}: {test}")
        elif (constant := CONSTANT.match(line)) and not re.search(rf"\b{constant[1]}\b", text):
            wrong.append(f"a pin by a test that does not name it: {place}: {test}")
    return wrong


if __name__ == "__main__":
    found = check(pins())
    print("\n".join(found) or f"{len(pins())} lines are pinned")
    sys.exit(1 if found else 0)
