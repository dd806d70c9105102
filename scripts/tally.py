#!/usr/bin/env python3
"""Adds up what the steps of scripts/test.sh counted: tally.py LOG...

A step whose runner counts nothing (a formatter, a linter) counts as one. Ends with the line that CI reads. Standard library only.
"""

import re
import sys
from pathlib import Path

CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
NEXTEST = re.compile(r"^\s*Summary \[.*\] +\d+ tests? run: (\d+) passed(?: \([^)]*\))?(?:, (\d+) failed)?(?:, (\d+) skipped)?")
PYTEST = re.compile(r"^(?:=+ )?(\d+ (?:passed|failed|skipped|error)\b.*) in [\d.]+s\b(?: \([\d:]+\))?(?: =+)?$")
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
NODE = re.compile(r"^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$")
# XCTest says this for every suite; the line before the last names them all.
XCTEST_ALL = re.compile(r"^Test Suite 'All tests' (?:passed|failed) at ")
XCTEST = re.compile(r"^\s+Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failures? \(\d+ unexpected\) in ")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count(line):
    """What one line says has passed, failed and been skipped; None when it says nothing."""
    for pattern in (CARGO, NEXTEST, PLAIN):
        if match := pattern.match(line):
            return [int(number or 0) for number in match.groups()]
    if match := PYTEST.match(line):
        words = dict.fromkeys(("passed", "failed", "error", "skipped", "xfailed"), 0)
        for number, word in re.findall(r"(\d+) (\w+)", match[1]):
            words[word.rstrip("s") if word == "errors" else word] = int(number)
        return [words["passed"] + words["xfailed"], words["failed"] + words["error"], words["skipped"]]
    if match := NODE.match(line):
        column = {"pass": 0, "fail": 1, "cancelled": 1}.get(match[1], 2)
        return [int(match[2]) if column == index else 0 for index in range(3)]
    if line.startswith("SKIPPED: test "):
        # Its runner has counted it as passed (said_skipped, scripts/lib.sh).
        return [-1, 0, 1]
    if line.startswith("SKIPPED:"):
        return [0, 0, 1]
    return None


def counts(lines):
    """What each line that says something has counted."""
    found = []
    before = ""
    for line in lines:
        match = XCTEST.match(line)
        if match and XCTEST_ALL.match(before):
            run, skipped, failures = (int(number or 0) for number in match.groups())
            # Failures are assertions, of which one test may have many: at least one test failed, and no more than ran.
            failed = min(failures, run - skipped)
            found.append([run - skipped - failed, failed, skipped])
        elif (counted := count(line)) is not None:
            found.append(counted)
        before = line
    return found


def self_test():
    """The sum is what CI believes."""
    for line, expected in [
        ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s", [12, 0, 1]),
        ("     Summary [   3.2s] 310 tests run: 309 passed (2 slow), 1 failed, 4 skipped", [309, 1, 4]),
        ("     Summary [   3.2s] 310 tests run: 310 passed, 4 skipped", [310, 0, 4]),
        ("============ 41 passed, 2 skipped, 1 error in 12.31s ============", [41, 1, 2]),
        ("341 passed in 46.41s", [341, 0, 0]),
        ("1 failed, 340 passed in 106.41s (0:01:46)", [340, 1, 0]),
        ("c: 7 passed, 0 failed, 1 skipped", [7, 0, 1]),
        ("dashboard: 31 passed, 0 failed; pictures in target/dashboard", None),
        ("skipped: a test of scripts/lib.sh tap_sum, which its sum counts: no browser", None),
        ("ℹ pass 71", [71, 0, 0]),
        ("ℹ fail 2", [0, 2, 0]),
        ("# cancelled 3", [0, 3, 0]),
        ("ℹ skipped 1", [0, 0, 1]),
        ("ℹ tests 74", None),
        ("SKIPPED: no valgrind", [0, 0, 1]),
        ("SKIPPED: test cli::a_shell: no bash", [-1, 0, 1]),
        ("SKIPPED cctv: its vectors are not on this machine", None),
        ("12 passed", None),
    ]:
        if count(line) != expected:
            sys.exit(f"tally.py misreads: {line}")
    suite = [
        "\t Executed 2 tests, with 0 failures (0 unexpected) in 0.1 (0.1) seconds",
        "Test Suite 'All tests' passed at 2026-03-01 12:00",
    ]
    for line, expected in [
        ("\t Executed 79 tests, with 0 failures (0 unexpected) in 25.4 (25.4) seconds", [[79, 0, 0]]),
        ("\t Executed 1 test, with 1 failure (0 unexpected) in 0.0 (0.0) seconds", [[0, 1, 0]]),
        ("\t Executed 5 tests, with 2 tests skipped and 9 failures (1 unexpected) in 0.0 (0.0) seconds", [[0, 3, 2]]),
    ]:
        if counts([*suite, line]) != expected or counts([line]):
            sys.exit(f"tally.py misreads: {line}")


def main():
    self_test()
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    total = [0, 0, 0]
    for name in sys.argv[1:]:
        lines = COLOUR.sub("", Path(name).read_text(errors="replace")).split("\n")
        counted = counts([line.rstrip() for line in lines])
        if not any(passed > 0 or failed for passed, failed, _ in counted):
            counted.append([1, 0, 0] if not counted else [0, 0, 0])
        step = [sum(column) for column in zip(*counted, strict=True)]
        total = [a + b for a, b in zip(total, step, strict=True)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == "__main__":
    main()
