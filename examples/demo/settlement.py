"""Where the money goes: what the publisher is owed, what good and bad feedback do to it, a dispute, and statements that add up."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from evidence import Act
from imagxp import Feedback, Identity

if TYPE_CHECKING:
    from broker import Broker
    from town import Publisher

DEPOSIT = "10"


class Settlement:
    """The publisher's evening with the broker."""

    def __init__(self, agent: Identity, site: Publisher, broker: Broker) -> None:
        self.agent = agent
        self.site = site
        self.broker = broker
        self.paid: list[Any] = []

    def acts(self) -> list[Act]:
        """Everything that is done, in order; later acts build on earlier ones."""
        return [
            Act("the visas, redeemed by the publisher", "2 of 2 accepted, 0.1 EUR", self.redeem),
            Act("one of them, redeemed once more", "visa.state", self.redeem_again),
            Act("good feedback releases", "RELEASED 0.05, of which 0.001 fee", self.praise),
            Act("bad feedback withholds", "WITHHELD", self.blame),
            Act("the publisher contests", "DISPUTED", self.contest),
            Act("the operator divides", "SPLIT, 0.02 to the publisher", self.decide),
            Act("agent's and publisher's statements", "both add up: 9.93 EUR, 0.0686 EUR", self.add_up),
            Act("the broker's log and ledger, verified", "intact, all money sums to 0", self.verify),
        ]

    def redeem(self) -> str:
        """In one batch, each visa with the request that it came with."""
        answered = self._redeem(self.site.presented)
        self.paid = answered["results"]
        total = sum((Decimal(result["amount"]) for result in self.paid if result["accepted"]), Decimal())
        return f"{answered['accepted']} of {len(self.paid)} accepted, {total.normalize()} EUR"

    def redeem_again(self) -> str:
        """Money is behind a visa once."""
        (result,) = self._redeem(self.site.presented[:1])["results"]
        return "accepted" if result["accepted"] else str(result["error"]["code"])

    def praise(self) -> str:
        """The first page was worth its price."""
        visa = self._feedback(self.paid[0]["jti"], "0.9", "HIGH_QUALITY")
        return f"{visa['state']} {visa['released']}, of which {visa['fee']} fee"

    def blame(self) -> str:
        """The second one was not."""
        return str(self._feedback(self.paid[1]["jti"], "0.1", "LOW_QUALITY_SPAM")["state"])

    def contest(self) -> str:
        """Within 72 hours, or the money goes back to the agent."""
        body = json.dumps({"statement": "it is what was asked for"}).encode()
        return str(self.broker.ask(self.site.identity, "POST", f"/v1/visas/{self.paid[1]['jti']}/contest", body)["state"])

    def decide(self) -> str:
        """With the evidence of both at hand."""
        decision = {"decision": "split", "amount": "0.02", "memo": "half of it was advertising"}
        visa = self.broker.operate("POST", f"/v1/visas/{self.paid[1]['jti']}/decide", decision)
        return f"{visa['state']}, {visa['released']} to the publisher"

    def add_up(self) -> str:
        """The closing balance is what the transfers of the statement come to."""
        closing = []
        for identity in (self.agent, self.site.identity):
            statement = self.broker.ask(identity, "GET", f"/v1/accounts/{identity.agent_id}/statement")
            account = statement["account"]["id"]
            total = Decimal(statement["opening"])
            for transfer in statement["transfers"]:
                if transfer["phase"] in ("single", "post"):
                    amount = Decimal(transfer["amount"])
                    total += amount if transfer["credit"] == account else -amount
            if total != Decimal(statement["closing"]):
                return f"{identity.agent_id} has {statement['closing']}, and its transfers come to {total}"
            closing.append(f"{statement['closing']} EUR")
        return f"both add up: {', '.join(closing)}"

    def verify(self) -> str:
        """Every hash of the log, and every account against its transfers."""
        log = self.broker.operate("GET", "/v1/log/verify")
        (asset,) = self.broker.operate("GET", "/v1/money")["assets"]
        total = sum((Decimal(balance) for balance in asset["accounts"].values()), Decimal())
        return f"{'intact' if log['ok'] else 'ALTERED'}, all money sums to {total.normalize()}"

    def _redeem(self, presented: list[Any]) -> Any:
        body = json.dumps({"visas": presented}).encode()
        return self.broker.ask(self.site.identity, "POST", "/v1/visas/redeem", body)

    def _feedback(self, jti: str, score: str, reason: Any) -> Any:
        feedback = Feedback(f"{self.site.origin}/premium", score, reason, jti=jti)
        return self.broker.ask(self.agent, "POST", f"/v1/visas/{jti}/feedback", feedback.sign(self.agent))
