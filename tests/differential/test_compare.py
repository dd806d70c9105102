"""The table explains what it says, and never that ours alone allows something."""

import itertools
import json
from pathlib import Path

from compare import differences, explains
from flaws import FLAWS
from generate import AGAIN, cases

TABLE = json.loads((Path(__file__).parent / "intended.json").read_text(encoding="utf-8"))
ALLOW, MISMATCH = ("allow", None, 200), ("deny", "claim.resource_mismatch", 403)
EQUIVALENT = next(entry for entry in TABLE if entry["flaw"] == "resource_equivalent")


def test_a_wrong_allow_is_explained_by_nothing():
    # Another path, besides the escapes that Node's URL leaves as they are: with ours alone it is a hole.
    names = ["resource_equivalent", "request_path"]
    assert explains(EQUIVALENT, "node", names, ALLOW, MISMATCH, ALLOW)
    assert not any(explains(entry, "node", names, ALLOW, MISMATCH, MISMATCH) for entry in TABLE)


def test_each_entry_names_its_codes():
    for entry in TABLE:
        assert isinstance(entry["ours"], list), entry
        assert None not in entry["ours"] or entry["theirs"] != "*", entry


def test_what_is_compared_is_repeated_and_has_bodies():
    seen = set()
    digests = 0
    for case, names in itertools.islice(cases(1, 3000, FLAWS), 3000):
        seen |= set(names)
        assert len(case["steps"]) == 1 + sum(name in AGAIN for name in names)
        request = case["steps"][0]["request"]
        digests += "body" in names and "body_digest" in request
    assert seen == {*FLAWS, *AGAIN}
    assert digests > 5


def test_the_first_difference_of_a_case_is_told():
    others = {"python": [ALLOW, MISMATCH, ALLOW], "node": [ALLOW, ALLOW, ALLOW]}
    assert list(differences([ALLOW, ALLOW, MISMATCH], others)) == [
        (1, "python", ALLOW, MISMATCH, ALLOW),
        (2, "node", MISMATCH, ALLOW, ALLOW),
    ]
