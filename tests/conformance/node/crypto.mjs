// The operations `canonicalize`, `key`, `key_file`, `signature` and `jws`.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ImagxpError,
  JwkSet,
  PrivateKey,
  canonicalize as canonical,
  verifyToken,
} from "../../../bindings/node/index.mjs";
import { attempt, bytes, publicKey } from "./support.mjs";

export function canonicalize(given) {
  return attempt(() => ({
    canonical: canonical(bytes(given, "json")).toString(),
  }));
}

export function key(given) {
  return attempt(() => {
    const found = publicKey(given);
    return { thumbprint: found.thumbprint, alg: found.algorithm };
  });
}

export async function key_file(given) {
  const folder = await mkdtemp(join(tmpdir(), "imagxp-"));
  try {
    const path = join(folder, "key");
    await writeFile(path, given.text, { mode: 0o600 });
    const { publicKey } = await PrivateKey.load(path, {
      passphrase: given.passphrase,
    });
    return { thumbprint: publicKey.thumbprint, alg: publicKey.algorithm };
  } catch (error) {
    if (error instanceof ImagxpError) return { code: error.code };
    throw error;
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function signature(given) {
  return attempt(
    () => {
      const [message, found] = [given.message_hex, given.signature_hex].map(
        (hex) => Buffer.from(hex, "hex"),
      );
      return { valid: publicKey(given.key).verify(message, found) };
    },
    (code) => ({ valid: false, code }),
  );
}

export function jws(given) {
  const { issuer, audience, typ } = given.expect ?? {};
  return attempt(
    () => {
      const set = JwkSet.parse(
        "jwks_text" in given ? given.jwks_text : JSON.stringify(given.jwks),
      );
      return {
        valid: true,
        code: null,
        claims: verifyToken(given.token, set, {
          now: given.now,
          issuer,
          audience,
          typ,
        }),
      };
    },
    (code) => ({ valid: false, code, claims: null }),
  );
}
