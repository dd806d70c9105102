"""Load for a while, with slow clients beside it: memory stays flat, and every answer is one that was asked for.

Usage: soak.py [seconds]
"""

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

from bench import LUA, presign  # noqa: E402 (its folder is on no path before)
from instance import Nginx  # noqa: E402
from world import World  # noqa: E402

SLOW = 200
# Memory may grow by this much after the first tenth: allocators breathe.
SLACK_KB = 8192


def resident(process):
    """The resident memory of a process, in KiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def slow(port, lines, end):
    """A client that sends a byte now and then, until it is thrown out or has an answer."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            for byte in b"GET /page HTTP/1.1\r\nHost: a\r\n" + lines:
                if time.monotonic() > end:
                    return
                connection.sendall(bytes([byte]))
                time.sleep(0.05)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder / "world")
        (folder / "load.lua").write_text(LUA)
        http = world.http(zone="512m", server="imagxp_audit_log {folder}/audit.jsonl;", locations="location = /zone { imagxp off; imagxp_zone_status; }")
        with Nginx(folder / "nginx", http.replace("access_log {folder}/access.log verdict;", "access_log {folder}/access.log status;").replace("    server {", "    log_format status '$status $imagxp_code';\n    server {", 1), workers=2) as nginx:
            end = time.monotonic() + seconds
            clients = [threading.Thread(target=slow, args=(nginx.port, b"x-imagxp-payload: ", end), daemon=True) for _ in range(SLOW)]
            for client in clients:
                client.start()
            memory, round_number = [], 0
            while time.monotonic() < end:
                requests = folder / f"requests{round_number % 2}"
                presign(world, requests, 20_000)
                subprocess.run(["wrk", "-t1", "-c16", "-d5s", "-s", str(folder / "load.lua"), f"http://127.0.0.1:{nginx.port}/page", "--", str(requests)],
                               check=True, capture_output=True)
                memory.append(sum(map(resident, nginx.worker_ids())))
                round_number += 1
            for client in clients:
                client.join(60)
            zone = json.loads(nginx.get("/zone").body)
            seen = {}
            with (nginx.folder / "access.log").open() as log:
                for line in log:
                    seen[line.strip()] = seen.get(line.strip(), 0) + 1
            crashed = nginx.crashed()
    print(f"memory of the workers in KiB: {memory}\nanswers: {seen}\nzone: {zone}")
    unwanted = {what: count for what, count in seen.items() if what.startswith("5")}
    early = max(memory[: max(1, len(memory) // 10)])
    # Each nonce is in the zone, which the workers touch as it fills.
    grown = memory[-1] - early - 2 * zone["nonces"] * 48 // 1024
    if crashed or unwanted or grown > SLACK_KB:
        sys.exit(f"FAILED: crashed {crashed}, unwanted answers {unwanted}, grown by {grown} KiB")
    print(f"1 passed, 0 failed ({seconds} s, grown by {grown} KiB beside the zone)")


if __name__ == "__main__":
    main()
