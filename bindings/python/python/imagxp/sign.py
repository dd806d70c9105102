"""What a request of `Identity.sign_batch` may say beside method, URL and purpose: the keyword arguments of `Identity.sign`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

__all__ = ["SignOptions"]


class SignOptions(TypedDict, total=False):
    """The options of one request of a batch; what is left out has the default of `Identity.sign`."""

    now: datetime | int | str
    nonce: str
    ads_displayed: bool
    context: Mapping[str, Any]
    content_digest: str
    payment: str
    proof: str
    compatible: bool
