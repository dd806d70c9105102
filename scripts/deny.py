#!/usr/bin/env python3
"""Licences, bans and sources of all dependencies by deny.toml: what `cargo deny check` says about them, without that tool.

Reads `cargo metadata` of the workspace and of fuzz/. Works offline. Standard library only (Python 3.11 for tomllib).
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ["Cargo.toml", "fuzz/Cargo.toml"]
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def metadata(manifest):
    """What cargo knows about the packages of one workspace."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path", manifest]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def satisfied(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences; `/` is the old way to write OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def license_or_group():
        nonlocal place
        name = tokens[place]
        place += 1
        if name == "(":
            value = alternatives()
            if tokens[place] != ")":
                raise ValueError(expression)
            place += 1
            return value
        if place < len(tokens) and tokens[place] == "WITH":
            name = f"{name} WITH {tokens[place + 1]}"
            place += 2
        return name in allowed

    def all_of():
        nonlocal place
        value = license_or_group()
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            value = license_or_group() and value
        return value

    def alternatives():
        nonlocal place
        value = all_of()
        while place < len(tokens) and tokens[place] == "OR":
            place += 1
            value = all_of() or value
        return value

    value = alternatives()
    if place != len(tokens):
        raise ValueError(expression)
    return value


def self_test():
    """The reader of expressions decides; it must be right, and be able to say no."""
    for expression, expected in [
        ("MIT", True), ("MIT/GPL-3.0", True), ("GPL-3.0", False), ("MIT AND GPL-3.0", False), ("(MIT OR GPL-3.0) AND ISC", True),
        ("GPL-3.0 OR (MIT AND GPL-3.0)", False), ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", False),
    ]:  # fmt: skip
        if satisfied(expression, {"MIT", "ISC"}) != expected:
            sys.exit(f"the licence check is broken: {expression}")
    for fault, (packages, edges) in {
        "": seeded(),
        "licence GPL-3.0": seeded(license="GPL-3.0"),
        "comes from git+": seeded(source="git+https://example.org/a"),
        "banned: seeded": seeded(name="tls"),
        "banned: seeded, but used by main": seeded(name="math"),
        "a in versions 1.0.0, 2.0.0": seeded(again="2.0.0"),
        "any version of a would do": seeded(req="*"),
    }.items():
        found = judged(packages, edges, SEEDED)
        if len(found) != bool(fault) or fault not in "".join(found):
            sys.exit(f"this check is broken: a seeded fault, `{fault}`, and it finds {found}")


# The rules for `seeded`.
SEEDED = {
    "licenses": {"allow": ["MIT"], "exceptions": []},
    "bans": {
        "deny": [{"crate": "tls", "reason": "seeded"}, {"crate": "math", "wrappers": ["server"], "reason": "seeded"}],
        "skip-tree": [],
    },
}


def seeded(name="a", license="MIT", source=CRATES_IO, req="^1", again=None):
    """Packages and edges of a program and what it depends on, in which one thing can be wrong."""
    dependency = {"name": name, "source": source, "license": license, "dependencies": []}
    packages = {version: {**dependency, "id": version, "version": version} for version in ("1.0.0", again) if version}
    wanted = [{"name": name, "req": req}]
    own = {"id": "main", "name": "main", "version": "0.0.0", "source": None, "license": "MIT", "dependencies": wanted}
    return {"main": own, **packages}, {"main": set(packages), **{each: set() for each in packages}}


def violations(packages, users, rules):
    """What is wrong with each package by itself; `users` are the names of those who depend on a name directly."""
    allowed = set(rules["licenses"]["allow"])
    exceptions = {entry["crate"]: set(entry["allow"]) for entry in rules["licenses"]["exceptions"]}
    banned = {entry["crate"]: entry for entry in rules["bans"]["deny"]}
    needed = set()
    for package in packages:
        name, source, terms = package["name"], package["source"], package["license"]
        where = f"{name} {package['version']}"
        if source is not None and source != CRATES_IO:
            yield f"{where}: comes from {source}"
        if not terms or not satisfied(terms, allowed | exceptions.get(name, set())):
            yield f"{where}: licence {terms}"
        elif not satisfied(terms, allowed):
            needed.add(name)
        if name in banned:
            # `wrappers` may depend on it directly, nobody else; without any the crate must not be there at all.
            wrappers = banned[name].get("wrappers", [])
            others = users.get(name, set()) - set(wrappers)
            if not wrappers or others:
                yield f"{where}: banned: {banned[name]['reason']}{', but used by ' + ', '.join(sorted(others)) if wrappers else ''}"
        if source is None:
            for dependency in package["dependencies"]:
                if dependency["req"] == "*" and not dependency.get("path"):
                    yield f"{where}: any version of {dependency['name']} would do"
    for name in sorted(set(exceptions) - needed):
        yield f"the exception for {name} is not needed"


def doubles(packages, edges, rules):
    """Crates in two versions, not counting what is below the crates of `skip-tree`."""
    skipped = {entry["crate"] for entry in rules["bans"]["skip-tree"]}
    below = {package["id"] for package in packages if package["name"] in skipped}
    if len({package["name"] for package in packages if package["id"] in below}) != len(skipped):
        yield "skip-tree names a crate that is not there"
    todo = list(below)
    while todo:
        fresh = edges[todo.pop()] - below
        below |= fresh
        todo += fresh
    versions = defaultdict(set)
    for package in packages:
        if package["id"] not in below:
            versions[package["name"]].add(package["version"])
    for package in packages:
        # A version that the tree below shares with the rest is no second version; one that only the tree has is skipped.
        if len(versions[package["name"]]) > 1:
            yield f"{package['name']} in versions {', '.join(sorted(versions.pop(package['name'])))}"


def judged(packages, edges, rules):
    """What is wrong with packages, by their id, of which the edges say who depends on whom."""
    everything = list(packages.values())
    users = defaultdict(set)
    for user, used in edges.items():
        for identifier in used:
            users[packages[identifier]["name"]].add(packages[user]["name"])
    return [*violations(everything, users, rules), *doubles(everything, edges, rules)]


def main():
    self_test()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    packages, edges = {}, defaultdict(set)
    for manifest in MANIFESTS:
        data = metadata(manifest)
        packages |= {package["id"]: package for package in data["packages"]}
        for node in data["resolve"]["nodes"]:
            edges[node["id"]] |= set(node["dependencies"])
    if len(packages) < 50:
        sys.exit(f"only {len(packages)} packages: this check looks in the wrong place")
    wrong = judged(packages, edges, rules)
    for line in wrong:
        print(f"denied: {line}")
    print(f"{len(packages)} packages: licences, bans and sources {'fail' if wrong else 'hold'}")
    print(f"{int(not wrong)} passed, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
