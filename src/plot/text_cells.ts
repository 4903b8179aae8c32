import { isJsonObject, type Json, type JsonObject } from "./json.ts";

/**
 * Reads a list of a plain figure as numbers.
 *
 * @param list A list, or nothing.
 * @returns Numbers, NaN where the figure has no number.
 */
export function numbersOf(list: Json | undefined): number[] {
  return Array.isArray(list) ? list.map((value) => typeof value === "number" ? value : NaN) : [];
}

/**
 * Reads the names of a trace's places.
 *
 * @param trace A trace of a plain figure.
 * @param layout The figure's layout, whose axes may name positions.
 * @param axis Along which axis.
 * @param n How many names are wanted; positions stand in where there are none.
 */
export function namesOf(
  trace: JsonObject,
  layout: JsonObject,
  axis: "x" | "y",
  n: number,
): string[] {
  const [places, key] = [
    trace[axis],
    String(trace[`${axis}axis`] ?? axis).replace(axis, `${axis}axis`),
  ];
  const field = layout[key];
  const texts = isJsonObject(field) ? field.ticktext : undefined;
  const names = Array.isArray(texts) && texts.length === n ? texts : places;
  return Array.from({ length: n }, (_, i) => String(Array.isArray(names) ? names[i] : i));
}

/**
 * Writes a number with three digits, with an exponent where it is very small or great.
 *
 * @param value Any number; NaN becomes a dash.
 */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const rounded = Number(value.toPrecision(3));
  const isPlain = rounded === 0 || (Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e6);
  return isPlain ? String(rounded) : rounded.toExponential().replace("e+", "e");
}

/**
 * Fits a text into a width, at its right end or its left.
 *
 * @param text What is written; cut with an ellipsis where too long.
 * @param width Characters.
 * @param side Where the text stands.
 */
export function fit(text: string, width: number, side: "left" | "right" = "left"): string {
  const chars = [...text];
  const cut = chars.length > width ? [...chars.slice(0, Math.max(0, width - 1)), "…"] : chars;
  const space = " ".repeat(Math.max(0, width - cut.length));
  return side === "left" ? cut.join("") + space : space + cut.join("");
}
