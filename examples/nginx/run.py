#!/usr/bin/env python3
"""Starts the site of this folder in nginx and a crawler against it: ./run.py [--serve]

With --serve it keeps running. Needs nginx, the built module (scripts/nginx.sh build) and the Python package.
"""

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import imagxp

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from ports import free_port  # noqa: E402 (its folder is on no path before)

MODULE = Path(os.environ.get("IMAGXP_NGINX_MODULES", ROOT / "target" / "nginx")) / "modules-release" / "ngx_http_imagxp_module.so"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
PAGES = {"index.html": "a free page\n", "premium/report": "a priced page\n", "members/list": "a closed page\n"}


class Documents(http.server.BaseHTTPRequestHandler):
    """The crawler's manifest and the broker's keys: in real life two servers of two domains."""

    def do_GET(self):
        body = self.server.documents.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def read(port, path, headers=()):
    """Status and body of one request."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"User-Agent": "crawler/1.0", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def crawl(port, agent, broker, issuer):
    """What a crawler meets, area by area."""

    def signed(path, purpose="RAG_RETRIEVAL", **more):
        return read(port, path, agent.sign("GET", f"http://127.0.0.1{path}", purpose, **more))

    visa = imagxp.issue_visa(
        broker,
        issuer=issuer,
        audience="http://127.0.0.1",
        agent_id=agent.agent_id,
        jti="example-0001",
        amount="0.01",
        currency="USD",
        allow_loopback=True,
    )
    yield "free, not signed", read(port, "/"), 200
    yield "free, signed", signed("/"), 200
    yield "free, for training", signed("/", "CRAWL_TRAINING"), 403
    yield "closed, not signed", read(port, "/members/list"), 401
    yield "closed, signed", signed("/members/list"), 200
    yield "priced, signed", signed("/premium/report"), 402
    yield "priced, paid", signed("/premium/report", payment=visa), 200
    yield "priced, paid again", signed("/premium/report", payment=visa), 402


def main():
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        for page, text in PAGES.items():
            (folder / "html" / page).parent.mkdir(parents=True, exist_ok=True)
            (folder / "html" / page).write_text(text)
        documents = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        stack.callback(documents.shutdown)
        threading.Thread(target=documents.serve_forever, daemon=True).start()
        issuer = f"http://127.0.0.1:{documents.server_address[1]}"
        agent = imagxp.Identity.generate(f"127.0.0.1:{documents.server_address[1]}", allow_loopback=True)
        broker = imagxp.PrivateKey.generate()
        keys = {"keys": [{**broker.public_key.to_jwk(), "kid": broker.public_key.thumbprint}]}
        documents.documents = {
            "/.well-known/imagxp-agent.json": bytes(agent.manifest().to_json()),
            "/.well-known/jwks.json": json.dumps(keys).encode(),
        }

        port = free_port()
        (folder / "policy.toml").write_text((HERE / "policy.toml").read_text().replace("http://127.0.0.1:8900", issuer))
        conf = (HERE / "nginx.conf").read_text()
        for mark, value in (("MODULE", MODULE), ("PORT", port), ("SNIPPETS", ROOT / "bindings" / "nginx" / "snippets")):
            conf = conf.replace(f"@{mark}@", str(value))
        (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + conf)
        nginx = subprocess.Popen([NGINX, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
        stack.callback(lambda: (nginx.send_signal(signal.SIGQUIT), nginx.wait(60)))
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        wrong = asked = 0
        for what, (status, body), expected in crawl(port, agent, broker, issuer):
            code = json.loads(body)["error"]["code"] if status >= 400 else body.strip()
            print(f"{what:20} {status}  {code}")
            wrong += status != expected
            asked += 1
        # nginx writes a line when the answer has gone out.
        for _ in range(600):
            if (folder / "access.log").read_text().count("\n") >= asked:
                break
            time.sleep(0.1)
        print("\nthe access log:\n" + (folder / "access.log").read_text())
        if "--serve" in sys.argv:
            print(f"the site is at http://127.0.0.1:{port}/ until you press Ctrl-C")
            with contextlib.suppress(KeyboardInterrupt):
                nginx.wait()
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
