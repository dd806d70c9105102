// Requests to the server. The session is a cookie that this page cannot read.

const TIMEOUT_MS = 20_000;

/** A refusal, or no answer at all. `code` is what documentation and support know it by. */
export class ApiError extends Error {
  constructor(status, code, message, requestId, retryAfter) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, requestId, retryAfter });
  }

  /** Whether logging in again would help. */
  get loggedOut() {
    return this.status === 401;
  }
}

/** Members of a query; empty ones are left out. */
export function query(path, members = {}) {
  const given = Object.entries(members).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const get = (path, members) => ask("GET", query(path, members));

export const post = (path, body, idempotencyKey) => ask("POST", path, body, idempotencyKey);

export const remove = (path) => ask("DELETE", path);

/** The text of an answer that is not JSON. */
export const text = async (path) => (await answered("GET", path)).text();

/** A key that makes a request the same one when it is sent again. */
export function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function ask(method, path, body, key) {
  const response = await answered(method, path, body, key);
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status, "answer.malformed", "the answer is not JSON");
  }
}

async function answered(method, path, body, key) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const late = error?.name === "TimeoutError";
    throw new ApiError(0, late ? "network.timeout" : "network.failed", late ? "the server does not answer in time" : "the server cannot be reached");
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => null);
  const { code, message, request_id: id } = refusal?.error ?? {};
  const error = new ApiError(response.status, code ?? `http.${response.status}`, message ?? "the server refused", id, response.headers.get("retry-after"));
  if (error.loggedOut) dispatchEvent(new CustomEvent("logged-out", { detail: error }));
  throw error;
}
