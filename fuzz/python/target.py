#!/usr/bin/env python3
"""Python's entry points under atheris: whatever comes in, errors are ours, nothing panics, and nobody gets in without a signature.

Usage: target.py [--seed-fault] [libFuzzer's options]     scripts/fuzz_bindings.sh runs it; atheris must be importable
Requests are signed anew once they are spent or old, so that nothing but what the input changes can be wrong with them. The seeded fault is
behind four letters, to which coverage leads one by one, and then in the page itself: it needs a request that is served.
"""

import asyncio
import base64
import posixpath
import sys
import time
from urllib.parse import unquote

import atheris

with atheris.instrument_imports(include=["imagxp"]):
    import imagxp
    from imagxp.asgi import ImagxpMiddleware

FAULT = "--seed-fault" in sys.argv
PAYLOAD, SIGNATURE = b"x-imagxp-payload", b"x-imagxp-signature"
POLICY = imagxp.Policy.from_json(
    '{"version":1,"origins":["https://pub.example"],"unsigned":"deny","purposes":{"RAG_RETRIEVAL":{"allow":true}}}'
)
ALLOWED = "RAG_RETRIEVAL"
OTHER = "CRAWL_TRAINING"
PAGE = b"/page"
AGENT = imagxp.Identity.generate("bot.example.com")
MANIFEST_URL = "https://bot.example.com/.well-known/imagxp-agent.json"
MANIFEST = AGENT.manifest().to_json()
READERS = [
    imagxp.Policy.from_json,
    imagxp.canonicalize,
    imagxp.JwkSet.parse,
    imagxp.Robots.parse,
    imagxp.PublicKey.from_pem,
    imagxp.read_offer,
    imagxp.verify_evidence,
    lambda body: imagxp.Manifest.parse(body, "bot.example.com"),
]
# Below the share of nonces that one agent may have in the store.
REQUESTS_PER_SITE = 50_000
# A request passes for 300 s.
FRESH_S = 60


class Book:
    """A resolver that knows one manifest by heart and asks nobody for any other."""

    def supply(self, publisher, need):
        """What `imagxp.Resolver.supply` does."""
        if need.url == MANIFEST_URL:
            publisher.supply(need.url, MANIFEST)
        else:
            publisher.supply_failure(need.url, "not_found")


class Site:
    """The middleware and the page behind it."""

    def __init__(self):
        self.middleware = ImagxpMiddleware(self.page, POLICY, resolver=Book())
        self.middleware.publisher.supply(MANIFEST_URL, MANIFEST)
        self.requests = 0
        self.is_served = self.is_lost = False

    async def page(self, scope, receive, send):
        """What nobody may reach who has not signed."""
        self.is_served = True
        if FAULT:
            self.is_lost = (b"user-agent", b"lost") in scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async def ask(self, method, raw, lines):
        """The status of one request, and whether the page was reached."""
        self.requests += 1
        self.is_served = False
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "https",
            "method": method,
            "path": unquote(raw.decode("latin-1")),
            "raw_path": raw,
            "query_string": b"",
            "headers": lines,
            "client": None,
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await self.middleware(scope, receive, send)
        return sent[0]["status"], self.is_served


@atheris.instrument_func
def leads_to_fault(data):
    """Whether coverage has led to the seeded fault, letter by letter."""
    return len(data) > 3 and data[0] == ord("l") and data[1] == ord("o") and data[2] == ord("s") and data[3] == ord("t")


class Pen:
    """Signs, and keeps what is not spent."""

    def __init__(self):
        self.kept = {}

    def lines(self, purpose):
        """The header lines of a request that nobody has sent yet."""
        at, lines = self.kept.get(purpose, (0, None))
        if lines is None or time.monotonic() - at > FRESH_S:
            signed = AGENT.sign("GET", "https://pub.example/page", purpose)
            lines = [(name.lower().encode(), value.encode()) for name, value in signed]
            self.kept[purpose] = time.monotonic(), lines
        return lines

    def spend(self, purpose):
        """Said of lines that were served."""
        del self.kept[purpose]


@atheris.instrument_func
def change(lines, told):
    """One change of the header lines, as a line of the input tells it."""
    kind, rest = told[:1], told[1:]
    if kind == b"+":
        name, _, value = rest.partition(b":")
        lines.append((name.strip().lower(), value))
        return
    if len(rest) < 3 or not lines:
        return
    at, new = rest[0] % len(lines), rest[3:]
    name, value = lines[at]
    place = int.from_bytes(rest[1:3], "big") % (len(value) + 1)
    if kind == b"-":
        del lines[at]
    elif kind == b"*":
        lines.append((name, value))
    elif kind == b"=":
        lines[at] = name, new
    elif kind == b"~":
        lines[at] = name, value[:place] + new + value[place + len(new) :]
    elif kind == b"^":
        lines[at] = name, value[:place] + new + value[place:]
    elif kind == b"!":
        lines[at] = name, value[:place]


def only(lines, wanted):
    """The value of a header that comes once."""
    values = [value.strip() for name, value in lines if name == wanted]
    return values[0] if len(values) == 1 else b""


def claim(lines):
    """What is claimed, in the form that is signed."""
    text = only(lines, PAYLOAD).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    return imagxp.canonicalize(base64.b64decode(text + b"=" * (-len(text) % 4)))


@atheris.instrument_func
async def ask(site, told):
    """A good request with changes, twice. The first line is method, target and purpose, each of the others a change."""
    first, *changes = told.split(b"\n")
    method, raw, purpose, *_ = [*first.split(b" "), b"", b"", b""]
    method, raw = method.decode("latin-1") or "GET", raw or PAGE
    purpose = OTHER if purpose == OTHER.encode() else ALLOWED
    signed = PEN.lines(purpose)
    lines = list(signed)
    for line in changes[:8]:
        change(lines, line)
    status, is_served = await site.ask(method, raw, lines)
    what = f"{method} {raw!r} {purpose} {lines}, signed {signed}"
    if status == 500:
        raise RuntimeError(f"an exception inside: {what}")
    path = unquote(raw.decode("latin-1"))
    # These are announcements, and everybody's (imagxp.gate).
    if path in ("/robots.txt", "/.well-known/imagxp-policy.json"):
        return
    if is_served != (status < 400):
        raise RuntimeError(f"{status}, served: {is_served}: {what}")
    is_untouched = lines == signed and method == "GET" and raw == PAGE
    if is_untouched and is_served != (purpose == ALLOWED):
        raise RuntimeError(f"{status} for an untouched request: {what}")
    if not is_served:
        return
    PEN.spend(purpose)
    if site.is_lost:
        raise RuntimeError("the seeded fault")
    if purpose != ALLOWED or method != "GET" or posixpath.normpath(path) != "/page":
        raise RuntimeError(f"nobody signed this: {what}")
    is_same = claim(lines) == claim(signed) and only(lines, SIGNATURE).lower() == only(signed, SIGNATURE)
    if not is_same:
        raise RuntimeError(f"what passed is not what was signed: {what}")
    if (await site.ask(method, raw, lines))[1]:
        raise RuntimeError(f"a replay passed: {what}")


def read(data):
    """A document for one of the readers, as bytes or as a text; the first byte says which."""
    reader = READERS[data[0] // 2 % len(READERS)]
    document = data[1:] if data[0] % 2 == 0 else data[1:].decode("utf-8", "surrogateescape")
    try:
        reader(document)
    except imagxp.ImagxpError as error:
        if not error.code or not str(error):
            raise RuntimeError("an error without a code or a sentence") from error
    except (TypeError, ValueError):
        # A text with lone surrogates is no text.
        pass


LOOP = asyncio.new_event_loop()
SITES = [Site()]
PEN = Pen()


def one(data):
    """One input: a request, which begins with a question mark, or a document."""
    if not data:
        return
    if FAULT:
        if not leads_to_fault(data):
            return
        data = b"?GET /page\n+user-agent:lost"
    if data[:1] != b"?":
        read(data)
        return
    if SITES[0].requests > REQUESTS_PER_SITE:
        LOOP.run_until_complete(SITES[0].middleware.aclose())
        SITES[0] = Site()
    LOOP.run_until_complete(ask(SITES[0], data[1:]))


# Without a request that passes, none of the refusals proves anything.
LOOP.run_until_complete(ask(SITES[0], b""))
atheris.Setup([argument for argument in sys.argv if argument != "--seed-fault"], one)
atheris.Fuzz()
