#!/usr/bin/env python3
"""Feeds every vector set to one language's conformance runner and compares the answers.

Usage: check.py LANGUAGE [set ...]        (the languages of `run`)

The sets are built in sets.py, each a list of cases with the members that the answer must have. Every language gets the
same cases; a set that is missing is an error in CI and SKIPPED elsewhere, an operation that surface.json lists as a gap
must answer `unsupported`, and every other one must not. Standard library only.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import sets

HERE = Path(__file__).resolve().parent


# Single cases that a language cannot be asked, with the reason.
CASE_GAPS = {
    (
        "nginx",
        "ref-bad-resource-other-host",
    ): "a server vouches for an origin by its configuration, and `nginx -t` refuses one that the policy lacks",
}


def agrees(expected, answer):
    """Whether the answer has every expected member; objects are compared member by member."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return all(name in answer and agrees(value, answer[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(answer, list):
        return len(expected) == len(answer) and all(map(agrees, expected, answer))
    return expected == answer


def ask(language, cases):
    """The runner's answers by id; the runner must answer every case, in order, and end well."""
    lines = "".join(json.dumps({k: v for k, v in case.items() if k not in ("expect", "why")}) + "\n" for case in cases)
    done = subprocess.run([str(HERE / "run"), language], input=lines, capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        sys.exit(f"the {language} runner ended with {done.returncode}: {done.stderr[-2000:]}")
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    # str.splitlines would also split at U+2028, which JSON strings may hold.
    if [a.get("id") for a in answers] != [c["id"] for c in cases]:
        sys.exit(f"the {language} runner gave {len(answers)} answers to {len(cases)} cases, or in another order")
    return answers


def expected_answer(case):
    """A sequence's expectations are a list; everything else is an object of members."""
    expect = case["expect"]
    return {"results": expect} if isinstance(expect, list) else expect


def is_gap(language, op):
    """Whether surface.json gives a reason why this language offers nothing of this operation."""
    surface = json.loads((sets.ROOT / "tests" / "surface.json").read_text(encoding="utf-8"))
    rows = [row["name"] for row in surface["operations"] if row["name"] == op or row["name"].startswith(f"{op}.")]
    gaps = surface["gaps"].get(language, {})
    return bool(rows) and all(row in gaps for row in rows)


def run_sets(language, wanted=(), say=print):
    """Each set's name with its number of cases, of right answers and of gaps; None in their place when it is skipped."""
    for name, build in sets.ALL.items():
        if wanted and name not in wanted:
            continue
        cases = build()
        if cases is None:
            say(f"SKIPPED {name}: its vectors are not on this machine")
            yield name, None
            continue
        if not cases:
            sys.exit(f"{name} has no cases: a set that cannot fail proves nothing")
        begin = time.monotonic()
        wrong = []
        gaps = {op for op in {case["op"] for case in cases} if is_gap(language, op)}
        for case, answer in zip(cases, ask(language, cases), strict=True):
            gap = case["op"] in gaps or (language, case["id"]) in CASE_GAPS
            expected = {"unsupported": True} if gap else expected_answer(case)
            if not agrees(expected, answer):
                wrong.append((case, answer))
        for case, answer in wrong[:10]:
            say(f"FAILED {language} {name} {case['id']} ({case.get('why', '')})")
            say(f"  expected {json.dumps(expected_answer(case))[:600]}\n  answered {json.dumps(answer)[:600]}")
        good, absent = len(cases) - len(wrong), sum(case["op"] in gaps for case in cases)
        say(f"{language:7} {name:22} {good:6} of {len(cases):6}  {time.monotonic() - begin:6.2f} s")
        yield name, (len(cases), good, absent)


def closing_line(results):
    """Ends the program with the line that scripts/tally.py reads."""
    ran = [result for result in results if result]
    if not ran:
        sys.exit("no set was run")
    passed = sum(good for _, good, _ in ran)
    failed = sum(total - good for total, good, _ in ran)
    print(f"{passed} passed, {failed} failed, {len(results) - len(ran)} skipped")
    sys.exit(1 if failed else 0)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    closing_line([result for _, result in run_sets(sys.argv[1], sys.argv[2:])])


if __name__ == "__main__":
    main()
