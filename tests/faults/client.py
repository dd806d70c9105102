"""Clients that book deposits and pay each other, and ask again until they know what came of it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import uuid4

import httpx
from imagxp import Identity, content_digest, user_agent
from server import ASSET, Victim

AMOUNT = Decimal("0.01")
# How `Crowd.wrong` says that something was lost or done twice.
MISCOUNTED = r" has \S+, and \S+ were acknowledged$"
# How `Crowd.made_again` says it.
MADE_AGAIN = "a payment that somebody has heard was made again"
# What says that it was not done, or that nobody knows: the same again under the same key.
AGAIN = (429, 500, 503, 504)


def older_than_the_machine(response: httpx.Response) -> bool:
    """Whether a request was signed before the power came back and arrived after it: to be signed anew, says the answer."""
    if response.status_code != 401:
        return False
    error = response.json()["error"]
    return error["code"] == "time.expired" and error["details"]["retry"] == "new_nonce"


class Client(threading.Thread):
    """Books deposits for itself and pays the next one, until it is told to end; what has begun is brought to its end."""

    def __init__(self, broker: Victim, me: Identity, other: Identity, *, forgets: bool = False, patience: float = 60) -> None:
        super().__init__(daemon=True)
        self.deposits = self.payments = self.retries = 0
        self.answers: Counter[str] = Counter()
        self.ends = threading.Event()
        self.fault = ""
        # The last payment that was acknowledged, as it was sent.
        self.sent: tuple[list[tuple[str, str]], bytes] | None = None
        self.patience = patience
        # How many seconds the clock is ahead with which this one signs.
        self.ahead = 0.0
        self._goes, self._rests = threading.Event(), threading.Event()
        self._goes.set()
        self._broker, self._me, self._other, self._forgets = broker, me, other, forgets
        self._http = httpx.Client(trust_env=False, timeout=5)

    def run(self) -> None:
        """The work."""
        try:
            while not self.ends.is_set():
                self._rest()
                self._deposit()
                self.deposits += 1
                self._pay()
                self.payments += 1
        except Exception as error:
            self.fault = repr(error)
        finally:
            self._rests.set()

    def pause(self) -> None:
        """Waits until the client knows what came of everything that it has asked for, and asks for nothing more."""
        self._goes.clear()
        if not self._rests.wait(self.patience + 10):
            self.fault = self.fault or "does not come to rest"

    def resume(self) -> None:
        """Goes on."""
        self._rests.clear()
        self._goes.set()

    def _rest(self) -> None:
        if not self._goes.is_set():
            self._rests.set()
            while not self._goes.wait(0.1) and not self.ends.is_set():
                pass

    def _deposit(self) -> None:
        body = {"owner": self._me.agent_id, "amount": str(AMOUNT), "asset": ASSET, "reference": str(uuid4())}
        headers = {"authorization": f"Bearer {self._broker.token}"}
        self._until(lambda: self._http.post(self._broker.issuer + "/v1/deposits", headers=headers, json=body))

    def _pay(self) -> None:
        url = self._broker.issuer + "/v1/payments"
        body = f'{{"to":"{self._other.agent_id}","amount":"{AMOUNT}","asset":"{ASSET}"}}'.encode()
        key = str(uuid4())

        def send() -> httpx.Response:
            headers = signed(self._me, url, body, ahead=self.ahead)
            named = ("idempotency-key", str(uuid4()) if self._forgets else key)
            response = self._http.post(url, headers=[*headers, named], content=body)
            if response.is_success:
                self.sent = (headers, body)
            return response

        self._until(send)

    def _until(self, send: Callable[[], httpx.Response]) -> None:
        begun = time.monotonic()
        while True:
            try:
                response = send()
                self.answers[str(response.status_code)] += 1
                if response.status_code in (200, 201):
                    return
                if response.status_code not in AGAIN and not older_than_the_machine(response):
                    raise RuntimeError(f"{response.status_code} {response.text}")
                self.answers[response.json()["error"]["code"]] += 1
            except httpx.TransportError:
                pass
            if time.monotonic() > begun + self.patience:
                raise RuntimeError(f"no answer for {self.patience} s")
            self.retries += 1
            time.sleep(0.01 + random.random() * 0.05)


# The headers of a payment, and its body.
Sent: TypeAlias = tuple[list[tuple[str, str]], bytes]


class Crowd:
    """Clients in a ring: each pays the next one."""

    def __init__(self, broker: Victim, identities: list[Identity], *, forgets: bool = False, patience: float = 60) -> None:
        pairs = zip(identities, [*identities[1:], identities[0]], strict=True)
        self.identities = identities
        self.clients = [Client(broker, me, other, forgets=forgets, patience=patience) for me, other in pairs]
        self._broker = broker

    def start(self) -> None:
        """All at once."""
        for client in self.clients:
            client.start()

    def pause(self) -> None:
        """Until everybody rests."""
        for client in self.clients:
            client._goes.clear()
        for client in self.clients:
            client.pause()

    def resume(self) -> None:
        """All go on."""
        for client in self.clients:
            client.resume()

    def work(self, count: int, seconds: float = 3) -> None:
        """Waits until so many more were acknowledged, but not for ever."""
        until, deadline = self.acknowledged + count, time.monotonic() + seconds
        while self.acknowledged < until and time.monotonic() < deadline:
            time.sleep(0.002)

    def end(self) -> None:
        """When everybody knows what came of everything."""
        for client in self.clients:
            client.ends.set()
        for client in self.clients:
            client.join(client.patience + 30)
            if client.is_alive():
                client.fault = client.fault or "does not end"

    @property
    def acknowledged(self) -> int:
        """How many deposits and payments."""
        return sum(client.deposits + client.payments for client in self.clients)

    @property
    def retries(self) -> int:
        """How often somebody had to ask again."""
        return sum(client.retries for client in self.clients)

    @property
    def answers(self) -> Counter[str]:
        """How many there were of each status and of each code."""
        return sum((client.answers for client in self.clients), Counter[str]())

    def _accounts(self, owner: str) -> list[dict[str, str]]:
        """None, when all that was acknowledged to an owner is lost, and it has none."""
        try:
            return self._broker.look(f"/v1/accounts/{owner}")["accounts"]
        except RuntimeError as error:
            if "account.not_found" not in str(error):
                raise
            return []

    def heard(self) -> list[Sent]:
        """What somebody who listens on the wire knows: of each client the last payment that was acknowledged."""
        return [client.sent for client in self.clients if client.sent]

    def made_again(self, heard: list[Sent]) -> list[str]:
        """Sends payments again under other keys: nothing must come of it."""
        found = []
        for headers, body in heard:
            again = [*headers, ("idempotency-key", str(uuid4()))]
            response = self._broker.client.post(self._broker.issuer + "/v1/payments", headers=again, content=body)
            found += [f"{MADE_AGAIN}: {response.status_code}"] if response.is_success else []
        return found

    def wrong(self) -> list[str]:
        """What does not add up, while everybody rests."""
        found = [client.fault for client in self.clients if client.fault]
        for index, identity in enumerate(self.identities):
            mine, before = self.clients[index], self.clients[index - 1]
            expected = (mine.deposits - mine.payments + before.payments) * AMOUNT
            balance = sum((Decimal(account["balance"]) for account in self._accounts(identity.agent_id)), Decimal())
            if balance != expected:
                found.append(f"{identity.agent_id} has {balance}, and {expected} were acknowledged")
        for asset in self._broker.look("/v1/money")["assets"]:
            total = sum(map(Decimal, asset["accounts"].values()))
            if total:
                found.append(f"all balances of {asset['asset']} come to {total}")
        return found


def signed(me: Identity, url: str, body: bytes, method: str = "POST", *, ahead: float = 0) -> list[tuple[str, str]]:
    """The headers of a request over its body, signed by a clock that is so many seconds ahead, but for the idempotency key."""
    now = datetime.now(UTC) + timedelta(seconds=ahead)
    headers = list(me.sign(method, url, "SUMMARY", now=now, content_digest=content_digest(body)))
    return [*headers, ("user-agent", user_agent("fault-client")), ("content-type", "application/json")]
