/** Edits of any kind, on the tiny model and its two prompts. */

import { type Edit, type EditCells, edits, type Positions, Tensor } from "../../mod.ts";
import { TINY, TOKENS } from "../session/_models.ts";
import { fc } from "./_check.ts";

export const [N_TEXTS, N_POS] = [TOKENS.length, TOKENS[0].length];

/** A point of the tiny model, and the lengths of its axes behind [text, pos]. */
export interface PointShape {
  readonly name: string;
  /** `undefined` where there are no heads. */
  readonly heads: number | undefined;
  readonly features: number;
}

export const POINTS: readonly PointShape[] = [
  { name: "blocks.0.hook_resid_pre", heads: undefined, features: TINY.dModel },
  { name: "blocks.0.mlp.hook_post", heads: undefined, features: TINY.dMlp! },
  { name: "blocks.1.attn.hook_z", heads: TINY.nHeads!, features: TINY.dHead! },
  { name: "blocks.1.attn.hook_v", heads: TINY.nHeads!, features: TINY.dHead! },
];

const places = (length: number) => fc.integer({ min: -length, max: length - 1 });

/** One place, or several. */
const someOf = (length: number) =>
  fc.oneof(places(length), fc.array(places(length), { minLength: 1, maxLength: 3 }));

/** Positions as data: what a file can hold. */
export const storedPositions: fc.Arbitrary<Positions> =
  fc.letrec<{ one: Positions; all: Positions }>(
    (tie) => ({
      one: fc.oneof(
        places(N_POS),
        fc.constantFrom<Positions>("all", "generated"),
        fc.record({ from: places(N_POS), to: places(N_POS) }, { requiredKeys: [] }),
        fc.record(
          { token: fc.integer({ min: 0, max: 9 }), nth: fc.integer({ min: -3, max: 2 }) },
          { requiredKeys: ["token"] },
        ),
      ),
      all: fc.oneof(
        { maxDepth: 2 },
        tie("one"),
        fc.array(tie("all"), { minLength: 1, maxLength: 3 }),
      ),
    }),
  ).all;

const numbers = fc.float({ min: -2, max: 2, noNaN: true });

const activity = fc.oneof(
  fc.constant("live" as const),
  fc.record({ above: numbers, below: numbers }, { requiredKeys: [] }),
);

/** Cells of a point. */
const cellsOf = ({ heads, features }: PointShape): fc.Arbitrary<EditCells> =>
  fc.record({
    pos: storedPositions,
    feature: someOf(features),
    text: someOf(N_TEXTS),
    when: activity,
    ...heads !== undefined && { head: someOf(heads) },
  }, { requiredKeys: ["pos"] });

/** An edit that changes cells one by one, by numbers that it holds. */
export const cellEdit = (point: PointShape): fc.Arbitrary<Edit> =>
  fc.tuple(cellsOf(point), numbers, numbers, fc.nat(4)).map(([cells, a, b, kind]) =>
    [
      () => edits.ablate(cells),
      () => edits.set({ ...cells, value: a }),
      () => edits.scale({ ...cells, by: a }),
      () => edits.add({ ...cells, value: a }),
      () => edits.clamp({ ...cells, min: Math.min(a, b), max: Math.max(a, b) }),
    ][kind]()
  );

/** An edit of any kind that a file can hold. */
const storedEdit = (point: PointShape): fc.Arbitrary<Edit> =>
  fc.oneof(
    { weight: 3, arbitrary: cellEdit(point) },
    {
      weight: 2,
      arbitrary: fc.tuple(storedPositions, numbers, fc.nat(5)).map(([pos, value, kind]) =>
        [
          () => edits.meanAblate({ pos }),
          () => edits.meanAblate({ pos, of: TOKENS, over: "texts" }),
          () => edits.freeze({ pos }),
          () => edits.patch({ pos, from: [...TOKENS].reverse() }),
          () => edits.add({ pos, value: Tensor.full([point.features], value) }),
          () =>
            edits.pathPatch({
              edit: edits.ablate({ pos }),
              to: { at: "blocks.1.hook_v_input", head: 1 },
              through: "mlp",
            }),
        ][kind]()
      ),
    },
  );

/** An edit and its point. */
export const editAt: fc.Arbitrary<readonly [at: string, edit: Edit]> = fc.constantFrom(...POINTS)
  .chain((point) => storedEdit(point).map((edit) => [point.name, edit] as const));
