"""The notices of what is linked: all texts of a crate, those of its folders too, and the crates of the platform that is asked for."""

import json
import sys
from pathlib import Path

import pytest
from tools import ROOT, run

sys.path.insert(0, str(ROOT / "packaging"))

from crates import graph, metadata
from third_party import texts_of

WINDOWS = "x86_64-pc-windows-msvc"


def names(crate, *targets):
    return {name for name, _ in graph(crate, targets)}


@pytest.fixture(scope="module")
def ring():
    """What the command line's TLS is made of has code of others in it."""
    key = next(key for key in graph("imagxp-cli") if key[0] == "ring")
    return Path(metadata()[key]["manifest_path"]).parent


def test_what_a_crate_has_in_its_folders_is_carried(ring):
    said = " ".join(run(ROOT / "packaging/third_party.py", "imagxp-cli").split())
    found = texts_of(ring)
    assert {"src/polyfill/once_cell/LICENSE-MIT", "third_party/fiat/LICENSE"} <= {str(path.relative_to(ring)) for path in found}
    for path in found:
        assert " ".join(path.read_text(errors="replace").split()) in said, path


def test_no_program_is_taken_for_a_text(tmp_path):
    for name in ("LICENSE-MIT", "licenses/COPYING.txt", "src/license.rs", "src/notice.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in texts_of(tmp_path)] == ["LICENSE-MIT", "licenses/COPYING.txt"]


def test_another_target_has_another_graph():
    def of_windows(found):
        return any(name.startswith("windows-") for name in found)

    assert not of_windows(names("imagxp-node"))
    assert of_windows(names("imagxp-node", WINDOWS))
    both = names("imagxp-node", WINDOWS, "x86_64-unknown-linux-musl")
    assert both == names("imagxp-node", WINDOWS) | names("imagxp-node", "x86_64-unknown-linux-musl")
    bill = json.loads(run(ROOT / "packaging/sbom.py", "imagxp-node", "--target", WINDOWS))
    assert of_windows(component["name"] for component in bill["components"])
    assert "  windows-" in run(ROOT / "packaging/third_party.py", "imagxp-node", "--target", WINDOWS)


def test_the_edge_is_webassembly():
    assert "wasm-bindgen" in names("imagxp-wasm")
    assert "cpufeatures" not in names("imagxp-wasm")
