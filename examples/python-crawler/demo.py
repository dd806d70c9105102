"""A publisher, a broker and an agent's domain on loopback, and this project's spider let loose on them.

python demo.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "demo"))

import httpx  # noqa: E402
from broker import Broker, find_program  # noqa: E402
from imagxp import Policy  # noqa: E402
from imagxp.asgi import ImagxpMiddleware  # noqa: E402
from town import AgentDomain, Town, address, respond  # noqa: E402

PAGES = ["posts/1", "posts/2", "premium/1", "premium/2", "premium/3", "members/1", "drafts/1"]
ROBOTS = b"User-agent: *\nDisallow: /drafts/\n"
EXPECTED = {"/": 200, "/posts/1": 200, "/posts/2": 200, "/members/1": 403}
# Which ones it is depends on who comes first.
EXPECTED_PREMIUM = [200, 200, 402]


class Site:
    """A publisher: posts are free, two premium pages are within the reader's caps, members and drafts are closed."""

    def __init__(self, town: Town, broker: Broker) -> None:
        listener = town.reserve()
        self.origin = f"http://{address(listener)}"
        self.asked: set[str] = set()
        policy = {
            "version": 1,
            "origins": [self.origin],
            "allow_loopback": True,
            "unsigned": "deny",
            "purposes": {"RAG_RETRIEVAL": {}},
            "paths": [
                {"match": "/premium/*", "price": {"amount": "0.05", "currency": "EUR"}},
                {"match": "/members/*", "purposes": {"RAG_RETRIEVAL": {"allow": False}}},
            ],
            "payment": {"brokers": [{"issuer": broker.issuer, "jwks_uri": broker.jwks_url}]},
        }
        self._verified = ImagxpMiddleware(self._page, Policy.from_dict(policy))
        town.serve(listener, self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        self.asked.add(scope.get("path", ""))
        await self._verified(scope, receive, send)

    def unasked(self) -> list[str]:
        """The pages that nobody asked for."""
        return [f"/{page}" for page in PAGES if f"/{page}" not in self.asked]

    async def _page(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"][1:]
        if path == "robots.txt":
            await respond(send, 200, ROBOTS, b"text/plain")
            return
        links = "".join(f'<a href="/{page}">{page}</a>\n' for page in PAGES) if not path else ""
        await respond(send, 200, f"<h1>{path or 'Contents'}</h1>\n{links}".encode(), b"text/html")


def crawl(folder: Path, agent: AgentDomain, broker: Broker, site: Site) -> list[dict[str, Any]]:
    """Runs the spider as a command of its own, as one would from a shell."""
    agent.identity.save(folder / "key.pem", overwrite=True)
    settings = {
        "IMAGXP_AGENT_ID": agent.identity.agent_id,
        "IMAGXP_KEY_FILE": folder / "key.pem",
        "IMAGXP_WALLET_FILE": folder / "spend.json",
        "IMAGXP_BROKERS": broker.issuer,
        "IMAGXP_ALLOW_LOOPBACK": "True",
    }
    items = folder / "items.jsonl"
    command = [sys.executable, "-m", "scrapy", "crawl", "articles", "-a", f"url={site.origin}/", "-O", str(items)]
    for name, value in settings.items():
        command += ["-s", f"{name}={value}"]
    subprocess.run(command, cwd=HERE, check=True)  # noqa: S603 (this interpreter and files of ours)
    return [json.loads(line) for line in items.read_text().splitlines()]


def main() -> int:
    """Exit code 0 when everything came as it should."""
    with (
        tempfile.TemporaryDirectory() as name,
        Town() as town,
        httpx.Client(trust_env=False, timeout=5) as client,
        Broker(find_program(), Path(name), client) as broker,
    ):
        agent = AgentDomain(town)
        broker.deposit(agent.identity.agent_id, "1")
        site = Site(town, broker)
        found = {}
        for item in crawl(Path(name), agent, broker, site):
            path = item["url"].removeprefix(site.origin)
            found[path] = item["status"]
            print(f"{path:12} {item['status']} {item.get('title') or item.get('code')}")
        premium = sorted(status for path, status in found.items() if path.startswith("/premium/"))
        others = {path: status for path, status in found.items() if not path.startswith("/premium/")}
        sold = len(broker.sold())
        print(f"{sold} visas bought, as many as the caps allow; robots.txt kept the reader from {site.unasked()}")
        good = (others, premium, sold) == (EXPECTED, EXPECTED_PREMIUM, 2) and site.unasked() == ["/drafts/1"]
    print("PASSED" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
