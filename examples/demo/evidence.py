"""What comes after the verdict: finding out what a site asks, paying by itself, receipts, feedback, and a log that nobody can change."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from imagxp import Agent, AuditLog, Feedback, Identity, ImagxpError, ReadError, Wallet, discover, feedback_header

if TYPE_CHECKING:
    from broker import Broker
    from town import Publisher

PRODUCT = "DemoBot"


@dataclass(frozen=True)
class Act:
    """One thing that is done, and what must come of it, in words."""

    what: str
    stated: str
    attempt: Callable[[], str]


class Evidence:
    """An agent's day after the first verdicts, and the publisher's evening with its log."""

    def __init__(
        self, identity: Identity, site: Publisher, broker: Broker, wallet: Wallet, client: httpx.Client, folder: Path
    ) -> None:
        self.identity = identity
        self.site = site
        self.broker = broker
        self.wallet = wallet
        self.client = client
        self.folder = folder
        self.agent = Agent(identity, "RAG_RETRIEVAL", PRODUCT, wallet=wallet, brokers=[broker.issuer], allow_loopback=True)
        self.trace_id = ""
        self.content_sha256 = ""
        self.jti = ""

    def acts(self) -> list[Act]:
        """Everything that is done, in order; later acts build on earlier ones."""
        return [
            Act("what the site asks of whom", "retrieval: go_ahead, training: refrain", self.discover),
            Act("a priced page, paid by itself", "200, bought 0.05 EUR, receipt verified", self.pay),
            Act("one more, above the cap of the day", "spend.limit, nothing bought", self.overspend),
            Act("a page that robots.txt keeps back", "robots.denied, nothing asked", self.trespass),
            Act("feedback: it was slop", "accepted: 0.1 LOW_QUALITY_SPAM", self.complain),
            Act("the audit log, verified", "intact, requests verified", self.verify_log),
            Act("evidence of the paid read, alone", "allow, paid, request verified", self.prove),
            Act("one byte of the log changed", "audit.altered, and where", self.tamper),
        ]

    def discover(self) -> str:
        """Reads robots.txt and the public policy as a crawler would, and what they say about purposes."""
        robots = self.client.get(f"{self.site.origin}/robots.txt")
        policy = self.client.get(f"{self.site.origin}/.well-known/imagxp-policy.json")
        said = discover(
            f"{self.site.origin}/posts/1", PRODUCT, robots=robots.content, robots_status=robots.status_code, policy=policy.content
        )
        return f"retrieval: {said.advice('RAG_RETRIEVAL')}, training: {said.advice('CRAWL_TRAINING')}"

    def pay(self) -> str:
        """One call: robots.txt, policy, 402, the broker, once more with the visa, and the receipt."""
        page = self.agent.read(f"{self.site.origin}/premium/2")
        payment, receipt = page.report["payment"], page.report["receipt"]
        self.trace_id, self.jti = receipt["trace_id"], payment["jti"]
        header = dict(page.headers)["x-imagxp-provenance"]
        self.content_sha256 = json.loads(base64.b64decode(header))["content_sha256"]
        return f"{page.status}, {payment['state']} {payment['amount']} {payment['currency']}, receipt {receipt['state']}"

    def overspend(self) -> str:
        """0.10 of 0.12 have been spent today; the next 0.05 are not."""
        sold = len(self.broker.sold())
        try:
            page = self.agent.read(f"{self.site.origin}/premium/3")
        except ReadError as error:
            return f"{error.code}, {'nothing' if len(self.broker.sold()) == sold else 'SOMETHING'} bought"
        return f"{page.status}"

    def trespass(self) -> str:
        """The site never hears of it."""
        heard = len(self.site.audit)
        try:
            page = self.agent.read(f"{self.site.origin}/drafts/1")
        except ReadError as error:
            return f"{error.code}, {'nothing' if len(self.site.audit) == heard else 'SOMETHING'} asked"
        return f"{page.status}"

    def complain(self) -> str:
        """Signed by the agent, about the page it paid for, with the next request."""
        feedback = Feedback(
            f"{self.site.origin}/premium/2", "0.1", "LOW_QUALITY_SPAM", jti=self.jti, content_sha256=self.content_sha256
        )
        headers = {"x-imagxp-feedback": feedback_header(feedback.sign(self.identity))}
        status = self.client.get(f"{self.site.origin}/posts/1", headers=headers).headers["x-imagxp-feedback-status"]
        taken = self.site.feedback[-1]
        return f"{status}: {taken.quality_score} {taken.reason}"

    def verify_log(self) -> str:
        """Closes the log, as at the end of a day, and verifies it with nothing but the publisher's public key."""
        self.site.audit.close()
        report = AuditLog.verify(self.site.log, [self.site.key.public_key])
        requests = "requests verified" if report["requests_verified"] > 0 else "NO requests verified"
        return f"{'intact' if report['intact'] else 'NOT intact'}, {requests}"

    def prove(self) -> str:
        """One record with its proof, for somebody who has neither the log nor a network."""
        bundle = self.folder / "evidence.json"
        key = self.folder / "publisher.spki"
        key.write_text(self.site.key.public_key.to_spki_base64())
        log, ours = str(self.site.log), ["--key", str(key)]
        self._run("audit", "prove", log, "--trace-id", self.trace_id, *ours, "--out", str(bundle))
        proven = json.loads(self._run("audit", "verify", "--bundle", str(bundle), *ours, "--json"))
        paid = "paid" if self.jti in bundle.read_text() else "NOT paid"
        return f"{proven['outcome']}, {paid}, {'request verified' if proven['request_verified'] else 'request NOT verified'}"

    def tamper(self) -> str:
        """Turns one refusal into a permission."""
        file = next(self.site.log.glob("*.jsonl"))
        content = file.read_bytes()
        at = content.index(b'"outcome":"deny"') + len(b'"outcome":"')
        file.write_bytes(content[:at] + b"D" + content[at + 1 :])
        key = str(self.folder / "publisher.spki")
        found = json.loads(self._run("audit", "verify", str(self.site.log), "--key", key, "--json", status=1))
        places = [finding for finding in found["findings"] if finding["file"] == file.name]
        return "audit.altered, and where" if not found["intact"] and places else "NOT FOUND"

    def _run(self, *arguments: str, status: int = 0) -> str:
        # The program and its files are ours.
        ran = subprocess.run(  # noqa: S603
            [self.broker.program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=10, check=False
        )
        if ran.returncode != status:
            raise ImagxpError("demo", f"{' '.join(arguments[:2])}: exit code {ran.returncode}: {ran.stdout}{ran.stderr}")
        return ran.stdout
