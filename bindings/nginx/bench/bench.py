"""Requests per second and latency, interleaved: the same nginx without the module, with it (signed, known agent, fresh nonces), and with
two peers (peers/): Lua with OpenSSL, and auth_request to a verifier in Node. Prints a table and writes target/bench/nginx.json.

Usage: bench.py [seconds per round] [rounds]. A peer that is not installed is SKIPPED: libnginx-mod-http-lua, node.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

from instance import Nginx, free_port, wait_for  # noqa: E402 (its folder is on no path before)
from world import AGENT, BROWSER, World  # noqa: E402

CONNECTIONS = 16
PER_SECOND = 40_000
PEERS = Path(__file__).resolve().parent / "peers"
# Where Debian has modules; the order is that in which they are loaded.
LUA_MODULES = [Path("/usr/lib/nginx/modules") / name for name in ("ndk_http_module.so", "ngx_http_lua_module.so")]

LUA = """
local requests, at = {}, 0
function init(args)
    for line in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", "/page", {}) and line:gsub("\\\\r\\\\n", "\\r\\n")
    end
end
function request()
    at = at % #requests + 1
    return requests[at]
end
"""


def bare(folder, http, load=()):
    """An nginx into which the module is not even loaded, but perhaps another one."""
    nginx = Nginx(folder, http)
    conf = folder / "nginx.conf"
    lines = [line for line in conf.read_text().splitlines() if "imagxp" not in line or "x-imagxp" in line]
    conf.write_text("\n".join([f"load_module {module};" for module in load] + lines))
    return nginx


def with_lua(folder, http, spki):
    """The same server with the peer in Lua."""
    http = http.replace(
        "    server {",
        f"""lua_shared_dict nonces 256m;
    lua_package_path "{PEERS}/?.lua;;";
    init_by_lua_block {{ require("verify").init("{spki}") }}
    server {{""",
        1,
    ).replace("location / {", 'location / { access_by_lua_block { require("verify").access() }', 1)
    return bare(folder, http, LUA_MODULES)


def with_node(folder, http, port):
    """The same server with auth_request to a verifier that listens there."""
    auth = http.replace(
        "location / {",
        """location = /auth { internal; proxy_pass http://verifier; proxy_pass_request_body off;
        proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header X-Original-URI $request_uri; }
        location / { auth_request /auth;""",
    ).replace("    server {", f"upstream verifier {{ server 127.0.0.1:{port}; keepalive 32; }}\n    server {{", 1)
    return bare(folder, auth)


def presign(world, path, count):
    """Requests as wrk sends them, one a line."""
    signed = world.agent.sign_batch([("GET", "https://pub.example/page", "RAG_RETRIEVAL")] * count)
    with path.open("w") as file:
        for headers in signed:
            lines = "".join(f"{name}: {value}\\r\\n" for name, value in headers)
            file.write(f"GET /page HTTP/1.1\\r\\nHost: pub.example\\r\\nUser-Agent: bench IMAGXP/1.0\\r\\n{lines}\\r\\n\n")


def browsers(path):
    """Requests of a browser, which cost no signature check: what is left is the module's own."""
    lines = "".join(f"{name}: {value}\\r\\n" for name, value in BROWSER)
    path.write_text(f"GET /page HTTP/1.1\\r\\nHost: pub.example\\r\\n{lines}\\r\\n\n" * 100)


def load(nginx, script, requests, seconds):
    """One run of wrk: requests per second, p50 and p99 in µs, answers other than 2xx."""
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
        f"http://127.0.0.1:{nginx.port}/page",
        "--",
        str(requests),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    unit = {"us": 1, "ms": 1000, "s": 1_000_000}
    latency = {share: float(number) * unit[u] for share, number, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)}
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), latency["50"], latency["99"], int(other[1]) if other else 0


def main():
    seconds, rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3, int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: scripts/nginx.sh setup")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder / "world")
        world.write("html/page", "x" * 200)
        script = folder / "load.lua"
        script.write_text(LUA)
        quiet = world.http(zone="256m").replace("access_log {folder}/access.log verdict;", "keepalive_requests 1000000;")
        plain = quiet.replace("imagxp enforce;", "imagxp off;")
        spki = json.loads((world.folder / "manifest.json").read_text())["public_key"]
        bare_http = "\n".join(line for line in plain.splitlines() if "imagxp" not in line)
        sides = {"without": bare(folder / "without", bare_http), "module": Nginx(folder / "module", quiet)}
        sides["browser"] = sides["module"]
        browsers(folder / "browsers")
        skipped, verifier = {}, None
        if all(module.exists() for module in LUA_MODULES):
            sides["lua"] = with_lua(folder / "lua", bare_http, spki)
        else:
            skipped["nginx/lua"] = "lua-nginx-module is not installed (libnginx-mod-http-lua)"
        if shutil.which("node"):
            port = free_port()
            verifier = subprocess.Popen(["node", str(PEERS / "verify.cjs"), spki, str(port)])
            sides["node"] = with_node(folder / "node", bare_http, port)
        else:
            skipped["nginx/auth_request"] = "node is not installed"
        for name, reason in skipped.items():
            print(f"SKIPPED: {name}: {reason}")
        runs = {side: [] for side in sides}
        try:
            for nginx in set(sides.values()):
                nginx.__enter__()
            for side in {"lua", "node"} & set(sides):
                nginx = sides[side]
                wait_for(lambda nginx=nginx: nginx.get("/page", world.sign()).status == 200, f"an answer through {side}")
                once = world.sign()
                answers = [nginx.get("/page", once).status for _ in range(2)]
                if answers != [200, 401] or nginx.get("/page").status != 401:
                    sys.exit(f"error: the peer in {side} lets replays or strangers in: {answers}")
            for number in range(rounds):
                requests = folder / f"requests{number}"
                presign(world, requests, seconds * PER_SECOND)
                for side, nginx in sides.items():
                    speed, p50, p99, other = load(nginx, script, folder / "browsers" if side == "browser" else requests, seconds)
                    if other:
                        sys.exit(f"{side}: {other} answers were none of success: sign more requests (PER_SECOND)")
                    runs[side].append((speed, p50, p99))
                requests.unlink()
        finally:
            for nginx in set(sides.values()):
                if nginx.process is not None:
                    nginx.__exit__()
            if verifier is not None:
                verifier.kill()
                verifier.wait()
        with Nginx(
            folder / "zone", world.http(zone="64m", locations="location = /zone { imagxp off; imagxp_zone_status; }")
        ) as nginx:
            zone = json.loads(nginx.get("/zone").body)
    medians = {side: [statistics.median(column) for column in zip(*rows, strict=True)] for side, rows in runs.items()}
    for side, (speed, p50, p99) in medians.items():
        print(f"nginx/{side:8} {speed:10.0f} requests/s   p50 {p50:8.0f} µs   p99 {p99:8.0f} µs")
    rows = []

    def row(name, peer, bar):
        ratio = medians["module"][0] / medians[peer][0]
        rows.append(
            {
                "name": name,
                "ours_ns": 1e9 / medians["module"][0],
                "peer": peer,
                "peer_ns": 1e9 / medians[peer][0],
                "ratio": ratio,
                "bar": bar,
                "pass": ratio >= bar,
            }
        )
        print(f"{name}: {ratio:.2f} × (bar {bar}): {'met' if ratio >= bar else 'NOT MET'}")

    row("nginx/requests", "without", 0.33)
    if "lua" in medians:
        row("nginx/lua", "lua", 3)
    if "node" in medians:
        row("nginx/auth_request", "node", 25)
    print(f"a browser's requests, without a signature check: {medians['browser'][0] / medians['without'][0]:.2f} × of without")
    added = [medians["module"][n] - medians["without"][n] for n in (1, 2)]
    print(f"added with {CONNECTIONS} connections: p50 {added[0]:.0f} µs, p99 {added[1]:.0f} µs")
    print(
        f"zone: {zone['size'] / zone['nonces_max'] * 1e6 / 2**20:.1f} MiB per million nonces (64 MiB hold {zone['nonces_max']})"
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "bench"
    target.mkdir(parents=True, exist_ok=True)
    (target / "nginx.json").write_text(
        json.dumps({"rows": rows, "skipped": skipped, "medians": medians, "agent": AGENT}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
