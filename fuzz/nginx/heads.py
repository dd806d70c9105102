#!/usr/bin/env python3
"""Request heads by raw socket, changed by their grammar, to a real nginx whose module runs under sanitizers.

Usage: heads.py [--seconds 10] [--seed N] [--seed-fault]     `scripts/nginx.sh build asan` comes first
What must hold: nobody reads the page with a request that was spent before; nginx neither crashes nor stops to serve those who sign.
With --seed-fault heads go to a server whose module is off, and exit code 0 says that it was noticed.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

from instance import ASAN_MODULE, Nginx, sanitizer_environment  # noqa: E402 (its folder is on no path before)
from world import BASE, World  # noqa: E402

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


def changed(moments, head):
    """A head with a few changes, by bytes or by lines."""
    made = bytearray(head)
    for _ in range(moments.randint(1, 5)):
        at = moments.randrange(len(made) + 1)
        kind = moments.randrange(6)
        if kind == 0 and at < len(made):
            made[at] = moments.randrange(256)
        elif kind == 1:
            made[at:at] = moments.choice(PIECES)
        elif kind == 2:
            del made[at : at + moments.randrange(40)]
        elif kind == 3:
            lines = bytes(made).split(b"\r\n")
            moments.shuffle(middle := lines[1:-2])
            made = bytearray(b"\r\n".join([lines[0], *middle, *lines[-2:]]))
        elif kind == 4:
            made[at:at] = made[at : at + moments.randrange(200)]
        elif moments.randrange(4) == 0:
            del made[at:]
        if not made:
            made = bytearray(b"G")
    return bytes(made)


def send(port, head, moments):
    """What comes back for bytes that may come in pieces; the connection ends after them."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.settimeout(20)
        answer = b""
        try:
            if moments.randrange(8) == 0:
                cut = moments.randrange(len(head) + 1)
                connection.sendall(head[:cut])
                connection.sendall(head[cut:])
            else:
                connection.sendall(head)
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
        http = world.http(mode="off" if arguments.seed_fault else "enforce", server="large_client_header_buffers 8 64k;")
        sent = answered = passed = 0
        with Nginx(folder / "nginx", http, module=ASAN_MODULE, environment=sanitizer_environment()) as nginx:
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end and not passed:
                lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in world.sign())
                head = b"GET /page HTTP/1.1\r\nHost: pub.example\r\n" + lines + b"\r\n"
                # Spent at once: whatever is changed in it, it is a copy or a forgery.
                if b" 200 OK" not in send(nginx.port, head, moments):
                    sys.exit("error: honest agents are not served")
                for _ in range(200):
                    answer = send(nginx.port, changed(moments, head), moments)
                    sent += 1
                    answered += answer.startswith(b"HTTP/1.1 ")
                    if b"a page" in answer:
                        passed += 1
                        print(f"WRONG: {head!r}")
                        break
            crashed = nginx.crashed()
    for line in crashed:
        print(f"WRONG: {line}")
    print(json.dumps({"heads": sent, "answered": answered}))
    if arguments.seed_fault:
        print("the seeded fault was noticed" if passed else "error: the seeded fault was not noticed")
        return 0 if passed else 1
    return 1 if passed or crashed or sent < 100 or answered < sent // 4 else 0


if __name__ == "__main__":
    sys.exit(main())
