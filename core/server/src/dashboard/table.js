// Tables that are tables on a wide screen and cards on a phone. The roles stay when the style sheet takes the table's layout away.

import { el, empty } from "./element.js";

/**
 * A table with a caption. `columns` are `{title, cell(row), class?, head?}`; `head` makes the cell the row's header.
 * `key(row)` names a row; a `compact` table stays one on a phone. Returns `{element, rows, set, append, add, caption}`: rows anew, at the
 * end, or at the top with no more than `most` in all.
 */
export function table(caption, columns, nothing, { key, compact } = {}) {
  const body = el("tbody", { role: "rowgroup" });
  const heads = columns.map((column) => el("th", { role: "columnheader", scope: "col", class: column.class }, column.title));
  const whole = el(
    "table",
    { role: "table" },
    el("caption", null, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    body,
  );
  const without = empty(nothing);
  const element = el("div", { class: compact ? "list" : "list cards" }, whole, without);
  const show = () => {
    whole.hidden = body.childElementCount === 0;
    without.hidden = !whole.hidden;
  };
  const line = (row) => {
    const cells = columns.map((column) => {
      const content = el("div", { class: "value" }, [column.cell(row)].flat(Infinity));
      return column.head
        ? el("th", { role: "rowheader", scope: "row", class: column.class, "data-label": column.title }, content)
        : el("td", { role: "cell", class: column.class, "data-label": column.title }, content);
    });
    return el("tr", { role: "row", "data-key": key?.(row) }, cells);
  };
  show();
  return {
    element,
    rows: body.children,
    set(rows) {
      body.replaceChildren(...rows.map(line));
      show();
    },
    append(rows) {
      body.append(...rows.map(line));
      show();
    },
    add(rows, most) {
      const lines = rows.map(line);
      for (const one of lines) one.classList.add("new");
      body.prepend(...lines);
      while (body.childElementCount > most) body.lastElementChild.remove();
      show();
    },
    caption(text) {
      whole.caption.textContent = text;
    },
  };
}
