// Invariant 2 for sweeps: every variant has the bits of a full run of its own, whatever the point, the cells, the edit, splices and masks.

import { assert, assertEquals } from "@std/assert";
import {
  type ActivationCache,
  type CellEdit,
  type HookedSAE,
  type HookedSAETransformer,
  type SweepAxes,
  type SweepCell,
  Tensor,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { tinyModel } from "../session/_models.ts";
import { VARIANTS } from "../session/_variants.ts";
import {
  below,
  bits,
  editablePoints,
  pick,
  type Random,
  randomModel,
  randomSaes,
  randomTokens,
} from "./_random_runs.ts";

/** Some places of an axis, from the end too. */
function places(random: Random, length: number): number[] {
  return Array.from(
    { length: 1 + below(random, 3) },
    () => below(random, 2 * length) - length,
  );
}

/** The norms of queries and keys show texts, positions and heads on one axis. */
const isJoined = (name: string) => /\.[qk]_norm\./.test(name);

/** The axes of a value, those that are joined apart. */
function axesOf(
  name: string,
  shape: readonly number[],
  [batch, nPos]: readonly number[],
): number[] {
  if (!isJoined(name)) return [...shape];
  return [batch, nPos, shape[0] / batch / nPos, shape[1]];
}

/** Axes to sweep over, in a random order. */
function randomAxes(random: Random, name: string, shape: readonly number[]): SweepAxes {
  const last = shape[shape.length - 1];
  const lengths: readonly (readonly [keyof SweepAxes, number])[] =
    /hook_(pattern|attn_scores)$/.test(name)
      ? [["head", shape[1]], ["dest", shape[2]], ["src", shape[3]]]
      : shape.length === 4
      ? [["pos", shape[1]], ["head", shape[2]], ["feature", last]]
      : [["pos", shape[1]], ["feature", last]];
  const chosen = lengths.filter(() => random() < 0.6);
  const shuffled = chosen.map((axis) => [random(), axis] as const)
    .sort(([a], [b]) => a - b).map(([, axis]) => axis);
  return Object.fromEntries(shuffled.map(([axis, length]) => [axis, places(random, length)]));
}

function cellsOf(axes: SweepAxes): SweepCell[] {
  return Object.entries(axes).reduce<SweepCell[]>(
    (so, [axis, values]) => so.flatMap((cell) => values.map((v) => ({ ...cell, [axis]: v }))),
    [{}],
  );
}

function randomEdit(random: Random, other: ActivationCache): CellEdit {
  return pick(random, ["ablate", random() * 2 - 1, { scale: 1.5 }, { patch: other }]);
}

/** The same as a hook does it. */
function write(
  value: Tensor,
  edit: CellEdit,
  cell: SweepCell,
  name: string,
  grid: readonly number[],
): Tensor {
  const shape = axesOf(name, value.shape, grid);
  const act = value.reshape(shape);
  const isByHead = /hook_(pattern|attn_scores)$/.test(name);
  const { head = ":", feature = ":" } = cell;
  const index = isByHead
    ? [":", head, cell.dest ?? ":", cell.src ?? ":"]
    : act.rank === 4
    ? [":", cell.pos ?? ":", head, feature]
    : [":", cell.pos ?? ":", feature];
  if (edit === "ablate") act.set(index, 0);
  else if (typeof edit === "number") act.set(index, edit);
  else if ("scale" in edit) act.set(index, act.at(...index).mul(edit.scale));
  else act.set(index, edit.patch.get(name)!.reshape(shape).at(...index));
  return act.reshape(value.shape);
}

/** Sweeps something random and compares with full runs; tells whether that was less work. */
function assertSweeps(
  random: Random,
  model: HookedSAETransformer,
  saes: readonly HookedSAE[],
  { tokens, attentionMask }: ReturnType<typeof randomTokens>,
  never?: RegExp,
): boolean {
  const others = Tensor.from(
    Int32Array.from(tokens.data(), (id) => random() < 0.3 ? below(random, 23) : id),
    tokens.shape,
  );
  const points = editablePoints(model, saes, never);
  const at = pick(random, points.filter((name) => name !== "unembed.hook_out"));
  const [, other] = model.runWithCache(others, { attentionMask, namesFilter: at });
  const over = randomAxes(random, at, axesOf(at, other.get(at).shape, tokens.shape));
  const edit = randomEdit(random, other);
  const row = below(random, tokens.shape[1]);
  const metric = (logits: Tensor) => logits.at(":", row, [3, 4]).sum(-1);
  const budgetBytes = pick(random, [1, 30_000, undefined]);
  model.keepBase = true;
  const swept = model.sweep(tokens, { attentionMask, at, over, edit, metric, budgetBytes });
  const { multiplyAdds } = model.ran;
  model.keepBase = false;
  let full = 0;
  const expected = cellsOf(over).map((cell) => {
    const logits = model.runWithHooks(tokens, {
      attentionMask,
      fwdHooks: [[at, (act) => write(act, edit, cell, at, tokens.shape)]],
    });
    const value = metric(logits).detach();
    full += model.ran.multiplyAdds;
    return value;
  });
  const what = `${at} over ${JSON.stringify(over)}, ${JSON.stringify(edit)}`;
  const axes = Object.values(over).map((values) => values.length);
  assertEquals([...swept.shape], [...axes, tokens.shape[0]], what);
  assertEquals(bits(swept), bits(Tensor.stack(expected)), what);
  return multiplyAdds < full;
}

Deno.test("a sweep has the bits of full runs, over random models, points, cells, edits, splices and masks", () => {
  const random = uniform(19);
  let saved = 0;
  for (let round = 0; round < 30; round++) {
    using model = randomModel(random, round);
    const saes = randomSaes(random, model, 100 * round);
    const input = randomTokens(random);
    using _saes = model.saes(saes);
    for (let run = 0; run < 4; run++) {
      saved += assertSweeps(random, model, saes, input) ? 1 : 0;
    }
    for (const sae of saes) sae[Symbol.dispose]();
  }
  assert(saved > 80, `only ${saved} sweeps computed less than full runs`);
});

for (const [kind, { changes, never }] of Object.entries(VARIANTS)) {
  Deno.test(`a sweep has the bits of full runs: ${kind}`, () => {
    const random = uniform(23);
    using model = tinyModel({ ...changes, dVocab: 23 });
    let saved = 0;
    for (let round = 0; round < 16; round++) {
      saved += assertSweeps(random, model, [], randomTokens(random), never) ? 1 : 0;
    }
    assert(saved > 8, `only ${saved} sweeps computed less than full runs`);
  });
}
