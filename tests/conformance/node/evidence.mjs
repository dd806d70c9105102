// The operations `provenance` and `feedback`.

import {
  Feedback,
  Identity,
  Manifest,
  Receipt,
  SignedReceipt,
  feedbackHeader,
} from "../../../bindings/node/index.mjs";
import { attempt, privateKey, publisherOf, supplyAll } from "./support.mjs";

export function provenance(given) {
  const { url, origin, now } = given;
  if ("key" in given) {
    const options = {
      origin,
      traceId: given.trace_id,
      agentId: given.agent_id,
      now,
    };
    const receipt = new Receipt(url, given.content_sha256, options);
    return {
      headers: receipt.sign(new Identity("pub.example", privateKey(given.key))),
    };
  }
  return attempt(
    () => {
      const signed = SignedReceipt.fromHeaders(given.headers);
      const publisher = signed.publisher({ allowLoopback: true });
      if (publisher === null)
        return { valid: false, code: "identity.key_mismatch" };
      const manifest = Manifest.parse(
        JSON.stringify(given.manifest),
        publisher,
        { allowLoopback: true },
      );
      signed.verify(manifest).check({
        url,
        contentSha256: given.content_sha256,
        agentId: given.agent_id,
        now,
      });
      return { valid: true, code: null };
    },
    (code) => ({ valid: false, code }),
  );
}

export function feedback(given) {
  const { now } = given;
  if ("key" in given) {
    const details = { jti: given.jti, contentSha256: given.content_sha256 };
    const opinion = new Feedback(
      given.url,
      given.score_millionths / 1e6,
      given.reason,
      details,
    );
    const identity = new Identity(given.agent_id, privateKey(given.key), {
      allowLoopback: true,
    });
    return {
      value: feedbackHeader(
        opinion.sign(identity, { now, nonce: given.nonce }),
      ),
    };
  }
  const publisher = publisherOf(given);
  supplyAll(publisher, given.manifests, now);
  const { verdict, feedback } = publisher.feedback(given.value, { now });
  return {
    outcome: verdict.outcome,
    code: verdict.code,
    http: verdict.http,
    agent_id: verdict.agentId,
    feedback: feedback && {
      url: feedback.url,
      score_millionths: feedback.scoreMillionths,
      reason: feedback.reason,
      jti: feedback.jti,
      content_sha256: feedback.contentSha256?.toString("hex") ?? null,
    },
  };
}
