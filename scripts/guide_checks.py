"""What scripts/check_docs.py asks of guides beside that their code runs. Standard library only."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A section that says how to install, to the next heading.
INSTALL = re.compile(r"^## Install.*?$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
# A place in this repository, with or without what stands before it on the reader's machine.
PLACE = re.compile(r"(?:\.\./|\./|/path/to/imagxp/|\s|^)((?:bindings|core|examples|scripts)/[\w./*-]+\w)")
TARGET = re.compile(r"\bmake ([a-z]\w*)")
# Our names, as a registry would be asked for them.
ASKED = r"\b(?:pip|pipx|npm|pnpm|yarn|bun|cargo) (?:install|add|i) (?:[^`\n|&;]*[\s'\"])?"
OURS = r"@?imagxp(?:/\w+|\[[\w,]+\]|@[\w.^~-]+)?(?=[\s'\"`,;)]|$)"
REGISTRY = re.compile(ASKED + OURS)
# Row of a table of answers: its statuses, and the codes or their families in backticks.
ANSWER = re.compile(r"^\| (\d{3}(?:, \d{3})*) \| ([^|]*) \|", re.MULTILINE)
CODE_ROW = re.compile(r"^\| `([a-z_.]+)` \| \d+ \| (\d{3}) \|", re.MULTILINE)


def not_installed(text):
    """Why nobody could install by this guide from here."""
    sections = INSTALL.findall(text)
    if not sections:
        return "no section says how to install from here"
    code = "\n".join(fenced or inline for section in sections for fenced, inline in CODE.findall(section))
    # What a pattern stands for may not have been built yet.
    places = [place for place in PLACE.findall(code) if "*" not in place]
    targets = TARGET.findall(code)
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = [place for place in places if not (ROOT / place).exists()] + [target for target in targets if target not in made]
    if wrong:
        return f"the section about installing names what is not here: {', '.join(wrong)}"
    return None if places or targets else "the section about installing has no command of this repository"


def from_registries(text):
    """Commands that would fetch what a stranger has registered under a name of ours: nothing of ours is published."""
    return [match[0] for match in REGISTRY.finditer(text)]


def unanswered(text):
    """Codes that a guide with a table of answers (`status | code`) does not name beside the status that they have."""
    if "| status | code |" not in text:
        return []
    table = text[text.index("| status | code |") :].split("\n\n")[0]
    named = [(statuses.split(", "), re.findall(r"`([a-z_.*]+)`", codes)) for statuses, codes in ANSWER.findall(table)]

    def is_named(code, status):
        return any(status in statuses and (code in codes or f"{code.split('.')[0]}.*" in codes) for statuses, codes in named)

    codes = CODE_ROW.findall((ROOT / "docs" / "codes.md").read_text())
    return [f"{code} ({status})" for code, status in codes if not is_named(code, status)]


def readmes():
    """The pages beside README.md and docs/ that a reader may begin with; their code is run elsewhere."""
    return sorted(path for folder in ("bindings", "core", "examples") for path in (ROOT / folder).glob("*/README.md"))


def remarks(path, text):
    """What is wrong with a page, one sentence each."""
    if path.name.startswith("guide-") and (reason := not_installed(text)):
        yield reason
    for command in from_registries(text):
        yield f"nothing is published yet: {command}"
    for code in unanswered(text):
        yield f"the table of answers lacks {code}"


def self_test():
    """A check that cannot fail proves nothing."""
    guide = "# Guide\n\n## Install\n\nFrom here: `pip install './bindings/python[httpx]'` and `make wheels`.\n\n## More\n"
    seeded = [guide.replace("## Install", "## Use"), guide.replace("bindings/python", "bindings/pyton")]
    seeded += [guide.replace("make wheels", "make wheel"), "## Install\n\n`pip install it`\n\n## Next\n\n`make wheels`\n"]
    if not_installed(guide) or not all(map(not_installed, seeded)):
        sys.exit("guide_checks.py does not see that a guide cannot be followed")
    registry = [
        "pip install imagxp",
        "pip install -U imagxp[httpx] it",
        "npm install @imagxp/edge`",
        "npm i 'imagxp'",
        "cargo add imagxp",
    ]
    local = [
        "pip install './bindings/python[httpx]'",
        "npm install /path/to/imagxp/bindings/node",
        "cargo install --path core/cli",
    ]
    if not all(map(from_registries, registry)) or any(map(from_registries, local)):
        sys.exit("guide_checks.py does not tell what comes from a registry")
    table = "| status | code |\n| --- | --- |\n| 409 | `replay.*` |\n\n"
    lacks = unanswered(table)
    if "replay.nonce_seen (409)" in lacks or "replay.store_full (503)" not in lacks or "rate.agent (429)" not in lacks:
        sys.exit("guide_checks.py does not see what a table of answers lacks")
