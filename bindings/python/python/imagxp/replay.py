"""What a replay store written in Python must offer (PROTOCOL §5, replay store contract)."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

__all__ = ["Insert", "ReplayStore"]

Insert = Literal["fresh", "seen", "full", "error"]


@runtime_checkable
class ReplayStore(Protocol):
    """A set of 16-byte keys with expiry, shared by every process that verifies for a site. Times are milliseconds since 1970.

    Every doubt must fail closed: answer `"error"`, or raise, rather than `"fresh"`. Whatever is raised is logged to the logger
    `imagxp` and answered with 503. The methods are called from whichever thread verifies, several at a time.
    """

    def insert_if_absent(self, key: bytes, agent: bytes, expires_at: int, now: int, /) -> Insert:
        """Stores the key unless it is present, atomically, and keeps it until `expires_at` however the clock moves.

        `agent` is a key for per-agent quotas: `"full"` says that the store, or the agent's share of it, is full.
        """
        ...

    def seen(self, key: bytes, now: int, /) -> bool:
        """Looks without storing. A store that cannot may answer `False`: a replay then costs one signature check more."""
        ...

    def horizon(self) -> int | None:
        """Everything that expired at or before this time may have been forgotten; `None` when nothing can have been.

        A store whose expiry follows a clock of its own (Redis) answers `None`.
        """
        ...
