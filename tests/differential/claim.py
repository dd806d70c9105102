"""Steps 2 and 3 of the second verifier: base64, JSON and the claim."""

import base64
import ipaddress
import json
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from refusal import Refused

PURPOSES = {"CRAWL_TRAINING", "RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"}
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def unbase64(text):
    if re.fullmatch(r"[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2}", text) is None:
        raise Refused("header.base64_invalid")
    bare = text.rstrip("=")
    padding = -len(bare) % 4
    if padding == 3 or (text != bare and len(text) - len(bare) != padding):
        raise Refused("header.base64_invalid")
    data = base64.urlsafe_b64decode(bare.replace("+", "-").replace("/", "_") + "=" * padding)
    again = base64.urlsafe_b64encode(data).decode().rstrip("=")
    if again != bare.replace("+", "-").replace("/", "_"):
        raise Refused("header.base64_invalid")
    return data


def strict_json(data):
    """The claim as a dict."""
    if len(data) > 8192:
        raise Refused("header.too_large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("json.invalid_unicode") from None

    def members(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Refused("json.duplicate_key")
        if len(names) > 64:
            raise Refused("json.too_many")
        return dict(pairs)

    def integer(digits):
        value = int(digits)
        if abs(value) > 2**53 - 1:
            raise Refused("json.number_range")
        return value

    def fraction(digits):
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            raise Refused("json.number_range")
        return value

    def word(_):
        raise Refused("json.malformed")

    try:
        value = json.loads(text, object_pairs_hook=members, parse_int=integer, parse_float=fraction, parse_constant=word)
    except (json.JSONDecodeError, RecursionError):
        raise Refused("json.malformed") from None
    if not isinstance(value, dict):
        raise Refused("json.malformed")

    def look(item, depth):
        if isinstance(item, str) and any(0xD800 <= ord(c) < 0xE000 for c in item):
            raise Refused("json.invalid_unicode")
        if isinstance(item, (dict, list)):
            if depth > 8:
                raise Refused("json.too_deep")
            for inner in item if isinstance(item, list) else [*item.keys(), *item.values()]:
                look(inner, depth + 1)

    look(value, 1)
    return value


# Step 3: the claim.


def is_agent_id(text):
    if not isinstance(text, str) or len(text) > 253 or text.count(".") < 1:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.split(".")
        return all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels) and not labels[-1].isdigit()
    return False


def moment(claim):
    version = claim.get("v")
    if "timestamp" in claim:
        if "ts" in claim or ("v" in claim and version != "1.0"):
            raise Refused("claim.ts_invalid")
        seconds = claim["timestamp"]
        if type(seconds) is not int or not 946684800 <= seconds < 4133980800:
            raise Refused("claim.ts_invalid")
        return seconds * 1000
    text = claim.get("ts")
    if not isinstance(text, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", text, re.ASCII) is None:
        raise Refused("claim.ts_invalid")
    try:
        found = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("claim.ts_invalid") from None
    # strptime takes a second 60 and 61.
    if not 2000 <= found.year <= 2100 or int(text[17:19]) > 59:
        raise Refused("claim.ts_invalid")
    return int(found.timestamp()) * 1000 + int(text[20:-1].ljust(3, "0") if len(text) > 20 else 0)


def url_parts(text):
    """Origin (or None), path and query in the normal form of RFC 3986."""
    if not isinstance(text, str) or len(text) > 4096 or re.search(r"[\s\\#]", text) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError
    parts = urlsplit(text)
    origin = None
    if not text.startswith("/"):
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        default = {"http": 80, "https": 443}[parts.scheme.lower()]
        origin = (parts.scheme.lower(), parts.hostname, parts.port or default)
    elif text.startswith("//"):
        raise ValueError

    def normal(piece):
        def escape(match):
            char = chr(int(match[1], 16))
            return char if char in UNRESERVED else match[0].upper()

        return re.sub(r"%([0-9A-Fa-f]{2})", escape, piece)

    # RFC 3986 §5.2.4
    out = []
    segments = normal(parts.path or "/").split("/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "..":
            out = out[:-1]
        elif segment != ".":
            out.append(segment)
        if last and segment in (".", ".."):
            out.append("")
    target = text.split("#")[0]
    query = normal(target.split("?", 1)[1]) if "?" in target else None
    return origin, "/" + "/".join(out), query


def read_claim(claim):
    if not is_agent_id(claim.get("agent_id")):
        raise Refused("claim.agent_id_invalid")
    purpose = claim.get("purpose")
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        raise Refused("claim.purpose_invalid")
    millis = moment(claim)
    nonce = claim.get("nonce")
    if not isinstance(nonce, str) or re.fullmatch(r"[A-Za-z0-9._~-]{16,128}", nonce) is None:
        raise Refused("claim.nonce_invalid")
    resource = None
    if "resource" in claim:
        try:
            resource = url_parts(claim["resource"])
        except ValueError:
            raise Refused("claim.resource_invalid") from None
    if not isinstance(claim.get("method", ""), str):
        raise Refused("claim.method_mismatch")
    if not isinstance(claim.get("content_digest", ""), str):
        raise Refused("claim.digest_mismatch")
    context = claim.get("context", {})
    if not isinstance(context, dict) or not isinstance(context.get("ads_displayed", True), bool):
        raise Refused("claim.context_invalid")
    return millis, resource
