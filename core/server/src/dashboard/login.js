// Logging in and out. The token is exchanged for a cookie and forgotten.

import { byId } from "./element.js";
import { get, post, remove } from "./api.js";

/** Who is logged in: `{name, role}`, or null. */
export let operator = null;

export const isAdmin = () => operator?.role === "admin";

/** Asks the server who is logged in; null for nobody. Other errors are thrown. */
export async function who() {
  try {
    operator = await get("/v1/session");
  } catch (error) {
    if (!error.loggedOut) throw error;
    operator = null;
  }
  return operator;
}

/** Shows the form and calls `entered` when somebody is logged in. */
export function login(entered) {
  const form = byId("login-form");
  const token = byId("token");
  const error = byId("login-error");
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = token.value.trim();
    error.textContent = "";
    if (!value) return refuse("Please enter a token.");
    button.disabled = true;
    try {
      operator = await post("/v1/session", { token: value });
      token.value = "";
      token.removeAttribute("aria-invalid");
      entered(operator);
    } catch (refusal) {
      refuse(`${refusal.message} (${refusal.code})`);
    } finally {
      button.disabled = false;
    }
  });
  function refuse(text) {
    error.textContent = text;
    token.setAttribute("aria-invalid", "true");
    token.select();
    token.focus();
  }
}

/** Shows or hides the form. */
export function showLogin(shown, why = "") {
  byId("login").hidden = !shown;
  byId("app").hidden = shown;
  if (!shown) return;
  operator = null;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  byId("login-error").textContent = why;
  byId("token").focus();
}

/** Takes the cookie back. */
export async function logout() {
  await remove("/v1/session");
  operator = null;
}
