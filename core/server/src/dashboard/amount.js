// Money: decimal strings in, decimal strings out, integers between. Never a float.

const DECIMAL = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]{1,18}))?$/;
const DIGITS = 18;

/** Units of 10⁻¹⁸; null for what is no amount. */
export function units(text) {
  const found = DECIMAL.exec(text);
  if (!found) return null;
  const value = BigInt(found[2] + (found[3] ?? "").padEnd(DIGITS, "0"));
  return found[1] ? -value : value;
}

/** The shortest decimal of units. */
export function decimal(value) {
  const digits = (value < 0n ? -value : value).toString().padStart(DIGITS + 1, "0");
  const fraction = digits.slice(-DIGITS).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -DIGITS)}${fraction && `.${fraction}`}`;
}

/** The sum of decimal strings, in units. */
export const sum = (texts) => texts.reduce((all, text) => all + (units(text) ?? 0n), 0n);

/** For people: thousands apart, and a minus that is as wide as a plus. */
export function shown(text) {
  const found = DECIMAL.exec(text);
  if (!found) return text;
  const whole = found[2].replace(/\B(?=([0-9]{3})+$)/g, "\u202f");
  return `${found[1] && "\u2212"}${whole}${found[3] ? `.${found[3]}` : ""}`;
}

/** part/whole for pixels: the only place where precision may go. */
export const ratio = (part, whole) => (whole > 0n ? Number((part * 1_000_000n) / whole) / 1_000_000 : 0);
