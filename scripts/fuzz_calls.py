"""The seeds of the fuzz target `c_calls`: whole sequences of C calls, which libFuzzer does not come to in the time it has.

What a call is, and in which order its variants and arguments come, is read from fuzz/src/c_calls; the form is that of fuzz_choices.py.
The target checks before it begins that they come as far as they are meant to (fuzz/src/c_calls/reach.rs). Standard library only.
"""

import re
from pathlib import Path

from fuzz_choices import Choices

FOLDER = Path(__file__).resolve().parent.parent / "fuzz" / "src" / "c_calls"
NUMBERS = {"bool": 1, "u8": 1, "Pick": 1, "u16": 2, "u32": 4, "i64": 8, "u64": 8, "usize": 8}
# What documents.rs has, in its order.
GOOD = ["policy", "pem", "public pem", "spki", "manifest url", "manifest", "agent", "method"]
GOOD += ["url", "nonce", "amount", "currency", "jwks", "secret", "thumbprint"]
RAG_RETRIEVAL = 2
AT = 1_780_000_000_000  # the time that the target calls now


def variants(file, name):
    """Each variant of an enum, in order, with the types of its fields by name."""
    body = re.search(rf"pub enum {name}<'a> {{\n(.*?)\n}}", (FOLDER / file).read_text(), re.S).group(1)
    found = {}
    for line in body.splitlines():
        if made := re.fullmatch(r"    (\w+)(?: \{ (.*) \}|\((.*)\))?,", line):
            fields = re.findall(r"(\w+): ((?:Vec<)?(?:\([^)]*\)|[^,<>]+(?:<'a>)?)>?)(?:, |$)", made[2] or "")
            found[made[1]] = dict(fields) if made[2] else {"0": made[3]} if made[3] else {}
    return found


def functions(table):
    """The functions of a table of tables.rs, in order."""
    body = re.search(rf"pub const {table}: .*?= \[(.*?)\];", (FOLDER / "tables.rs").read_text(), re.S).group(1)
    return re.findall(r"imagxp_(\w+)", body)


ENUMS = {"Call": "call.rs", "Content": "content.rs", "Batch": "batch.rs", "Blob": "caller.rs"}
VARIANTS = {name: variants(file, name) for name, file in ENUMS.items()}


def value(made, kind, given):
    """One value of a type."""
    kind = kind.removesuffix("<'a>")
    if kind in NUMBERS:
        made.number(int(given), NUMBERS[kind])
    elif kind == "&'a [u8]":
        made.text(given)
    elif kind.startswith("Vec<"):
        for one in given:
            value(made.number(1), kind[4:-1], one)
        made.number(0)
    elif kind.startswith("("):
        for one_kind, one in zip(kind[1:-1].split(", "), given, strict=True):
            value(made, one_kind, one)
    else:
        variant(made, kind, given)


def variant(made, enum, given):
    """A variant by its name, alone or with its fields; of a `Blob`, a name in GOOD, or bytes."""
    if enum == "Blob" and not isinstance(given, tuple):
        given = ("Any", {"0": given}) if isinstance(given, bytes) else ("Good", {"0": GOOD.index(given)})
    name, fields = given
    kinds = VARIANTS[enum][name]
    if kinds.keys() != fields.keys():
        raise ValueError(f"{enum}::{name} has {sorted(kinds)}, not {sorted(fields)}")
    made.variant(list(VARIANTS[enum]).index(name), len(VARIANTS[enum]))
    for field, kind in kinds.items():
        value(made, kind, fields[field])


def call(name, **fields):
    """A call; those of `Content` and `Batch` by both names."""
    outer, _, inner = name.partition(".")
    return (outer, {"0": (inner, fields)}) if inner else (outer, fields)


def of_table(name, table, function, **fields):
    """A call of a function of a table."""
    return call(name, which=functions(table).index(function), **fields)


LAST, ABSENT = ("Last", {}), ("Absent", {})
NOW = {"now": 0, "at_now": True}
MADE = {"publisher": 0, **NOW}


def publisher(*options, policy="policy"):
    """A publisher; with options, when some are set."""
    yield of_table("Read", "READ", "policy_from_json", blob=policy)
    if options:
        yield call("Options")
        yield from options
    yield call("Publisher", policy=0, secret="secret", options=0)  # noqa: S106 the name of a good argument


def agent():
    """An agent with its key."""
    yield of_table("Read", "READ", "key_from_pem", blob="pem")
    yield call("Identity", agent="agent", key=0, loopback=False)


def signed(*more, nonce="nonce", number=0):
    """A request that the agent has signed, and that a publisher is to judge; the number says how many there were."""
    yield call("NewSignRequest", method="method", url="url", purpose=RAG_RETRIEVAL)
    yield from more
    yield call("IdentitySign", identity=0, request=number, nonce=nonce, **NOW)
    yield call("SignedRequest", headers=number, url="url")


def supply():
    """The agent's manifest for the publisher."""
    return call("Supply", publisher=0, url="manifest url", body="manifest", max_age=600, **NOW)


def verify(request=0):
    return call("Verify", request=request, **MADE)


def resume(verdict=0):
    return call("Resume", verdict=verdict, **MADE)


def read(verdict):
    """Everything that a verdict says."""
    for which, name in enumerate(functions("TEXT")):
        if name.startswith("verdict"):
            yield call("Text", which=which, pick=verdict)
    for name in ("verdict_warning", "verdict_response_header_name", "verdict_response_header_value"):
        yield of_table("TextAt", "TEXT_AT", name, pick=verdict, index=0)
    for name in ("verdict_body", "verdict_json"):
        yield of_table("Write", "WRITE", name, pick=verdict)
    yield call("Need", verdict=verdict, index=0)


PAID = (
    b'{"version":1,"origins":["https://example.org"],"unsigned":"deny","purposes":{"RAG_RETRIEVAL":{"allow":true}},'
    b'"price":{"amount":"0.05","currency":"USD"},"payment":{"required":true,"brokers":[{"issuer":"https://broker.example",'
    b'"jwks_uri":"https://broker.example/keys","binding":"agent","check":"redeem"}]}}'
)
SAID = b'{"accepted":1,"results":[{"accepted":true}]}'


def redeemed():
    """A visa whose broker is asked."""
    yield from (*publisher(policy=PAID), *agent())
    yield call(
        "Visa",
        issuer=b"https://broker.example",
        audience=b"https://example.org",
        agent="agent",
        jti=b"visa-00000001",
        amount="amount",
        currency="currency",
    )
    yield call("IssueVisa", visa=0, key=0, now=AT)
    yield from signed(of_table("Set", "SET", "sign_request_set_payment", pick=0, blob=LAST))
    yield supply()
    yield call("Supply", publisher=0, url=b"https://broker.example/keys", body="jwks", max_age=600, **NOW)
    yield verify()
    yield call("Redeemed", publisher=0, verdict=0, answer=1, status=200, said=SAID, now=AT)
    yield resume()
    yield from read(1)


def receipt():
    """What the agent says that it has served."""
    sha256 = of_table("Set", "SET", "hasher_update", pick=0, blob=b"body")
    yield from (call("Content.Hasher"), sha256, of_table("Write", "WRITE", "hasher_finish", pick=0))
    told = {"url": "url", "sha256": LAST, "agent": "agent"}
    yield call("Content.SignReceipt", key=0, origin=1, trace=b"trace-0001", **told, **NOW)
    yield call("Content.SignedReceipt", headers=0)
    yield call("Content.CheckReceipt", receipt=0, manifest=0, loopback=False, **told, **NOW)


def sequences():
    """Sequences that end well, each in another way."""
    start = [*publisher(), *agent(), *signed()]
    yield [*start, verify(), supply(), resume(), *read(1)]
    yield [*start, supply(), verify(), verify()]
    yield [*start, supply(), *(call("Explain", publisher=0, request=0, now=AT, format=format) for format in range(4))]
    yield [*start, verify(), call("SupplyFailure", publisher=0, url="manifest url", failure=1, now=AT), resume()]
    own = (
        call("OwnStore", insert=True, seen=True, horizon=True),
        call("UseStore", options=0, store=0),
        call("Audit", options=0, own=True, unsigned_too=True),
    )
    yield [
        *publisher(*own),
        *agent(),
        *signed(),
        supply(),
        *(one for answer in range(4) for one in (call("StoreAnswer", **{"0": answer}), verify())),
    ]
    rates = (
        call("OwnRates", arrival=True, replace=True),
        call("UseRates", options=0, store=0),
        call("Mode", options=0, mode=1, first_trace=7),
    )
    yield [*publisher(*rates), *agent(), *signed(), supply(), verify()]
    each = [
        (0, 0, True, "nonce"),
        (0, 0, True, b"6f8a2c3e-0000-4000-8000-000000000002"),
        (0, 0, True, b"6f8a2c3e-0000-4000-8000-000000000003"),
    ]
    batch = [
        *publisher(),
        *agent(),
        call("NewSignRequest", method="method", url="url", purpose=RAG_RETRIEVAL),
        call("Batch.Sign", identity=0, each=each, own_nonces=True),
        *(call("SignedRequest", headers=headers, url="url") for headers in range(3)),
    ]
    many = call("Batch.Verify", requests=[0, 1, 2, 0], **MADE)
    yield [*batch, supply(), many]
    yield [*batch, many, supply(), *(resume(verdict) for verdict in range(4))]
    yield [*redeemed()]
    digest = of_table("Set", "SET", "sign_request_set_content_digest", pick=0, blob=LAST)
    yield [
        *publisher(),
        *agent(),
        of_table("Convert", "CONVERT", "content_digest", blob=b"body"),
        *signed(digest),
        supply(),
        verify(),
        resume(),
    ]
    yield [*agent(), call("IdentityManifest", identity=0, contact=ABSENT), *receipt()]


def calls():
    """The inputs."""
    for sequence in sequences():
        made = Choices()
        for one in sequence:
            variant(made.number(1), "Call", one)
        yield made.number(0).written()
