// What models of other kinds than GPT-2 show: shared keys, norms of heads, windows, gates, positions that blocks read.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, Tensor } from "../../mod.ts";
import { assertSameBits, tinyModel, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

const { changes: SHARED } = VARIANTS["rotary positions, shared keys and gates"];
const { changes: NORMED } = VARIANTS["windows, caps and norms everywhere"];

Deno.test("W_K, W_V and their biases have a copy for each head, _W_K and its kin are what heads share", () => {
  using model = tinyModel(SHARED);
  for (const name of ["W_K", "W_V", "b_K", "b_V"] as const) {
    const own = model.blocks[1].attn[`_${name}`];
    const copies = model.blocks[1].attn[name];
    assertEquals([own.shape[0], copies.shape[0]], [2, 4]);
    for (let head = 0; head < 4; head++) {
      assertSameBits(copies.at(head), own.at(Math.floor(head / 2)), `${name} of ${head}`);
    }
    assertSameBits(model[name].at(1), copies, name);
  }
  assertEquals(model.W_gate.shape, [2, 16, 24]);
  assertSameBits(model.W_gate.at(0), model.blocks[0].mlp.W_gate);
});

Deno.test("setUngroupGroupedQueryAttention() gives keys and values each head's copy, and leaves the logits' bits", () => {
  using model = tinyModel(SHARED);
  const [clean, grouped] = model.runWithCache(TOKENS);
  const logits = clean.clone();
  model.setUngroupGroupedQueryAttention(true);
  const [again, ungrouped] = model.runWithCache(TOKENS);
  assertSameBits(again, logits);
  for (const point of ["k", "v", "rot_k"]) {
    const [few, many] = [grouped, ungrouped].map((cache) => cache.get(point, 1));
    assertEquals([few.shape[2], many.shape[2]], [2, 4]);
    for (let head = 0; head < 4; head++) {
      const shared = few.at(":", ":", Math.floor(head / 2));
      assertSameBits(many.at(":", ":", head), shared, `${point} of ${head}`);
    }
  }
});

Deno.test("setUseAttnIn() is refused where heads share keys, and works once they don't", () => {
  using model = tinyModel(SHARED);
  const error = assertThrows(() => model.setUseAttnIn(true), ConfigError);
  assertEquals(
    error.message,
    "Cannot use hook_attn_in: heads share keys, so that queries and keys have no common input by head " +
      "(setUngroupGroupedQueryAttention gives each its own).",
  );
  model.setUngroupGroupedQueryAttention(true);
  model.setUseAttnIn(true);
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: "blocks.0.hook_attn_in" });
  assertEquals(cache.get("attn_in", 0).shape, [2, 6, 4, 16]);
});

Deno.test("the norms of heads keep positions and heads on one axis, for posSlice and removeBatchDim too", () => {
  using model = tinyModel(NORMED);
  const name = "blocks.1.attn.q_norm.hook_normalized";
  const [, whole] = model.runWithCache(TOKENS);
  assertEquals(whole.get(name).shape, [2 * 6 * 4, 4]);
  const byHead = whole.get(name).reshape([2, 6, 4, 4]);
  const [, last] = model.runWithCache(TOKENS, { posSlice: -1 });
  assertSameBits(last.get(name), byHead.at(":", -1).reshape([2 * 4, 4]));
  const [, some] = model.runWithCache(TOKENS, { posSlice: "1:3" });
  assertSameBits(some.get(name), byHead.at(":", "1:3").reshape([2 * 2 * 4, 4]));
  const [, single] = model.runWithCache(TOKENS.slice(0, 1), { removeBatchDim: true });
  assertSameBits(single.get(name), byHead.at(0).reshape([6 * 4, 4]));
  assertEquals(single.get("q", 1).shape, [6, 4, 4]);
});

Deno.test("cacheSize() knows the points of every kind of model", () => {
  for (const [kind, { changes }] of Object.entries(VARIANTS)) {
    using model = tinyModel(changes);
    for (const posSlice of [undefined, "1:4"]) {
      const [, cache] = model.runWithCache(TOKENS, { posSlice });
      const { points, bytes, unknown } = model.cacheSize(TOKENS, { posSlice });
      const held = [...cache.values()].reduce((sum, value) => sum + 4 * value.size, 0);
      assertEquals([points, bytes, unknown], [cache.size, held, []], kind);
    }
  }
});

Deno.test("an edit reaches as far as a window, and no position beyond it is computed", () => {
  using model = tinyModel({
    useLocalAttn: true,
    windowSize: 2,
    attnTypes: ["local", "local"],
  });
  const tokens = [[3, 1, 4, 1, 5, 9, 2, 6]];
  model.forward(tokens);
  model.runWithHooks(tokens, { fwdHooks: [["blocks.0.attn.hook_k", (k) => k.set([0, 2], 0)]] });
  // Positions 2 and 3 see the key of position 2 in block 0, and from there 2 to 4 in block 1.
  const perBlock = [2, 2, 2, 2, 3, 3, 3];
  assertEquals(model.ran.stages, [
    ...["0.attn_out", "0.mlp_in", "0.mlp_out"],
    ...["1.attn_in", "1.attn_out", "1.mlp_in", "1.mlp_out", "unembed"],
  ]);
  assertEquals(model.ran.rows, perBlock.reduce((a, b) => a + b) + 3);
});

Deno.test("a run that starts at a layer has positions, turned or read by blocks", () => {
  for (const kind of Object.keys(VARIANTS)) {
    using model = tinyModel(VARIANTS[kind].changes);
    const [logits, cache] = model.runWithCache(TOKENS);
    const resid = cache.get("resid_pre", 1);
    assertSameBits(model.forward(resid, { startAtLayer: 1 }), logits, kind);
  }
});

Deno.test("processing leaves what every kind of model says of the next token", () => {
  for (const [kind, { changes }] of Object.entries(VARIANTS)) {
    using model = tinyModel(changes);
    const before = model.forward(TOKENS).logSoftmax(-1).detach();
    const weights = [...model.stateDict()].map(([name, tensor]) =>
      [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
    );
    model.loadAndProcessStateDict(new Map(weights));
    const { normalizationType } = model.cfg;
    assert(normalizationType !== "LN" || changes.positionalEmbeddingType === "shortformer", kind);
    const after = model.forward(TOKENS).logSoftmax(-1);
    // Log-probabilities of order 5, after products that were folded and rounded once more each.
    assert(after.allClose(before, { atol: 2e-5, rtol: 1e-5 }), kind);
  }
});

Deno.test("a cap bounds the logits, and unembed.hook_out shows them before it", () => {
  using model = tinyModel(NORMED);
  const name = "unembed.hook_out";
  const [logits, cache] = model.runWithCache(TOKENS, { namesFilter: name });
  const capped = cache.get(name).div(5).tanh().mul(5);
  assertSameBits(logits, capped);
  const doubled = model.runWithHooks(TOKENS, { fwdHooks: [[name, (x) => x.mul(2)]] });
  assertSameBits(doubled, cache.get(name).mul(2).div(5).tanh().mul(5));
});

Deno.test("gradients flow through every part of every kind: they are what differences say", () => {
  for (const [kind, { changes }] of Object.entries(VARIANTS)) {
    using model = tinyModel(changes);
    const point = "blocks.0.hook_resid_pre";
    const metric = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 7)).sum();
    const resid = Tensor.randn([2, 6, 16], { seed: 2 });
    const [logits, cache] = model.runWithCache(resid, {
      startAtLayer: 0,
      watch: point,
      namesFilter: point,
    });
    metric(logits).backward();
    // A random direction: a wrong gradient anywhere shows in the slope along it.
    const direction = Tensor.randn(resid.shape, { seed: 3 });
    const along = (step: number) =>
      metric(model.forward(resid.add(direction.mul(step)), { startAtLayer: 0 })).item();
    const difference = (step: number) => (along(step) - along(-step)) / (2 * step);
    // Of two steps, so that the curvature's share cancels (Richardson).
    const slope = (4 * difference(2e-3) - difference(4e-3)) / 3;
    const gradient = cache.get(point).grad!.mul(direction).sum().item();
    // The metric is good to about 2e-6, which a division by 4e-3 makes 5e-4 and the extrapolation 7e-4.
    const allowed = 2e-3 * Math.max(1, Math.abs(slope));
    const what = `${kind}: the gradient gives ${gradient}, differences ${slope}`;
    assert(Math.abs(slope - gradient) < allowed, what);
  }
});
