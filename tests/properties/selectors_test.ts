// Positions, cells and names choose what they say, whatever their form.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Activity,
  ConfigError,
  type Edit,
  edits,
  type Positions,
  Tensor,
  TokenError,
  UnknownPointError,
} from "../../mod.ts";
import {
  checkPositions,
  describePositions,
  type PositionedText,
  positionsIn,
} from "../../src/hooks/edit_positions.ts";
import { assertSameBits, tinyModel, TOKENS } from "../session/_models.ts";
import { check, fc } from "./_check.ts";
import { cellEdit, N_POS, N_TEXTS, POINTS, storedPositions } from "./_edits.ts";

/** A prompt as positions are chosen in it; every token is its number. */
const positioned = (text: number): PositionedText => ({
  text,
  nPos: N_POS,
  nPrompt: N_POS,
  id: (pos) => TOKENS[text][pos],
  str: String,
  label: String,
});

/** With predicates, which no file can hold. */
const positions: fc.Arbitrary<Positions> = fc.oneof(
  { weight: 3, arbitrary: storedPositions },
  fc.integer({ min: 1, max: 4 }).map((n): Positions => (_, pos) => pos % n === 0),
  fc.integer({ min: 0, max: 9 }).map((n): Positions => (token) => Number(token) > n),
  fc.tuple(storedPositions, fc.nat(1)).map((
    [all, wanted],
  ): Positions => [all, (_, __, text) => text === wanted]),
);

/** Whether a selector means a position, said another way than the library does. */
function means(selector: Positions, pos: number, text: number): boolean {
  const ids = TOKENS[text];
  const fromStart = (n: number) => n < 0 ? n + N_POS : n;
  if (typeof selector === "number") return fromStart(selector) === pos;
  if (typeof selector === "string") return selector === "all";
  if (typeof selector === "function") return selector(String(ids[pos]), pos, text);
  if ("token" in selector) {
    if (ids[pos] !== selector.token) return false;
    if (selector.nth === undefined) return true;
    const before = ids.slice(0, pos).filter((id) => id === selector.token).length;
    const after = ids.slice(pos).filter((id) => id === selector.token).length;
    return selector.nth === before || selector.nth === -after;
  }
  if (Array.isArray(selector)) return selector.some((part: Positions) => means(part, pos, text));
  const { from = 0, to = N_POS } = selector as { from?: number; to?: number };
  return pos >= fromStart(from) && pos < fromStart(to);
}

const meant = (selector: Positions, text: number) =>
  TOKENS[text].map((_, pos) => pos).filter((pos) => means(selector, pos, text));

Deno.test("positionsIn() gives the positions that are meant, ascending, each once", async () => {
  await check(
    fc.property(positions, fc.nat(N_TEXTS - 1), (selector, text) => {
      checkPositions(selector);
      assert(describePositions(selector).length > 0);
      assertEquals(positionsIn(selector, positioned(text)), meant(selector, text));
    }),
    3,
  );
});

Deno.test("What chooses no positions is refused when the edit is made, and nothing else is", async () => {
  await check(
    fc.property(fc.anything(), (value) => {
      try {
        checkPositions(value);
        positionsIn(value as Positions, positioned(0));
      } catch (error) {
        // A whole number may lie outside the prompt.
        assert(error instanceof ConfigError || error instanceof RangeError, String(error));
        if (error instanceof ConfigError && value !== undefined) {
          assertThrows(() => edits.ablate({ pos: value as Positions }), ConfigError);
        }
      }
    }),
    3,
  );
});

/** What an edit makes of a cell; all in float32. */
function changed(edit: Edit, old: number): number {
  const f = Math.fround;
  switch (edit.kind) {
    case "ablate":
      return 0;
    case "set":
      return f(edit.value as number);
    case "scale":
      return f(old * f(edit.by));
    case "add":
      return f(old + f(edit.value as number));
    case "clamp":
      return Math.min(Math.max(old, f(edit.min!)), f(edit.max!));
    default:
      throw new Error(`This doesn't change cells one by one: ${edit.kind}`);
  }
}

function isActive(when: "live" | Activity | undefined, value: number): boolean {
  if (when === undefined) return true;
  if (when === "live") return value !== 0;
  const { above = -Infinity, below = Infinity } = when;
  return value > Math.fround(above) && value < Math.fround(below);
}

/** Whether some places, counted from either end, hold one. */
const holds = (places: number | readonly number[] | undefined, place: number, length: number) =>
  places === undefined || [places].flat().some((n) => (n < 0 ? n + length : n) === place);

Deno.test("An edit changes the cells that it names as a loop over them would, bit for bit", async () => {
  using model = tinyModel();
  const plain = new Map(
    POINTS.map((
      { name },
    ) => [name, model.runWithCache(TOKENS, { namesFilter: name })[1].get(name)]),
  );
  const edited = fc.constantFrom(...POINTS)
    .chain((point) => fc.record({ point: fc.constant(point), edit: cellEdit(point) }));
  await check(
    fc.property(edited, ({ point: { name, heads, features }, edit }) => {
      const { pos, feature, head, text, when } = edit as Extract<Edit, { kind: "ablate" }>;
      const wanted = plain.get(name)!.data();
      let nMeant = 0;
      for (let cell = 0; cell < wanted.length; cell++) {
        const [f, rest] = [cell % features, Math.floor(cell / features)];
        const [h, row] = [rest % (heads ?? 1), Math.floor(rest / (heads ?? 1))];
        const [p, t] = [row % N_POS, Math.floor(row / N_POS)];
        const isNamed = holds(text, t, N_TEXTS) && means(pos!, p, t) &&
          holds(feature, f, features) &&
          holds(head, h, heads ?? 1);
        if (!isNamed) continue;
        nMeant++;
        if (isActive(when, wanted[cell])) wanted[cell] = changed(edit, wanted[cell]);
      }
      try {
        using _hooks = model.hooks({ fwdHooks: [[name, edit]] });
        const [, cache] = model.runWithCache(TOKENS, { namesFilter: name });
        const shape = plain.get(name)!.shape;
        assertSameBits(cache.get(name), Tensor.from(wanted, shape));
      } catch (error) {
        // Whoever names no position of the prompts is told so.
        if (!(error instanceof TokenError) || nMeant > 0) throw error;
      }
    }),
    2,
  );
});

Deno.test("A cache holds the points that its filter names, and a wrong name is told with a near one", async () => {
  using model = tinyModel();
  const names = [...model.runWithCache(TOKENS)[1].keys()];
  await check(
    fc.property(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }), (chosen) => {
      const wanted = names.filter((name) => chosen.includes(name));
      const keysOf = (namesFilter: string[] | ((name: string) => boolean)) => [
        ...model.runWithCache(TOKENS, { namesFilter })[1].keys(),
      ];
      assertEquals(keysOf(chosen), wanted);
      assertEquals(keysOf((name) => chosen.includes(name)), wanted);
    }),
    0.3,
  );
  const mistyped = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.constantFrom("", "x", "_"))
    .map(([name, at, typed]) => {
      const i = at % name.length;
      return { name, given: name.slice(0, i) + typed + name.slice(i + 1) };
    }).filter(({ given }) => !model.hookDict.has(given));
  await check(fc.property(mistyped, ({ name, given }) => {
    const error = assertThrows(
      () => model.runWithHooks(TOKENS, { fwdHooks: [[given, () => {}]] }),
      UnknownPointError,
    );
    const [, ...near] = error.message.matchAll(/"([^"]+)"/g);
    // The name that was meant is one letter away, and so is the nearest.
    assert(near.some(([, found]) => found === name || found.length === name.length), error.message);
  }));
});
