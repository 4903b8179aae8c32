/** Numbers as they are shown. */

const MINUS = "−";

/** A number with a real minus sign. */
export function fixed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** A change, with its sign; nothing where there is none at this many digits. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return "·";
  return `${value < 0 ? MINUS : "+"}${text}`;
}

/** How many decimals numbers need of which the greatest is this: two, or more where all are small. */
export function decimalsFor(most: number): number {
  const needed = 1 - Math.floor(Math.log10(Math.abs(most)));
  return Number.isFinite(needed) ? Math.min(6, Math.max(2, needed)) : 2;
}

/** A count in three digits: `2.21 M`. */
export function count(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let unit = 0;
  let scaled = value;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? scaled : Number(scaled.toPrecision(3))}${units[unit]}`;
}

/** Bytes in three digits. */
export function bytes(value: number): string {
  return value < 1000 ? `${value} B` : `${count(value)}B`;
}

/** A probability in percent. */
export function percent(prob: number): string {
  const value = prob * 100;
  return `${value >= 0.01 || value === 0 ? value.toFixed(2) : value.toExponential(0)} %`;
}

/** A few significant digits, for activations. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return String(value).replace("-", MINUS);
  const rounded = Number(value.toPrecision(digits));
  const isPlain = rounded === 0 || (Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e6);
  return (isPlain ? String(rounded) : rounded.toExponential()).replace("-", MINUS);
}
