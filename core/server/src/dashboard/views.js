// One view at a time, named by the address's fragment: a link, the back button and a bookmark all work.

import { byId } from "./element.js";

/** `loaders`: `{name: load}` in the order of the links. Returns `{go(name), reload(), stop()}`. */
export function views(loaders) {
  const names = Object.keys(loaders);
  const current = () => (names.includes(location.hash.slice(1)) ? location.hash.slice(1) : names[0]);
  const show = (focus) => {
    const name = current();
    for (const one of names) byId(`view-${one}`).hidden = one !== name;
    for (const link of byId("views").querySelectorAll("a")) {
      if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${byId(`h-${name}`).textContent} – IMAGXP dashboard`;
    if (focus) byId(`h-${name}`).focus({ preventScroll: true });
    if (focus) scrollTo(0, 0);
    return loaders[name]();
  };
  addEventListener("hashchange", () => {
    if (!byId("app").hidden) show(true);
  });
  return {
    go(name) {
      if (current() === name) byId(`h-${name}`).focus();
      else location.hash = name;
    },
    show,
    reload: () => loaders[current()](),
    current,
  };
}
