#!/usr/bin/env python3
"""Runs the broker on clocks that are wrong: a day each way, leaps while it runs, years at its start; and then counts.

    tests/faults/clocks.py [--store sqlite|postgres] [--payments 40] [--seed-fault]

PostgreSQL: two processes on one database, one a day ahead and one a day behind; every request goes to both, under one key. SQLite: one
process whose clock leaps, is wrong when it starts, and has poisoned the log. What must hold: what was asked twice was done once; the log's
times are the true ones; a wrong clock writes nothing and a right one goes on at once; two operators put a poisoned log right; all
balances come to nothing, and the broker's own audit is sound. With `--seed-fault` clients forget their keys, and the count must be wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self
from uuid import uuid4

import check
import httpx
from server import ASSET, Victim, free_port, stage
from skew import Skew, compiled

DAY = 86_400
YEAR = 365 * DAY
OWNER = "agent.example"
AMOUNT = "0.01"


class Skewed(Victim):
    """Processes of the broker, each with a clock of its own."""

    def __init__(self, store: str, folder: Path, client: httpx.Client) -> None:
        super().__init__(store, folder, client)
        self.library = compiled(folder)
        self.found: list[str] = []

    def __enter__(self) -> Self:
        """The database, when it is one of its own; and a first process, on a right clock, that has made the keys."""
        super().__enter__()
        self.end()
        return self

    def clock(self, name: str, seconds: int = 0) -> Skew:
        """A clock for a process that is started with it."""
        skew = Skew(self.library, self.folder / f"{name}.clock")
        skew.set(seconds)
        return skew

    def on(self, skew: Skew, port: int | None = None) -> str:
        """Starts one process on a clock; where it listens."""
        self.environment = skew.environment
        self.launch(port)
        return f"http://127.0.0.1:{port or self.port}"

    def end(self) -> None:
        """Ends the last process in order."""
        process = self._running.pop()
        process.terminate()
        process.wait(timeout=20)
        if process.stdout:
            process.stdout.close()

    def send(self, origin: str, path: str, body: dict[str, object], key: str, token: str = "") -> httpx.Response:
        """One request of an operator."""
        headers = {"authorization": f"Bearer {token or self.token}", "idempotency-key": key}
        return self.client.post(origin + path, headers=headers, json=body)

    def deposit(self, owner: str, amount: str) -> httpx.Response:
        """Books a deposit, or not."""
        body = {"owner": owner, "amount": amount, "asset": ASSET, "reference": str(uuid4())}
        return self.send(self.issuer, "/v1/deposits", body, str(uuid4()))

    def withdraw(self, origin: str, key: str) -> httpx.Response:
        """Takes money under a key."""
        return self.send(origin, "/v1/withdrawals", {"owner": OWNER, "amount": AMOUNT, "asset": ASSET, "reference": key}, key)

    def expect(self, what: str, response: httpx.Response, status: int, code: str = "") -> None:
        """Notes an answer that is another than it should be."""
        told = response.json().get("error", {}).get("code", "") if response.is_error else ""
        if (response.status_code, told) != (status, code):
            self.found.append(f"{what}: {response.status_code} {response.text[:200]}, not {status} {code}")

    def pending(self, expected: int) -> None:
        """What was asked for under one key was done once."""
        account = self.operate("GET", f"/v1/accounts/{OWNER}")["accounts"][0]
        taken = Decimal(account["balance"]) - Decimal(account["available"])
        if taken != expected * Decimal(AMOUNT):
            self.found.append(f"{taken} were taken, not {expected} times {AMOUNT}")
        (asset,) = self.operate("GET", "/v1/money")["assets"]
        if total := sum(map(Decimal, asset["accounts"].values())):
            self.found.append(f"all balances come to {total}")

    def times(self, since: float) -> None:
        """Every entry of the log was written between then and now, by the clock of the test."""
        now = time.time()
        for entry in self.operate("GET", "/v1/log/entries?limit=500")["entries"]:
            at = datetime.fromisoformat((entry["transfer"] or entry["event"]).get("time") or entry["transfer"]["created_at"])
            if not since - 1 <= at.astimezone(UTC).timestamp() <= now + 1:
                self.found.append(f"entry {entry['seq']} is of {at}")


def two_servers(broker: Skewed, payments: int, forgets: bool) -> None:
    """One process a day ahead, one a day behind, and the database's clock counts."""
    begun = time.time()
    ahead = broker.on(broker.clock("ahead", DAY))
    behind = broker.on(broker.clock("behind", -DAY), free_port())
    broker.expect("a deposit", broker.deposit(OWNER, "100"), 201)
    errors: list[str] = []

    def pay(number: int) -> None:
        key = str(uuid4())
        # Turn by turn, and again: the same clock must not be the first one each time.
        for origin in ((ahead, behind) if number % 2 else (behind, ahead)) * 2:
            answer = broker.withdraw(origin, str(uuid4()) if forgets else key)
            if answer.status_code not in (200, 201):
                errors.append(f"{answer.status_code} {answer.text[:200]}")

    threads = [threading.Thread(target=pay, args=(number,)) for number in range(payments)]
    for group in range(0, payments, 8):
        for thread in threads[group : group + 8]:
            thread.start()
        for thread in threads[group : group + 8]:
            thread.join()
    broker.found += errors
    broker.pending(payments)
    broker.times(begun)
    print(f"{payments} payments, each asked four times of two processes whose clocks are two days apart")


def leaps(broker: Skewed, payments: int, forgets: bool) -> None:
    """One process whose clock leaps while it runs, and is wrong when it starts."""
    clock = broker.clock("only")
    begun = time.time()
    broker.on(clock)
    keys = [str(uuid4()) for _ in range(payments)]
    broker.expect("a deposit", broker.deposit(OWNER, "100"), 201)
    for key in keys:
        broker.expect("a withdrawal", broker.withdraw(broker.issuer, key), 201)
    for leap in (DAY, -DAY, 73 * YEAR, -50 * YEAR, 3600):
        clock.set(leap)
        time.sleep(1.1)
        broker.expect(f"{leap} s leapt", broker.deposit(OWNER, "1"), 503, "clock.wrong")
        if broker.client.get(broker.issuer + "/v1/log/checkpoint").status_code != 200:
            broker.found.append("reads do not go on")
        clock.set(0)
        time.sleep(1.1)
        broker.expect("a clock that is right again", broker.deposit(OWNER, "1"), 201)
    broker.times(begun)
    for years in (73, -50):
        broker.end()
        clock.set(years * YEAR)
        broker.on(clock)
        broker.expect(f"started {years} years off", broker.deposit(OWNER, "1"), 503, "clock.wrong")
        clock.set(0)
        time.sleep(1.1)
        broker.expect("put right", broker.deposit(OWNER, "1"), 201)
    broker.times(begun)
    # A day wrong from the start on cannot be known; what was asked before is done once all the same.
    for skew in (DAY, -DAY + 60):
        broker.end()
        clock.set(skew)
        broker.on(clock)
        for key in keys:
            answer = broker.withdraw(broker.issuer, str(uuid4()) if forgets else key)
            broker.expect("the same again", answer, 201 if forgets else 200)
    broker.pending(payments)
    print(f"{payments} payments, asked again by a clock a day ahead and one a day behind; 7 wrong clocks refused")


def poisoned(broker: Skewed) -> None:
    """The first entries were written by a clock 73 years ahead: two operators put the log's time back."""
    clock = broker.clock("poison", 73 * YEAR)
    broker.on(clock)
    broker.expect("the first entry", broker.deposit(OWNER, "1"), 201)
    broker.end()
    clock.set(0)
    begun = time.time()
    broker.on(clock)
    broker.expect("a poisoned log", broker.deposit(OWNER, "1"), 503, "clock.wrong")
    add = [broker.program, "operator", "add", "second", "--role", "admin", "--data", str(broker.data)]
    add += ["--set", f"issuer={broker.issuer}", "--set", "allow_loopback=true"]
    second = subprocess.run(add, capture_output=True, text=True, check=True).stdout.strip()
    time.sleep(3)
    dispute = broker.send(broker.issuer, "/v1/log/time", {"memo": "the clock was set wrong"}, str(uuid4()))
    broker.expect("a dispute", dispute, 200)
    agree = {"memo": "so it was", "dispute": dispute.json().get("seq")}
    broker.expect("by the same one", broker.send(broker.issuer, "/v1/log/time", agree, str(uuid4())), 403, "admin.second_needed")
    broker.expect("one is not enough", broker.deposit(OWNER, "1"), 503, "clock.wrong")
    broker.expect("by a second one", broker.send(broker.issuer, "/v1/log/time", agree, str(uuid4()), second), 200)
    broker.expect("put right", broker.deposit(OWNER, "1"), 201)
    last = broker.operate("GET", "/v1/log/entries?limit=500")["entries"][-1]["transfer"]
    if not begun - 1 <= datetime.fromisoformat(last.get("time") or last["created_at"]).timestamp() <= time.time() + 1:
        broker.found.append(f"after the reset the log goes on at {last}")
    print("a poisoned log was put right by two operators")


def main() -> int:
    """Exit code 0 when everything is there once and at its time; with `--seed-fault`, when the harness has seen that it is not."""
    parser: argparse.ArgumentParser = check.parser(__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--payments", type=int, default=40)
    arguments = parser.parse_args()
    found: list[str] = []
    runs = ["two servers"] if arguments.store == "postgres" else ["leaps", "poisoned"]
    for run in runs[:1] if arguments.seed_fault else runs:
        with stage(arguments.store, kind=Skewed, timeout=30) as (_, _, broker):
            if run == "two servers":
                two_servers(broker, arguments.payments, arguments.seed_fault)
            elif run == "leaps":
                leaps(broker, arguments.payments, arguments.seed_fault)
            else:
                poisoned(broker)
            found += broker.found + broker.audit() + broker.panics()
    figures = {"store": arguments.store, "payments": arguments.payments, "runs": len(runs)}
    # What was taken twice.
    return check.conclude(arguments, found, figures, "were taken, not")


if __name__ == "__main__":
    sys.exit(main())
