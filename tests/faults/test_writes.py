"""Failing writes that never came have broken nothing."""

from __future__ import annotations

from typing import Any

import pytest
from writes import Trial


class Stub:
    """A broker with its clients, and a disk that fails each time, or never for one kind."""

    def __init__(self, never: str) -> None:
        self.never, self.kind = never, ""
        self.clients: list[Any] = []
        self.answers: dict[str, int] = {}

    @property
    def fired(self) -> bool:
        return self.kind != self.never

    def arm(self, kind: str, *_: object) -> None:
        self.kind = kind

    def wrong(self) -> list[str]:
        return []

    kill = restart = resume = pause = lambda _: None


@pytest.mark.parametrize(
    ("never", "found"),
    [("", []), ("sync", ["of 4 faults of kind sync only 0 came"]), ("write", ["of 4 faults of kind write only 0 came"])],
)
def test_most_of_each_kind_come(monkeypatch: pytest.MonkeyPatch, never: str, found: list[str]) -> None:
    monkeypatch.setattr("writes.FIRES_S", 0.01)
    stub: Any = Stub(never)
    trial = Trial(stub, stub, stub)
    for number in range(1, 5):
        for kind in ("write", "sync"):
            trial.fail(kind, number, "eio")
    assert trial.found == []
    assert trial.unreached() == found


def test_a_broker_that_does_not_start_has_met_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts without the fault, which is forgotten then."""
    monkeypatch.setattr("writes.FIRES_S", 0.01)

    def restart() -> None:
        if stub.fired:
            raise RuntimeError("it has ended")

    stub: Any = Stub("sync")
    # The kind that never fails is armed with it.
    stub.arm = lambda kind, number, _: setattr(stub, "kind", kind if number else "sync")
    stub.restart = restart
    trial = Trial(stub, stub, stub)
    trial.fail("write", 3, "eio")
    assert (dict(trial.came), trial.fired["write"]) == ({"did not start": 1}, 1)
    assert trial.found == []


def test_half_is_not_most() -> None:
    stub: Any = Stub("")
    trial = Trial(stub, stub, stub)
    trial.tried["write"], trial.fired["write"] = 300, 150
    assert trial.unreached()
    trial.fired["write"] = 151
    assert not trial.unreached()
