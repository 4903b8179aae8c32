import { isTextList, type LabelInput, readLabels } from "./input.ts";
import type { JsonObject } from "./json.ts";

/** Where things stand along an axis. */
export interface Places {
  /** A place for each thing, as traces have it. */
  values: (string | number)[];
  /** What the axis must know, in plotly's words. */
  axis: JsonObject;
  /** Whether the places are named rather than measured. */
  areNames: boolean;
}

/**
 * Gives each thing a place of its own. plotly would place texts such as "17" and "403" by their
 * value, and would lay things with the same name over each other, as the two "the" of a sentence.
 *
 * @param input Names or positions.
 * @param what How messages name them.
 * @param length How many are wanted, where that is known.
 * @throws {ShapeError} If there are more or fewer.
 */
export function readPlaces(input: LabelInput, what: string, length?: number): Places {
  const values = readLabels(input, what, length);
  if (!isTextList(input)) return { values, axis: {}, areNames: false };
  if (new Set(values).size === values.length) {
    return { values, axis: { type: "category" }, areNames: true };
  }
  const positions = values.map((_, i) => i);
  const axis = { tickmode: "array", tickvals: positions, ticktext: values };
  return { values: positions, axis, areNames: true };
}
