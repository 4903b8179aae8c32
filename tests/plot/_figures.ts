import type { JsonObject } from "../../src/plot/json.ts";

/** A tensor as far as plots know it. */
export function tensor(shape: number[], values: number[]) {
  return { shape, data: () => Float32Array.from(values) };
}

/** An axis of a layout, to read its fields one by one. */
export function axisOf(layout: JsonObject, key: string): JsonObject {
  return layout[key] as JsonObject;
}
