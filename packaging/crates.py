"""The crates that are linked into a crate of this workspace. Needs cargo and its cache of the crates, no network. Standard library only."""

import argparse
import json
import re
import subprocess

# What is never compiled for the machine that packs it.
TARGETS = {"imagxp-wasm": "wasm32-unknown-unknown"}


def cargo(*words):
    return subprocess.check_output(["cargo", *words, "--locked", "--offline"], text=True)


def metadata():
    """(name, version): what cargo knows about each package of the lock file."""
    return {order(package): package for package in json.loads(cargo("metadata", "--format-version", "1"))["packages"]}


def graph(crate, targets=()):
    """(name, version): set of what it links, for the crate and everything that is linked into it on these targets (triples), without what
    runs while compiling; without targets on this machine."""
    links = {}
    for target in targets or [TARGETS.get(crate)]:
        for key, linked in tree(crate, target).items():
            links.setdefault(key, set()).update(linked)
    return links


def tree(crate, target):
    """The graph on one target. `cargo tree` is asked, because `cargo metadata` unites the features of the whole workspace."""
    words = ("--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}")
    if target:
        words += ("--target", target)
    links, above = {}, []
    for line in cargo("tree", "--package", crate, *words).splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        del above[int(depth) :]
        if above:
            links[above[-1]].add((name, version))
        above.append((name, version))
        links.setdefault((name, version), set())
    return links


def order(package):
    return package["name"], package["version"]


def read_arguments(words):
    """The crates and the targets that a command line names."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("crates", nargs="*")
    parser.add_argument("--target", action="append", default=[])
    arguments = parser.parse_args(words)
    return arguments.crates, arguments.target
