"""Bills of materials: each is valid CycloneDX, names what cargo links, and is the same twice."""

import functools
import json
import re
import subprocess

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tools import ROOT, run

CRATES = ["imagxp-ffi", "imagxp-verifier", "imagxp-cli", "imagxp-python", "imagxp-node", "imagxp-swift", "imagxp-wasm"]
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
# A third of a second for each address, of which the bills have the same again and again.
FORMATS = jsonschema.Draft7Validator.FORMAT_CHECKER.checkers
FORMATS["iri-reference"] = (functools.cache(FORMATS["iri-reference"][0]), FORMATS["iri-reference"][1])


def bill(crate):
    return run(ROOT / "packaging/sbom.py", crate)


@pytest.mark.parametrize("crate", CRATES)
def test_is_valid_and_whole(crate):
    text = bill(crate)
    assert VALIDATOR.validate_str(text) is None
    document = json.loads(text)
    refs = {document["metadata"]["component"]["bom-ref"]} | {one["bom-ref"] for one in document["components"]}
    assert {edge["ref"] for edge in document["dependencies"]} == refs
    assert all(set(edge["dependsOn"]) <= refs for edge in document["dependencies"])
    # What is not ours can be compared with the archive it came in, and has a licence.
    for one in document["components"]:
        assert one["licenses"]
        assert one["name"].startswith("imagxp") or re.fullmatch("[0-9a-f]{64}", one["hashes"][0]["content"])


def test_names_what_is_compiled():
    """The compiler is asked: everything that is named was compiled, and all that was compiled and is not named runs while compiling."""
    build = ["cargo", "build", "--locked", "--offline", "--release", "--package", "imagxp-ffi", "--message-format", "json"]
    lines = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    units = [m["target"] for m in messages if m["reason"] == "compiler-artifact" and "lib" in m["target"]["kind"]]
    compiled = {unit["name"].replace("-", "_") for unit in units}
    named = {one["name"].replace("-", "_") for one in json.loads(bill("imagxp-ffi"))["components"]}
    assert named <= compiled
    tools = {
        "autocfg",
        "proc_macro2",
        "quote",
        "rustc_version",
        "semver",
        "syn",
        "synstructure",
        "unicode_ident",
        "version_check",
        "cpubits",
    }
    assert compiled - named <= tools


def test_is_the_same_twice():
    assert bill("imagxp-ffi") == bill("imagxp-ffi")


def test_the_validator_refuses_what_is_wrong():
    document = json.loads(bill("imagxp-ffi"))
    document["components"][-1]["hashes"] = [{"alg": "SHA-256", "content": "none"}]
    assert VALIDATOR.validate_str(json.dumps(document)) is not None


def test_what_is_no_artefact_is_refused():
    assert "CRATE is one of" in run(ROOT / "packaging/sbom.py", "serde", ok=False)
