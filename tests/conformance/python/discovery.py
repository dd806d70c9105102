"""`robots` and `preferences`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import imagxp


def robots(case: dict[str, Any]) -> dict[str, Any]:
    parsed = imagxp.Robots.parse(_bytes(case, "robots") or b"")
    token = case["product_token"]
    allowed = [parsed.allows(token, path) for path in case["paths"]]
    return {"allowed": allowed, "policy_urls": list(parsed.policy_urls(token))}


def preferences(case: dict[str, Any]) -> dict[str, Any]:
    rsl = _bytes(case, "rsl")
    report = imagxp.discover(
        case["url"],
        case["product_token"],
        robots=_bytes(case, "robots"),
        robots_status=case.get("robots_status"),
        headers=[(name, value) for name, value in case.get("headers", [])],
        rsl={} if rsl is None else {"https://pub.example/license.xml": rsl},
        policy=_bytes(case, "policy"),
    )
    return {"report": report.to_dict()}


OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"robots": robots, "preferences": preferences}


def _bytes(case: dict[str, Any], name: str) -> bytes | None:
    """A member as text, or as base64 under the name with `_b64`."""
    if name in case:
        return case[name].encode()
    encoded = case.get(f"{name}_b64")
    return None if encoded is None else base64.b64decode(encoded, validate=True)
