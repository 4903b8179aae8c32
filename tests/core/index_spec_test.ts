import { assertEquals } from "@std/assert";
import { resolveIndex } from "../../src/core/index_spec.ts";

const list = (...values: number[]) => ({ shape: [values.length], values, isMask: false });

Deno.test("resolveIndex() encodes each axis for the core", () => {
  const { encoded, shape, isFlat } = resolveIndex([":", "1::2", -1, list(3, -1)], [2, 5, 3, 4]);
  assertEquals([...encoded], [0, 1, 1, 2, 2, 2, 2, 3, 2, 3, 3]);
  assertEquals(shape, [2, 2, 2]);
  assertEquals(isFlat, false);
});

Deno.test("resolveIndex() spells out what is left out", () => {
  assertEquals([...resolveIndex([], [2, 3]).encoded], [0, 0]);
  assertEquals([...resolveIndex(["...", 0], [2, 3, 4]).encoded], [0, 0, 2, 0]);
  assertEquals([...resolveIndex([1, "..."], [2, 3]).encoded], [2, 1, 0]);
});

Deno.test("resolveIndex() takes a slice that covers its axis as the whole axis", () => {
  assertEquals([...resolveIndex(["0:9", ":-9"], [2, 3]).encoded], [0, 1, 0, 1, 0]);
});

Deno.test("resolveIndex() turns several lists into cells of the flat tensor", () => {
  const { encoded, shape, isFlat } = resolveIndex([list(1, 0), ":", list(2, 3)], [2, 3, 4]);
  assertEquals([...encoded], [3, 6, 14, 18, 22, 3, 7, 11]);
  assertEquals(shape, [2, 3]);
  assertEquals(isFlat, true);
});
