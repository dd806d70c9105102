#!/usr/bin/env python3
"""docs/broker-api.md, made from what the broker says of itself: openapi_docs.py [--check] [--document FILE]

The OpenAPI document comes from a service that is started on loopback with a folder of its own (target/debug/imagxp, which must have been
built), or from FILE. The codes are those of the tables in core/broker and core/server. `--check` compares. Standard library only.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PAGE = ROOT / "docs" / "broker-api.md"
ISSUER = "https://broker.example"
METHODS = ("get", "post", "put", "patch", "delete")
# An answer that so many operations describe alike comes from the layers around them: said once.
MANY = 10
WHO = {
    "imagxp_signature": "a signed request",
    "access_token": "an access token",
    "operator_token": "an operator's token",
    "operator_session": "an operator's session",
    "trusted_proxy": "a proxy of `verify.trusted`",
}
STATUS_OF = {"bad": 400, "unauthorized": 401, "not_found": 404, "busy": 503}
NAMED = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNPROCESSABLE_ENTITY": 422,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
    "GATEWAY_TIMEOUT": 504,
}
HEAD = """# The broker's API

Made by `scripts/openapi_docs.py` from the service's own `/openapi.json` and from the tables of codes; do not edit. How money moves:
[money model](money-model.md). How to run a broker: [operator's guide](guide-broker-operator.md).

* Money is written as decimal strings in the asset's units (`"10.00"`), never as numbers; times are RFC 3339 in UTC, in tokens seconds.
* **Who may**: agents and publishers sign their requests with their own IMAGXP identity ([profile](protocol.md#signature)), or send
  `Authorization: Bearer` with an access token from `/oauth/token`. Operators send their token, `imagxp_op_…`, the same way. The role that
  is named is the least that suffices: viewer, cashier, admin. A depositor books deposits and does nothing else; a viewer books none.
* **Idempotency-Key** (1 to 255 visible ASCII characters) makes asking again safe: the same request is answered with what the first came
  to, another one with 409 `idempotency.mismatch`. A key counts for its caller only, for 24 hours at least.
* Lists go on from `next_cursor` as `cursor`; both are opaque. Reads have an `ETag`.
* Every answer has `x-request-id`, which names the request in the service's log.
* A refusal is `{"error": {"code", "message", "details", "request_id"}}`, but for `/oauth/token` (RFC 6749 §5.2) and the verdicts of
  `/v1/verify`, whose body is the verdict's own.

Besides what stands with each operation, the layers around all of them answer, where it fits:
"""


class Wrong(Exception):
    """The page cannot be made."""


def ask_service():
    """The document of a service that runs for this one question."""
    program = TARGET / "debug" / "imagxp"
    if not program.is_file():
        raise Wrong(f"{program} is not built: cargo build -p imagxp-cli")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGXP_")}
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w") as log:
        told = Path(folder) / "told"
        arguments = ["--json", "serve", "--dev", "--data", f"{folder}/data", "--issuer", ISSUER]
        arguments += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        with told.open("w") as stdout:
            service = subprocess.Popen([program, *arguments], stdout=stdout, stderr=log, env=environment)
        try:
            until = time.monotonic() + 60
            while service.poll() is None and time.monotonic() < until:
                # The first line says where it listens, once it does.
                if (line := told.read_text()).endswith("\n"):
                    with urllib.request.urlopen(f"http://{json.loads(line)['listen']}/openapi.json", timeout=60) as answer:
                        return json.load(answer)
                time.sleep(0.1)
            raise Wrong(f"the service did not start:\n{Path(log.name).read_text(errors='replace')}")
        finally:
            service.terminate()
            service.wait(timeout=30)


def one_line(text):
    return " ".join((text or "").split()).replace("|", "\\|")


def reference(schema):
    name = schema.get("$ref", "").rpartition("/")[2]
    return f"[{name}](#{name.lower()})" if name else None


def type_of(schema):
    """A schema in a few words."""
    if linked := reference(schema):
        return linked
    for alternatives in (schema.get("oneOf"), schema.get("anyOf")):
        if alternatives:
            return " or ".join(dict.fromkeys(type_of(one) for one in alternatives))
    if "allOf" in schema:
        return type_of(schema["allOf"][0])
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kinds = schema.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    words = []
    for kind in kinds:
        if kind == "array":
            words.append(f"list of {type_of(schema.get('items', {}))}")
        elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            words.append(f"object of {type_of(schema['additionalProperties'])}")
        else:
            words.append({"integer": "number"}.get(kind, kind))
    return " or ".join(words)


def who(operation):
    """Who may ask, from the security requirement."""
    found = []
    for alternative in operation["security"]:
        if not alternative:
            return "everybody"
        for scheme, scopes in alternative.items():
            role = f" ({scopes[0]})" if scopes else ""
            found.append(WHO[scheme] + role)
    return "; ".join(found)


def body_of(content):
    for kind, media in (content or {}).items():
        schema = media.get("schema", {})
        shown = type_of(schema)
        if shown == "object":
            return "JSON" if kind == "application/json" else f"`{kind}`"
        return shown if kind == "application/json" else f"{shown} as `{kind}`"
    return ""


def operations(document):
    """Every operation, with its path and method."""
    return [(path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item]


def common_answers(document):
    """The answers that many operations describe alike, as (status, description)."""
    count = collections.Counter(
        (status, one_line(answer.get("description")))
        for _, _, operation in operations(document)
        for status, answer in operation["responses"].items()
        if not status.startswith("2")
    )
    return sorted(answer for answer, times in count.items() if times >= MANY and answer[1])


def operation_text(method, path, operation, common):
    lines = [f"### {method.upper()} {path}", "", f"{one_line(operation['summary'])}.", "", f"For: {who(operation)}.", ""]
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | |", "| --- | --- | --- |"]
        for one in parameters:
            needed = ", required" if one.get("required") else ""
            lines.append(f"| `{one['name']}` | {one['in']}{needed} | {one_line(one.get('description'))} |")
        lines.append("")
    if request := operation.get("requestBody"):
        lines += [f"Body: {body_of(request['content'])}.", ""]
    lines += ["| status | | body |", "| --- | --- | --- |"]
    for status, answer in sorted(operation["responses"].items()):
        described = one_line(answer.get("description"))
        if (status, described) not in common:
            lines.append(f"| {status} | {described} | {body_of(answer.get('content'))} |")
    return "\n".join(lines) + "\n"


def schema_text(name, schema):
    lines = [f"### {name}", ""]
    if described := one_line(schema.get("description")):
        lines += [described, ""]
    properties = schema.get("properties")
    if not properties:
        return "\n".join([*lines, f"{type_of(schema)}.", ""])
    lines += ["| member | type | |", "| --- | --- | --- |"]
    required = schema.get("required", [])
    for member, one in properties.items():
        kind = type_of(one) + ("" if member in required else ", optional")
        lines.append(f"| `{member}` | {kind} | {one_line(one.get('description'))} |")
    return "\n".join(lines) + "\n"


def ledger_codes():
    """The rows of `codes!` in core/broker/src/refusal.rs."""
    text = (ROOT / "core/broker/src/refusal.rs").read_text()
    rows = re.findall(r'^ +\w+ = "([\w.]+)", (\d+), "((?:[^"\\]|\\.)*)";$', text, re.MULTILINE)
    if len(rows) < 20:
        raise Wrong("the table of core/broker/src/refusal.rs is not where it was")
    return [(code, int(status), meaning) for code, status, meaning in rows]


def service_codes():
    """What the service itself refuses with: the literal codes of `Problem::…(…)` in core/server, their status and their first sentence."""
    string = r'"((?:[^"\\]|\\.)*)"'
    call = re.compile(
        r"Problem::(bad|unauthorized|not_found|busy|new)\(\s*"
        rf"(?:StatusCode::(\w+),\s*)?\"([a-z_]+\.[a-z_]+)\"(?:,\s*(?:format!\(\s*)?{string})?"
    )
    found = {}
    for file in sorted((ROOT / "core/server/src").rglob("*.rs")):
        text = file.read_text().split("#[cfg(test)]\nmod tests")[0]
        for match in call.finditer(text):
            kind, status, code, message = match.groups(default="")
            number = NAMED[status] if kind == "new" else STATUS_OF[kind]
            if not message and (
                said := re.findall(rf"let message =\s*{string}", text[max(0, match.start() - 300) : match.start()])
            ):
                message = said[-1]
            message = re.sub(r"\{\w*\}", "N", re.sub(r"`\{[^}]*\}`", "it", message))
            before = found.get(code)
            if before is None or (before[1] == "" and message):
                found[code] = (number, message)
            elif before[0] != number:
                raise Wrong(f"`{code}` has two statuses, {before[0]} and {number}")
    # Spelt in the functions themselves.
    found.setdefault("auth.forbidden", (403, "this is not for you"))
    found.setdefault("internal.failed", (500, "the service failed; the request_id names it in the log"))
    if len(found) < 20:
        raise Wrong("the codes of core/server are not written as they were")
    return found


def codes_text():
    ledger = ledger_codes()
    known = {code for code, _, _ in ledger}
    lines = ["## Codes", "", "Stable; one status each. Of the ledger:", "", "| code | http | |", "| --- | --- | --- |"]
    lines += [f"| `{code}` | {status} | {one_line(meaning)} |" for code, status, meaning in ledger]
    lines += ["", "Of the service:", "", "| code | http | |", "| --- | --- | --- |"]
    protocol = set(re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/codes.md").read_text(), re.MULTILINE))
    for code, (status, message) in sorted(service_codes().items()):
        if code not in known:
            also = "; also a code of the profile" if code in protocol else ""
            lines.append(f"| `{code}` | {status} | {one_line(message)}{also if message else also.removeprefix('; ')} |")
    lines += [
        "",
        "Of a signature that does not hold, and of verdicts: the [codes of the profile](codes.md), with their statuses.",
        "",
    ]
    return "\n".join(lines)


def page(document):
    common = common_answers(document)
    parts = [HEAD + "\n".join(["", "| status | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in common)]) + "\n"]
    used = set()
    for tag in document["tags"]:
        tagged = [one for one in operations(document) if one[2]["tags"][0] == tag["name"]]
        if not tagged:
            continue
        described = one_line(tag["description"])
        parts.append(f"## {tag['name'].capitalize()}\n\n{described[:1].upper()}{described[1:]}.\n")
        for path, method, operation in tagged:
            used.add((path, method))
            parts.append(operation_text(method, path, operation, common))
    if missing := {(path, method) for path, method, _ in operations(document)} - used:
        raise Wrong(f"operations under a tag that is not declared: {sorted(missing)}")
    parts.append("## Objects\n")
    parts += [schema_text(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    parts.append(codes_text())
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    parser.add_argument("--document", type=Path, help="an OpenAPI document, instead of a service's")
    arguments = parser.parse_args()
    try:
        document = json.loads(arguments.document.read_text()) if arguments.document else ask_service()
        text = page(document)
    except (Wrong, OSError, ValueError) as error:
        sys.exit(f"openapi_docs.py: {error}")
    if not arguments.check:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: scripts/openapi_docs.py writes it")


if __name__ == "__main__":
    main()
