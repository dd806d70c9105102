// A publisher at the edge: every request is verified before the site sees it, and every nonce counts once in the whole world.

import { durableObjectReplayStore, Identity, ImagxpReplay, PrivateKey, withImagxp } from "@imagxp/edge/workers";
import policy from "./policy.json";

// Cloudflare runs it beside the Worker: wrangler.toml says so.
export { ImagxpReplay };

const site = {
  fetch(request, env, context, verdict) {
    const { pathname } = new URL(request.url);
    const reader = verdict.agentId ?? verdict.visitor;
    return new Response(`Article ${pathname}, for ${reader}.\n`);
  },
};

export default withImagxp(site, (env) => ({
  policy: env.POLICY ?? policy,
  secret: env.IMAGXP_SECRET,
  replayStore: durableObjectReplayStore(env.REPLAY),
  documents: env.DOCUMENTS,
  identity: { agentId: "pub.example", privateKey: env.IMAGXP_PRIVATE_KEY },
  // Who checks a receipt needs the key, and comes without a signature.
  manifest: new Identity("pub.example", PrivateKey.fromPem(env.IMAGXP_PRIVATE_KEY)).manifest(),
}));
