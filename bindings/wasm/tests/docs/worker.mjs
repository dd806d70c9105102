import { durableObjectReplayStore, ImagxpReplay, withImagxp } from "@imagxp/edge/workers";

export { ImagxpReplay };

export default withImagxp(
  {
    fetch(request, env, context, verdict) {
      return new Response(`hello ${verdict.agentId ?? verdict.visitor}`);
    },
  },
  (env) => ({
    policy: { version: 1, origins: ["https://pub.example"], unsigned: "browsers", purposes: { SUMMARY: { allow: true } } },
    secret: env.IMAGXP_SECRET,
    replayStore: durableObjectReplayStore(env.REPLAY),
    documents: env.DOCUMENTS,
  }),
);
