// Light, dark, or what the system says. Kept in this browser only.

import { byId } from "./element.js";

const KEPT = "imagxp.theme";

/** What this browser keeps, which may be nothing: storage can be switched off. */
export function kept(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch {
    // Then it is not kept.
  }
  return value ?? null;
}

export function theme() {
  const select = byId("theme");
  const apply = (name) => {
    if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
  };
  select.value = kept(KEPT) ?? "";
  if (select.selectedIndex < 0) select.value = "";
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    kept(KEPT, select.value);
  });
}
