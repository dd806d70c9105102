"""The seeds of the fuzz targets that read a sequence of decisions, in the form in which the crate `arbitrary` reads them.

Numbers come from the front; the lengths of texts come from the end, each in as many bytes as what is left needs. A vector is a flag
before each element; a variant of an enum is 32 bits, scaled. Variants and names are in the order of fuzz/targets. Standard library only.
"""

from itertools import product

CHANGES = ["Xor", "Insert", "Cut", "Remove", "Repeat", "Swap", "UpperCaseName", "Add", "Replace", "UrlSafeBase64"]
CHANGES += ["SpacedJson", "Member", "MemberNumber", "RemoveMember", "XorClaim", "NegateS"]
MEMBERS = ["v", "agent_id", "purpose", "ts", "timestamp", "nonce", "resource", "method", "content_digest", "context"]
LINES = ["Good", "Odd", "Known", "Any", "Many"]
ENDS = 6
# Of the target `headers`.
NAMES = ["payload", "signature", "public-key", "payment", "credential", "proof", "feedback", "agent-id", "timestamp", "alg"]


class Choices:
    """What a target is to read, in its order."""

    def __init__(self):
        self.parts = []  # bytes as they are; a text, whose length comes from the end, in a tuple

    def number(self, value, size=1):
        """An integer of so many bytes."""
        self.parts.append((value % 256**size).to_bytes(size, "little"))
        return self

    def variant(self, index, count):
        """The variant at `index` of `count`."""
        return self.number(((2 * index + 1) << 31) // count, 4)

    def text(self, value):
        """A string or bytes."""
        self.parts.append((value.encode() if isinstance(value, str) else value,))
        return self

    def option(self, value):
        """A text, or none."""
        self.number(value is not None)
        return self if value is None else self.text(value)

    def raw(self, value):
        """What the last text reads: everything between."""
        self.parts.append(value)
        return self

    def of(self, size):
        """The bytes, if together they are `size`; otherwise nothing."""
        front, back = b"", b""
        for part in self.parts:
            if isinstance(part, bytes):
                front += part
                continue
            left = size - len(front) - len(back)
            width = 1 if left <= 256 else 2
            back = len(part[0]).to_bytes(width, "big") + back
            front += part[0]
        return front + back if len(front + back) == size else None

    def written(self):
        """The bytes."""
        least = sum(len(part if isinstance(part, bytes) else part[0]) for part in self.parts)
        texts = sum(isinstance(part, tuple) for part in self.parts)
        return next(made for size in range(least, least + 2 * texts + 1) if (made := self.of(size)) is not None)


def change(made, kind, *values):
    """One change of the good request, as the target `verify` names it."""
    made.number(1).variant(CHANGES.index(kind), len(CHANGES))
    for value in values:
        if isinstance(value, tuple):
            made.number(*value)
        else:
            made.text(value)


def verify(changes, method=None, url=None, later_s=0):
    """An input of the target `verify`."""
    made = Choices()
    for one in changes:
        change(made, *one)
    return made.number(0).option(method).option(url).number(later_s, 2).written()


def verified():
    """Changes that the verifier has to see, and some that mean the same; alone and in pairs."""
    alone = [("Xor", (line,), (place, 2), (1,)) for line, place in product(range(3), (0, 5, 40))]
    alone += [("XorClaim", (place, 2), (1,)) for place in (1, 20, 60, 120, 160)]
    alone += [("Insert", (0,), (place, 2), text) for place, text in ((0, " "), (4, "="), (200, "AAAA"), (9, "\r\n"))]
    alone += [("Cut", (line,), (9, 2), (length,)) for line, length in product(range(3), (1, 64))]
    alone += [(kind, (line,)) for kind, line in product(("Remove", "Repeat", "UpperCaseName"), range(4))]
    alone += [("Swap", (0,), (2,)), ("UrlSafeBase64",), ("SpacedJson",), ("NegateS",)]
    alone += [("Add", (name,), text) for name, text in product(range(8), ("", "e30=", "bot.example.com"))]
    alone += [("Replace", (line,), text) for line, text in product(range(3), ("", "e30=", "00" * 64))]
    for number, name in enumerate(MEMBERS):
        texts = {"v": "1.0", "agent_id": "other.example", "purpose": "CRAWL_TRAINING", "method": "POST"}
        texts |= {"ts": "2026-05-28T20:26:40.000Z", "nonce": "6f8a2c3e-0000-4000-8000-ffffffffffff", "resource": "/articles/2"}
        alone += [("Member", (number,), texts.get(name, name)), ("MemberNumber", (number,), (7, 4)), ("RemoveMember", (number,))]
    for one in alone:
        yield verify([one])
    same = [("UrlSafeBase64",), ("SpacedJson",), ("NegateS",), ("UpperCaseName", (0,)), ("Swap", (0,), (1,))]
    for one, other in product(same, repeat=2):
        yield verify([one, other])
    yield verify(same)
    for later_s in (0, 1, 299, 300, 301, -59, -60, -61, 32767, -32768):
        yield verify([], later_s=later_s)
    for method in ("HEAD", "POST", "get", ""):
        yield verify([], method=method)
    urls = ["/articles/1", "/articles/1?page=3", "/articles/%31?page=2", "/./articles/1?page=2", "//articles/1?page=2"]
    urls += [
        "https://example.org/articles/1?page=2",
        "https://EXAMPLE.org:443/articles/1?page=2",
        "http://example.org/articles/1?page=2",
    ]
    urls += ["/articles/1?page=2#x", "/x/../articles/1?page=2", "/articles/1;a?page=2", "*", ""]
    for url in urls:
        yield verify([], url=url)
        yield verify([("SpacedJson",)], url=url, later_s=9)


def headers(method, url, digest, lines):
    """An input of the target `headers`: each line under a known name, or under its own."""
    made = Choices().text(method).text(url).option(digest)
    for name, value in lines:
        known = name.lower().removeprefix("x-imagxp-")
        made.number(1)
        if known in NAMES and known != name.lower():
            made.variant(0, 2).number(NAMES.index(known))
        else:
            made.variant(1, 2).text(name)
        made.text(value)
    return made.number(0).written()


def head(lines, *, good_first, start=None, body=b""):
    """An input of the target `request_head`: lines with their ends (numbers, as the target orders them)."""
    made = Choices()
    for kind, values, end in lines:
        made.number(1).variant(LINES.index(kind), len(LINES))
        for value in values:
            if isinstance(value, int):
                made.number(value)
            elif value is not None:
                made.text(value)
        made.variant(end, ENDS)
    made.number(0).number(good_first).number(start is not None)
    for text in start or ():
        made.text(text)
    return made.number(0).number(0).raw(body).written()


def heads():
    """Heads that readers of two schools might read otherwise."""
    yield head([], good_first=1)
    yield head([], good_first=1, body=b"GET / HTTP/1.1\r\n\r\n")
    for end in range(ENDS):
        yield head([("Any", ["host: example.org"], end)], good_first=1)
        yield head([("Good", [0], end), ("Good", [1], end), ("Good", [2], end)], good_first=0)
    # Number of the line, before and after its colon, at last no fold and lower case.
    for before, colon, after in product(("", " ", "\t", "\0"), (1, 0), ("", " ", "\t ", "\x0b")):
        yield head([("Odd", [0, before, colon, after, 0, 0], 0), ("Good", [1], 0), ("Good", [2], 0)], good_first=0)
    yield head([("Odd", [0, "", 1, " ", 1, 30, 0], 0), ("Good", [1], 0), ("Good", [2], 0)], good_first=0)
    yield head([("Odd", [0, "", 1, " ", 0, 1], 0), ("Good", [1], 0), ("Good", [2], 0)], good_first=0)
    for name, value in product(range(3), ("", " e30=", " 00")):
        yield head([("Known", [name, value], 0)], good_first=1)
    yield head([("Many", ["a", 120], 0)], good_first=1)
    yield head([("Many", ["a", 200], 0)], good_first=1)
    for start in (
        ("GET", "/articles/1?page=2", "HTTP/1.0"),
        ("POST", "/articles/1?page=2", "HTTP/1.1"),
        ("GET", "/", "HTTP/1.1"),
    ):
        yield head([], good_first=1, start=start)
    yield head([], good_first=1, start=("GET", "https://example.org/articles/1?page=2", "HTTP/1.1"))
