"""A broker on this machine, an agent and a publisher: deposit, visa, redemption, feedback, statement. Needs `imagxp` on the path."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from imagxp import BrokerClient, Feedback, Identity, Presented, Redeemer


def domain() -> tuple[Identity, Callable[[], None]]:
    """A domain on this machine, which publishes its manifest as every domain does; and how it ends."""

    class Manifest(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = identity.manifest().to_json()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Manifest)
    identity = Identity.generate(f"127.0.0.1:{server.server_port}", allow_loopback=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def end() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return identity, end


def crawler(issuer: str, identity: Identity, origin: str) -> str:
    """What an agent does at its broker. The `Agent` buys by itself when a 402 asks for it; here it is done by hand."""
    broker = BrokerClient(issuer, identity, allow_loopback=True)  # for a real broker without allow_loopback
    visa = broker.issue(origin, "0.05", "USD", "SUMMARY", key="purchase-of-today-1")  # asked again: the same visa
    account = broker.account()["accounts"][0]
    print(visa["jti"], account["balance"], account["available"])  # 10 USD, of which 0.05 are reserved
    return str(visa["token"])


def publisher(issuer: str, site: Identity, requests: list[list[tuple[str, str]]]) -> None:
    """What a publisher does after it has served: present what it was paid with."""
    broker = BrokerClient(issuer, site, allow_loopback=True)

    def on_outcome(presented: Presented, result: dict[str, Any] | None, error: Exception | None) -> None:
        print("not presented:" if error else "redeemed:", error or result)

    redeemer = Redeemer(broker, on_outcome, batch=500, interval=5)  # at startup, one for the process
    for headers in requests:
        redeemer.push(Presented(headers))  # for each verdict with a visa; the middlewares do it: redeemer=redeemer
    redeemer.close(30)  # before the process ends


def satisfied(issuer: str, identity: Identity, url: str) -> None:
    """What an agent says when it has read."""
    broker = BrokerClient(issuer, identity, allow_loopback=True)
    visa = broker.visas(state="REDEEMED")["visas"][0]
    visa = broker.feedback(Feedback(url, "0.9", "HIGH_QUALITY", jti=visa["jti"]))  # below 0.5 the money is withheld
    statement = broker.statement(asset="USD")
    print(visa["state"], statement["opening"], statement["closing"], len(statement["transfers"]))


def free_port() -> int:
    """A port that nobody has at the moment, below those that systems hand out by themselves: nobody comes to have it by chance."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def main() -> None:
    """The three of them."""
    listen = f"127.0.0.1:{free_port()}"  # its issuer is its address, so the broker's port must be known before
    command = ["imagxp", "--json", "serve", "--dev", "--listen", listen, "--admin-listen", "127.0.0.1:0", "--data"]
    (agent, end_agent), (site, end_site) = domain(), domain()
    origin = f"http://{site.agent_id}"
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen([*command, data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 (our own)
        try:
            service = json.loads(process.stdout.readline() if process.stdout else b"")
            operator = BrokerClient.operator(service["issuer"], service["operator_token"], allow_loopback=True)
            operator.deposit(agent.agent_id, "10.00", reference="bank-4711", asset="USD")
            token = crawler(service["issuer"], agent, origin)
            request = agent.sign("GET", f"{origin}/article", "SUMMARY", payment=token)
            publisher(service["issuer"], site, [request])
            satisfied(service["issuer"], agent, f"{origin}/article")
        finally:
            process.terminate()
            process.communicate()
            end_agent()
            end_site()


main()
