// The operations `sign`, `host`, `address`, `manifest` and `visa`.

import {
  Identity,
  Manifest,
  isAgentId,
  isPublicAddress,
  issueVisa,
} from "../../../bindings/node/index.mjs";
import { attempt, privateKey } from "./support.mjs";

export function sign(given) {
  const identity = new Identity(given.agent_id, privateKey(given.key), {
    allowLoopback: true,
  });
  const { now, nonce, context, payment, proof, compatible } = given;
  return {
    headers: identity.sign(given.method, given.url, given.purpose, {
      now,
      nonce,
      context,
      payment,
      proof,
      compatible,
    }),
  };
}

export const host = (given) => ({ valid: isAgentId(given.name) });

export const address = (given) => ({ allowed: isPublicAddress(given.ip) });

export function manifest(given) {
  return attempt(
    () => {
      const parsed = Manifest.parse(
        JSON.stringify(given.manifest),
        given.agent_id,
      );
      return {
        valid: true,
        code: null,
        keys: parsed.keysAt(given.now).map((key) => key.thumbprint),
      };
    },
    (code) => ({ valid: false, code, keys: [] }),
  );
}

export function visa(given) {
  const { issuer, audience, jti, amount, currency, jkt, purposes, now } = given;
  const token = issueVisa(privateKey(given.key), {
    issuer,
    audience,
    agentId: given.agent_id,
    jti,
    amount,
    currency,
    jkt,
    purposes,
    maxUses: given.max_uses,
    lifetimeS: given.lifetime_s,
    now,
    allowLoopback: true,
  });
  return { token };
}
