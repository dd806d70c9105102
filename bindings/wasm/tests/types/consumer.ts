// Compiled, never run: how the package looks to a program in TypeScript.

import { ImagxpError, Policy, Publisher, type Verdict, Verifier } from "@imagxp/edge";
import { imagxpProxy } from "@imagxp/edge/next";
import { ImagxpReplay, durableObjectReplayStore, type ReplayNamespace, withImagxp } from "@imagxp/edge/workers";
import { withImagxp as forDeno } from "@imagxp/edge/deno";

interface Env {
  REPLAY: ReplayNamespace;
  SECRET: string;
}

export { ImagxpReplay };
export default withImagxp(
  { fetch: (request: Request, env: Env, context, verdict) => new Response(`${env.SECRET.length} ${verdict.agentId ?? request.url}`) },
  (env: Env) => ({ policy: {}, secret: env.SECRET, replayStore: durableObjectReplayStore(env.REPLAY, { shards: 4 }) }),
);

const publisher = new Publisher(Policy.fromJson("{}"), { customPolicy: (claim, path) => claim.purpose === "SUMMARY" && path !== "/" });
const { verdict, pending } = publisher.verify("GET", "/", new Headers(), { now: new Date() });
const http: number = verdict.http;
pending?.inserted("fresh");
// @ts-expect-error a verdict is read-only
verdict.isAllowed = true;
// @ts-expect-error there is no such answer
pending?.inserted("maybe");
// @ts-expect-error there is no such option
publisher.verify("GET", "/", [], { then: 1 });

const serve: (request: Request, info: unknown) => Promise<Response> = forDeno(() => new Response(), { policy: {} });
const verifier = new Verifier({ policy: {}, identity: { agentId: "pub.example", publicKey: "", sign: async (message) => message } });
new Verifier({ policy: {}, redeem: async (need, visa, { request }) => (request?.public_key === visa ? "refused" : "accepted") });
new Verifier({ policy: {}, onVisa: async ({ visa }, { payment }) => console.log(visa, payment.jti) });
// @ts-expect-error a record is kept when the function returns: a promise is refused
new Verifier({ policy: {}, audit: async (record) => console.log(record) });
// In Bun an upgraded request has no answer.
const upgraded: (request: Request, info: unknown) => Promise<Response | undefined> = forDeno((request) => (request.url === "" ? undefined : new Response()), { policy: {} });
const seen: Promise<Verdict> = verifier.verifyRequest(new Request("https://pub.example/"));
const error: string = new ImagxpError("usage.argument", "x").code;
// @ts-expect-error a proxy makes no receipts
imagxpProxy({ next: () => new Response() }, { policy: {}, identity: { agentId: "pub.example", privateKey: "" } });

export { error, http, seen, serve, upgraded };
