"""What other traffic feels while manifests stall: p99 of browsers in rounds without and with 32 agents whose servers say nothing.

Usage: stall.py [seconds per round] [rounds]. Adds a row to target/bench/nginx-stall.json.
"""

import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

import imagxp  # noqa: E402 (its folder is on no path before)
from bench import LUA, browsers, load  # noqa: E402
from instance import Nginx  # noqa: E402
from servers import Manifests  # noqa: E402
from world import BASE, World  # noqa: E402

AGENTS = 32
ORIGIN = "http://127.0.0.1"
# With the deadlines that ship.
FETCH = (
    "imagxp_manifest_timeout 1500ms; imagxp_manifest_request /imagxp-fetch; imagxp_jwks_request /imagxp-fetch;"
    "include {shipped}/imagxp-fetch.conf;"
)


def ask(nginx, agent, stop, answers):
    """One reader whose manifest does not come, again and again."""
    while not stop.is_set():
        with contextlib.suppress(OSError):
            headers = agent.sign("GET", f"{ORIGIN}/page", "RAG_RETRIEVAL")
            answers.append(nginx.get("/page", [*headers, ("User-Agent", imagxp.user_agent("stalled"))]).code)
        stop.wait(0.05)


def main():
    seconds, rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3, int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: scripts/nginx.sh setup")
    servers = [Manifests() for _ in range(AGENTS)]
    for server in servers:
        server.behave = server.stall
    agents = [imagxp.Identity.generate(f"127.0.0.1:{server.port}", allow_loopback=True) for server in servers]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder / "world", {**BASE, "origins": [ORIGIN], "allow_loopback": True})
        world.write("html/page", "x" * 200)
        (folder / "load.lua").write_text(LUA)
        browsers(folder / "browsers")
        text = world.http(zone="64m", server=FETCH)
        text = "\n".join(line for line in text.splitlines() if "imagxp_manifest_file" not in line)
        text = text.replace("access_log {folder}/access.log verdict;", "keepalive_requests 1000000;")
        found = {"quiet": [], "stalled": []}
        answers = []
        with Nginx(folder / "nginx", text) as nginx:
            for _ in range(rounds):
                for side, those in (("quiet", []), ("stalled", agents)):
                    stop = threading.Event()
                    threads = [threading.Thread(target=ask, args=(nginx, agent, stop, answers)) for agent in those]
                    for thread in threads:
                        thread.start()
                    time.sleep(0.3)
                    speed, p50, p99, other = load(nginx, folder / "load.lua", folder / "browsers", seconds)
                    stop.set()
                    for thread in threads:
                        thread.join()
                    if other:
                        sys.exit(f"{other} browsers were refused")
                    found[side].append((speed, p50, p99))
    for server in servers:
        server.close()
    # Busy: no more than two fetches a minute of one host are begun; those who wait are answered at the deadline.
    if not answers or not set(answers) <= {"identity.fetch_failed", "identity.fetch_busy"}:
        sys.exit(f"the agents did not wait for a stalled server: {sorted(set(map(str, answers)))}")
    report = {}
    for side, rows in found.items():
        speed, p50, p99 = (statistics.median(column) for column in zip(*rows, strict=True))
        report[side] = {"per_second": round(speed), "p50_us": round(p50), "p99_us": round(p99)}
        print(f"{side:8} {speed:8.0f} requests/s   p50 {p50:7.0f} µs   p99 {p99:7.0f} µs")
    report["p99_ratio"] = round(report["stalled"]["p99_us"] / report["quiet"]["p99_us"], 2)
    print(
        f"p99 with {AGENTS} stalled agents: {report['p99_ratio']} times that without ({len(answers)} of their requests answered)"
    )
    out = ROOT / "target" / "bench" / "nginx-stall.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
