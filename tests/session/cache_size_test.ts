import { assertEquals } from "@std/assert";
import {
  type ActivationCache,
  type CacheSize,
  HookedModule,
  HookPoint,
  Tensor,
} from "../../mod.ts";
import { VARIANTS } from "./_variants.ts";
import { tinyModel, tinySae, TOKENS } from "./_models.ts";

function held(cache: ActivationCache) {
  const bytes = [...cache.values()].reduce((sum, { size }) => sum + size * 4, 0);
  return { points: cache.size, bytes, unknown: [] };
}

/** A size without what the run costs. */
function room({ multiplyAdds: _, ...size }: CacheSize) {
  return size;
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
    assertEquals(room(size), held(cache), JSON.stringify(options));
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
      assertEquals(room(model.cacheSize(TOKENS, options)), held(cache));
    }
  });
}

Deno.test("cacheSize() minds the switches", () => {
  using model = tinyModel();
  model.setUseSplitQkvInput(true);
  model.setUseAttnResult(true);
  model.setUseHookMlpIn(true);
  assertEquals(room(model.cacheSize(TOKENS)), held(model.runWithCache(TOKENS)[1]));
});

Deno.test("cacheSize() with SAEs, and with a module of one's own, whose points nobody knows", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.attn.hook_z");
  for (const useErrorTerm of [false, true]) {
    const options = { saes: sae, useErrorTerm };
    assertEquals(
      room(model.cacheSize(TOKENS, options)),
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

for (
  const [kind, { changes }] of [
    ["the plain model", { changes: {} }] as const,
    ...Object.entries(VARIANTS),
  ]
) {
  Deno.test(`cacheSize() tells what a run of ${kind} costs from the beginning`, () => {
    using model = tinyModel(changes);
    model.keepBase = false;
    const resid = Tensor.randn([2, 6, 16], { seed: 1 });
    for (
      const span of [{}, { stopAtLayer: 1 }, { stopAtLayer: -1 }, { startAtLayer: 1 }, {
        stopAtLayer: 0,
      }]
    ) {
      const input = "startAtLayer" in span ? resid : TOKENS;
      // Nothing is unembedded.
      const options = { ...span, returnType: null };
      const { multiplyAdds } = model.cacheSize(input, options);
      model.runWithCache(input, options);
      assertEquals(multiplyAdds, model.ran.multiplyAdds, JSON.stringify(span));
    }
  });
}

Deno.test("cacheSize() tells what a run with an SAE costs", () => {
  using model = tinyModel();
  model.keepBase = false;
  using sae = tinySae("blocks.1.hook_resid_pre");
  const options = { saes: sae, returnType: null } as const;
  const { multiplyAdds } = model.cacheSize(TOKENS, options);
  model.runWithCacheWithSaes(TOKENS, options);
  assertEquals(multiplyAdds, model.ran.multiplyAdds);
});
