// The conformance runner of the WebAssembly module (DESIGN §6), here in Node: one JSON line in, one JSON line out, through the public API of
// `@imagxp/edge`.

import { createInterface } from "node:readline";
import * as imagxp from "../../../bindings/wasm/dist/index.js";

// All runners use the same, so that their answers can be compared.
const SECRET = new Uint8Array(16);
const LOOPBACK = { allowLoopback: true };

const OPERATIONS = {
  verify: (item) => step(publisherOf(item), item, item),

  sequence(item) {
    const publisher = publisherOf(item);
    return { results: item.steps.map((each) => step(publisher, item, each)) };
  },

  sign(item) {
    const { now, nonce, context, payment, proof, compatible } = item;
    const identity = new imagxp.Identity(item.agent_id, imagxp.PrivateKey.fromJwk(item.key), LOOPBACK);
    return { headers: identity.sign(item.method, item.url, item.purpose, { now, nonce, context, payment, proof, compatible }) };
  },

  canonicalize: (item) => attempt(() => ({ canonical: imagxp.canonicalize(textOf(item, "json")) }), ({ code }) => ({ code })),

  key: (item) => attempt(() => {
    const { thumbprint, algorithm } = publicKeyOf(item);
    return { thumbprint, alg: algorithm };
  }, ({ code }) => ({ code })),

  signature: (item) => attempt(
    () => ({ valid: publicKeyOf(item.key).verify(bytesOf(item.message_hex), bytesOf(item.signature_hex)) }),
    ({ code }) => ({ valid: false, code }),
  ),

  jws: (item) => attempt(() => {
    const { issuer, audience, typ } = item.expect ?? {};
    const jwks = imagxp.JwkSet.parse(item.jwks_text ?? item.jwks);
    return { valid: true, code: null, claims: imagxp.verifyToken(item.token, jwks, { now: item.now, issuer, audience, typ }) };
  }, ({ code }) => ({ valid: false, code, claims: null })),

  host: (item) => ({ valid: imagxp.isAgentId(item.name) }),

  address: (item) => ({ allowed: imagxp.isPublicAddress(item.ip) }),

  manifest: (item) => attempt(() => {
    const keys = imagxp.Manifest.parse(item.manifest, item.agent_id).keysAt(item.now);
    return { valid: true, code: null, keys: keys.map((key) => key.thumbprint) };
  }, ({ code }) => ({ valid: false, code, keys: [] })),

  visa: (item) => ({
    token: imagxp.issueVisa(imagxp.PrivateKey.fromJwk(item.key), {
      issuer: item.issuer,
      audience: item.audience,
      agentId: item.agent_id,
      jti: item.jti,
      amount: item.amount,
      currency: item.currency,
      jkt: item.jkt,
      purposes: item.purposes,
      maxUses: item.max_uses,
      lifetimeS: item.lifetime_s,
      now: item.now,
      ...LOOPBACK,
    }),
  }),

  provenance(item) {
    const { url, content_sha256: contentSha256, agent_id: agentId, now } = item;
    if ("key" in item) {
      const receipt = new imagxp.Receipt(url, contentSha256, { origin: item.origin, traceId: item.trace_id, agentId, now });
      return { headers: receipt.sign(new imagxp.Identity("pub.example", imagxp.PrivateKey.fromJwk(item.key))) };
    }
    return attempt(() => {
      const signed = imagxp.SignedReceipt.fromHeaders(item.headers);
      const publisher = signed.publisher(LOOPBACK);
      if (publisher === undefined) return { valid: false, code: "identity.key_mismatch" };
      signed.verify(imagxp.Manifest.parse(item.manifest, publisher, LOOPBACK)).check({ url, contentSha256, agentId, now });
      return { valid: true, code: null };
    }, ({ code }) => ({ valid: false, code }));
  },

  feedback(item) {
    const { now } = item;
    if ("key" in item) {
      const score = (item.score_millionths / 1e6).toFixed(6);
      const opinion = new imagxp.Feedback(item.url, score, item.reason, { jti: item.jti, contentSha256: item.content_sha256 });
      const identity = new imagxp.Identity(item.agent_id, imagxp.PrivateKey.fromJwk(item.key), LOOPBACK);
      return { value: imagxp.feedbackHeader(opinion.sign(identity, { now, nonce: item.nonce })) };
    }
    const publisher = publisherOf(item);
    supply(publisher, item.manifests, now);
    const { verdict, feedback } = publisher.feedback(item.value, { now });
    return {
      ...snaked(verdict),
      feedback: feedback && {
        url: feedback.url,
        score_millionths: feedback.scoreMillionths,
        reason: feedback.reason,
        jti: feedback.jti,
        content_sha256: feedback.contentSha256,
      },
    };
  },

  robots(item) {
    const robots = imagxp.Robots.parse(textOf(item, "robots") ?? "");
    const token = item.product_token;
    return { allowed: item.paths.map((path) => robots.allows(token, path)), policy_urls: robots.policyUrls(token) };
  },

  preferences(item) {
    const rsl = textOf(item, "rsl");
    const report = imagxp.discover(item.url, item.product_token, {
      robots: textOf(item, "robots"),
      robotsStatus: item.robots_status,
      headers: item.headers ?? [],
      rsl: rsl === undefined ? {} : { "https://pub.example/license.xml": rsl },
      policy: textOf(item, "policy"),
    });
    return { report };
  },

  audit: (item) => attempt(() => {
    const keys = "spki" in item ? [item.spki] : [];
    if ("evidence" in item) return { valid: true, code: null, report: imagxp.verifyEvidence(item.evidence, keys) };
    return { valid: true, code: null, size: imagxp.verifyInclusion(item.checkpoint, keys, item.entry, item.proof) };
  }, ({ code }) => ({ valid: false, code })),

  offer: (item) => attempt(() => {
    const { price, currency, purposes, brokers } = imagxp.readOffer(item.body);
    const answer = { code: null, price, currency, purposes, brokers: brokers.map((broker) => broker.issuer) };
    if (!("trusted" in item)) return answer;
    const chosen = attempt(() => imagxp.readOffer(item.body, { trusted: item.trusted }).chosen.tokenEndpoint, ({ code }) => code);
    return { ...answer, chosen };
  }, ({ code }) => ({ code })),

  assertion(item) {
    const { token_endpoint: endpoint, now } = item;
    if ("key" in item) {
      const identity = new imagxp.Identity(item.agent_id, imagxp.PrivateKey.fromJwk(item.key), LOOPBACK);
      return { assertion: imagxp.signAssertion(identity, endpoint, { jti: item.jti, now }) };
    }
    const manifest = imagxp.Manifest.parse(item.manifest, item.agent_id);
    return attempt(() => {
      const { jti, keyId } = imagxp.verifyAssertion(item.assertion, manifest, endpoint, { now });
      return { code: null, jti, key_id: keyId };
    }, ({ code }) => ({ code, jti: null, key_id: null }));
  },
};

function publisherOf(item) {
  return new imagxp.Publisher(imagxp.Policy.fromJson(item.policy), { secret: SECRET });
}

/** One request on a publisher; what the case has of manifests and key sets counts as fetched at the step's `now`. */
function step(publisher, item, { now, request }) {
  supply(publisher, item.manifests, now);
  supply(publisher, item.jwks, now);
  const { method, url, headers, body_digest: bodyDigest } = request;
  return snaked(publisher.verify(method, url, headers, { now, bodyDigest }).verdict);
}

function supply(publisher, documents, now) {
  for (const [url, body] of Object.entries(documents ?? {})) {
    // A document that is refused is part of the case: the verdict tells.
    attempt(() => publisher.supply(url, JSON.stringify(body), { now }), () => undefined);
  }
}

/** The verdict with the names of PROTOCOL §6. */
function snaked(verdict) {
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(verdict).map(([name, value]) => [snake(name), value]));
}

function publicKeyOf({ spki, pem, jwk }) {
  if (spki !== undefined) return imagxp.PublicKey.fromSpki(spki);
  return pem === undefined ? imagxp.PublicKey.fromJwk(jwk) : imagxp.PublicKey.fromPem(pem);
}

/** A member as text, or as base64 under the name with `_b64`. */
function textOf(item, name) {
  const encoded = item[`${name}_b64`];
  return encoded === undefined ? item[name] : new Uint8Array(Buffer.from(encoded, "base64"));
}

function bytesOf(hex) {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/** What the library refuses is an answer; anything else is a bug in here. */
function attempt(act, refused) {
  try {
    return act();
  } catch (error) {
    if (error instanceof imagxp.ImagxpError) return refused(error);
    throw error;
  }
}

/** Answers one line; whatever happens, with one line that carries the case's id. */
function answerLine(line) {
  let id = null;
  let answer;
  try {
    const item = JSON.parse(line);
    id = item.id;
    const operation = Object.hasOwn(OPERATIONS, item.op) ? OPERATIONS[item.op] : undefined;
    answer = operation === undefined ? { unsupported: true } : operation(item);
  } catch (error) {
    answer = error instanceof imagxp.ImagxpError ? { error_code: error.code } : { error: String(error) };
  }
  return JSON.stringify({ id, ...answer });
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() !== "") process.stdout.write(`${answerLine(line)}\n`);
}
