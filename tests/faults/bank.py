#!/usr/bin/env python3
"""A bank test as Jepsen has it: clients move money between accounts while others add it all up, and the broker is killed now and then.

    tests/faults/bank.py [--seconds 60] [--clients 32] [--kills 10] [--store sqlite|postgres] [--seed-fault]

Money moves by payments, by visas that are bought, and by withdrawals that are asked for and given up. Nothing comes in or goes out, so:

* in every reading of all accounts at one moment, their balances come to what was there at the beginning, and what is pending as a debit
  comes to what is pending as a credit;
* each client reads its own writes: after an acknowledged payment its posted debits are exactly what it has paid, after a visa or a
  withdrawal its pending debits are exactly what hangs;
* what an account has ever paid or got never becomes less from one reading to the next.

On PostgreSQL there are two processes, and each request goes to either. `--seed-fault`: a deposit is made in between that nobody counts.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from decimal import Decimal
from uuid import uuid4

import check
import httpx
from client import AGAIN, signed
from imagxp import Identity
from server import ASSET, AgentDomain, free_port, stage

BEGIN = Decimal(100)
MOVES = ("pay", "pay", "pay", "visa", "withdrawal")


class Teller(threading.Thread):
    """Somebody who asks one of the processes, and again when it is gone."""

    def __init__(self, urls: list[str], seed: int) -> None:
        super().__init__(daemon=True)
        self.ends = threading.Event()
        self.wrong: list[str] = []
        self.done = 0
        self.chance = random.Random(seed)
        self._urls = urls
        self._http = httpx.Client(trust_env=False, timeout=10)

    def run(self) -> None:
        """Until told to end, or something is wrong."""
        try:
            while not self.ends.is_set() and not self.wrong:
                self.step()
                self.done += 1
        except Exception as error:
            self.wrong.append(repr(error))

    def step(self) -> None:
        """One thing."""
        raise NotImplementedError

    def ask(self, send: object) -> httpx.Response:
        """Until somebody knows."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                response = send(self.chance.choice(self._urls))  # type: ignore[operator]
                if response.status_code not in AGAIN:
                    return response
            except httpx.TransportError:
                pass
            time.sleep(0.01 + self.chance.random() * 0.05)
        raise RuntimeError("no answer for a minute")


class Mover(Teller):
    """Moves its own money, and looks at what is left."""

    def __init__(self, urls: list[str], issuer: str, me: Identity, others: list[str], seed: int) -> None:
        super().__init__(urls, seed)
        self._issuer, self._me, self._others = issuer, me, others
        self.paid = self.pending = Decimal()
        self._last: dict[str, Decimal] = {}

    def step(self) -> None:
        """A move, and a look."""
        amount = Decimal(self.chance.randint(1, 300)) / 100
        move = self.chance.choice(MOVES)
        other = self.chance.choice(self._others)
        if move == "pay":
            if self._moved("/v1/payments", {"to": other, "amount": str(amount), "asset": ASSET}):
                self.paid += amount
        elif move == "visa":
            if self._moved(
                "/v1/visas", {"resource": f"http://{other}", "amount": str(amount), "currency": ASSET, "lifetime_s": 3600}
            ):
                self.pending += amount
        elif self._moved("/v1/withdrawals", {"amount": str(amount), "asset": ASSET, "reference": str(uuid4())}):
            self.pending += amount
        self._look()

    def _moved(self, path: str, body: dict[str, object]) -> bool:
        content, key = json.dumps(body).encode(), ("idempotency-key", str(uuid4()))

        def send(url: str) -> httpx.Response:
            headers = [*signed(self._me, self._issuer + path, content), key]
            return self._http.post(url + path, headers=headers, content=content)

        response = self.ask(send)
        if response.status_code not in (200, 201, 402):
            self.wrong.append(f"{path}: {response.status_code} {response.text}")
        return response.is_success

    def _look(self) -> None:
        path = f"/v1/accounts/{self._me.agent_id}"

        def send(url: str) -> httpx.Response:
            return self._http.get(url + path, headers=list(self._me.sign("GET", self._issuer + path, "SUMMARY")))

        (account,) = self.ask(send).raise_for_status().json()["accounts"]
        now = {name: Decimal(account[name]) for name in ("debits_posted", "debits_pending", "credits_posted")}
        if (now["debits_posted"], now["debits_pending"]) != (self.paid, self.pending):
            self.wrong.append(f"{self._me.agent_id} has paid {self.paid} and {self.pending} hang, and reads {now}")
        if any(now[name] < before for name, before in self._last.items()):
            self.wrong.append(f"{self._me.agent_id} has read {self._last}, and then {now}")
        self._last = {name: now[name] for name in ("debits_posted", "credits_posted")}


class Reader(Teller):
    """Adds everything up."""

    def __init__(self, urls: list[str], token: str, total: Decimal, seed: int) -> None:
        super().__init__(urls, seed)
        self._token, self._total = token, total

    def step(self) -> None:
        """All accounts at one moment."""
        headers = {"authorization": f"Bearer {self._token}"}
        answer = self.ask(lambda url: self._http.get(url + "/v1/accounts?limit=500", headers=headers)).raise_for_status().json()
        inside = [account for account in answer["accounts"] if account["kind"] != "OUTSIDE"]
        sums = {
            name: sum(Decimal(account[name]) for account in answer["accounts"]) for name in ("debits_pending", "credits_pending")
        }
        total = sum(Decimal(account["balance"]) for account in inside)
        if total != self._total:
            self.wrong.append(f"the balances come to {total}, and were {self._total}")
        if sums["debits_pending"] != sums["credits_pending"]:
            self.wrong.append(f"what is pending does not balance: {sums}")


def main() -> int:
    """Exit code 0 when it all adds up; with `--seed-fault`, when it was seen that it does not."""
    parser = check.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    with stage(arguments.store) as (_, town, broker):
        urls = [broker.issuer]
        if arguments.store == "postgres":
            second = free_port()
            broker.launch(second)
            urls.append(f"http://127.0.0.1:{second}")
            # The one that is killed is started again on its own port.
            broker._running[-1], broker._running[-2] = broker._running[-2], broker._running[-1]
        parties = [AgentDomain(town).identity for _ in range(arguments.clients)]
        for party in parties:
            broker.deposit(party.agent_id, str(BEGIN))
        ids = [party.agent_id for party in parties]
        movers = [
            Mover(urls, broker.issuer, party, [other for other in ids if other != party.agent_id], arguments.seed + index)
            for index, party in enumerate(parties)
        ]
        readers = [Reader(urls, broker.token, BEGIN * len(ids), arguments.seed - index - 1) for index in range(2)]
        tellers = [*movers, *readers]
        for teller in tellers:
            teller.start()
        pause = arguments.seconds / (arguments.kills + 1)
        for _ in range(arguments.kills):
            time.sleep(pause)
            broker.kill()
            broker.restart()
        time.sleep(pause)
        if arguments.seed_fault:
            body = {"owner": ids[0], "amount": "0.01", "asset": ASSET, "reference": "uncounted"}
            broker.operate("POST", "/v1/deposits", body)
            time.sleep(2)
        for teller in tellers:
            teller.ends.set()
        for teller in tellers:
            teller.join(70)
        found = [line for teller in tellers for line in teller.wrong] + broker.audit() + broker.panics()
        found += [f"{teller} does not end" for teller in tellers if teller.is_alive()]
        if not all(reader.done for reader in readers):
            found.append("nobody has added anything up")
        figures = {
            "store": arguments.store,
            "clients": arguments.clients,
            "kills": arguments.kills,
            "moves": sum(mover.done for mover in movers),
            "sums": sum(reader.done for reader in readers),
            "slowest_restart_s": round(broker.slowest, 2),
        }
    # Each reader adds up all accounts but the one outside: the cent that nobody counts is there.
    return check.conclude(arguments, found, figures, rf"^the balances come to {BEGIN * len(ids)}\.010*, and were ")


if __name__ == "__main__":
    sys.exit(main())
