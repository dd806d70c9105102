// The real server on a folder of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../../../bindings/node/test/ports.mjs";
import { binary, run } from "./program.js";

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

  /** Adds an operator, and gives his token when the server has it: it looks every two seconds. */
  async operator(name, role) {
    const token = run(["operator", "add", name, "--role", role, "--data", this.data]).match(/imagxp_op_\S+/)[0];
    await this.until(`the operator ${name}`, async () => (await this.status(token)) === 200);
    return token;
  }

  /** What the server answers to whoever shows this token. */
  async status(token) {
    const response = await fetch(`${this.origin}/v1/session`, { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
    return response.status;
  }

  /** Waits until something holds. */
  async until(what, holds) {
    const deadline = performance.now() + 20_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`still waiting for ${what}:\n${this.log.join("\n")}`);
      await sleep(50);
    }
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
