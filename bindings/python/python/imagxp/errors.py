"""Exceptions of misuse and of broken environments. A refused request is a verdict, never an exception."""

from __future__ import annotations

from typing import Any, Literal

__all__ = [
    "AuditError",
    "BrokerError",
    "FetchError",
    "ImagxpError",
    "InternalError",
    "JsonError",
    "KeyFileError",
    "KeyFormatError",
    "ManifestError",
    "PolicyError",
    "ProvenanceError",
    "ReadError",
    "RotationError",
    "SignerError",
    "TokenError",
    "UsageError",
]


class ImagxpError(Exception):
    """Base of every exception of this package: a stable dotted `code` and one sentence; it never holds a secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class UsageError(ImagxpError, ValueError):
    """An argument is out of range or of the wrong form (`usage.argument`)."""


class PolicyError(ImagxpError, ValueError):
    """A policy document is not acceptable (`usage.policy`)."""


class ReadError(ImagxpError):
    """A read that ended without content: `offer.*`, `spend.*`, `robots.*`, `redirect.*`, `payment.*`, `io.failed`, …

    `report` tells what happened before, step by step, and what was paid.
    """

    def __init__(self, code: str, message: str, report: dict[str, Any] | None = None) -> None:
        super().__init__(code, message)
        self.report: dict[str, Any] = report or {}


class SignerError(ImagxpError):
    """An external signer failed or answered nonsense (`usage.signer`); its own exception is the `__cause__`."""


class KeyFormatError(ImagxpError, ValueError):
    """A key or a key set cannot be read (`key.malformed`)."""


class KeyFileError(ImagxpError, ValueError):
    """An encrypted key file does not open (`key_file.locked`): the passphrase is wrong, or the file is damaged."""


class RotationError(ImagxpError):
    """A step of a key rotation would come too early, too late or twice (`rotation.order`); the message says when it is safe."""


class ManifestError(ImagxpError, ValueError):
    """A manifest breaks a rule (`identity.manifest_invalid`)."""


class ProvenanceError(ImagxpError):
    """A provenance receipt is missing, cannot be read, or speaks of something else (`provenance.*`)."""


class TokenError(ImagxpError, ValueError):
    """A signed token is refused (`payment.*`)."""


class AuditError(ImagxpError, ValueError):
    """An audit log, a checkpoint, a proof or evidence cannot be read, was altered, or does not hold (`audit.*`)."""


class JsonError(ImagxpError, ValueError):
    """A text is not strict I-JSON, or too large (`json.*`, `header.too_large`)."""


class FetchError(ImagxpError):
    """Something could not be fetched (`identity.fetch_failed` and its kin).

    `failure` is the name that `Publisher.supply_failure` takes; `sent` says whether bytes of the request may have reached the peer;
    `status` is the answer's when there was one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        failure: Literal["failed", "not_found", "redirect", "address_denied", "busy", "invalid"],
        sent: bool,
        status: int | None,
    ) -> None:
        super().__init__(code, message)
        self.args = (code, message, failure, sent, status)
        self.failure = failure
        self.sent = sent
        self.status = status


class BrokerError(ImagxpError):
    """A broker did not do what was asked: its own code (`account.insufficient`, `visa.state` …), `broker.unreachable` or `broker.answer`.

    `status` and `request_id` are the answer's when there was one. `unknown` says that it may have happened all the same: ask again with
    the `idempotency_key`, which is answered with what happened the first time. `transient` says that asking again later may help.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
        unknown: bool = False,
        transient: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.args = (code, message, status, request_id, idempotency_key, unknown, transient)
        self.status = status
        self.request_id = request_id
        self.idempotency_key = idempotency_key
        self.unknown = unknown
        self.transient = transient


class InternalError(ImagxpError):
    """A bug in this package (`internal.*`). The process goes on; please report it."""


_EXACT: dict[str, type[ImagxpError]] = {
    "usage.argument": UsageError,
    "usage.policy": PolicyError,
    "usage.signer": SignerError,
    "key.malformed": KeyFormatError,
    "key_file.locked": KeyFileError,
    "rotation.order": RotationError,
    "identity.manifest_invalid": ManifestError,
    "header.too_large": JsonError,
}
_BY_GROUP: dict[str, type[ImagxpError]] = {
    "audit": AuditError,
    "internal": InternalError,
    "json": JsonError,
    "payment": TokenError,
    "provenance": ProvenanceError,
}


def from_code(code: str, message: str) -> ImagxpError:
    """The exception for an error of the core; its class follows from the code."""
    group = code.partition(".")[0]
    return (_EXACT.get(code) or _BY_GROUP.get(group) or ImagxpError)(code, message)
