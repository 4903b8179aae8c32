import { assert, assertEquals } from "@std/assert";
import { ConfigError, FactoredMatrix, ShapeError, Tensor, utils } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, tinyModel } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

/** Sums of a few hundred products in float32. */
const NEAR = { atol: 1e-5, rtol: 1e-5 };

const norms = (matrix: Tensor) => matrix.norm([-2, -1]);

Deno.test("QK and OV are what heads attend by and what they move", () => {
  using model = tinyModel();
  const { QK, OV } = model;
  assertEquals([QK.shape, OV.shape], [[2, 2, 16, 16], [2, 2, 16, 16]]);
  assertSameBits(QK.AB, model.W_Q.matmul(model.W_K.transpose(-2, -1)));
  assertSameBits(OV.AB, model.W_V.matmul(model.W_O));
  assertSameBits(model.blocks[1].attn.QK.AB, QK.AB.at(1));
  assertSameBits(model.blocks[0].attn.OV.AB, OV.AB.at(0));
  assertEquals(model.allHeadLabels(), ["L0H0", "L0H1", "L1H0", "L1H1"]);
});

Deno.test("W_E_pos, nParamsTotal and lossFn() are what TransformerLens makes of the rest", () => {
  using model = tinyModel();
  const { dVocab, nCtx, dModel } = model.cfg;
  assertEquals(model.W_E_pos.shape, [dVocab + nCtx, dModel]);
  assertSameBits(model.W_E_pos.at(`${dVocab}:`), model.W_pos.clone());
  const sizes = [...model.stateDict().values()].map(({ size }) => size);
  assertEquals(model.nParamsTotal, sizes.reduce((a, b) => a + b, 0));
  const tokens = Tensor.from([[1, 2, 3, 4]], undefined, "int32");
  const [logits, loss] = model.forward(tokens, { returnType: "both" });
  assertSameBits(model.lossFn(logits, tokens), loss);
  assertEquals(model.lossFn(logits, tokens, { perToken: true }).shape, [1, 3]);
  assertSameBits(model.QK.Vh, model.QK.V);
});

Deno.test("QK and OV give each query head the key or value that serves it", () => {
  using model = tinyModel(VARIANTS["rotary positions, shared keys and gates"].changes);
  const { attn } = model.blocks[1];
  assertEquals([attn.QK.shape, attn.OV.shape], [[4, 16, 16], [4, 16, 16]]);
  const own = (name: string, head: number) =>
    model.stateDict().get(`blocks.1.attn._W_${name}`)!.at(Math.floor(head / 2));
  for (const head of [0, 1, 2, 3]) {
    assert(
      attn.QK.at(head).AB.allClose(attn.W_Q.at(head).matmul(own("K", head).transpose()), NEAR),
    );
    assert(attn.OV.at(head).AB.allClose(own("V", head).matmul(attn.W_O.at(head)), NEAR));
    assert(model.QK.at(1, head).AB.allClose(attn.QK.at(head).AB, NEAR));
  }
});

Deno.test("compositionScores() are norms of products over the products of norms", () => {
  const left = new FactoredMatrix(
    Tensor.randn([2, 3, 5, 2]),
    Tensor.randn([2, 3, 2, 6], { seed: 1 }),
  );
  const right = new FactoredMatrix(
    Tensor.randn([4, 6, 3], { seed: 2 }),
    Tensor.randn([4, 3, 7], { seed: 3 }),
  );
  const scores = utils.compositionScores(left, right);
  assertEquals([...scores.shape], [2, 3, 4]);
  const [a, b] = [left.AB.reshape(2, 3, 1, 5, 6), right.AB];
  const expected = norms(a.matmul(b)).div(norms(a)).div(norms(b));
  assert(scores.allClose(expected, NEAR));
  const same = left.T;
  const paired = utils.compositionScores(left, same, { broadcastDims: false });
  assert(
    paired.allClose(
      norms(left.AB.matmul(same.AB)).div(norms(left.AB)).div(norms(same.AB)),
      NEAR,
    ),
  );
  assertError(
    () => utils.compositionScores(left, left),
    ShapeError,
    "Cannot compose matrices of shapes [2, 3, 5, 6] and [2, 3, 5, 6]: expected as many columns on the left as rows on the right.",
  );
  assertError(
    () => utils.compositionScores(left, right, { broadcastDims: false }),
    ShapeError,
    "Cannot compose matrices of shapes [2, 3, 5, 6] and [4, 6, 7]: expected as many columns on the left as rows on the right, and the same axes in front.",
  );
});

Deno.test("allCompositionScores() pair each head with those of later layers alone", () => {
  using model = tinyModel({ nLayers: 3 });
  const { QK, OV } = model;
  const readers = { Q: QK, K: QK.T, V: OV };
  for (const mode of ["Q", "K", "V"] as const) {
    const scores = model.allCompositionScores(mode);
    assertEquals([...scores.shape], [3, 2, 3, 2]);
    const all = utils.compositionScores(OV, readers[mode]);
    for (const [from, to] of [[0, 1], [0, 2], [1, 2]]) {
      assert(scores.at(from, ":", to).allClose(all.at(from, ":", to), NEAR), mode);
    }
    for (const [from, to] of [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2]]) {
      assertEquals(scores.at(from, ":", to).any().item(), 0, mode);
    }
  }
  assertError(
    () => model.allCompositionScores("O" as "Q"),
    ConfigError,
    'Cannot score composition of the mode "O": expected "Q", "K", "V".',
  );
});

Deno.test("accumulatedBias() sums what the layers before add whatever comes in", () => {
  using model = tinyModel();
  const [O, out] = [model.b_O, model.b_out];
  assertEquals(model.accumulatedBias(0).any().item(), 0);
  assertSameBits(model.accumulatedBias(1), O.at(0).add(out.at(0)));
  const all = O.at(0).add(out.at(0)).add(O.at(1)).add(out.at(1));
  assertSameBits(model.accumulatedBias(2), all);
  assertSameBits(
    model.accumulatedBias(1, { mlpInput: true, includeMlpBiases: false }),
    O.at(0).add(O.at(1)),
  );
  assertError(
    () => model.accumulatedBias(2, { mlpInput: true }),
    RangeError,
    "Cannot sum biases up to the MLP of layer 2: expected a whole number from 0 to 1.",
  );
  assertError(
    () => model.accumulatedBias(-1),
    RangeError,
    "Cannot sum biases up to layer -1: expected a whole number from 0 to 2.",
  );
});

Deno.test("lnFinal() and unembed() go on from the end of the stream", () => {
  using model = tinyModel();
  const tokens = [[3, 1, 4, 1, 5]];
  const [logits, cache] = model.runWithCache(tokens);
  const normed = model.lnFinal(cache.get("resid_post", -1));
  assertSameBits(normed, cache.get("unembed.hook_in"));
  assertSameBits(model.unembed(normed), logits.clone());
  model[Symbol.dispose]();
  assertError(
    () => model.lnFinal(normed),
    ConfigError,
    "Cannot normalise tiny: the model was disposed.",
  );
});
