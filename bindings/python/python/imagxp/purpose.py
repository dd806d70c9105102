"""Purposes that a view asks for."""

from __future__ import annotations

from collections.abc import Sequence

from ._imagxp import PURPOSES
from .errors import UsageError

__all__ = ["checked"]


def checked(purposes: Sequence[str]) -> tuple[str, ...]:
    """The purposes; `UsageError` for one that does not exist, which would shut everybody out."""
    for purpose in purposes:
        if purpose not in PURPOSES:
            raise UsageError("usage.argument", f"`{purpose}` is not a purpose: {', '.join(PURPOSES)}")
    return tuple(purposes)
