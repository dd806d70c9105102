#!/usr/bin/env python3
"""Sends each of many requests one to five times, in any order, from several clients to several processes, and counts the effects.

    tests/faults/idempotent.py [--requests 20000] [--clients 16] [--store sqlite|postgres] [--seed-fault]

Deposits, payments and visas, a third each. Copies of one request meet: at the same moment, at another process, long after. Each must
be answered with the same id, as new exactly once, and the balances must be those of one effect each. `--seed-fault`: one copy in
twenty has lost its idempotency key.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import check
from client import AGAIN, signed
from imagxp import Identity
from server import ASSET, AgentDomain, Victim, free_port, stage

PARTIES = 16
RICH = "1000000"
# The amounts tell the kinds apart.
AMOUNTS = {"deposits": Decimal("0.01"), "payments": Decimal("0.02"), "visas": Decimal("0.03")}
SENDS_S = 60


@dataclass
class Asked:
    """One request, and what its copies were answered."""

    kind: str
    key: str
    party: int
    body: bytes
    new: int = 0
    ids: set[str] = field(default_factory=set)


class Sender(threading.Thread):
    """Takes the next copy, until there is none."""

    def __init__(
        self, ports: list[int], broker: Victim, parties: list[Identity], copies: list[Asked], lost_keys: float, seed: int
    ):
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.fault = ""
        self._copies, self._parties, self._broker, self._lost = copies, parties, broker, lost_keys
        self._chance = random.Random(seed)
        self._lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for port in ports]

    def run(self) -> None:
        """All of them."""
        try:
            while True:
                try:
                    asked = self._copies.pop()
                except IndexError:
                    return
                self._send(asked)
        except Exception as error:
            self.fault = repr(error)

    def _send(self, asked: Asked) -> None:
        key = asked.key if self._chance.random() >= self._lost else str(UUID(int=self._chance.getrandbits(128)))
        path, deadline = f"/v1/{asked.kind}", time.monotonic() + SENDS_S
        while time.monotonic() < deadline:
            if asked.kind == "deposits":
                headers = {"authorization": f"Bearer {self._broker.token}", "content-type": "application/json"}
            else:
                headers = dict(signed(self._parties[asked.party], self._broker.issuer + path, asked.body))
            line = self._chance.choice(self._lines)
            try:
                line.request("POST", path, asked.body, {**headers, "idempotency-key": key})
                response = line.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                line.close()
                self.answers["no answer"] += 1
                continue
            self.answers[str(response.status)] += 1
            if response.status in (200, 201):
                answer = json.loads(content)
                asked.ids.add(answer["visa"]["jti"] if asked.kind == "visas" else answer["id"])
                asked.new += response.status == 201
                return
            if response.status not in (*AGAIN, 409):
                raise RuntimeError(f"{path}: {response.status} {content!r}")
            time.sleep(0.005 + self._chance.random() * 0.05)
        raise RuntimeError(f"{path}: no answer for {SENDS_S} s")


def requests(count: int, parties: list[Identity], chance: random.Random) -> list[Asked]:
    """A third of each kind."""
    made = []
    for number in range(count):
        kind = list(AMOUNTS)[number % len(AMOUNTS)]
        party = chance.randrange(len(parties))
        other = parties[(party + 1) % len(parties)].agent_id
        body = {"amount": str(AMOUNTS[kind])}
        if kind == "deposits":
            body |= {"owner": parties[party].agent_id, "asset": ASSET, "reference": f"bank-{number}"}
        elif kind == "payments":
            body |= {"to": other, "asset": ASSET}
        else:
            body |= {"resource": f"http://{other}", "currency": ASSET}
        made.append(Asked(kind, f"request-{number}", party, json.dumps(body).encode()))
    return made


def wrong(broker: Victim, asked: list[Asked], parties: list[Identity]) -> list[str]:
    """What had another effect than one."""
    found = [f"{one.key} ({one.kind}) was answered with {sorted(one.ids)}" for one in asked if len(one.ids) != 1]
    found += [f"{one.key} ({one.kind}) was new {one.new} times" for one in asked if one.new > 1]
    if len({id for one in asked for id in one.ids}) != len(asked):
        found.append("two requests were answered with one id")
    for index, party in enumerate(parties):
        mine = [one for one in asked if one.party == index]
        made = {kind: AMOUNTS[kind] * sum(one.kind == kind for one in mine) for kind in AMOUNTS}
        got = AMOUNTS["payments"] * sum(one.kind == "payments" and (one.party + 1) % len(parties) == index for one in asked)
        (account,) = broker.look(f"/v1/accounts/{party.agent_id}")["accounts"]
        expected = {
            "credits_posted": Decimal(RICH) + made["deposits"] + got,
            "debits_posted": made["payments"],
            "debits_pending": made["visas"],
        }
        for name, amount in expected.items():
            if Decimal(account[name]) != amount:
                found.append(f"{party.agent_id}: {name} is {account[name]}, and one effect each is {amount}")
    return found


def main() -> int:
    """Exit code 0 when each request had one effect; with `--seed-fault`, when it was seen that one had not."""
    parser = check.parser(__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with stage(arguments.store) as (_, town, broker):
        ports = [broker.port]
        if arguments.store == "postgres":
            ports.append(free_port())
            broker.launch(ports[-1])
        parties = [AgentDomain(town).identity for _ in range(PARTIES)]
        for party in parties:
            broker.deposit(party.agent_id, RICH)
        asked = requests(arguments.requests, parties, chance)
        copies = [one for one in asked for _ in range(chance.randint(1, 5))]
        chance.shuffle(copies)
        sent, begun = len(copies), time.monotonic()
        lost = 0.05 if arguments.seed_fault else 0.0
        senders = [Sender(ports, broker, parties, copies, lost, arguments.seed + number) for number in range(arguments.clients)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        took = time.monotonic() - begun
        found = [sender.fault for sender in senders if sender.fault]
        found += wrong(broker, asked, parties) + broker.audit() + broker.panics()
        figures = {
            "store": arguments.store,
            "processes": len(ports),
            "requests": len(asked),
            "sent": sent,
            "answers": dict(sum((sender.answers for sender in senders), Counter[str]())),
            "per_second": round(sent / took),
        }
    return check.conclude(arguments, found, figures, r"was new \d+ times|was answered with \['.+', '")


if __name__ == "__main__":
    sys.exit(main())
