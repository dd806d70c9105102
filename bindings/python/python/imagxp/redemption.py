"""A broker's word on a visa before the content goes out (`check: redeem`): who is asked, what is an answer, and how many may wait."""

from __future__ import annotations

import inspect
import ipaddress
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from ._imagxp import BrokerClient, Need, Policy, Presented, Redeemer, Verdict

__all__ = ["Clients", "GivenRedeemers", "Redeem", "Redeemers", "Redemption", "Turns", "asking", "checked", "takes_verdict"]

Redemption = Literal["accepted", "refused", "unavailable"]
Redeem = (
    Callable[[Need, str, Presented], "Redemption | Awaitable[Redemption]"]
    | Callable[[Need, str, Presented, Verdict], "Redemption | Awaitable[Redemption]"]
)
"""Asks a broker about a visa: gets the need (its `url` is the broker's), the visa, and what a [`BrokerClient`] shows its broker: the visa
with the signed request that brought it. One that takes a fourth argument gets the verdict, whose `resource` is the page that was signed: a
fourth parameter with a default has to be called `verdict`. Asynchronous ones work with ASGI only. A [`BrokerClient`] in its place asks
its broker; a list has one for each broker and host."""
GivenRedeemers = Redeemer | Sequence[Redeemer] | Mapping[str, Redeemer]
"""A redeemer, or several: for each broker one for each host of the policy. A mapping has one for each issuer."""

_LOG = logging.getLogger("imagxp")
WAITING_FOR_BROKERS: Final = "a visa is not asked about: %d requests wait for brokers already"
_WORDS: Final[dict[str, Redemption]] = {"accepted": "accepted", "refused": "refused", "unavailable": "unavailable"}


def asking(redeem: Redeem | BrokerClient | Sequence[BrokerClient] | None, policy: Policy) -> Redeem | Clients | None:
    """What is called to ask. Raises `TypeError` for what takes neither three nor four arguments, and where an origin has no client."""
    if redeem is None:
        return None
    if isinstance(redeem, BrokerClient):
        return Clients([redeem], policy)
    if isinstance(redeem, Sequence):
        return Clients(redeem, policy)
    try:
        signature = inspect.signature(redeem)
    except ValueError:
        # Not every callable of an extension tells.
        return redeem
    if not _takes(signature, 3) and not _takes(signature, 4):
        raise TypeError("redeem takes three arguments: need, visa, presented; or four: the verdict, too")
    return redeem


def takes_verdict(redeem: Redeem | Clients | None) -> bool:
    """Whether this is to get the verdict as its fourth argument. A parameter with a default and another name is the site's own."""
    if redeem is None or isinstance(redeem, Clients):
        return False
    try:
        signature = inspect.signature(redeem)
    except ValueError:
        return False
    names = list(signature.parameters)[3:4]
    return _takes(signature, 4) and (not _takes(signature, 3) or names == ["verdict"])


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def checked(answer: Any) -> Redemption:
    """An answer that is one. Raises `TypeError`."""
    word = _WORDS.get(answer) if isinstance(answer, str) else None
    if word is None:
        raise TypeError("redeem answers accepted, refused or unavailable")
    return word


_Party = TypeVar("_Party", BrokerClient, Redeemer)


class _Parties(Generic[_Party]):
    """Clients or redeemers: for each broker one for each host of the policy, since a broker pays each host by its own name."""

    def __init__(self, kind: type[_Party], given: Iterable[_Party], policy: Policy) -> None:
        self._by_issuer: dict[str, list[_Party]] = {}
        for each in given:
            if not isinstance(each, kind):
                raise TypeError(f"what redeems visas is a {kind.__name__}")
            self._by_issuer.setdefault(each.issuer, []).append(each)
        for broker in json.loads(policy.public_json())["payment"]["brokers"]:
            parties = self._by_issuer.get(broker["issuer"].rstrip("/"), [])
            if not parties:
                continue
            paid = {origin for origin in policy.origins if any(party.is_paid_for(origin) for party in parties)}
            # Beside a site that is paid, this machine is there for development.
            is_rehearsal = not any(_kind_of(origin) != "loopback" for origin in paid)
            for origin in policy.origins:
                host = _kind_of(origin)
                has_owner = is_rehearsal if host == "loopback" else host == "name"
                if has_owner and origin not in paid:
                    raise TypeError(
                        f"a broker pays each host by its own name: {origin} has no {kind.__name__} at {broker['issuer']}: "
                        "give a list with one for that host, or take the origin out of the policy"
                    )

    def find(self, issuer: str, page: str | None) -> _Party | None:
        """The one that this broker pays for this page; for a page without a host, which no broker pays, any."""
        parties = self._by_issuer.get(issuer.rstrip("/"), [])
        return next((party for party in parties if party.is_paid_for(page or "")), parties[0] if parties else None)


def _kind_of(origin: str) -> Literal["name", "address", "loopback"]:
    """What the host of an origin is: a name, an address, by which no agent is named, or this machine."""
    host = urlsplit(origin).hostname or ""
    if host == "localhost":
        return "loopback"
    try:
        return "loopback" if ipaddress.ip_address(host).is_loopback else "address"
    except ValueError:
        return "name"


class Clients:
    """Who asks brokers about visas (`check: redeem`)."""

    def __init__(self, clients: Sequence[BrokerClient], policy: Policy) -> None:
        if not clients:
            raise TypeError("redeem is a BrokerClient, several, or a callable")
        self._parties = _Parties(BrokerClient, clients, policy)

    def about(self, page: str | None) -> Redeem:
        """What asks about visas that came for this page."""
        return partial(self._confirm, page)

    def _confirm(self, page: str | None, need: Need, _visa: str, presented: Presented) -> Redemption:
        client = self._parties.find(need.url.removesuffix("/v1/visas/redeem"), page)
        if client is None:
            _LOG.error("the visa is of a broker whose client the site does not have")
            return "unavailable"
        return client.confirm(presented)


class Redeemers:
    """What takes the visas that were accepted without asking their brokers (`check: offline`)."""

    def __init__(self, given: GivenRedeemers | None, policy: Policy) -> None:
        if isinstance(given, Mapping):
            for issuer, each in given.items():
                if issuer.rstrip("/") != each.issuer:
                    raise TypeError(f"the redeemer for {issuer} presents to {each.issuer}")
            given = list(given.values())
        elif isinstance(given, Redeemer):
            given = [given]
        self._parties = _Parties(Redeemer, given or (), policy)
        self._is_empty = not given
        self._missed: set[str] = set()

    def of(self, issuer: str, page: str | None) -> Redeemer | None:
        """The one that this broker pays for this page. That there is none for visas that the site takes is logged, once for each broker."""
        found = self._parties.find(issuer, page)
        if found is None and not self._is_empty and issuer not in self._missed:
            self._missed.add(issuer)
            _LOG.error("visas of %s are accepted and not redeemed: the site has no redeemer for this broker", issuer)
        return found


class Turns:
    """So many requests may wait for one thing at one time; whoever gets a turn gives it back."""

    def __init__(self, most: int, why: str) -> None:
        self._most = most
        self._why = why
        self._left = threading.BoundedSemaphore(most)

    def take(self) -> bool:
        """Whether there is a turn; waits for none."""
        if self._left.acquire(blocking=False):
            return True
        _LOG.warning(self._why, self._most)
        return False

    def give_back(self) -> None:
        """Ends a turn."""
        self._left.release()
