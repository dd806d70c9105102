"""The table of refusal codes (PROTOCOL §13): the same strings, numbers and statuses in every language."""

from __future__ import annotations

from typing import Final, NamedTuple

from ._imagxp import CODES

__all__ = ["ALL", "Code", "by_name", "by_number"]


class Code(NamedTuple):
    """One refusal code."""

    name: str
    """The dotted string."""
    number: int
    """What crosses the C ABI."""
    http: int
    """The status to answer with."""
    retry: str
    """`never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`, unless a verdict knows better."""
    message: str
    """One sentence that says what happened."""
    hint: str
    """One sentence that says what to do."""


ALL: Final[tuple[Code, ...]] = tuple(Code(*row) for row in CODES)
"""Every code, in the order of the protocol."""

_BY_NAME = {code.name: code for code in ALL}
_BY_NUMBER = {code.number: code for code in ALL}


def by_name(name: str) -> Code:
    """The code with this dotted string; `KeyError` when there is none."""
    return _BY_NAME[name]


def by_number(number: int) -> Code:
    """The code with this number; `KeyError` when there is none."""
    return _BY_NUMBER[number]
