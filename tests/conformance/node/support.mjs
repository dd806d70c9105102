// What several operations need.

import {
  ImagxpError,
  Policy,
  PrivateKey,
  PublicKey,
  Publisher,
} from "../../../bindings/node/index.mjs";

// All runners use the same, so that their answers can be compared.
const SECRET = new Uint8Array(16);

/** What the given function returns, or what `refused` makes of the code with which it throws. */
export function attempt(act, refused = (code) => ({ code })) {
  try {
    return act();
  } catch (error) {
    if (error instanceof ImagxpError) return refused(error.code);
    throw error;
  }
}

export function publisherOf(given) {
  return new Publisher(Policy.fromJson(JSON.stringify(given.policy)), {
    secret: SECRET,
  });
}

/** Hands in documents by URL. One that is refused is part of the case: the verdict tells. */
export function supplyAll(publisher, documents, now) {
  for (const [url, body] of Object.entries(documents ?? {})) {
    attempt(() => publisher.supply(url, JSON.stringify(body), { now }));
  }
}

export const privateKey = (jwk) => PrivateKey.fromJwk(JSON.stringify(jwk));

export function publicKey(given) {
  if ("spki" in given) return PublicKey.fromSpki(given.spki);
  if ("pem" in given) return PublicKey.fromPem(given.pem);
  return PublicKey.fromJwk(JSON.stringify(given.jwk));
}

/** A member as text, or as base64 under the name with `_b64`. */
export function bytes(given, name) {
  if (name in given) return Buffer.from(given[name]);
  const encoded = given[`${name}_b64`];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64");
}
