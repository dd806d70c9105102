// Who signs a site's receipts.

import { Identity, PrivateKey, PublicKey } from "./core.js";

/** Who signs receipts: the publisher's own domain, with a key in memory or one that signs elsewhere (WebCrypto, a KMS). */
export type SiteIdentity = { agentId: string; allowLoopback?: boolean } & (
  | { privateKey: string | object }
  | { publicKey: string | object; sign: (message: Uint8Array) => Promise<ArrayBuffer | Uint8Array> }
);

/** Reads it; throws what is wrong with the key. */
export function readIdentity(site: SiteIdentity): Identity {
  const options = { allowLoopback: site.allowLoopback ?? false };
  if ("sign" in site) {
    const key = typeof site.publicKey === "string" ? PublicKey.fromSpki(site.publicKey) : PublicKey.fromJwk(site.publicKey);
    return Identity.external(site.agentId, key, options);
  }
  const { privateKey } = site;
  const isPem = typeof privateKey === "string" && privateKey.includes("-----BEGIN");
  const key = isPem ? PrivateKey.fromPem(privateKey) : PrivateKey.fromJwk(privateKey);
  const identity = new Identity(site.agentId, key, options);
  key.free();
  return identity;
}
