import { assert, assertEquals } from "@std/assert";
import { ActivationCache, ShapeError, Tensor, UnknownPointError } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const Z = "blocks.1.attn.hook_z";

Deno.test("runWithCache() keeps TransformerLens' points, gated ones apart, in firing order", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  const gated = /hook_(attn_in|[qkv]_input|mlp_in|result)$/;
  assertEquals([...cache.keys()], [...model.hookDict.keys()].filter((name) => !gated.test(name)));
  assertEquals(cache.size, [...cache].length);
  const shapes = Object.fromEntries(
    [...cache.entries()].map(([name, { shape }]) => [name, [...shape]]),
  );
  assertEquals(shapes["hook_embed"], [2, 6, 16]);
  assertEquals(shapes["blocks.0.ln1.hook_scale"], [2, 6, 1]);
  assertEquals(shapes["blocks.0.attn.hook_k"], [2, 6, 2, 8]);
  assertEquals(shapes["blocks.1.attn.hook_pattern"], [2, 2, 6, 6]);
  assertEquals(shapes["blocks.1.mlp.hook_pre"], [2, 6, 24]);
  assertEquals(shapes["unembed.hook_out"], [2, 6, 20]);
});

Deno.test("runWithCache() filters by name, list and predicate; a name opens a gated point", () => {
  using model = tinyModel();
  const names = (namesFilter: Parameters<typeof model.runWithCache>[1]) => [
    ...model.runWithCache(TOKENS, namesFilter ?? {})[1].keys(),
  ];
  assertEquals(names({ namesFilter: Z }), [Z]);
  assertEquals(names({ namesFilter: [Z, "hook_embed"] }), ["hook_embed", Z]);
  assertEquals(names({ namesFilter: (name) => name.endsWith("hook_z") }), [
    "blocks.0.attn.hook_z",
    Z,
  ]);
  assertEquals(names({ namesFilter: "blocks.0.hook_v_input" }), ["blocks.0.hook_v_input"]);
  assertEquals(names({ namesFilter: (name) => name.endsWith("hook_v_input") }), []);
  assertEquals(names({ namesFilter: [] }), []);
  assertError(
    () => model.runWithCache(TOKENS, { namesFilter: ["hook_z"] }),
    UnknownPointError,
    'There is no hook point "hook_z". It is the end of 2 names such as "blocks.0.attn.hook_z": utils.getActName("z", layer) gives one.',
  );
});

Deno.test("runWithCache() sees values after the user's hooks, whoever came first", () => {
  using model = tinyModel();
  using _hooks = model.hooks({ fwdHooks: [[Z, (act) => act.mul(0)]] });
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: Z });
  assertEquals(cache.get(Z).any().item(), 0);
});

Deno.test("runWithCache() gives a snapshot: later runs and edits don't reach it", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  const [, again] = model.runWithCache(TOKENS);
  cache.get(Z).set([], 0);
  model.runWithHooks(TOKENS, { fwdHooks: [[Z, (act) => act.set([], 9)]] });
  assertEquals(cache.get(Z).any().item(), 0);
  const [, last] = model.runWithCache(TOKENS);
  assertSameBits(again.get(Z), last.get(Z));
});

Deno.test("runWithCache() slices positions where each point has them, and keeps the axis", () => {
  using model = tinyModel();
  const [, full] = model.runWithCache(TOKENS);
  for (const [posSlice, expected] of [[-1, "5:"], ["1:3", "1:3"], [[0, 4], [0, 4]]] as const) {
    const [, cache] = model.runWithCache(TOKENS, { posSlice });
    for (const name of ["hook_embed", "blocks.0.ln2.hook_scale", Z, "unembed.hook_out"]) {
      assertSameBits(cache.get(name), full.get(name).at(":", expected), name);
    }
    const pattern = "blocks.1.attn.hook_pattern";
    assertSameBits(cache.get(pattern), full.get(pattern).at(":", ":", expected), pattern);
  }
});

Deno.test("runWithCache() caches gradients as name_grad of a loss", () => {
  using model = tinyModel();
  const [loss, cache] = model.runWithCache(TOKENS, { returnType: "loss", inclBwd: true });
  assertEquals([...loss.shape], []);
  const values = [...cache.keys()].filter((name) => !name.endsWith("_grad"));
  for (const name of values) {
    assertEquals([...cache.get(`${name}_grad`).shape], [...cache.get(name).shape], name);
  }
  assertEquals(cache.size, 2 * values.length);
  // The stream after a block and before the next is one value: its gradient is one too.
  assertSameBits(
    cache.get("blocks.0.hook_resid_post_grad"),
    cache.get("blocks.1.hook_resid_pre_grad"),
  );
  const [, sliced] = model.runWithCache(TOKENS, {
    returnType: "loss",
    inclBwd: true,
    namesFilter: Z,
    posSlice: -1,
  });
  assertSameBits(sliced.get(`${Z}_grad`), cache.get(`${Z}_grad`).at(":", "5:"));
  assertError(
    () => model.runWithCache(TOKENS, { inclBwd: true }),
    ShapeError,
    'Cannot cache gradients with inclBwd: the output isn\'t a scalar, so pass returnType: "loss".',
  );
});

Deno.test("watch fills grad of what is cached", () => {
  using model = tinyModel();
  const [loss, cache] = model.runWithCache(TOKENS, { returnType: "loss", watch: [Z] });
  assertEquals(cache.get(Z).grad, undefined);
  loss.backward();
  const options = { returnType: "loss", inclBwd: true, namesFilter: Z } as const;
  const [, reference] = model.runWithCache(TOKENS, options);
  assertSameBits(cache.get(Z).grad!, reference.get(`${Z}_grad`));
  assertEquals(cache.get("hook_embed").grad, undefined);
});

Deno.test("ActivationCache.get() takes full names, short ones, and layers from the end", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  for (const value of [cache.get("z", 1), cache.get("z1"), cache.get("z", -1)]) {
    assert(value === cache.get(Z));
  }
  assert(cache.get("attn", 0) === cache.get("blocks.0.attn.hook_pattern"));
  assert(cache.get("scale", -1, "ln2") === cache.get("blocks.1.ln2.hook_scale"));
  assert(cache.get("scale") === cache.get("ln_final.hook_scale"));
  assertEquals([cache.has("z", 1), cache.has("z", 2), cache.has("embed")], [true, false, true]);
});

Deno.test("ActivationCache describes itself by what it holds", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: [Z, "hook_embed"] });
  const text = `ActivationCache(2 activations: hook_embed [2, 6, 16], ${Z} [2, 6, 2, 8])`;
  assertEquals([`${cache}`, Deno.inspect(cache)], [text, text]);
  assert(`${model.runWithCache(TOKENS)[1]}`.endsWith("blocks.0.attn.hook_v [2, 6, 2, 8], …)"));
});

Deno.test("ActivationCache.get() refuses what isn't cached and names the nearest", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: [Z, "hook_embed"] });
  assertError(
    () => cache.get("k", 1),
    UnknownPointError,
    'The cache has no "blocks.1.attn.hook_k": the run didn\'t keep it, by its `namesFilter`, or didn\'t pass it. It holds "hook_embed", "blocks.1.attn.hook_z".',
  );
  assertError(
    () => new ActivationCache({}).get("z", 0),
    UnknownPointError,
    'The cache has no "blocks.0.attn.hook_z". The cache is empty.',
  );
});

Deno.test("ActivationCache drops the batch axis of one text alone", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache([TOKENS[0]], { removeBatchDim: true });
  assertEquals([cache.hasBatchDim, [...cache.get(Z).shape]], [false, [6, 2, 8]]);
  assert(cache.toBatchless() === cache);
  const [, batch] = model.runWithCache(TOKENS, { namesFilter: Z });
  assertError(
    () => batch.removeBatchDim(),
    ShapeError,
    `Cannot remove the batch axis of "${Z}": it has 2 texts, expected 1.`,
  );
});

Deno.test("ActivationCache is made of a map or a record of values that hooks kept", () => {
  using model = tinyModel();
  const kept = new Map<string, Tensor>();
  model.runWithHooks(TOKENS, {
    fwdHooks: [[(name) => name.endsWith("resid_pre"), (act, hook) => {
      kept.set(hook.name, act.clone());
    }]],
  });
  const cache = new ActivationCache(kept, model);
  kept.clear();
  assertEquals([...cache.keys()], ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"]);
  assertEquals([...new ActivationCache({ a: Tensor.zeros([1]) }).values()].length, 1);
  assertError(
    () => new ActivationCache({ a: Tensor.zeros([1]) }).accumulatedResid(),
    UnknownPointError,
    "Cannot call accumulatedResid(): the cache was made without its model.",
  );
});

Deno.test("ActivationCache.accumulatedResid() stacks the stream, with labels", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  const [stack, labels] = cache.accumulatedResid(-1, { inclMid: true, returnLabels: true });
  assertEquals(labels, ["0_pre", "0_mid", "1_pre", "1_mid", "final_post"]);
  assertEquals([...stack.shape], [5, 2, 6, 16]);
  assertSameBits(stack.at(-1), cache.get("resid_post", 1));
  assertEquals(cache.accumulatedResid(1, { mlpInput: true, returnLabels: true })[1], [
    "0_pre",
    "1_pre",
    "1_mid",
  ]);
  assertSameBits(
    cache.accumulatedResid(0, { posSlice: -1 }).at(0),
    cache.get("resid_pre", 0).at(":", -1),
  );
});

Deno.test("ActivationCache.applyLnToStack() divides by the scale that the whole stream had", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  const stack = cache.accumulatedResid();
  const normed = cache.applyLnToStack(stack);
  // The last entry is the stream itself, so what comes out is its own norm, up to a rounding of the mean.
  const options = { atol: 1e-6, rtol: 1e-5 };
  assert(normed.at(-1).allClose(cache.get("ln_final.hook_normalized"), options));
  const before = cache.applyLnToStack(cache.accumulatedResid(1), 1).at(-1);
  assert(before.allClose(cache.get("blocks.1.ln1.hook_normalized"), options));
});

Deno.test("A cache of a spliced model has the raw point and the SAE's", () => {
  using model = tinyModel();
  using sae = tinySae(Z);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  const [, plain] = model.runWithCache(TOKENS);
  assertSameBits(cache.get("z", 1), plain.get("z", 1));
  const own = [...cache.keys()].filter((name) => name.startsWith(`${Z}.`));
  assertEquals(own.map((name) => name.slice(Z.length + 1)), [
    "hook_sae_input",
    "hook_sae_acts_pre",
    "hook_sae_acts_post",
    "hook_sae_recons",
    "hook_sae_output",
  ]);
  assertEquals([...cache.get(`${Z}.hook_sae_input`).shape], [2, 6, 16]);
  assertEquals([...cache.get(`${Z}.hook_sae_output`).shape], [2, 6, 2, 8]);
});
