// An agent or a publisher: a key, a domain on this machine that publishes it, and signed requests.

import { createPrivateKey, sign } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { json, run } from "./program.js";

export class Party {
  static async start(folder, name) {
    const party = new Party();
    party.key = join(folder, `${name}.pem`);
    json(["keygen", "-o", party.key]);
    party.http = createServer((request, response) => {
      const known = request.url === "/.well-known/imagxp-agent.json";
      response.writeHead(known ? 200 : 404, { "content-type": "application/json" }).end(known ? party.manifest : "{}");
    }).listen(0, "127.0.0.1");
    await once(party.http, "listening");
    party.id = `127.0.0.1:${party.http.address().port}`;
    party.origin = `http://${party.id}`;
    party.manifest = run(["manifest", "--agent-id", party.id, "--key", party.key, "--allow-loopback"]);
    return party;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }

  /** The headers of a signed request. */
  headers(method, url, { body, purpose = "RAG_RETRIEVAL", payment, agentId = this.id } = {}) {
    const args = ["sign", "--key", this.key, "--agent-id", agentId, "--allow-loopback", "--purpose", purpose, "--method", method, "--url", url];
    if (body !== undefined) args.push("--body", "-");
    if (payment) args.push("--payment", payment);
    return Object.fromEntries(json(args, body).headers);
  }

  /** A signed request to the broker. */
  async ask(server, method, path, value) {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const headers = {
      ...this.headers(method, server.origin + path, { body }),
      "content-type": "application/json",
      "idempotency-key": randomUUID(),
    };
    const response = await fetch(server.origin + path, { method, headers, body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Buys a visa for a publisher. */
  buy(server, publisher, amount) {
    return this.ask(server, "POST", "/v1/visas", { resource: publisher.origin, amount });
  }

  /** Signed feedback (PROTOCOL §11). */
  feedback(publisher, jti, score, reason) {
    const said = { agent_id: this.id, jti, nonce: randomUUID(), quality_score: score, reason, ts: new Date().toISOString(), url: `${publisher.origin}/page` };
    const canonical = JSON.stringify(said);
    const key = createPrivateKey(readFileSync(this.key, "utf8"));
    const signature = sign("sha256", Buffer.from(canonical), { key, dsaEncoding: "ieee-p1363" }).toString("hex");
    return { ...said, signature };
  }
}
