// Slices and indices of any form take what plain loops take, and what can't be taken is refused by name.

import { assert, assertEquals } from "@std/assert";
import { ShapeError, Slice, Tensor } from "../../mod.ts";
import type { Index } from "../../src/core/tensor.ts";
import { check, fc } from "./_check.ts";

/** A tensor of distinct numbers, none of them 0. */
const numbered = (shape: readonly number[]) =>
  Tensor.arange(1, 1 + shape.reduce((n, length) => n * length, 1)).reshape([...shape]).mul(1);

/** A number of a slice that was left out. */
const NONE = "" as const;

/** A bound of a slice: left out, or a number that may lie outside. */
const bound = (length: number) =>
  fc.option(fc.integer({ min: -length - 2, max: length + 2 }), { nil: NONE });

/** One part of an index, and the places that it takes along an axis of the length. */
interface Part {
  readonly index: Index;
  readonly places: readonly number[];
  /** Whether the axis goes. */
  readonly isSingle: boolean;
}

/** Places from `start` to `end`, as Python has them. */
function sliced(
  start: number | typeof NONE,
  end: number | typeof NONE,
  step: number | typeof NONE,
  length: number,
): number[] {
  const clamped = (n: number) => Math.min(length, Math.max(0, n < 0 ? n + length : n));
  const places = Array.from({ length }, (_, i) => i)
    .slice(start === NONE ? 0 : clamped(start), end === NONE ? length : clamped(end));
  return places.filter((_, i) => i % (step === NONE ? 1 : step) === 0);
}

const single = (length: number): fc.Arbitrary<Part> =>
  fc.integer({ min: -length, max: length - 1 })
    .map((n) => ({ index: n, places: [n < 0 ? n + length : n], isSingle: true }));

const range = (length: number): fc.Arbitrary<Part> =>
  fc.tuple(bound(length), bound(length), fc.option(fc.integer({ min: 1, max: 3 }), { nil: NONE }))
    .map(([start, end, step]) => ({
      index: step === NONE ? `${start}:${end}` : `${start}:${end}:${step}`,
      places: sliced(start, end, step, length),
      isSingle: false,
    }));

const list = (length: number): fc.Arbitrary<Part> =>
  fc.array(fc.integer({ min: -length, max: length - 1 }), { maxLength: 4 })
    .map((index) => ({
      index,
      places: index.map((n) => n < 0 ? n + length : n),
      isSingle: false,
    }));

const mask = (length: number): fc.Arbitrary<Part> =>
  fc.array(fc.boolean(), { minLength: length, maxLength: length })
    .map((index) => ({
      index,
      places: index.flatMap((is, i) => is ? [i] : []),
      isSingle: false,
    }));

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

/** A shape and an index into it, at most one part of which is a list or a mask: several are paired. */
const indexed = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    listed: fc.integer({ min: 0, max: shape.length }),
    parts: fc.tuple(...shape.map((n) => fc.oneof(single(n), range(n)))),
    lists: fc.tuple(...shape.map((n) => fc.oneof(list(n), mask(n)))),
    isCut: fc.boolean(),
  })
).map(({ shape, listed, parts, lists, isCut }) => ({
  shape,
  parts: parts.map((part, axis) => axis === listed ? lists[axis] : part)
    // Trailing axes may be left out.
    .slice(0, isCut ? Math.max(1, shape.length - 1) : undefined),
}));

/** The elements that an index takes, nested as the tensor is. */
function taken(value: unknown, parts: readonly Part[]): unknown {
  const [part, ...rest] = parts;
  if (!part) return value;
  const all = part.places.map((place) => taken((value as unknown[])[place], rest));
  return part.isSingle ? all[0] : all;
}

Deno.test("at() takes what loops over the axes take", async () => {
  await check(
    fc.property(indexed, ({ shape, parts }) => {
      const tensor = numbered(shape);
      const isEmpty = parts.some(({ places }) => places.length === 0);
      const actual = tensor.at(...parts.map(({ index }) => index));
      if (isEmpty) assertEquals(actual.size, 0);
      else {
        const wanted = taken(tensor.toArray(), parts);
        assertEquals(actual.rank === 0 ? actual.item() : actual.toArray(), wanted);
      }
    }),
    3,
  );
});

Deno.test("set() changes what at() takes, and nothing else", async () => {
  await check(
    fc.property(indexed, ({ shape, parts }) => {
      const index = parts.map(({ index }) => index);
      const tensor = numbered(shape);
      const ids = tensor.at(...index).flatten().data();
      const before = tensor.data();
      tensor.set(index, 0);
      const hit = new Set<number>(ids);
      assertEquals([...tensor.data()], Array.from(before, (id) => hit.has(id) ? 0 : id));
    }),
    3,
  );
});

Deno.test("Slice lists the places that it takes of an axis, and drops the axis of a number", async () => {
  const parts = fc.integer({ min: 1, max: 6 })
    .chain((length) =>
      fc.record({
        length: fc.constant(length),
        part: fc.oneof(single(length), range(length), list(length), mask(length)),
      })
    );
  await check(fc.property(parts, ({ length, part }) => {
    const slice = new Slice(part.index);
    assertEquals(slice.indices(length), part.places);
    assertEquals(slice.isSingle, part.isSingle);
    const shape = part.isSingle ? [2] : [2, part.places.length];
    assertEquals([...slice.apply(numbered([2, length]), -1).shape], shape);
  }));
});

Deno.test("Any other text or number is refused, and says what it is", async () => {
  const texts = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[-:. 0-9a-z]{0,6}$/),
    fc.constantFrom("::0", "::-1", "1:2:3:4", "1.5:", "one:two", "...x"),
  );
  await check(
    fc.property(texts, (text) => {
      const tensor = numbered([3]);
      try {
        const { rank, size } = tensor.at(text);
        assert(rank === 1 && size <= 3);
        assert(
          text === "..." || /^[-+\d\s.xXoObBeEa-fA-F]*(:[-+\d\s.xXoObBeEa-fA-F]*){1,2}$/.test(text),
          text,
        );
      } catch (error) {
        assert(error instanceof ShapeError && error.message.includes(text), String(error));
      }
    }),
    3,
  );
  const outside = fc.oneof(fc.integer().filter((n) => n < -3 || n > 2), fc.double());
  await check(fc.property(outside, (index) => {
    try {
      numbered([3]).at(index);
      assert(Number.isInteger(index) && index >= -3 && index < 3);
    } catch (error) {
      assert(error instanceof RangeError && error.message.includes(String(index)), String(error));
    }
  }));
});
