#!/usr/bin/env python3
"""Python's entry points under atheris: whatever comes in, errors are ours, nothing panics, and nobody gets in without a signature.

Usage: target.py [--seed-fault] [libFuzzer's options]     scripts/fuzz_bindings.sh runs it; atheris must be importable
"""

import asyncio
import sys

import atheris

with atheris.instrument_imports(include=["imagxp"]):
    import imagxp
    from imagxp.asgi import ImagxpMiddleware

FAULT = "--seed-fault" in sys.argv
NAMES = [
    b"x-imagxp-payload",
    b"x-imagxp-signature",
    b"x-imagxp-public-key",
    b"x-imagxp-payment",
    b"user-agent",
    b"x-imagxp-agent-id",
    b"host",
]
POLICY = imagxp.Policy.from_json(
    '{"version":1,"origins":["https://pub.example"],"unsigned":"deny","purposes":{"RAG_RETRIEVAL":{"allow":true}}}'
)
AGENT = imagxp.Identity.generate("bot.example.com")
SIGNED = AGENT.sign("GET", "https://pub.example/page", "RAG_RETRIEVAL")
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
served = False


async def page(scope, receive, send):
    """What nobody may reach."""
    global served
    served = True
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


LOOP = asyncio.new_event_loop()
SITE = ImagxpMiddleware(page, POLICY)


def lines(data):
    """Header lines, some of them the good request's with a change."""
    made = []
    for _ in range(data.ConsumeIntInRange(0, 8)):
        if data.ConsumeBool():
            name, value = SIGNED[data.ConsumeIntInRange(0, len(SIGNED) - 1)]
            changed = bytearray(value.encode())
            if changed and data.ConsumeBool():
                changed[data.ConsumeIntInRange(0, len(changed) - 1)] = data.ConsumeIntInRange(0, 255)
            made.append((name.lower().encode(), bytes(changed)))
        else:
            made.append((data.PickValueInList(NAMES), data.ConsumeBytes(data.ConsumeIntInRange(0, 200))))
    return made


async def ask(data):
    """One request to the middleware."""
    global served
    served = False
    target = data.ConsumeBytes(data.ConsumeIntInRange(0, 60))
    headers = lines(data)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "https",
        "method": data.PickValueInList(["GET", "HEAD", "POST", "BREW"]),
    }
    scope |= {
        "path": "/" + target.decode("latin-1"),
        "raw_path": b"/" + target,
        "query_string": b"",
        "headers": headers,
        "client": None,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await SITE(scope, receive, send)
    # These two are announcements, and everybody's (imagxp.gate).
    public = scope["path"].startswith(("/robots.txt", "/.well-known/"))
    if served and not public:
        raise RuntimeError(f"nobody signed this: {scope}")
    if sent[0]["status"] < 400 and not public:
        raise RuntimeError(f"{sent[0]['status']} for {scope}")


def one(data):
    """One input: a reader, or a request."""
    data = atheris.FuzzedDataProvider(data)
    if FAULT and data.ConsumeBytes(1) == b"c":
        raise RuntimeError("the seeded fault")
    if data.ConsumeBool():
        reader = data.PickValueInList(READERS)
        try:
            reader(data.ConsumeBytes(4000) if data.ConsumeBool() else data.ConsumeUnicode(1000))
        except imagxp.ImagxpError as error:
            if not error.code or not str(error):
                raise RuntimeError("an error without a code or a sentence") from error
        except (TypeError, ValueError):
            # A text with lone surrogates is no text.
            pass
        return
    LOOP.run_until_complete(ask(data))


atheris.Setup([argument for argument in sys.argv if argument != "--seed-fault"], one)
atheris.Fuzz()
