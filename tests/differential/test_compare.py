"""The table explains what it says, and never that ours alone allows something."""

import itertools
import json
import random
from pathlib import Path

import compare
import generate
import pytest
from compare import differences, explains
from flaws import FLAWS
from generate import AGAIN, Draft, cases

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


class Chosen(random.Random):
    """Chooses the n-th of each list."""

    def choice(self, values):
        self.most = max(getattr(self, "most", 0), len(values))
        return values[self.index % len(values)]


def drafted(names, indices, premium):
    """A draft with these flaws, each by the choice of its index; how many choices the last one had."""
    draft = Draft(random.Random(1))
    if premium:
        draft.buy()
    for name, index in zip(names, indices, strict=True):
        draft.rng = Chosen(1)
        draft.rng.index = index
        FLAWS[name](draft)
    draft.finish()
    return getattr(draft.rng, "most", 1)


@pytest.mark.parametrize("premium", [False, True])
def test_each_flaw_bears_each_other_before_it(monkeypatch, premium):
    monkeypatch.setattr(generate, "sign", lambda _, message: bytes([len(message) % 256]) * 64)
    choices = {name: drafted([name], [0], premium) for name in FLAWS}
    assert max(choices.values()) > 9
    failed = []
    for names in itertools.permutations(FLAWS, 2):
        for indices in itertools.product(*(range(choices[name]) for name in names)):
            try:
                drafted(names, indices, premium)
            except Exception as error:
                failed.append((names, indices, repr(error)))
    assert not failed


def test_what_dies_names_its_case_and_leaves_a_row_that_is_wrong(monkeypatch, tmp_path):
    def broken(draft):
        raise KeyError("resource")

    monkeypatch.setattr(compare, "FLAWS", {"broken": broken, "good": lambda _: None, "as_good": lambda _: None})
    monkeypatch.setattr("sys.argv", ["compare.py", "--seed", "1", "--count", "50", "--figures", str(tmp_path / "row.json")])
    with pytest.raises(KeyError) as raised:
        compare.main()
    assert raised.value.__notes__[0].startswith("in case ")
    assert "broken" in raised.value.__notes__[0]
    row = json.loads((tmp_path / "row.json").read_text())
    assert (row["pass"], row["seed"], row["wrong"]) == (False, 1, ["it did not come to its end"])
