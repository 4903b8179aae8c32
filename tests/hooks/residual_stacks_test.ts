import { assert, assertEquals } from "@std/assert";
import {
  ActivationCache,
  MemoryBudgetError,
  ShapeError,
  Slice,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { VARIANTS } from "../session/_variants.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

/** Two ways of summing a few dozen numbers of a few units' size, in float32. */
const NEAR = { atol: 2e-5, rtol: 1e-5 };

function assertNear(got: Tensor, want: Tensor, what = ""): void {
  assertEquals([...got.shape], [...want.shape], what);
  assert(
    got.allClose(want, NEAR),
    `${what}: off by ${got.size > 0 && got.sub(want).abs().max().item()}`,
  );
}

function cached(options: Parameters<typeof tinyModel>[0] = {}) {
  const model = tinyModel(options);
  const [logits, cache] = model.runWithCache(TOKENS);
  return { model, cache, logits };
}

Deno.test("Slice takes along an axis as TransformerLens does", () => {
  const t = Tensor.arange(24).reshape(2, 3, 4);
  assertEquals(new Slice(1).apply(t, 1).toArray(), t.at(":", 1).toArray());
  assertEquals(new Slice("1:").apply(t, -1).toArray(), t.at(":", ":", "1:").toArray());
  assertEquals(new Slice([2, 0]).apply(t, 1).toArray(), t.at(":", [2, 0]).toArray());
  assert(new Slice().apply(t) === t && Slice.of(null).isWhole);
  assertEquals(new Slice("::2").indices(5), [0, 2, 4]);
  assertEquals(new Slice(-1).indices(5), [4]);
  assertEquals(new Slice([true, false, true]).indices(3), [0, 2]);
  assertEquals([new Slice(0).isSingle, new Slice([0]).isSingle], [true, false]);
});

for (const layer of [0, 1, 2]) {
  for (const mlpInput of layer < 2 ? [false, true] : [false]) {
    Deno.test(`Decompositions sum to the stream, layer ${layer}, mlpInput ${mlpInput}`, () => {
      const { cache } = cached();
      const stream = layer === 2
        ? cache.get("resid_post", 1)
        : cache.get(mlpInput ? "resid_mid" : "resid_pre", layer);
      assertNear(cache.decomposeResid(layer, { mlpInput }).sum(0), stream, "layers");
      for (const expandNeurons of [true, false]) {
        const options = { mlpInput, expandNeurons, returnLabels: true } as const;
        const [stack, labels] = cache.getFullResidDecomposition(layer, options);
        assertEquals(labels.length, stack.shape[0]);
        assertNear(stack.sum(0), stream, `full, expanded ${expandNeurons}`);
      }
      if (!mlpInput) {
        const options = { inclRemainder: true } as const;
        assertNear(cache.stackHeadResults(layer, options).sum(0), stream, "heads");
        assertNear(cache.stackNeuronResults(layer, options).sum(0), stream, "neurons");
      }
    });
  }
}

for (const [kind, { changes }] of Object.entries(VARIANTS)) {
  Deno.test(`Decompositions sum to the stream: ${kind}`, () => {
    const { model, cache } = cached(changes);
    const end = cache.get("resid_post", -1);
    assertNear(cache.decomposeResid().sum(0), end, "layers");
    assertNear(cache.stackHeadResults(-1, { inclRemainder: true }).sum(0), end, "heads");
    // Behind a norm of its own, what a part adds isn't the sum of its heads and neurons any more.
    if (!changes.useNormalizationBeforeAndAfter) {
      assertNear(cache.getFullResidDecomposition(-1, { expandNeurons: false }).sum(0), end, "full");
      const heads = cache.stackHeadResults(1).sum(0).add(model.blocks[0].attn.b_O);
      assertNear(heads, cache.get("attn_out", 0), "attn_out");
    }
    const normed = cache.accumulatedResid(-1, { applyLn: true }).at(-1);
    assertNear(normed, cache.get("unembed.hook_in"), "applyLn");
  });
}

Deno.test("Stacks have labels in their order", () => {
  const { cache } = cached();
  const labels = (stacked: [Tensor, string[]]) => stacked[1];
  const returnLabels = true;
  assertEquals(
    labels(cache.stackNeuronResults(2, { neuronSlice: [3, 1], inclRemainder: true, returnLabels })),
    ["L0N3", "L0N1", "L1N3", "L1N1", "remainder"],
  );
  assertEquals(labels(cache.stackNeuronResults(1, { neuronSlice: 5, returnLabels })), ["L0N5"]);
  assertEquals(
    labels(cache.getFullResidDecomposition(1, { expandNeurons: false, returnLabels })),
    ["L0H0", "L0H1", "0_mlp_out", "embed", "pos_embed", "bias"],
  );
  const [full] = cache.getFullResidDecomposition(undefined, { returnLabels });
  // Two heads and 24 neurons a layer, two embeddings, the biases.
  assertEquals(full.shape[0], 2 * 2 + 2 * 24 + 2 + 1);
  assertEquals(labels(cache.getFullResidDecomposition(0, { returnLabels })), [
    "embed",
    "pos_embed",
    "bias",
  ]);
});

Deno.test("Heads have the bits of hook_result, computed or cached, batch axis or not", () => {
  const { model, cache } = cached();
  const names = ["blocks.0.attn.hook_result", "blocks.1.attn.hook_result"];
  const [, results] = model.runWithCache(TOKENS, { namesFilter: names });
  const expected = Tensor.cat(
    names.map((name) => results.get(name).permute(2, 0, 1, 3)),
  );
  assertSameBits(cache.stackHeadResults(), expected);
  assertSameBits(cache.stackHeadResults(1, { posSlice: -1 }), expected.at(":2", ":", -1));
  const before = cache.size;
  cache.computeHeadResults();
  assertEquals(cache.size, before + 2);
  assertSameBits(cache.get("result", 1), results.get(names[1]));
  assertSameBits(cache.stackHeadResults(), expected);
  const single = cache.applySliceToBatchDim(1);
  assertEquals(single.hasBatchDim, false);
  assertSameBits(single.stackHeadResults(), expected.at(":", 1));
  assertSameBits(single.stackHeadResults(-1, { posSlice: 2 }), expected.at(":", 1, 2));
});

Deno.test("ActivationCache.applySliceToBatchDim() takes texts, and drops the axis for a single one", () => {
  const { cache } = cached();
  const some = cache.applySliceToBatchDim([1]);
  assertEquals(some.hasBatchDim, true);
  for (const [name, value] of cache) assertSameBits(some.get(name), value.at("1:"), name);
  const { changes } = VARIANTS["normed heads without rotation"];
  const normed = tinyModel(changes);
  const [, full] = normed.runWithCache(TOKENS);
  const [, second] = normed.runWithCache([TOKENS[1]]);
  const taken = full.applySliceToBatchDim([1]);
  for (const [name, value] of second) assertSameBits(taken.get(name), value, name);
  assert(cache.applySliceToBatchDim(null) === cache);
  assertError(
    () => some.toBatchless().applySliceToBatchDim(0),
    ShapeError,
    "Cannot take texts of a cache that has no batch axis.",
  );
});

Deno.test("accumulatedResid() with applyLn is the logit lens: its last entry gives the logits", () => {
  for (const normalizationType of ["LN", "LNPre", null] as const) {
    const { model, cache, logits } = cached({ normalizationType });
    const normed = cache.accumulatedResid(undefined, { applyLn: true });
    assertSameBits(model.unembed(normed.at(-1)), logits.clone(), `${normalizationType}`);
    assertSameBits(
      cache.accumulatedResid(-1, { applyLn: true, posSlice: -1 }),
      normed.at(":", ":", -1),
    );
  }
});

for (const normalizationType of ["LNPre", null] as const) {
  Deno.test(`Projections are taken of the full results, norm ${normalizationType}`, () => {
    const { cache } = cached({ normalizationType });
    const several = Tensor.randn([16, 3], { seed: 3 });
    const one = several.at(":", 1);
    const cases: Record<string, (projectOutputOnto?: Tensor) => Tensor> = {};
    for (const applyLn of [false, true]) {
      for (const posSlice of [undefined, -1, "2:"]) {
        const common = { applyLn, posSlice };
        cases[`neurons ${applyLn} ${posSlice}`] = (projectOutputOnto) =>
          cache.stackNeuronResults(2, {
            ...common,
            neuronSlice: "::2",
            inclRemainder: true,
            projectOutputOnto,
          });
        cases[`full ${applyLn} ${posSlice}`] = (projectOutputOnto) =>
          cache.getFullResidDecomposition(1, { ...common, mlpInput: true, projectOutputOnto });
      }
    }
    cases["one layer"] = (projectOutputOnto) => cache.getNeuronResults(1, { projectOutputOnto });
    cases["few of one layer"] = (projectOutputOnto) =>
      cache.getNeuronResults(1, { neuronSlice: [4, 2], posSlice: 0, projectOutputOnto });
    cases["none"] = (projectOutputOnto) => cache.stackNeuronResults(0, { projectOutputOnto });
    for (const [name, compute] of Object.entries(cases)) {
      const full = compute();
      const isEmpty = full.size === 0;
      const expected = isEmpty
        ? Tensor.zeros([...full.shape.slice(0, -1), 3])
        : full.matmul(several);
      assertNear(compute(several), expected, name);
      assertNear(compute(one), expected.at("...", 1), name);
    }
  });
}

Deno.test("Stacks with applyLn are the input of the layer's norm, also before an MLP", () => {
  const { cache } = cached({ normalizationType: "LNPre" });
  const applyLn = true;
  const normed = (name: string) => cache.get(name);
  assertNear(
    cache.getFullResidDecomposition(1, { applyLn, mlpInput: true }).sum(0),
    normed("blocks.1.ln2.hook_normalized"),
  );
  assertNear(
    cache.getFullResidDecomposition(1, { applyLn, expandNeurons: false }).sum(0),
    normed("blocks.1.ln1.hook_normalized"),
  );
  assertNear(
    cache.decomposeResid(1, { applyLn, mlpInput: true }).sum(0),
    normed("blocks.1.ln2.hook_normalized"),
  );
  assertNear(
    cache.stackHeadResults(-1, { applyLn, inclRemainder: true }).sum(0),
    normed("ln_final.hook_normalized"),
  );
  assertNear(
    cache.stackNeuronResults(-1, { applyLn, inclRemainder: true }).sum(0),
    normed("ln_final.hook_normalized"),
  );
});

Deno.test("getNeuronResults() has the neuron's axis where hook_post has it", () => {
  const { model, cache } = cached();
  const results = cache.getNeuronResults(1);
  assertEquals([...results.shape], [2, 6, 24, 16]);
  const expected = cache.get("post", 1).unsqueeze(-1).mul(model.blocks[1].mlp.W_out);
  assertSameBits(results, expected);
  assertSameBits(cache.getNeuronResults(1, { neuronSlice: 7 }), expected.at(":", ":", 7));
  assertSameBits(
    cache.getNeuronResults(-1, { neuronSlice: "3:5", posSlice: -1 }),
    expected.at(":", -1, "3:5"),
  );
});

Deno.test("logitAttrs() of the decomposed stream sum to the logits without their bias", () => {
  const { model, cache, logits } = cached({ normalizationType: "LNPre" });
  const unbiased = logits.sub(model.b_U);
  const stack = cache.getFullResidDecomposition();
  assertNear(cache.logitAttrs(stack, 7).sum(0), unbiased.at(":", ":", 7));
  const perText = Tensor.from([3, 11], undefined, "int32");
  const last = cache.getFullResidDecomposition(undefined, { posSlice: -1 });
  const expected = Tensor.stack([unbiased.at(0, -1, 3), unbiased.at(1, -1, 11)]);
  assertNear(cache.logitAttrs(last, perText, { posSlice: -1 }).sum(0), expected);
  const options = { incorrectTokens: [4, 4], posSlice: -1 } as const;
  assertNear(
    cache.logitAttrs(last, perText, options).sum(0),
    expected.sub(unbiased.at(":", -1, 4)),
  );
  assertSameBits(
    cache.logitAttrs(stack, 7, { batchSlice: "1:" }),
    cache.logitAttrs(stack, 7).at(":", "1:"),
  );
  assertError(
    () => cache.logitAttrs(stack, perText, { incorrectTokens: 4 }),
    ShapeError,
    "Cannot compare tokens of shape [2] with incorrectTokens of shape []: expected the same shape.",
  );
});

Deno.test("stackActivation() stacks layers", () => {
  const { cache } = cached();
  assertEquals([...cache.stackActivation("z").shape], [2, 2, 6, 2, 8]);
  assertSameBits(
    cache.stackActivation("scale", 1, { sublayerType: "ln2" }).at(0),
    cache.get("blocks.0.ln2.hook_scale"),
  );
});

Deno.test("Decompositions of a spliced model take what went on", () => {
  using model = tinyModel();
  const saes = [
    tinySae("blocks.0.attn.hook_z"),
    tinySae("blocks.1.hook_resid_pre", { seed: 2 }),
    tinySae("blocks.0.hook_mlp_out", { seed: 3 }),
  ];
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes });
  const before = cache.get("resid_post", 0);
  assertNear(cache.decomposeResid(0, { mlpInput: true }).sum(0), cache.get("resid_mid", 0));
  assertNear(cache.decomposeResid(1).sum(0), before);
  assertNear(cache.stackHeadResults(1, { inclRemainder: true }).sum(0), before);
  const heads = cache.stackHeadResults(1).sum(0).add(model.blocks[0].attn.b_O);
  assertNear(heads, cache.get("attn_out", 0));
  assertSameBits(
    cache.accumulatedResid(1).at(1),
    cache.get("blocks.1.hook_resid_pre.hook_sae_output"),
  );
});

Deno.test("Stacks refuse layers that there aren't, and more than fits", () => {
  const { model, cache } = cached();
  assertError(
    () => cache.decomposeResid(3),
    RangeError,
    "There is no layer 3: expected a whole number from 0 to 2, or -1 for the last.",
  );
  assertError(
    () => cache.getNeuronResults(2),
    RangeError,
    "There is no layer 2: expected a whole number from 0 to 1, or -1 for the last.",
  );
  assertError(
    () => cache.accumulatedResid(2, { mlpInput: true }),
    RangeError,
    "Cannot go up to the MLP of layer 2: the last layer is 1.",
  );
  const [, few] = model.runWithCache(TOKENS, { namesFilter: "blocks.0.hook_resid_pre" });
  assertError(
    () => few.decomposeResid(1),
    UnknownPointError,
    'The cache has no "blocks.0.hook_attn_out": the run didn\'t keep it, by its `namesFilter`, or didn\'t pass it. It holds "blocks.0.hook_resid_pre".',
  );
  const post = Tensor.zeros([60_000, 6, 24]);
  const huge = new ActivationCache(
    { "blocks.0.mlp.hook_post": post, "blocks.1.mlp.hook_post": post },
    model,
  );
  assertError(
    () => huge.stackNeuronResults(2),
    MemoryBudgetError,
    "Cannot stack the results of 48 neurons: they are 276480000 numbers, more than 268435456. Take fewer with neuronSlice or posSlice, or pass projectOutputOnto.",
  );
});
