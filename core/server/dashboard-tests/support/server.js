// The real server on a folder of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { binary } from "./program.js";

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class Server {
  constructor(policy, settings = []) {
    this.folder = mkdtempSync(join(tmpdir(), "imagxp-dashboard-"));
    this.data = join(this.folder, "data");
    this.settings = settings;
    this.policy = join(this.folder, "policy.json");
    writeFileSync(this.policy, JSON.stringify(policy));
    this.token = "";
    this.log = [];
  }

  async start() {
    this.port ??= await freePort();
    this.origin = `http://127.0.0.1:${this.port}`;
    this.dashboard = `${this.origin}/imagxp/dashboard`;
    const settings = [`verify.policy=${this.policy}`, "log.format=text", ...this.settings].flatMap((one) => ["--set", one]);
    const args = ["--json", "serve", "--dev", "--data", this.data, "--listen", `127.0.0.1:${this.port}`, "--admin-listen", "127.0.0.1:0", ...settings];
    this.process = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.exited = once(this.process, "exit");
    createInterface({ input: this.process.stderr }).on("line", (line) => this.log.push(line));
    const first = once(createInterface({ input: this.process.stdout }), "line");
    const [line] = await Promise.race([first, this.exited.then(() => Promise.reject(new Error(`the server ended:\n${this.log.join("\n")}`)))]);
    this.token = JSON.parse(line).operator_token ?? this.token;
    return this;
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null) return;
    this.process.kill("SIGTERM");
    await this.exited;
    this.process = null;
  }

  async close() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** An operator's request. */
  async ask(method, path, body) {
    const response = await fetch(this.origin + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text.startsWith("{") ? JSON.parse(text) : text;
  }
}
