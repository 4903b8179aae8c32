import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedTransformer,
  HookedTransformerKeyValueCache,
  HookError,
  MemoryBudgetError,
  memoryUsage,
  setMemoryLimit,
  ShapeError,
  type Tensor,
  TokenError,
} from "../../mod.ts";
import { assertSameBits, bits, TINY, tinyModel, TOKENS } from "./_models.ts";

const FLOAT_BYTES = 4;

function cacheOf(model: HookedTransformer, batch = 2): HookedTransformerKeyValueCache {
  return HookedTransformerKeyValueCache.initCache(model.cfg, batch);
}

const part = (from: number, to: number) => TOKENS.map((row) => row.slice(from, to));

Deno.test("initCache() makes an empty cache with an entry for each layer", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  assertEquals([cache.length, cache.batch, cache.bytes, cache.frozen], [0, 2, 0, false]);
  assertEquals(cache.entries.map(({ pastKeys }) => pastKeys.shape), [[2, 0, 2, 8], [2, 0, 2, 8]]);
  assertEquals(cache.previousAttentionMask.shape, [2, 0]);
  assertThrows(
    () => cacheOf(model, 0),
    ConfigError,
    "Cannot make a cache for 0 texts: expected a whole number from 1.",
  );
});

Deno.test("a run adds its keys, values and mask to the cache, edits included", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  const attentionMask = [[0, 1, 1, 1], [1, 1, 1, 1]];
  model.forward(part(0, 4), { pastKvCache: cache, attentionMask });
  const [, seen] = model.runWithCache(part(4, 6), { pastKvCache: cache });
  using _hooks = model.hooks({ fwdHooks: [["blocks.1.attn.hook_v", (v) => v.mul(2)]] });
  const [{ pastKeys }, { pastValues }] = cache.entries;
  assertSameBits(pastKeys.at(":", "4:"), seen.get("k", 0));
  assertSameBits(pastValues.at(":", "4:"), seen.get("v", 1));
  assertEquals(cache.previousAttentionMask.toArray(), [[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]);
  const [, edited] = model.runWithCache([[7], [7]], { pastKvCache: cache });
  assertSameBits(cache.entries[1].pastValues.at(":", "6:"), edited.get("v", 1));
});

Deno.test("a frozen cache is used and not added to", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  model.forward(part(0, 4), { pastKvCache: cache });
  const before = cache.entries.flatMap(({ pastKeys, pastValues }) =>
    [pastKeys, pastValues].map(bits)
  );
  cache.freeze();
  const [first, again] = [1, 2].map(() => model.forward(part(4, 6), { pastKvCache: cache }));
  assertSameBits(first, again);
  assertSameBits(first, model.forward(TOKENS).at(":", "4:"));
  assertEquals(cache.length, 4);
  const after = cache.entries.flatMap(({ pastKeys, pastValues }) =>
    [pastKeys, pastValues].map(bits)
  );
  assertEquals(after, before);
  cache.unfreeze();
  model.forward(part(4, 6), { pastKvCache: cache });
  assertEquals(cache.length, 6);
});

Deno.test("hook.posOffset says where a piece begins, 0 without a cache, for gradients too", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  const seen: number[] = [];
  const name = "blocks.0.hook_resid_mid";
  using _hooks = model.hooks({
    fwdHooks: [[name, (_, { posOffset }) => void seen.push(posOffset)]],
    bwdHooks: [[name, (_, { posOffset }) => void seen.push(10 + posOffset)]],
  });
  model.forward(part(0, 4), { pastKvCache: cache }).sum().backward();
  const logits = model.forward(part(4, 6), { pastKvCache: cache });
  model.forward(TOKENS).sum().backward();
  logits.sum().backward();
  assertEquals(seen, [0, 10, 4, 0, 10, 14]);
});

Deno.test("gradients of a piece are those of the whole text at its positions", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  const names = ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_k", "blocks.1.attn.hook_pattern"];
  const gradients = (input: number[][], from: number, pastKvCache?: typeof cache) => {
    const found = new Map<string, Tensor>();
    using _hooks = model.hooks({
      bwdHooks: names.map((name) => [name, (grad) => void found.set(name, grad.detach())]),
    });
    model.forward(input, { pastKvCache }).at(":", `${from}:`).sum().backward();
    return names.map((name) => found.get(name)!);
  };
  model.forward(part(0, 4), { pastKvCache: cache });
  const [resid, keys, pattern] = gradients(part(4, 6), 0, cache);
  const [allResid, allKeys, allPattern] = gradients(TOKENS, 4);
  // Sums over rows have fewer terms here: none of those that are zero.
  const tolerance = { atol: 1e-6, rtol: 1e-5 };
  assert(resid.allClose(allResid.at(":", "4:"), tolerance));
  assert(keys.allClose(allKeys.at(":", "4:"), tolerance));
  assert(pattern.allClose(allPattern.at(":", ":", "4:"), tolerance));
});

Deno.test("text that goes on from a cache gets no BOS, right pads are hidden from what follows", async () => {
  using model = await HookedTransformer.fromPretrained("ioi-tiny");
  const [first, rest] = ["When John and Mary", " went to the shops"];
  const whole = model.forward(first + rest);
  using single = cacheOf(model, 1);
  model.forward(first, { pastKvCache: single });
  const logits = model.forward(rest, { pastKvCache: single });
  assertSameBits(logits, whole.at(":", `${-logits.shape[1]}:`));
  using ragged = cacheOf(model, 2);
  model.forward([first, "When"], { pastKvCache: ragged });
  const nPads = model.toTokens(first).shape[1] - model.toTokens("When").shape[1];
  assertEquals(ragged.previousAttentionMask.at(1).sum().item(), ragged.length - nPads);
  const both = model.forward([rest, rest], { pastKvCache: ragged });
  assertSameBits(both.at("0:1"), logits);
  assertSameBits(both.at("1:"), model.forward("When" + rest).at(":", `${-logits.shape[1]}:`));
});

Deno.test("a run that fails adds nothing to the cache", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  model.forward(part(0, 3), { pastKvCache: cache });
  const wanted = model.forward(TOKENS).at(":", "3:");
  const fwdHooks = [["blocks.1.hook_attn_out", () => {
    throw new RangeError("stop");
  }]] as const;
  assertThrows(
    () => model.runWithHooks(part(3, 6), { pastKvCache: cache, fwdHooks: [...fwdHooks] }),
    HookError,
  );
  assertEquals(cache.length, 3);
  assertSameBits(model.forward(part(3, 6), { pastKvCache: cache }), wanted);
});

Deno.test("a cache doubles its room as it grows, up to the context", () => {
  using model = tinyModel();
  using cache = cacheOf(model, 1);
  const perPosition = TINY.nLayers * 2 * TINY.dModel * FLOAT_BYTES;
  const rooms: number[] = [];
  for (let pos = 0; pos < TINY.nCtx; pos++) {
    model.forward([[pos]], { pastKvCache: cache });
    rooms.push(cache.bytes / perPosition);
  }
  assertEquals(rooms, [1, 2, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]);
  using reserved = cacheOf(model, 1);
  reserved.reserve(9);
  model.forward([[1]], { pastKvCache: reserved });
  assertEquals(reserved.bytes / perPosition, 9);
});

Deno.test("a cache's memory counts against the budget, and is given back", () => {
  using model = tinyModel();
  model.keepBase = false;
  const before = memoryUsage().liveBytes;
  const cache = cacheOf(model);
  model.forward(part(0, 4), { pastKvCache: cache });
  assertEquals(memoryUsage().liveBytes, before + cache.bytes);
  try {
    setMemoryLimit(memoryUsage().liveBytes + 4000);
    assertThrows(() => model.forward(part(4, 6), { pastKvCache: cache }), MemoryBudgetError);
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals(cache.length, 4);
  assertSameBits(
    model.forward(part(4, 6), { pastKvCache: cache }),
    model.forward(TOKENS).at(":", "4:"),
  );
  model.keepBase = false;
  cache[Symbol.dispose]();
  assertEquals(memoryUsage().liveBytes, before);
  assertThrows(
    () => model.forward(part(4, 6), { pastKvCache: cache }),
    ConfigError,
    "Cannot run with the cache: it was disposed.",
  );
});

Deno.test("runs with a cache leave the base run alone", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  model.forward(TOKENS);
  model.forward(part(0, 4), { pastKvCache: cache });
  assertEquals(model.ran.resumedFrom, null);
  assertEquals(model.ran.rows, 8 * model.ran.stages.length);
  model.runWithHooks(TOKENS, { fwdHooks: [["blocks.1.hook_mlp_out", (act) => act.mul(2)]] });
  assertEquals(model.ran.resumedFrom, "unembed");
});

Deno.test("what can't be run with a cache is refused, with the reason", () => {
  using model = tinyModel();
  using cache = cacheOf(model);
  const pastKvCache = cache;
  model.forward(part(0, 4), { pastKvCache });
  assertThrows(
    () => model.forward([[1, 2]], { pastKvCache }),
    ShapeError,
    "Cannot run 1 texts with a cache of 2: each text needs its own keys and values.",
  );
  assertThrows(
    () => model.forward([TOKENS[0].concat(1, 2, 3), TOKENS[1].concat(4, 5, 6)], { pastKvCache }),
    TokenError,
    "Cannot run 9 tokens after 4: the context of tiny holds 12.",
  );
  assertThrows(
    () => model.forward(part(4, 6), { pastKvCache, stopAtLayer: 1 }),
    ConfigError,
    "Cannot run layers 0 to 1 of 2 with a pastKvCache: the others would add nothing to it. Freeze it, or run all of them.",
  );
  assertThrows(
    () => model.forward(part(4, 6), { pastKvCache: {} as HookedTransformerKeyValueCache }),
    ConfigError,
    "Cannot run with an object as pastKvCache: expected one made by HookedTransformerKeyValueCache.initCache(model.cfg, batch).",
  );
  const nested = [["blocks.0.hook_attn_out", () => {
    model.forward(part(4, 6), { pastKvCache });
  }]] as const;
  assertThrows(
    () => model.runWithHooks(part(4, 6), { pastKvCache, fwdHooks: [...nested] }),
    HookError,
    'Cannot pass "blocks.0.hook_attn_out": hook 1 threw: Cannot run with the cache: a run is working with it.',
  );
  using wider = tinyModel({ nHeads: 4, dHead: 4 });
  assertThrows(
    () => wider.forward(part(4, 6), { pastKvCache }),
    ShapeError,
    "Cannot add keys of [head, dHead] [4, 4] to a cache of [2, 8]: it was filled by another model, or before a switch.",
  );
  assertThrows(
    () => cache.truncate(5),
    RangeError,
    "Cannot truncate a cache of 4 positions to 5: expected a whole number from 0 to 4.",
  );
  const mixing = {
    cfg: { hookName: "blocks.0.hook_mlp_out" },
    forward: (x: Tensor) => x.mean(1, { keepdim: true }).expand(...x.shape),
    mixesPositions: true,
  };
  assertThrows(
    () => model.runWithSaes(part(4, 6), { pastKvCache, saes: mixing }),
    ConfigError,
    'Cannot go on from a pastKvCache with what is spliced in at "blocks.0.hook_mlp_out": it looks at the positions before. Run the whole text.',
  );
  const edit = { at: "blocks.0.hook_mlp_out", over: { pos: [1] }, edit: "ablate" as const };
  const metric = (logits: Tensor) => logits.at(":", -1).sum(-1);
  const options = { ...edit, metric, pastKvCache };
  assertThrows(
    () => model.sweep(TOKENS, options),
    ConfigError,
    "Cannot sweep with a pastKvCache: a sweep runs over whole texts.",
  );
  assertEquals(cache.length, 4);
});
