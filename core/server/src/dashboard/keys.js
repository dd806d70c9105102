// Shortcuts. They can be switched off, for those whom single keys surprise (WCAG 2.1.4).

import { byId, el } from "./element.js";
import { kept } from "./theme.js";

const KEPT = "imagxp.keys";

/** `shortcuts`: `[{key, name, run}]`. */
export function keys(shortcuts) {
  const help = byId("help");
  const on = byId("keys-on");
  const open = () => help.open || help.showModal();
  const all = [...shortcuts, { key: "?", name: "this list", run: open }];
  byId("help-keys").append(...all.flatMap(({ key, name }) => [el("dt", null, el("kbd", null, key)), el("dd", null, name)]), el("dt", null, el("kbd", null, "Esc")), el("dd", null, "close a dialog"));
  byId("help-open").addEventListener("click", open);
  byId("help-close").addEventListener("click", () => help.close());
  on.checked = kept(KEPT) !== "off";
  on.addEventListener("change", () => kept(KEPT, on.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!on.checked || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
    if (byId("app").hidden || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.closest("input, select, textarea, [contenteditable]")) return;
    const found = all.find(({ key }) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}
