"""A crawler that says who it is: reads URLs for one purpose, and stops asking where it is refused.

    python crawler.py --agent-id bot.example.com --key key.pem --purpose RAG_RETRIEVAL https://publisher.example/posts/1

Make a key with `imagxp keygen`, and publish what `--manifest` prints at https://<agent-id>/.well-known/imagxp-agent.json first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import httpx
from imagxp import PURPOSES, Identity
from imagxp.httpx import ImagxpAuth

MAX_AT_ONCE = 4
MAX_BODY = 1024 * 1024


async def read(client: httpx.AsyncClient, url: str, slots: asyncio.Semaphore) -> bool:
    """Reads one URL and prints what came of it."""
    async with slots:
        try:
            async with client.stream("GET", url) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY:
                        print(f"{url}: more than {MAX_BODY} bytes")
                        return False
        except httpx.HTTPError as error:
            print(f"{url}: {type(error).__name__}")
            return False
    if response.is_success:
        print(f"{url}: {response.status_code}, {len(body)} bytes")
    else:
        print(f"{url}: {response.status_code} {reason(response, bytes(body))}")
    return response.is_success


def reason(response: httpx.Response, body: bytes) -> str:
    """The refusal's code and hint, when the answer is one of IMAGXP."""
    try:
        document = json.loads(body)
        error, offer = document["error"], document.get("offer")
        price = f"; price {offer['price']} {offer['currency']}" if offer and "price" in offer else ""
        return f"{error['code']}: {error.get('hint', error['message'])}{price}"
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase


async def crawl(identity: Identity, purpose: str, urls: list[str]) -> bool:
    """Reads all URLs, a few at once."""
    auth = ImagxpAuth(identity, purpose)
    slots = asyncio.Semaphore(MAX_AT_ONCE)
    async with httpx.AsyncClient(auth=auth, timeout=10, headers={"User-Agent": "example-crawler/1.0"}) as client:
        return all(await asyncio.gather(*(read(client, url, slots) for url in urls)))


def main() -> int:
    """Exit code 0 when every URL could be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent-id", required=True, help="the domain that vouches for the key")
    parser.add_argument("--key", required=True, type=Path, help="a PEM file with the private key")
    parser.add_argument("--purpose", choices=PURPOSES, default="RAG_RETRIEVAL")
    parser.add_argument("--allow-loopback", action="store_true", help="admit 127.0.0.1:port as a domain, for development")
    parser.add_argument("--manifest", action="store_true", help="print the manifest to publish, and stop")
    parser.add_argument("urls", nargs="*", metavar="URL")
    arguments = parser.parse_args()

    identity = Identity.load(arguments.agent_id, arguments.key, allow_loopback=arguments.allow_loopback)
    if arguments.manifest:
        print(identity.manifest().to_json().decode())
        return 0
    return 0 if asyncio.run(crawl(identity, arguments.purpose, arguments.urls)) else 1


if __name__ == "__main__":
    sys.exit(main())
