"""Load for a while, with slow clients beside it: memory stays flat, every answer is one that was asked for, and in each round those are
let in who ought to be.

Usage: soak.py [seconds] [--seed-fault | --seed-fault-key]

`--seed-fault` sends clients whose heads the workers must keep: that they grow must be noticed, and it exits 0 only then. So with
`--seed-fault-key`, where all requests are signed with another key than the agent's manifest has.
"""

import collections
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

import imagxp  # noqa: E402 (its folder is on no path before)
from bench import LUA, presign  # noqa: E402
from instance import Nginx  # noqa: E402
from world import AGENT, World  # noqa: E402

SLOW = 200
# Memory may grow by this much after the first tenth: allocators breathe.
SLACK_KB = 8192
# Connections of the seeded fault, of 24 KiB each.
HOARDED = 600
# Signed for each round. Whoever is sent once more is refused: a nonce has been seen.
SIGNED = 20_000
LET_IN, KEY = "200 ok", "identity.key_mismatch"


def resident(process):
    """The memory of a process in KiB, without the zone: that is shared, and touched as it fills."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def slow(port, lines, end):
    """A client that sends a byte now and then, until it is thrown out or has an answer."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            for byte in b"GET /page HTTP/1.1\r\nHost: a\r\n" + lines:
                if time.monotonic() > end:
                    return
                connection.sendall(bytes([byte]))
                time.sleep(0.05)


def hoarded(port):
    """A connection whose head fills three of nginx's large buffers, and does not end."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(
        b"GET /page HTTP/1.1\r\nHost: a\r\n" + b"".join(b"x-%d: %s\r\n" % (line, b"a" * 7000) for line in range(3))
    )
    return connection


def starved(rounds):
    """The rounds in which fewer than a tenth of the requests that came for the first time were let in."""
    return [dict(seen) for seen in rounds if seen[LET_IN] * 10 < max(min(seen.total(), SIGNED), 10)]


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    fault, key_fault = "--seed-fault" in sys.argv, "--seed-fault-key" in sys.argv
    seconds = int(words[0]) if words else 600
    hoard = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder / "world")
        if key_fault:
            world.agent = imagxp.Identity.generate(AGENT)
        (folder / "load.lua").write_text(LUA)
        http = world.http(
            zone="512m",
            server="imagxp_audit_log {folder}/audit.jsonl;",
            locations="location = /zone { imagxp off; imagxp_zone_status; }",
        )
        with (
            Nginx(
                folder / "nginx",
                http.replace("access_log {folder}/access.log verdict;", "access_log {folder}/access.log status;").replace(
                    "    server {", "    log_format status '$status $imagxp_verdict_code';\n    server {", 1
                ),
                workers=2,
            ) as nginx,
            (nginx.folder / "access.log").open() as log,
        ):
            end = time.monotonic() + seconds
            clients = [
                threading.Thread(target=slow, args=(nginx.port, b"x-imagxp-payload: ", end), daemon=True) for _ in range(SLOW)
            ]
            for client in clients:
                client.start()
            memory, rounds, round_number = [], [], 0
            # A fault needs a round before it, and one after.
            while time.monotonic() < end or (fault and round_number < 2):
                requests = folder / f"requests{round_number % 2}"
                presign(world, requests, SIGNED)
                subprocess.run(
                    [
                        "wrk",
                        "-t1",
                        "-c16",
                        "-d5s",
                        "-s",
                        str(folder / "load.lua"),
                        f"http://127.0.0.1:{nginx.port}/page",
                        "--",
                        str(requests),
                    ],
                    check=True,
                    capture_output=True,
                )
                memory.append(sum(map(resident, nginx.worker_ids())))
                rounds.append(collections.Counter(map(str.strip, log)))
                round_number += 1
                if fault and not hoard:
                    hoard = [hoarded(nginx.port) for _ in range(HOARDED)]
            for client in clients:
                client.join(60)
            zone = json.loads(nginx.get("/zone").body)
            seen = dict(sum(rounds, collections.Counter(map(str.strip, log))))
            crashed = nginx.crashed()
    if not fault and not key_fault:
        print(f"memory of the workers in KiB: {memory}\nanswers: {seen}\nzone: {zone}")
    unwanted = {what: count for what, count in seen.items() if what.startswith("5")}
    early = max(memory[: max(1, len(memory) // 10)])
    grown = memory[-1] - early
    hungry = starved(rounds)
    failed = f"crashed {crashed}, unwanted answers {unwanted}, grown by {grown} KiB, rounds with too few let in: {hungry}"
    if fault or key_fault:
        noticed = grown > SLACK_KB and not hungry
        if key_fault:
            noticed = len(hungry) == len(rounds) and all(any(KEY in what for what in one) for one in hungry)
        noticed = noticed and not crashed and not unwanted
        print("the seeded fault was noticed" if noticed else f"error: {failed}")
        sys.exit(0 if noticed else 1)
    if crashed or unwanted or grown > SLACK_KB or hungry:
        sys.exit(f"FAILED: {failed}")
    print(f"{seen[LET_IN]} let in, {min(one[LET_IN] for one in rounds)} or more in each of {len(rounds)} rounds")
    print(f"1 passed, 0 failed ({seconds} s, grown by {grown} KiB)")


if __name__ == "__main__":
    main()
