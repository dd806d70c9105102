#!/usr/bin/env python3
"""Request heads by raw socket, changed by their grammar, to a real nginx whose module runs under sanitizers.

Usage: heads.py [--seconds 10] [--seed N] [--seed-fault]     `scripts/nginx.sh build asan` comes first
What must hold: nobody reads the page with a request that was spent before, nor with one that is not what was signed; nginx neither crashes
nor stops to serve those who sign. With --seed-fault heads go to a server whose module is off, and exit code 0 says that it was noticed.

An input is a plan, which JSON can write: those in fuzz/regressions/nginx come first, and one that fails is left in fuzz/artifacts/nginx.
"""

import argparse
import base64
import hashlib
import json
import posixpath
import random
import re
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote

import imagxp

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

from instance import ASAN_MODULE, Nginx, sanitizer_environment  # noqa: E402 (its folder is on no path before)
from world import BASE, World  # noqa: E402

REGRESSIONS = ROOT / "fuzz" / "regressions" / "nginx"
ARTIFACTS = ROOT / "fuzz" / "artifacts" / "nginx"
PAYLOAD, SIGNATURE = b"x-imagxp-payload", b"x-imagxp-signature"
# What the site holds, the page and everything else (bindings/nginx/tests/world.py).
PAGE, OTHERS = b"a page\n", (b"hello\n", b"a closed page\n", b"0123456789abcdef\n" * 2)
# A request passes for 300 s.
FRESH_S = 60
TARGETS = [
    "/pag",
    "/page/",
    "/page?",
    "/page?a=1",
    "//page",
    "/./page",
    "/x/../page",
    "/%70age",
    "/page%00",
    "/page;a",
    "/page#a",
    "/PAGE",
]
TARGETS += [
    "/",
    "/large",
    "/closed/page",
    "/page/../closed/page",
    "/closed/../page",
    "http://pub.example/page",
    "http://evil.example/page",
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b":",
    b",",
    b" ",
    b"\t",
    b"%00",
    b"%2e%2e%2f",
    b"//",
    b";",
    b"?",
    b"#",
    b"\xff\xfe",
    b"=" * 40,
]
PIECES += [
    b"x-imagxp-payload: e30=\r\n",
    b"X-IMAGXP-Signature: 00\r\n",
    b"x_imagxp_payload: a\r\n",
    b"Host: evil.example\r\n",
    b"Transfer-Encoding: chunked\r\n",
]
PIECES += [
    b"Content-Length: 5\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"A" * 9000,
    b"W1tb" * 3000,
    b"HTTP/1.1",
    b"HTTP/0.9",
    b"POST ",
]


def edits(moments):
    """A few changes, by bytes or by lines; places are parts of the length, so that they fit any head."""
    made = []
    for _ in range(moments.randint(1, 5)):
        at = moments.random()
        kind = moments.randrange(6)
        if kind == 0:
            made.append(["set", at, moments.randrange(256)])
        elif kind == 1:
            made.append(["insert", at, moments.choice(PIECES).decode("latin-1")])
        elif kind == 2:
            made.append(["cut", at, moments.randrange(40)])
        elif kind == 3:
            made.append(["shuffle", moments.randrange(2**32)])
        elif kind == 4:
            made.append(["twice", at, moments.randrange(200)])
        elif moments.randrange(4) == 0:
            made.append(["end", at])
    return made


def edited(head, changes):
    """A head with these changes."""
    made = bytearray(head)
    for kind, value, *more in changes:
        at = int(value * len(made)) if kind != "shuffle" else 0
        if kind == "set":
            made[at : at + 1] = bytes(more)
        elif kind == "insert":
            made[at:at] = more[0].encode("latin-1")
        elif kind == "cut":
            del made[at : at + more[0]]
        elif kind == "shuffle":
            lines = bytes(made).split(b"\r\n")
            random.Random(value).shuffle(middle := lines[1:-2])
            made = bytearray(b"\r\n".join([lines[0], *middle, *lines[-2:]]))
        elif kind == "twice":
            made[at:at] = made[at : at + more[0]]
        elif kind == "end":
            del made[at:]
        if not made:
            made = bytearray(b"G")
    return bytes(made)


def plan(moments):
    """What is to be sent; without chance from here on, but for what nginx does."""
    made = {"spent": moments.randrange(4) > 0, "target": "/page", "edits": [], "cut": None}
    # Where nothing is wrong with a request but one thing, every check is reached in its turn.
    if not made["spent"] and moments.randrange(2):
        made["target"] = moments.choice(TARGETS)
    else:
        made["edits"] = edits(moments)
    if moments.randrange(8) == 0:
        made["cut"] = moments.random()
    return made


def values(block, name):
    """The values of a header, as somebody reads them who forgives everything."""
    lines = (line.partition(b":") for line in re.split(rb"[\r\n\0]", block))
    return [value.strip() for found, _, value in lines if found.strip().lower() == name]


def is_page(target):
    """Whether anybody else finds the page there, too. Of which site is nginx's business: this server has one."""
    path = re.sub(r"^https?://[^/]*", "", target).split("#")[0]
    return re.sub("/+", "/", posixpath.normpath(unquote(path))) == "/page"


def claim(payload):
    """What is claimed, in the form that is signed."""
    text = payload.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    return imagxp.canonicalize(base64.b64decode(text + b"=" * (-len(text) % 4)))


def is_what_was_signed(sent, lines):
    """Whether one of the requests that were sent is the signed one: by method, target, claim and signature."""
    signed = dict(lines)
    for block in re.split(rb"\n\r?\n", sent):
        method, _, rest = block.lstrip(b"\r\n").split(b"\n")[0].strip().partition(b" ")
        target = rest.rsplit(b" HTTP/", 1)[0].strip().decode("latin-1")
        found = {name: values(block, name) for name in (PAYLOAD, SIGNATURE)}
        if method != b"GET" or not is_page(target) or any(len(one) != 1 for one in found.values()):
            continue
        is_same = found[SIGNATURE][0].lower() == signed[SIGNATURE]
        if is_same and claim(found[PAYLOAD][0]) == claim(signed[PAYLOAD]):
            return True
    return False


class Wrong(Exception):
    """A finding."""


class Prober:
    """Sends plans to one server, and judges its answers."""

    def __init__(self, port, world):
        self.port, self.world = port, world
        self.sent = self.answered = self.passed = 0
        self.fresh, self.at = None, 0.0
        self.spent = None

    def signed(self):
        """Header lines that nobody has sent yet."""
        if self.fresh is None or time.monotonic() - self.at > FRESH_S:
            self.fresh = [(name.lower().encode(), value.encode()) for name, value in self.world.sign()]
            self.at, self.spent = time.monotonic(), None
        return self.fresh

    def passes(self):
        """Said when the fresh lines have passed."""
        self.fresh, self.spent = None, self.fresh

    def prepare(self):
        """Spends a request, which has to be served."""
        lines = self.signed()
        if self.spent is None:
            if PAGE not in send(self.port, head(lines, "/page"), None):
                raise Wrong("honest agents are not served")
            self.passes()

    def act(self, made):
        """One input."""
        self.prepare()
        lines = self.spent if made["spent"] else self.signed()
        sent = edited(head(lines, made["target"]), made["edits"])
        answer = send(self.port, sent, made["cut"])
        self.sent += 1
        self.answered += answer.startswith(b"HTTP/1.1 ")
        if any(other in answer for other in OTHERS):
            raise Wrong(f"another page than the signed one: {sent!r}")
        if PAGE not in answer:
            if not made["spent"] and not re.match(rb"HTTP/1\.1 [45]", answer):
                # Who knows whether it was spent: nothing but its head may have been asked for.
                self.fresh = None
            return
        if made["spent"]:
            raise Wrong(f"a replay: {sent!r}")
        self.passed += 1
        self.passes()
        if not is_what_was_signed(sent, lines):
            raise Wrong(f"nobody signed this: {sent!r}, but {lines!r}")
        if PAGE in send(self.port, sent, None):
            raise Wrong(f"a replay: {sent!r}")


def head(lines, target):
    """The bytes of a good request's head."""
    return f"GET {target} HTTP/1.1\r\nHost: pub.example\r\n".encode() + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n"


def send(port, head, cut):
    """What comes back for bytes that may come in pieces; the connection ends after them."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.settimeout(20)
        answer = b""
        try:
            at = 0 if cut is None else int(cut * len(head))
            connection.sendall(head[:at])
            connection.sendall(head[at:])
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:
            # It has hung up, as it may.
            pass
        return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seed-fault", action="store_true")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder / "world", {**BASE, "unsigned": "deny"})
        http = world.http(
            zone="64m", mode="off" if arguments.seed_fault else "enforce", server="large_client_header_buffers 8 64k;"
        )
        wrong = []
        with Nginx(folder / "nginx", http, module=ASAN_MODULE, environment=sanitizer_environment()) as nginx:
            prober = Prober(nginx.port, world)
            made = None
            try:
                if not arguments.seed_fault:
                    for path in sorted(REGRESSIONS.iterdir()):
                        made = json.loads(path.read_text())
                        prober.act(made)
                end = time.monotonic() + arguments.seconds
                while time.monotonic() < end:
                    made = plan(moments)
                    prober.act(made)
            except Wrong as finding:
                wrong.append(str(finding))
            crashed = nginx.crashed()
    wrong += crashed
    if wrong and made is not None and not arguments.seed_fault:
        text = json.dumps(made) + "\n"
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        (ARTIFACTS / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json").write_text(text)
        print(f"seed {arguments.seed}, head {prober.sent}: {text}", end="")
    for line in wrong:
        print(f"WRONG: {line}")
    print(json.dumps({"heads": prober.sent, "answered": prober.answered, "passed": prober.passed}))
    if arguments.seed_fault:
        noticed = [line for line in wrong if line.startswith(("a replay", "nobody signed", "another page"))]
        print("the seeded fault was noticed" if noticed else "error: the seeded fault was not noticed")
        return 0 if noticed else 1
    too_little = prober.sent < 100 or prober.answered < prober.sent // 4 or not prober.passed
    return 1 if wrong or too_little else 0


if __name__ == "__main__":
    sys.exit(main())
