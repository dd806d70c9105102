// Evidence and inclusion proofs of audit logs.

import {
  PublicKey,
  verifyEvidence,
  verifyInclusion,
} from "../../../bindings/node/index.mjs";
import { attempt } from "./support.mjs";

export function audit(given) {
  const keys = "spki" in given ? [PublicKey.fromSpki(given.spki)] : [];
  return attempt(
    () => {
      if ("evidence" in given) {
        return {
          valid: true,
          code: null,
          report: verifyEvidence(JSON.stringify(given.evidence), keys),
        };
      }
      return {
        valid: true,
        code: null,
        size: verifyInclusion(given.checkpoint, keys, given.entry, given.proof),
      };
    },
    (code) => ({ valid: false, code }),
  );
}
