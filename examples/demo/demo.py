"""IMAGXP on real requests: every row is sent over loopback to a real server, and compared with what it must come to.

Exit code 0 only if every row came out as stated. `--seed-fault` states one row wrongly, to show that the demo can fail.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from broker import Broker
from evidence import Act, Evidence
from imagxp import Caps, Identity, ManifestKey, Wallet, user_agent
from imagxp.httpx import ImagxpAuth
from scale import ScaledBroker
from settlement import DEPOSIT, Settlement
from town import AgentDomain, Publisher, Town

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept-Language": "en-GB,en;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Result:
    """What a row comes to: `allow`, `deny` or `undecided`; why not, or who was let in; the status."""

    outcome: str
    why: str
    http: int

    @classmethod
    def of(cls, response: httpx.Response) -> Result:
        """Reads an answer as any client would."""
        if response.status_code == 200:
            facts = response.json()
            return cls("allow", facts["visitor"] + (" + visa" if facts["paid"] == "visa" else ""), 200)
        code = response.json()["error"]["code"]
        return cls("undecided" if response.status_code >= 500 else "deny", code, response.status_code)

    def __str__(self) -> str:
        return f"{self.outcome} {self.why} {self.http}"


@dataclass(frozen=True)
class Row:
    """One thing that is tried."""

    what: str
    expected: Result
    attempt: Callable[[], httpx.Response]


class Story:
    """Who is who in the demo, and what they try."""

    def __init__(self, town: Town, broker: Broker, client: httpx.Client, folder: Path) -> None:
        self.client = client
        self.broker = broker
        self.site = Publisher(town, self.broker, folder / "site")
        self.cold_site = Publisher(town, self.broker, folder / "cold")
        self.agent, self.thief, self.rotating = (AgentDomain(town) for _ in range(3))
        self.imposter = Identity.generate(self.agent.identity.agent_id, allow_loopback=True)
        self.wallet = Wallet([Caps("EUR", "0.05", per_day="0.12")], path=folder / "spend.json")
        self.explained: tuple[str, Headers] = ("", [])
        # What a bank would say: money has come in for the agent.
        deposit = {"owner": self.agent.identity.agent_id, "amount": DEPOSIT, "asset": "EUR", "reference": "bank-transfer-1"}
        broker.operate("POST", "/v1/deposits", deposit)

    def rows(self) -> list[Row]:
        """Everything that is tried, in order; later rows build on earlier ones."""
        allow = Result("allow", "verified_agent", 200)
        refused = Result("deny", "identity.key_mismatch", 401)
        return [
            Row("a good read, for retrieval", allow, lambda: self.crawl("/posts/1", "RAG_RETRIEVAL")),
            Row(
                "a crawl for training",
                Result("deny", "policy.purpose_denied", 403),
                lambda: self.crawl("/posts/1", "CRAWL_TRAINING"),
            ),
            Row(
                "a paid read without a visa",
                Result("deny", "payment.required", 402),
                lambda: self.crawl("/premium/1", "RAG_RETRIEVAL"),
            ),
            Row(
                "the same, bought from the broker",
                Result("allow", "verified_agent + visa", 200),
                lambda: self.crawl("/premium/1", "RAG_RETRIEVAL", pay=True),
            ),
            Row("a replay of a good request", Result("deny", "replay.nonce_seen", 409), self.replay),
            Row("a spoofed domain, another's key", refused, lambda: self.send(self.imposter, "/posts/2")),
            Row("a stolen visa", Result("deny", "payment.wrong_holder", 402), self.steal),
            Row("a rotated key: both are published", allow, self.rotate),
            Row("the old key, taken out since", refused, self.sign_with_old_key),
            Row(
                "a browser",
                Result("allow", "unsigned_browser", 200),
                lambda: self.client.get(self.site.origin + "/posts/1", headers=BROWSER),
            ),
            Row("a plain bot", Result("deny", "auth.required", 401), lambda: self.client.get(self.site.origin + "/posts/1")),
        ]

    def crawl(self, path: str, purpose: str, *, pay: bool = False) -> httpx.Response:
        """A read with the crawler's own client, which signs, and pays when it has a wallet."""
        wallet = self.wallet if pay else None
        auth = ImagxpAuth(self.agent.identity, purpose, wallet=wallet, brokers=[self.broker.issuer], allow_loopback=True)
        return self.client.get(self.site.origin + path, auth=auth)

    def send(
        self, identity: Identity, path: str, *, visa: str | None = None, site: Publisher | None = None, times: int = 1
    ) -> httpx.Response:
        """Signs once and sends as often as asked. The last answer, or the first that was refused before."""
        url = (site or self.site).origin + path
        signed = identity.sign("GET", url, "RAG_RETRIEVAL", payment=visa)
        headers = [*signed, ("User-Agent", user_agent("demo-crawler"))]
        self.explained = (url, headers)
        answers = [self.client.get(url, headers=headers) for _ in range(times)]
        return next((answer for answer in answers if answer.status_code != 200), answers[-1])

    def replay(self) -> httpx.Response:
        """Sends a good request twice: a first answer that is not good would come out as itself."""
        return self.send(self.agent.identity, "/posts/3", times=2)

    def steal(self) -> httpx.Response:
        """Another agent, properly signed, shows a visa that was sold to the first one."""
        return self.send(self.thief.identity, "/premium/2", visa=self.site.presented[0]["visa"])

    def rotate(self) -> httpx.Response:
        """Publishes old and new, signs with the new one."""
        self.old = self.rotating.identity
        self.rotating.identity = Identity.generate(self.old.agent_id, allow_loopback=True)
        self.rotating.publish(ManifestKey(self.old.public_key))
        return self.send(self.rotating.identity, "/posts/4")

    def sign_with_old_key(self) -> httpx.Response:
        """Takes the old key out. The first site may go by its cache for an hour, so this goes to one that has none yet."""
        self.rotating.publish()
        return self.send(self.old, "/posts/4", site=self.cold_site)

    def explain(self) -> str:
        """Explains the stolen visa with `imagxp explain`, on files with the request, the policy, the manifest and the key set."""
        self.steal()
        url, headers = self.explained
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "request.json").write_text(json.dumps({"method": "GET", "url": url, "headers": headers}))
            (folder / "policy.json").write_text(json.dumps(self.site.policy))
            (folder / "manifest.json").write_bytes(self.thief.manifest)
            (folder / "jwks.json").write_bytes(self.broker.jwks)
            command = [self.broker.program, "explain", "request.json", "--policy", "policy.json"]
            command += ["--manifest", "manifest.json", "--jwks", f"{self.broker.jwks_url}=jwks.json"]
            # The program and its files are ours.
            ran = subprocess.run(  # noqa: S603
                command, cwd=folder, capture_output=True, text=True, timeout=10, check=False
            )
        # 1 is its exit code for a refused request.
        return ran.stdout if ran.returncode == 1 else f"exit code {ran.returncode}\n{ran.stdout}{ran.stderr}"


class Screen:
    """Prints the table; in colours only for a person."""

    def __init__(self) -> None:
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, number: object, what: str, expected: str, got: str, why: str, http: object, ok: str) -> None:
        """One line of at most 100 columns."""
        mark = f"\x1b[{'32' if ok == 'yes' else '31'}m{ok}\x1b[0m" if self.colours and ok in ("yes", "NO") else ok
        print(f"{number!s:>2}  {what:<36} {expected:<10} {got:<10} {why:<23} {http!s:<5} {mark}".rstrip())

    def act(self, letter: str, act: Act, got: str) -> bool:
        """An act and whether it came out as stated."""
        good = got == act.stated
        mark = "yes" if good else "NO"
        if self.colours:
            mark = f"\x1b[{'32' if good else '31'}m{mark}\x1b[0m"
        print(f" {letter}  {act.what:<36} {got:<46} {mark}".rstrip())
        if not good:
            print(f"    stated: {act.stated}")
        return good

    def row(self, number: int, row: Row, got: Result) -> bool:
        """A row and whether it came out as stated."""
        good = got == row.expected
        self.line(number, row.what, row.expected.outcome, got.outcome, got.why, got.http, "yes" if good else "NO")
        if not good:
            print(f"    stated: {row.expected}")
        return good


def main() -> int:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed-fault", action="store_true", help="state one row wrongly: the demo must then fail")
    parser.add_argument("--scale", action="store_true", help="the broker as two processes on PostgreSQL and Redis, behind nginx")
    parser.add_argument("--keep", action="store_true", help="keep the broker and its dashboard until Enter is pressed")
    arguments = parser.parse_args()

    program = os.environ.get("IMAGXP_CLI") or shutil.which("imagxp")
    if program is None:
        parser.error("the broker is the program imagxp: name it in IMAGXP_CLI, or run `make demo`")
    started = time.monotonic()
    screen = Screen()
    with (
        tempfile.TemporaryDirectory() as folder,
        Town() as town,
        httpx.Client(trust_env=False, timeout=5) as client,
        (ScaledBroker if arguments.scale else Broker)(program, Path(folder), client) as broker,
    ):
        story = Story(town, broker, client, Path(folder))
        rows = story.rows()
        if arguments.seed_fault:
            rows[4] = Row(rows[4].what, Result("allow", "verified_agent", 200), rows[4].attempt)
        print(f"publisher {story.site.origin}   agent {story.agent.identity.agent_id}   broker {story.broker.issuer}\n")
        screen.line("", "what is tried", "expected", "got", "code, or visitor", "http", "ok")
        good = sum(screen.row(number, row, Result.of(row.attempt())) for number, row in enumerate(rows, 1))
        explanation = story.explain()
        evidence = Evidence(story.agent.identity, story.site, story.broker, story.wallet, client, Path(folder))
        acts = evidence.acts()
        print("\nand what comes after the verdict:\n")
        kept = sum(screen.act(letter, act, act.attempt()) for letter, act in zip("abcdefgh", acts, strict=True))
        settled = Settlement(story.agent.identity, story.site, broker).acts()
        print("\nand where the money goes:\n")
        kept += sum(screen.act(letter, act, act.attempt()) for letter, act in zip("ijklmnop", settled, strict=True))
        acts += settled
        if arguments.keep:
            print(f"\ndashboard {broker.dashboard}, token {broker.token}; Enter ends it")
            input()
        else:
            print(f"\ndashboard {broker.dashboard}; `examples/demo/demo.py --keep` keeps it open")
    explained = "payment.wrong_holder" in explanation and "exit code" not in explanation
    print("\nrow 7 explained by `imagxp explain`:\n")
    print("\n".join(line[:100] for line in explanation.splitlines()))
    passed = good == len(rows) and kept == len(acts) and explained
    seconds = time.monotonic() - started
    print(
        f"\n{good} of {len(rows)} rows and {kept} of {len(acts)} acts as stated, {'one' if explained else 'NO'} explanation,"
        f" {seconds:.1f} s:",
        end=" ",
    )
    print("PASSED" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
