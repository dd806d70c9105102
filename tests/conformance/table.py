#!/usr/bin/env python3
"""One table: every vector set in every language.

Usage: table.py [language ...]        (all that `run` knows)

A cell is `answered rightly/cases`; `-` is a set whose operations the language does not offer, with the reason in surface.json.
Standard library only.
"""

import sys

from check import closing_line, run_sets

LANGUAGES = ("rust", "c", "python", "node", "swift", "wasm")


def cell(result):
    """What the table says of one set in one language."""
    if result is None:
        return "SKIPPED"
    total, good, absent = result
    if good == total == absent:
        return "-"
    return f"{good - absent}/{total - absent}"


def main():
    languages = sys.argv[1:] or LANGUAGES
    columns = {
        language: dict(run_sets(language, say=lambda line: line.startswith((" ", "FAILED", "SKIPPED")) and print(line)))
        for language in languages
    }
    print(f"{'set':22}" + "".join(f"{language:>14}" for language in languages))
    for name in next(iter(columns.values())):
        print(f"{name:22}" + "".join(f"{cell(columns[language][name]):>14}" for language in languages))
    closing_line([result for column in columns.values() for result in column.values()])


if __name__ == "__main__":
    main()
