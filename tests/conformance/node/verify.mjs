// The operations `verify` and `sequence`.

import { publisherOf, supplyAll } from "./support.mjs";

export function verify(given) {
  return step(publisherOf(given), given, given);
}

export function sequence(given) {
  const publisher = publisherOf(given);
  return { results: given.steps.map((next) => step(publisher, given, next)) };
}

/** One request on a publisher; what the case has of manifests and key sets counts as fetched at the step's `now`. */
function step(publisher, given, { now, request }) {
  supplyAll(publisher, given.manifests, now);
  supplyAll(publisher, given.jwks, now);
  const options = { now, bodyDigest: request.body_digest };
  return publisher
    .verify(request.method, request.url, request.headers, options)
    .verdict.toJSON();
}
