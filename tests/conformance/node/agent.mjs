// The operations `offer`, `spend` and `assertion`.

import {
  Agent,
  Caps,
  Identity,
  Manifest,
  Wallet,
  readOffer,
  signAssertion,
  verifyAssertion,
} from "../../../bindings/node/index.mjs";
import { attempt, privateKey } from "./support.mjs";

export function offer(given) {
  return attempt(() => {
    const found = readOffer(given.body);
    const answer = {
      ...found,
      code: null,
      brokers: found.brokers.map((broker) => broker.issuer),
    };
    return "trusted" in given ? { ...answer, chosen: chosen(given) } : answer;
  });
}

/** Where a visit would ask for a visa: through the public machine, which is what chooses. */
function chosen(given) {
  const wallet = new Wallet([new Caps("USD", "1000000")]);
  const identity = Identity.generate("agent.example");
  const agent = new Agent(identity, "SUMMARY", "Conformance", {
    wallet,
    brokers: given.trusted,
    discover: false,
  });
  const visit = agent.visit("GET", "https://pub.example/");
  visit.start();
  const action = visit.answered(402, [], given.body);
  return action.kind === "request_token" ? action.url : action.error.code;
}

export function spend(given) {
  const { currency, per_request, per_host, per_day, total } = given.caps;
  const wallet = new Wallet([
    new Caps(currency, per_request, {
      perHost: per_host,
      perDay: per_day,
      total,
    }),
  ]);
  const results = given.steps.map((step) => {
    if ("settle" in step) {
      wallet.settle(step.id, step.settle);
      return { spent: wallet.spent(currency) };
    }
    const { issuer, audience, amount, currency: paid, now } = step;
    const terms = {
      agentId: step.agent_id,
      issuer,
      audience,
      purpose: "SUMMARY",
      amount,
      currency: paid,
      now,
    };
    return attempt(
      () => ({ code: null, again: wallet.reserve(step.id, terms) }),
      (code) => ({ code, again: null }),
    );
  });
  return { results };
}

export function assertion(given) {
  const { token_endpoint: endpoint, now } = given;
  if ("key" in given) {
    const identity = new Identity(given.agent_id, privateKey(given.key), {
      allowLoopback: true,
    });
    return {
      assertion: signAssertion(identity, endpoint, { jti: given.jti, now }),
    };
  }
  const manifest = Manifest.parse(
    JSON.stringify(given.manifest),
    given.agent_id,
  );
  return attempt(
    () => {
      const found = verifyAssertion(given.assertion, manifest, endpoint, {
        now,
      });
      return { code: null, jti: found.jti, key_id: found.keyId };
    },
    (code) => ({ code, jti: null, key_id: null }),
  );
}
