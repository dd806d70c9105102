"""The conformance runner for nginx: `verify` and `sequence` through a running nginx, over raw sockets, at the time that a case names.

Everything else an operator cannot ask of nginx, and is answered as unsupported.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings" / "nginx" / "tests"))

from instance import Nginx  # noqa: E402 (its folder is on no path before)
from servers import Manifests, Names  # noqa: E402

SEEN = "|".join(
    f"$imagxp_{name}"
    for name in (
        "outcome",
        "code",
        "http",
        "agent",
        "purpose",
        "visitor",
        "would_deny",
        "payment",
        "key_id",
        "warnings",
    )
)
WELL_KNOWN = "/.well-known/imagxp-agent.json"


def milliseconds(time):
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def origin(request):
    return "/".join(request["url"].split("/")[:3])


class Site:
    """One nginx for one case."""

    def __init__(self, case, folder, clock):
        self.case, self.folder, self.clock = case, folder, clock
        self.folder.mkdir()
        (folder / "html").mkdir()
        (folder / "html" / "ok").write_text("ok\n")
        (folder / "policy.json").write_text(json.dumps(case["policy"]))
        self.now = folder / "now"
        self.set_clock(case.get("now") or case["steps"][0]["now"])
        self.servers = []

    def set_clock(self, time):
        # One store: the file is mapped.
        with self.now.open("r+b" if self.now.exists() else "wb") as file:
            file.write(milliseconds(time).to_bytes(8, sys.byteorder, signed=True))

    def documents(self):
        lines = ""
        for number, (url, document) in enumerate({**self.case.get("manifests", {}), **self.case.get("jwks", {})}.items()):
            path = self.folder / f"document{number}"
            path.write_text(json.dumps(document))
            if url.endswith(WELL_KNOWN):
                lines += f"imagxp_manifest_file {url.removeprefix('https://').removeprefix('http://').removesuffix(WELL_KNOWN)} {path};\n"
            else:
                lines += f"imagxp_jwks_file {url} {path};\n"
        return lines

    def fetched(self):
        """The documents by fetches: those that `nginx -t` would refuse."""
        manifests, names = Manifests(), Names({})
        self.servers += [manifests, names]
        documents = {**self.case.get("manifests", {}), **self.case.get("jwks", {})}
        names.addresses = {url.split("/")[2]: ["93.184.216.34"] for url in documents}
        manifests.behave = lambda handler: handler.answer(200, json.dumps(documents[handler.headers["X-Url"]]).encode())
        return (
            f"resolver 127.0.0.1:{names.port} ipv6=off; imagxp_manifest_request /fetch; imagxp_jwks_request /fetch;",
            f"location = /fetch {{ internal; imagxp off; proxy_pass http://127.0.0.1:{manifests.port}; proxy_pass_request_headers off; "
            "proxy_set_header X-Url $imagxp_fetch_url; subrequest_output_buffer_size 64k; proxy_buffering off; }",
        )

    def http(self, documents, location=""):
        vouched = f"imagxp_origin {origin(self.case.get('request') or self.case['steps'][0]['request'])};"
        return f"""
    imagxp_zone conformance 1m;
    imagxp_policy {self.folder}/policy.json;
    imagxp {self.case["policy"].get("mode", "enforce")};
    ignore_invalid_headers off;
    underscores_in_headers on;
    large_client_header_buffers 8 64k;
    {documents}
    server {{
        listen 127.0.0.1:{{port}};
        root {self.folder}/html;
        {vouched}
        add_header X-Seen "{SEEN}" always;
        location / {{ error_page 405 =200 /ok; try_files /ok =404; }}
        {location}
    }}
"""

    def start(self):
        environment = {"LD_PRELOAD": str(self.clock), "IMAGXP_CLOCK": str(self.now)}
        nginx = Nginx(self.folder / "nginx", self.http(self.documents()), environment=environment)
        if not nginx.check()[0]:
            nginx.write(self.http(*self.fetched()))
        return nginx

    def close(self):
        for server in self.servers:
            server.close()


def ask(nginx, request):
    """One request, byte for byte; HTTP/1.0, which needs no Host line that the case does not have."""
    target = "/" + request["url"].split("/", 3)[3] if request["url"].count("/") > 2 else "/"
    lines = b"".join(name.encode() + b": " + value.encode() + b"\r\n" for name, value in request["headers"])
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=60) as connection:
        connection.sendall(f"{request['method']} {target} HTTP/1.0\r\n".encode() + lines + b"\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, _ = answer.partition(b"\r\n\r\n")
    rows = head.decode("latin-1").split("\r\n")
    seen = next((row.partition(": ")[2] for row in rows if row.lower().startswith("x-seen: ")), None)
    if seen is None:
        return {"error": rows[0]}
    outcome, code, http, agent, purpose, visitor, would_deny, payment, key, warnings = seen.split("|")
    status = int(rows[0].split()[1])
    return {
        "outcome": outcome,
        "code": code or None,
        "http": int(http) if outcome == "allow" else status,
        "agent_id": agent or None,
        "purpose": purpose or None,
        "visitor": visitor,
        "would_deny": would_deny == "1",
        "payment": payment,
        "key_id": key or None,
        "warnings": warnings.split(",") if warnings else [],
    }


def answer(case, folder, clock):
    if case["op"] not in ("verify", "sequence"):
        return {"unsupported": True}
    requests = [case["request"]] if case["op"] == "verify" else [step["request"] for step in case["steps"]]
    if any(origin(request) not in case["policy"]["origins"] for request in requests):
        # A server that vouches for an origin which the policy lacks: `nginx -t` refuses it.
        return {"unsupported": True}
    site = Site(case, folder, clock)
    try:
        with site.start() as nginx:
            if case["op"] == "verify":
                return ask(nginx, case["request"])
            results = []
            for step in case["steps"]:
                site.set_clock(step["now"])
                results.append(ask(nginx, step["request"]))
            return {"results": results}
    finally:
        site.close()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        clock = folder / "clock.so"
        subprocess.run(
            [
                "cc",
                "-shared",
                "-fPIC",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                str(Path(__file__).parent / "clock.c"),
                "-o",
                str(clock),
            ],
            check=True,
        )
        for number, line in enumerate(sys.stdin):
            try:
                case = json.loads(line)
                said = answer(case, folder / str(number), clock)
            except (AssertionError, KeyError, OSError, ValueError) as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps({"id": case.get("id"), **said}), flush=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
