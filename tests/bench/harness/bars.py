"""The bars of PERFORMANCE: what is compared with what, and by how much it may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Medians = Mapping[str, float]
Value = Callable[[Medians], float]

AWS = "peers:raw/aws-lc-rs/verify"
HOT = "core:verify/hot"


@dataclass(frozen=True)
class Bar:
    """One row of the report. `ratio` is ours by the peer's, at most `bar`; for speed-ups the peer's by ours, at least `bar`."""

    name: str
    ours: tuple[str, ...]
    peers: tuple[str, ...]
    bar: float
    at_least: bool = False
    # Added to the peer's time: "core + 1 µs".
    plus_ns: float = 0

    def series(self) -> set[str]:
        """What must have been measured; of the peers the quickest one counts, and those that are missing do not."""
        return {*self.ours, *self.peers}

    def judge(self, medians: Medians) -> dict[str, object]:
        """The row of the report."""
        missing = [name for name in self.ours if name not in medians]
        peers = {name: medians[name] for name in self.peers if name in medians}
        if missing or (self.peers and not peers):
            return skipped(self.name, "not measured: " + " ".join(missing or self.peers))
        ours = sum(medians[name] for name in self.ours)
        peer = min(peers, key=lambda name: peers[name]) if peers else ""
        label = " + ".join(part for part in (peer, f"{self.plus_ns / 1000:g} µs" if self.plus_ns else "") if part)
        return row(self.name, ours, label, (peers[peer] if peers else 0) + self.plus_ns, self.bar, self.at_least)


def row(
    name: str, ours: float, peer: str, peer_value: float, bar: float, at_least: bool = False, unit: str = "ns"
) -> dict[str, object]:
    """A row that has been measured."""
    ratio = peer_value / ours if at_least else ours / peer_value
    return {
        "name": name,
        "ours_ns": round(ours, 1),
        "peer": peer,
        "peer_ns": round(peer_value, 1),
        "ratio": round(ratio, 3),
        "bar": bar,
        "pass": ratio >= bar if at_least else ratio <= bar,
        "at_least": at_least,
        "unit": unit,
    }


def skipped(name: str, reason: str) -> dict[str, object]:
    """A row that could not be measured: it has not passed."""
    keys = ("ours_ns", "peer", "peer_ns", "ratio", "bar", "pass")
    return {"name": name, **dict.fromkeys(keys), "skipped": reason}


def at_most(name: str, ours: str, peer: str, bar: float) -> Bar:
    """Ours takes at most so much of the peer's time."""
    return Bar(name, (ours,), (peer,), bar)


def faster(name: str, ours: str, peers: tuple[str, ...], bar: float) -> Bar:
    """Ours is at least so many times as quick as the quickest peer."""
    return Bar(name, (ours,), peers, bar, at_least=True)


def beside(name: str, ours: str, core: str, plus_us: float) -> Bar:
    """Ours takes at most so many microseconds more than the core alone."""
    return Bar(name, (ours,), (core,), 1.0, plus_ns=plus_us * 1000)


def within(name: str, ours: str, us: float) -> Bar:
    """Ours takes at most so many microseconds. These two bars are times of the reference machine."""
    return Bar(name, (ours,), (), 1.0, plus_ns=us * 1000)


# The same work: a signed request or token whose signature, lifetime and nonce are checked (each worker says in what it differs).
PYTHON_PEERS = ("python-peers:http-message-signatures", "python-peers:pyjwt", "python-peers:cryptography")
NODE_PEERS = ("node-peers:jose", "node-peers:fast-jwt", "node-peers:web-bot-auth", "node-peers:http-message-sig")

BARS = [
    at_most("verify/hot", HOT, AWS, 0.40),
    at_most("verify/hot-1000", "core:verify/hot-1000", AWS, 0.45),
    at_most("verify/batch-8", "core:verify/batch-8", AWS, 0.25),
    at_most("verify/batch-64", "core:verify/batch-64", AWS, 0.20),
    faster("verify/peers/web-bot-auth", HOT, ("peers:web-bot-auth/verify",), 2),
    faster("verify/peers/jsonwebtoken", HOT, ("peers:jsonwebtoken/verify",), 3),
    faster("verify/peers/python", HOT, PYTHON_PEERS, 3.5),
    faster("verify/peers/node", HOT, NODE_PEERS, 3.5),
    at_most("verify/cold/p256", "core:verify/cold", "core:raw/verify", 1.10),
    at_most("verify/cold/aws-lc", "core-aws-lc:verify/cold", AWS, 1.10),
    at_most("verify/visa-first", "core:verify/visa-first", AWS, 0.75),
    at_most("verify/visa-seen", "core:verify/visa-seen", AWS, 0.45),
    Bar("verify/overhead", ("core:verify/overhead", "core:part/replay", "core:part/sha256"), (AWS,), 0.035),
    at_most("sign/p256", "core:sign/headers", "core:raw/sign", 1.10),
    at_most("sign/aws-lc", "core-aws-lc:sign/headers", "peers:raw/aws-lc-rs/sign", 1.10),
    beside("c/verify", "c:verify", HOT, 1),
    beside("python/verify", "python:verify", "python:core", 3),
    faster("python/peers", "python:verify", PYTHON_PEERS, 5),
    beside("node/verify", "node:verify", "node:core", 3),
    faster("node/peers", "node:verify", NODE_PEERS, 5),
    Bar("scale/2-threads", ("core:scale/2",), ("core:scale/1",), 1.8, at_least=True),
    # What the machine has no part in: the same two threads, but nothing shared.
    at_most("scale/shared", "core:scale/2", "core:scale-apart/2", 1.1),
]


def refusals(rows: set[str]) -> list[Bar]:
    """One bar for each refusal that the core's worker knows."""
    limits = (("refuse/worst/", 20), ("refuse/typical/", 2))
    return [within(row, f"core:{row}", us) for prefix, us in limits for row in sorted(rows) if row.startswith(prefix)]
