// Peers in Node. Each verifies one signature of a known key, checks its lifetime, and looks its nonce up in a set and puts it there. One at a time,
// as they come in; processor time of all threads. Where the library takes a function of one's own, it is OpenSSL's without a promise, the quickest. web-bot-auth signs with Ed25519, the one curve that it has; the others with ES256.

import { createSigner, createVerifier } from "fast-jwt";
import { createSignature, verifySignature } from "http-message-sig";
import { jwtVerify, SignJWT } from "jose";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as cryptoSign,
  subtle,
  verify as cryptoVerify,
} from "node:crypto";
import { signatureHeaders, verify } from "web-bot-auth";
import { signerFromJWK } from "web-bot-auth/crypto";
import { serve, timed } from "./conversation.mjs";

const URL_ =
  "https://pub.example/2026/03/01/what-the-spring-tides-left-behind?page=2";
const seen = new Set();
let number = 0;
const nonce = () =>
  `6f1c9d1e-9d7a-4f7c-9b5e-${(number += 1).toString(16).padStart(12, "0")}`;
const seconds = () => Math.floor(Date.now() / 1000);
const claims = () => ({
  v: "1.1",
  agent_id: "crawler-0.agents.example",
  purpose: "RAG_RETRIEVAL",
  exp: seconds() + 300,
  nonce: nonce(),
  resource: URL_,
  method: "GET",
});

function fresh(value) {
  if (typeof value !== "string" || seen.has(value)) throw new Error("a replay");
  seen.add(value);
}

function check(said) {
  if (said.method !== "GET" || said.resource !== URL_)
    throw new Error("another request");
  fresh(said.nonce);
}

/** A row: requests made before, verified one after the other. */
const row = (make, check) => async (count) => {
  const items = [];
  for (let index = 0; index < count; index += 1) items.push(await make());
  return timed(async () => {
    for (const item of items) await check(item);
  });
};

const es256 = await subtle.generateKey(
  { name: "ECDSA", namedCurve: "P-256" },
  true,
  ["sign", "verify"],
);
const pem = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

const jose = row(
  () =>
    new SignJWT(claims())
      .setProtectedHeader({ alg: "ES256" })
      .sign(es256.privateKey),
  async (token) =>
    check(
      (
        await jwtVerify(token, es256.publicKey, {
          algorithms: ["ES256"],
          requiredClaims: ["exp"],
        })
      ).payload,
    ),
);

const signer = createSigner({ key: pem.privateKey, algorithm: "ES256" });
// No cache of tokens: each is another one.
const verifier = createVerifier({
  key: pem.publicKey,
  algorithms: ["ES256"],
  requiredClaims: ["exp"],
  cache: false,
});
const fastJwt = row(
  () => signer(claims()),
  (token) => check(verifier(token)),
);

const ed25519 = await subtle.exportKey(
  "jwk",
  (await subtle.generateKey("Ed25519", true, ["sign", "verify"])).privateKey,
);
const botSigner = await signerFromJWK(ed25519);
const botKey = createPublicKey({
  key: { kty: "OKP", crv: "Ed25519", x: ed25519.x },
  format: "jwk",
});
const webBotAuth = row(
  async () => {
    const now = new Date();
    const bare = { method: "GET", url: URL_, headers: { host: "pub.example" } };
    const params = {
      created: now,
      expires: new Date(now.getTime() + 300_000),
      nonce: undefined,
    };
    const headers = await signatureHeaders(bare, botSigner, params);
    return {
      ...bare,
      headers: {
        ...bare.headers,
        signature: headers.Signature,
        "signature-input": headers["Signature-Input"],
      },
    };
  },
  (request) =>
    verify(request, (data, signature, params) => {
      if (!cryptoVerify(null, Buffer.from(data), botKey, signature))
        throw new Error("forged");
      if (params.expires < new Date()) throw new Error("too old");
      fresh(params.nonce);
    }),
);

const algorithm = "ecdsa-p256-sha256";
const fixed = (key) => ({ key, dsaEncoding: "ieee-p1363" });
const keys = [
  fixed(createPrivateKey(pem.privateKey)),
  fixed(createPublicKey(pem.publicKey)),
];
const messageSigner = {
  algorithm,
  sign: (data) => cryptoSign("sha256", data, keys[0]),
};
const messageVerifier = {
  algorithm,
  verify: (data, signature) => cryptoVerify("sha256", data, keys[1], signature),
};
const components = ["@method", "@authority", "@target-uri"];
const httpMessageSig = row(
  async () => {
    const bare = {
      kind: "request",
      method: "GET",
      targetUri: URL_,
      fields: [{ name: "host", value: "pub.example" }],
    };
    const parameters = {
      created: seconds(),
      expires: seconds() + 300,
      nonce: nonce(),
      keyid: "key-1",
    };
    const made = await createSignature(bare, {
      label: "sig1",
      components,
      parameters,
      signer: messageSigner,
    });
    const lines = [
      { name: "signature", value: made.signature },
      { name: "signature-input", value: made.signatureInput },
    ];
    return { ...bare, fields: [...bare.fields, ...lines] };
  },
  async (request) => {
    const policy = {
      algorithms: [algorithm],
      requiredComponents: components,
      requiredParameters: ["created", "expires", "nonce"],
    };
    const verified = await verifySignature(request, {
      label: "sig1",
      policy,
      resolveVerifier: () => messageVerifier,
    });
    fresh(verified.parameters.nonce);
  },
);

await serve({
  jose,
  "fast-jwt": fastJwt,
  "web-bot-auth": webBotAuth,
  "http-message-sig": httpMessageSig,
});
