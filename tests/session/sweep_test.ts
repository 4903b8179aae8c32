import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, HookedSAE, HookedSAETransformer, type SweepEdit, Tensor } from "../../mod.ts";

const TOKENS = Tensor.from(
  [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]],
  undefined,
  "int32",
);
const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";

function setUp(useErrorTerm: boolean) {
  const model = new HookedSAETransformer({
    nLayers: 3,
    dModel: 12,
    nHeads: 3,
    dHead: 4,
    nCtx: 8,
    dVocab: 31,
    dMlp: 20,
    actFn: "gelu_new",
    initializerRange: 0.5,
    seed: 5,
  });
  const sae = new HookedSAE({
    hookName: "blocks.1.attn.hook_z",
    reshapeActivations: "hook_z",
    dIn: 12,
    dSae: 17,
    useErrorTerm,
    seed: 6,
  });
  return { model, sae };
}

const diff = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4));
const bits = (tensor: Tensor) => new Uint32Array(tensor.data().buffer);

function write(edit: SweepEdit, act: Tensor, index: (string | number)[]) {
  if (edit === "ablate") act.set(index, 0);
  else if (typeof edit === "number") act.set(index, edit);
  else act.set(index, act.at(...index).mul(edit.scale));
}

for (const useErrorTerm of [false, true]) {
  for (const edit of ["ablate", 1.5, { scale: 2 }] as SweepEdit[]) {
    Deno.test(`sweep() has the bits of a loop, error term ${useErrorTerm}, ${JSON.stringify(edit)}`, () => {
      const { model, sae } = setUp(useErrorTerm);
      const over = { pos: [1, -1], feature: [0, 3, 8, 16] };
      const seen: number[] = [];
      const swept = model.sweep(TOKENS, {
        saes: sae,
        at: CODES,
        over,
        edit,
        metric: diff,
        budgetBytes: 20_000,
        onProgress: ({ done, total }) => seen.push(done, total),
      });
      assertEquals(swept.shape, [2, 4, 3]);
      assertEquals(seen.slice(-2), [8, 8]);
      model.keepBase = false;
      const looped = over.pos.map((pos) =>
        Tensor.stack(over.feature.map((feature) =>
          diff(model.runWithHooksWithSaes(TOKENS, {
            saes: sae,
            fwdHooks: [[CODES, (act) => write(edit, act, [":", pos, feature])]],
          }))
        ))
      );
      assertEquals(bits(swept), bits(Tensor.stack(looped)));
    });
  }
}

Deno.test("sweep() over heads at every position, with a scalar metric", () => {
  const { model } = setUp(false);
  const metric = (logits: Tensor) => logits.at(":", -1, 7).mean();
  const at = "blocks.0.attn.hook_z";
  const swept = model.sweep(TOKENS, { at, over: { head: [0, 1, -1] }, metric });
  assertEquals(swept.shape, [3]);
  model.keepBase = false;
  const looped = [0, 1, 2].map((head) =>
    metric(model.runWithHooks(TOKENS, { fwdHooks: [[at, (z) => z.set([":", ":", head], 0)]] }))
  );
  assertEquals(bits(swept), bits(Tensor.stack(looped)));
});

Deno.test("sweep() runs the texts that an edit changes, and no others", () => {
  const { model, sae } = setUp(true);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  const live = cache.get(CODES).at(":", 2).gt(0);
  const counts: number[] = live.sum(0).toArray();
  const feature = counts.findIndex((texts) => texts === 1 || texts === 2);
  const texts = counts[feature];
  model.sweep(TOKENS, {
    saes: sae,
    at: CODES,
    over: { pos: [2], feature: [feature] },
    metric: diff,
  });
  // From position 2 on: the code's own row in attn_out, then three rows a text in each later stage.
  assertEquals(model.ran.resumedFrom, "1.attn_out");
  assertEquals(model.ran.stages.slice(0, 4), ["1.attn_out", "1.mlp_in", "1.mlp_out", "2.attn_in"]);
  assertEquals(model.ran.rows, texts * (4 * 1 + 4 * 3));
});

Deno.test("sweep() refuses what it can't do", () => {
  const { model } = setUp(false);
  const at = "blocks.0.attn.hook_z";
  const over = { layer: [1] } as unknown as { pos: number[] };
  assertThrows(
    () => model.sweep(TOKENS, { at, over, metric: diff }),
    ConfigError,
    'Cannot sweep over "layer": expected "pos", "feature", "head".',
  );
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [5] }, metric: diff }),
    RangeError,
    "Cannot sweep over position 5: there are 5.",
  );
  model.addHook(at, () => {});
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [1] }, metric: diff }),
    ConfigError,
    "Cannot sweep while hooks are in place: call resetHooks() first, or loop over runWithHooks().",
  );
  model.resetHooks();
  const stopped = AbortSignal.abort(new Error("stop"));
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [1] }, metric: diff, signal: stopped }),
    Error,
    "stop",
  );
});
