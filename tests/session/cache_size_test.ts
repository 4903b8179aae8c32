import { assertEquals } from "@std/assert";
import { type ActivationCache, HookedModule, HookPoint, type Tensor } from "../../mod.ts";
import { VARIANTS } from "./_variants.ts";
import { tinyModel, tinySae, TOKENS } from "./_models.ts";

function held(cache: ActivationCache) {
  const bytes = [...cache.values()].reduce((sum, { size }) => sum + size * 4, 0);
  return { points: cache.size, bytes, unknown: [] };
}

Deno.test("cacheSize() is the size of the cache, and runs nothing", () => {
  using model = tinyModel();
  const { ran } = model;
  const gated = (name: string) => /hook_(result|[qkv]_input)$/.test(name);
  for (
    const options of [
      {},
      { namesFilter: "blocks.0.attn.hook_pattern" },
      { namesFilter: ["blocks.1.attn.hook_result", "hook_embed"] },
      { namesFilter: gated },
      { posSlice: -1 },
      { posSlice: "2:", namesFilter: (name: string) => name.includes("attn") },
      { stopAtLayer: 1 },
      { returnType: "loss", inclBwd: true },
    ] as const
  ) {
    const size = model.cacheSize(TOKENS, options);
    const [, cache] = model.runWithCache(TOKENS, options);
    assertEquals(size, held(cache), JSON.stringify(options));
  }
  using fresh = tinyModel();
  fresh.cacheSize(TOKENS);
  assertEquals(fresh.ran, ran);
});

for (const [kind, { changes, never = /$./ }] of Object.entries(VARIANTS)) {
  Deno.test(`cacheSize() of ${kind}`, () => {
    using model = tinyModel(changes);
    const namesFilter = [...model.hookDict.keys()].filter((name) => !never.test(name));
    for (const options of [{}, { namesFilter }, { posSlice: -1 }]) {
      const [, cache] = model.runWithCache(TOKENS, options);
      assertEquals(model.cacheSize(TOKENS, options), held(cache));
    }
  });
}

Deno.test("cacheSize() minds the switches", () => {
  using model = tinyModel();
  model.setUseSplitQkvInput(true);
  model.setUseAttnResult(true);
  model.setUseHookMlpIn(true);
  assertEquals(model.cacheSize(TOKENS), held(model.runWithCache(TOKENS)[1]));
});

Deno.test("cacheSize() with SAEs, and with a module of one's own, whose points nobody knows", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.attn.hook_z");
  for (const useErrorTerm of [false, true]) {
    const options = { saes: sae, useErrorTerm };
    assertEquals(
      model.cacheSize(TOKENS, options),
      held(model.runWithCacheWithSaes(TOKENS, options)[1]),
    );
  }
  class Own extends HookedModule {
    cfg = { hookName: "blocks.0.hook_mlp_out" };
    hookMid = new HookPoint("hook_mid");
    forward(x: Tensor): Tensor {
      return this.hookMid.apply(x);
    }
  }
  const plain = model.cacheSize(TOKENS);
  const { bytes, unknown } = model.cacheSize(TOKENS, { saes: new Own() });
  assertEquals([bytes, unknown], [plain.bytes, ["blocks.0.hook_mlp_out.hook_mid"]]);
});
