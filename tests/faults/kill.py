#!/usr/bin/env python3
"""Kills the broker with SIGKILL again and again while clients that retry book deposits and pay each other, and then counts.

    tests/faults/kill.py [--kills 200] [--clients 8] [--store sqlite|postgres] [--seed-fault]

What must hold: everything that was acknowledged is there, once, and nothing else; every balance is the sum of what was acknowledged; the
broker's own audit is sound; it answers again within two seconds. `--seed-fault` lets clients forget their idempotency keys when they
retry: the count must then be wrong, or the harness sees nothing.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "demo"))

import httpx  # noqa: E402
from broker import Broker, find_program, free_port  # noqa: E402
from imagxp import Identity, content_digest, user_agent  # noqa: E402
from scale import ScaledBroker  # noqa: E402
from town import AgentDomain, Town  # noqa: E402

RESTART_S = 2.0
AMOUNT = "0.01"


class Victim(ScaledBroker):
    """One process of the broker that can be killed and started again on what it has kept."""

    def __init__(self, store: str, folder: Path, client: httpx.Client) -> None:
        super().__init__(find_program(), folder, client)
        self.slowest = 0.0
        self._store = store
        self._settings: list[str] = []
        self._admin = free_port()

    def start(self) -> None:
        """The database, when it is one of its own, and the process."""
        if self._store == "postgres":
            self._settings = [f"database.url={self._postgres()}"]
        self.serve(self.port, *self._settings)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.issuer.rpartition(":")[2])

    def kill(self) -> None:
        """At any moment; then once more from the start."""
        process = self._running.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
        begun = time.monotonic()
        self.serve(self.port, *self._settings)
        self.slowest = max(self.slowest, time.monotonic() - begun)


class Client(threading.Thread):
    """Books deposits for itself and pays the next one, and asks again until it knows."""

    def __init__(self, broker: Broker, me: Identity, other: Identity, forgets: bool) -> None:
        super().__init__(daemon=True)
        self.deposits = self.payments = self.retries = 0
        self._broker, self._me, self._other, self._forgets = broker, me, other, forgets
        self._http = httpx.Client(trust_env=False, timeout=5)
        self.ends = threading.Event()
        self.fault = ""

    def run(self) -> None:
        """Until told to end; what has begun is brought to its end."""
        try:
            while not self.ends.is_set():
                self._deposit()
                self.deposits += 1
                self._pay()
                self.payments += 1
        except Exception as error:
            self.fault = repr(error)

    def _deposit(self) -> None:
        body = {"owner": self._me.agent_id, "amount": AMOUNT, "asset": "EUR", "reference": str(uuid4())}
        headers = {"authorization": f"Bearer {self._broker.token}"}
        self._until(lambda: self._http.post(self._broker.issuer + "/v1/deposits", headers=headers, json=body))

    def _pay(self) -> None:
        url = self._broker.issuer + "/v1/payments"
        body = f'{{"to":"{self._other.agent_id}","amount":"{AMOUNT}","asset":"EUR"}}'.encode()
        key = str(uuid4())

        def send() -> httpx.Response:
            headers = self._me.sign("POST", url, "SUMMARY", content_digest=content_digest(body))
            headers += [("user-agent", user_agent("fault-client")), ("content-type", "application/json")]
            headers.append(("idempotency-key", str(uuid4()) if self._forgets else key))
            return self._http.post(url, headers=headers, content=body)

        self._until(send)

    def _until(self, send: object) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                response = send()  # type: ignore[operator]
                if response.status_code in (200, 201):
                    return
                if response.status_code not in (429, 500, 503, 504):
                    raise RuntimeError(f"{response.status_code} {response.text}")
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("no answer for a minute")
            self.retries += 1
            time.sleep(0.01 + random.random() * 0.05)


def wrong(broker: Victim, clients: list[Client], parties: list[AgentDomain]) -> list[str]:
    """What does not add up."""
    found = [client.fault for client in clients if client.fault]
    for index, party in enumerate(parties):
        expected = clients[index].deposits - clients[index].payments + clients[index - 1].payments
        account = broker.operate("GET", f"/v1/accounts/{party.identity.agent_id}")["accounts"][0]
        if Decimal(account["balance"]) != expected * Decimal(AMOUNT):
            found.append(f"{party.identity.agent_id} has {account['balance']}, and {expected} times {AMOUNT} were acknowledged")
    (asset,) = broker.operate("GET", "/v1/money")["assets"]
    total = sum(map(Decimal, asset["accounts"].values()))
    if total:
        found.append(f"all balances come to {total}")
    return found


def audit(broker: Victim, folder: Path) -> list[str]:
    """The program's own check of every row."""
    command = [broker.program, "broker", "ledger", "audit", "--data", str(folder / "broker"), "--set", f"issuer={broker.issuer}"]
    for setting in ("allow_loopback=true", "money.assets=EUR:6", *broker._settings):
        command += ["--set", setting]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if ran.returncode == 0 else [f"the audit: {ran.stdout}{ran.stderr}"]


def main() -> int:
    """Exit code 0 when everything is there once; with `--seed-fault`, when the harness has seen that it is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seed-fault", action="store_true")
    arguments = parser.parse_args()
    print(f"{arguments.store}: {arguments.kills} kills, {arguments.clients} clients, seed {arguments.seed}", flush=True)
    moments = random.Random(arguments.seed)
    with (
        tempfile.TemporaryDirectory() as name,
        Town() as town,
        httpx.Client(trust_env=False, timeout=10) as http,
        Victim(arguments.store, Path(name), http) as broker,
    ):
        parties = [AgentDomain(town) for _ in range(arguments.clients)]
        identities = [party.identity for party in parties]
        clients = [
            Client(broker, identity, identities[(index + 1) % len(identities)], arguments.seed_fault)
            for index, identity in enumerate(identities)
        ]
        for client in clients:
            client.start()
        for _ in range(arguments.kills):
            time.sleep(0.05 + moments.random() * 0.6)
            broker.kill()
        for client in clients:
            client.ends.set()
        for client in clients:
            client.join(90)
        found = wrong(broker, clients, parties) + audit(broker, Path(name))
        done = sum(client.deposits + client.payments for client in clients)
        retries = sum(client.retries for client in clients)
        print(f"{done} acknowledged, {retries} retries, slowest restart {broker.slowest:.2f} s")
        if broker.slowest > RESTART_S:
            found.append(f"a restart took {broker.slowest:.2f} s")
    for line in found:
        print(f"WRONG: {line}")
    if arguments.seed_fault:
        print("the seeded fault was seen" if found else "the seeded fault was NOT seen")
        return 0 if found else 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
