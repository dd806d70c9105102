"""The crates that are linked into a crate of this workspace. Needs cargo and its cache of the crates, no network. Standard library only."""

import json
import re
import subprocess


def cargo(*words):
    return subprocess.check_output(["cargo", *words, "--locked", "--offline"], text=True)


def metadata():
    """(name, version): what cargo knows about each package of the lock file."""
    return {order(package): package for package in json.loads(cargo("metadata", "--format-version", "1"))["packages"]}


def graph(crate):
    """(name, version): set of what it links, for the crate and everything that is linked into it on this machine, without what runs while
    compiling. `cargo tree` is asked, because `cargo metadata` unites the features of the whole workspace."""
    edges = ("--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}")
    links, above = {}, []
    for line in cargo("tree", "--package", crate, *edges).splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        del above[int(depth) :]
        if above:
            links[above[-1]].add((name, version))
        above.append((name, version))
        links.setdefault((name, version), set())
    return links


def order(package):
    return package["name"], package["version"]
