import { assertEquals } from "@std/assert";
import {
  type ActivationCache,
  type HookedTransformer,
  HookError,
  patching,
  ShapeError,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, tinyModel, TOKENS } from "../session/_models.ts";
import { VARIANTS } from "../session/_variants.ts";

/** The prompts with other tokens from the third position on. */
const CLEAN = [[3, 1, 4, 7, 5, 9], [2, 6, 1, 3, 8, 8]];
const N_POS = 6;

const metric = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4)).mean();

const SETTERS = {
  layerPos: patching.layerPosPatchSetter,
  layerPosHeadVector: patching.layerPosHeadVectorPatchSetter,
  layerHeadVector: patching.layerHeadVectorPatchSetter,
  layerHeadPattern: patching.layerHeadPatternPatchSetter,
  layerHeadPosPattern: patching.layerHeadPosPatternPatchSetter,
  layerHeadDestSrcPosPattern: patching.layerHeadDestSrcPosPatternPatchSetter,
} as const;

const LAYER_POS = ["layer", "pos"] as const;
const LAYER_POS_HEAD = ["layer", "pos", "head"] as const;
const LAYER_HEAD = ["layer", "head"] as const;
const DEST = ["layer", "head_index", "dest_pos"] as const;

/** What each function patches, and along which axes. */
const FUNCTIONS: readonly (readonly [
  Exclude<keyof typeof patching & `getActPatch${string}`, `getActPatchDirect${string}`>,
  string,
  readonly patching.PatchAxis[],
  keyof typeof SETTERS,
])[] = [
  ["getActPatchResidPre", "resid_pre", LAYER_POS, "layerPos"],
  ["getActPatchResidMid", "resid_mid", LAYER_POS, "layerPos"],
  ["getActPatchAttnOut", "attn_out", LAYER_POS, "layerPos"],
  ["getActPatchMlpOut", "mlp_out", LAYER_POS, "layerPos"],
  ["getActPatchAttnHeadOutByPos", "z", LAYER_POS_HEAD, "layerPosHeadVector"],
  ["getActPatchAttnHeadQByPos", "q", LAYER_POS_HEAD, "layerPosHeadVector"],
  ["getActPatchAttnHeadKByPos", "k", LAYER_POS_HEAD, "layerPosHeadVector"],
  ["getActPatchAttnHeadVByPos", "v", LAYER_POS_HEAD, "layerPosHeadVector"],
  ["getActPatchAttnHeadPatternByPos", "pattern", DEST, "layerHeadPosPattern"],
  [
    "getActPatchAttnHeadPatternDestSrcPos",
    "pattern",
    [...DEST, "src_pos"],
    "layerHeadDestSrcPosPattern",
  ],
  ["getActPatchAttnHeadOutAllPos", "z", LAYER_HEAD, "layerHeadVector"],
  ["getActPatchAttnHeadQAllPos", "q", LAYER_HEAD, "layerHeadVector"],
  ["getActPatchAttnHeadKAllPos", "k", LAYER_HEAD, "layerHeadVector"],
  ["getActPatchAttnHeadVAllPos", "v", LAYER_HEAD, "layerHeadVector"],
  ["getActPatchAttnHeadPatternAllPos", "pattern", LAYER_HEAD, "layerHeadPattern"],
];

const LENGTHS = {
  layer: 2,
  pos: N_POS,
  head: 2,
  head_index: 2,
  dest_pos: N_POS,
  src_pos: N_POS,
} as const;

/** A full run for every place, as TransformerLens does it. */
function oneByOne(
  model: HookedTransformer,
  cache: ActivationCache,
  name: string,
  axes: readonly patching.PatchAxis[],
  setter: patching.PatchSetter,
): Tensor {
  const lengths = axes.map((axis) => LENGTHS[axis]);
  model.keepBase = false;
  const values = patching.makeDfFromRanges(lengths, axes).rows.map((index) => {
    const clean = cache.get(name, index[0]);
    const part = name === "pattern"
      ? "attn.hook_pattern"
      : name.length === 1
      ? `attn.hook_${name}`
      : `hook_${name}`;
    const logits = model.runWithHooks(TOKENS, {
      fwdHooks: [[`blocks.${index[0]}.${part}`, (act) => setter(act, index, clean)]],
    });
    return metric(logits).item();
  });
  model.keepBase = true;
  return Tensor.from(values, lengths);
}

for (const [patch, name, axes, setter] of FUNCTIONS) {
  Deno.test(`${patch}() has the bits of full runs, one a place`, () => {
    using model = tinyModel();
    const [, cache] = model.runWithCache(CLEAN);
    const expected = oneByOne(model, cache, name, axes, SETTERS[setter]);
    assertSameBits(patching[patch](model, TOKENS, cache, metric), expected);
    const generic = patching.genericActivationPatch(
      model,
      TOKENS,
      cache,
      metric,
      SETTERS[setter],
      name,
      { indexAxisNames: axes },
    );
    assertSameBits(generic, expected, "genericActivationPatch");
  });
}

Deno.test("getActPatch…Every() stack what the single ones give", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(CLEAN);
  const each = (...patches: patching.ActPatch[]) =>
    Tensor.stack(patches.map((patch) => patch(model, TOKENS, cache, metric)));
  const seen: number[] = [];
  const every = patching.getActPatchAttnHeadAllPosEvery(model, TOKENS, cache, metric, {
    onProgress: ({ done, total }) => seen.push(done / total),
  });
  assertSameBits(
    every,
    each(
      patching.getActPatchAttnHeadOutAllPos,
      patching.getActPatchAttnHeadQAllPos,
      patching.getActPatchAttnHeadKAllPos,
      patching.getActPatchAttnHeadVAllPos,
      patching.getActPatchAttnHeadPatternAllPos,
    ),
  );
  assertEquals(seen, seen.toSorted((a, b) => a - b));
  assertEquals(seen.at(-1), 1);
  assertSameBits(
    patching.getActPatchAttnHeadByPosEvery(model, TOKENS, cache, metric).at(4),
    patching.getActPatchAttnHeadPatternByPos(model, TOKENS, cache, metric).permute(0, 2, 1),
  );
  assertSameBits(
    patching.getActPatchBlockEvery(model, TOKENS, cache, metric),
    each(
      patching.getActPatchResidPre,
      patching.getActPatchAttnOut,
      patching.getActPatchMlpOut,
    ),
  );
});

Deno.test("patching keys and values that serve several heads has as many heads as there are", () => {
  const { changes } = VARIANTS["rotary positions, shared keys and gates"];
  using model = tinyModel(changes);
  const [, cache] = model.runWithCache(CLEAN);
  const run = (patch: patching.ActPatch) => patch(model, TOKENS, cache, metric);
  const keys = run(patching.getActPatchAttnHeadKByPos);
  assertEquals([...keys.shape], [2, N_POS, 2]);
  assertEquals([...run(patching.getActPatchAttnHeadVAllPos).shape], [2, 2]);
  assertEquals([...run(patching.getActPatchAttnHeadQAllPos).shape], [2, 4]);
  model.keepBase = false;
  const name = "blocks.1.attn.hook_k";
  const logits = model.runWithHooks(TOKENS, {
    fwdHooks: [[name, (k) => k.set([":", 3, 1], cache.get(name).at(":", 3, 1))]],
  });
  assertEquals(keys.at(1, 3, 1).item(), metric(logits).item());
  model.keepBase = true;
  const every = run(patching.getActPatchAttnHeadByPosEvery);
  assertEquals([...every.shape], [5, 2, N_POS, 4]);
  assertSameBits(every.at(2, ":", ":", ":2"), keys);
  assertEquals(every.at([2, 3], ":", ":", "2:").any().item(), 0);
  const [, corrupted] = model.runWithCache(TOKENS);
  const path = patching.getActPatchDirectPath(model, TOKENS, cache, corrupted, metric, 0, 3, {
    component: "v",
  });
  assertEquals(path.at(1, "2:").toArray(), [0, 0]);
});

Deno.test("patching runs only what a place changes", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(CLEAN);
  const base = metric(model.forward(TOKENS)).item();
  const result = patching.getActPatchResidPre(model, TOKENS, cache, metric);
  // Before the first other token the runs are the same: nothing was run for those places.
  for (const pos of [0, 1]) {
    assertEquals(result.at(":", pos).toArray(), [base, base]);
  }
  const layers = [0, 1].map((layer) => {
    const over = { layer: [layer], pos: [0, 1] };
    model.sweep(TOKENS, { at: "resid_pre", over, edit: { patch: cache }, metric });
    return model.ran.rows;
  });
  assertEquals(layers, [0, 0]);
});

Deno.test("genericActivationPatch() takes the places one by one, and tells them", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(CLEAN);
  const all = patching.getActPatchMlpOut(model, TOKENS, cache, metric);
  const indexDf: patching.PatchIndices = {
    columns: ["layer", "pos"],
    rows: [[1, 5], [0, 2], [1, 0]],
  };
  const [returned, indices] = patching.genericActivationPatch(
    model,
    TOKENS,
    cache,
    (logits) => metric(logits).item(),
    (act, [, pos], clean) => {
      const copy = act.clone();
      copy.set([":", pos], clean.at(":", pos));
      return copy;
    },
    "mlp_out",
    { indexDf, returnIndexDf: true },
  );
  assertEquals(indices, indexDf);
  assertEquals(returned.toArray(), indexDf.rows.map(([l, p]) => all.at(l, p).item()));
});

Deno.test("patching refuses what doesn't fit", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(CLEAN, { namesFilter: "blocks.0.hook_resid_pre" });
  assertError(
    () => patching.getActPatchResidPre(model, TOKENS, cache, metric),
    UnknownPointError,
    'The cache has no "blocks.1.hook_resid_pre": the run didn\'t keep it, by its `namesFilter`, or didn\'t pass it. It holds "blocks.0.hook_resid_pre".',
  );
  const [, full] = model.runWithCache(CLEAN);
  assertError(
    () => patching.getActPatchResidPre(model, TOKENS, full, (logits) => logits.at(":", -1, 3)),
    ShapeError,
    "Cannot patch: the metric gave Tensor(float32[2]), expected one number.",
  );
  const setter = patching.layerPosPatchSetter;
  const generic = (options: patching.GenericPatchOptions) =>
    patching.genericActivationPatch(model, TOKENS, full, metric, setter, "resid_pre", options);
  assertError(
    () => generic({}),
    ShapeError,
    "Cannot patch: expected indexAxisNames or indexDf, one of the two.",
  );
  assertError(
    () => generic({ indexAxisNames: ["pos", "layer"] }),
    ShapeError,
    "Cannot patch over [pos, layer]: the first column is the layer.",
  );
  assertError(
    () => generic({ indexDf: { columns: ["layer", "pos"], rows: [[0, 9]] } }),
    HookError,
    'Cannot pass "blocks.0.hook_resid_pre": hook 1 threw: Index 9 is outside axis 1 of length 6: expected an integer from -6 to 5.',
  );
});
