"""A broker's word on a visa before the content goes out (`check: redeem`): who is asked, what is an answer, and how many may wait."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Literal

from ._imagxp import BrokerClient, Need, Presented, Redeemer

__all__ = ["Redeem", "Redeemers", "Redemption", "Turns", "asking", "checked"]

Redemption = Literal["accepted", "refused", "unavailable"]
Redeem = Callable[[Need, str, Presented], "Redemption | Awaitable[Redemption]"]
"""Asks a broker about a visa: gets the need (its `url` is the broker's), the visa, and what a [`BrokerClient`] shows its broker: the visa
with the signed request that brought it. Asynchronous ones work with ASGI only. A [`BrokerClient`] in its place asks its broker."""

_LOG = logging.getLogger("imagxp")
WAITING_FOR_BROKERS: Final = "a visa is not asked about: %d requests wait for brokers already"
_WORDS: Final[dict[str, Redemption]] = {"accepted": "accepted", "refused": "refused", "unavailable": "unavailable"}


def asking(redeem: Redeem | BrokerClient | None) -> Redeem | None:
    """What is called to ask. Raises `TypeError` for what does not take three arguments."""
    if redeem is None:
        return None
    if isinstance(redeem, BrokerClient):
        return partial(_confirm, redeem)
    try:
        signature = inspect.signature(redeem)
    except ValueError:
        # Not every callable of an extension tells.
        return redeem
    try:
        signature.bind(None, None, None)
    except TypeError as error:
        raise TypeError("redeem takes three arguments: need, visa, presented") from error
    return redeem


def checked(answer: Any) -> Redemption:
    """An answer that is one. Raises `TypeError`."""
    word = _WORDS.get(answer) if isinstance(answer, str) else None
    if word is None:
        raise TypeError("redeem answers accepted, refused or unavailable")
    return word


class Redeemers:
    """What takes the visas that were accepted without asking their brokers (`check: offline`): one redeemer for each broker."""

    def __init__(self, redeemer: Redeemer | Mapping[str, Redeemer] | None) -> None:
        given = redeemer if isinstance(redeemer, Mapping) else {redeemer.issuer: redeemer} if redeemer is not None else {}
        for issuer, each in given.items():
            if issuer.rstrip("/") != each.issuer:
                raise TypeError(f"the redeemer for {issuer} presents to {each.issuer}")
        self._by_issuer = {each.issuer: each for each in given.values()}
        self._missed: set[str] = set()

    def of(self, issuer: str) -> Redeemer | None:
        """The one that presents to this broker. That there is none for visas that the site takes is logged, once for each broker."""
        found = self._by_issuer.get(issuer.rstrip("/"))
        if found is None and self._by_issuer and issuer not in self._missed:
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


def _confirm(broker: BrokerClient, need: Need, _visa: str, presented: Presented) -> Redemption:
    if not need.url.startswith(f"{broker.issuer}/"):
        _LOG.error("the visa is of a broker whose client the site does not have")
        return "unavailable"
    return broker.confirm(presented)
