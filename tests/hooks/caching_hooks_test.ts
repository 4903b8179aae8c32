import { assertEquals, assertThrows } from "@std/assert";
import {
  HookedModule,
  HookedSAETransformer,
  HookError,
  HookPoint,
  SAE,
  ShapeError,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";

const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
const PROMPT = "When John and Mary went to the shops, John gave the bag to";

Deno.test("getCachingHooks() keeps what runWithCache() keeps, gradients too", () => {
  const names = ["blocks.1.attn.hook_z", "blocks.2.hook_resid_pre"];
  const [cache, fwdHooks, bwdHooks] = model.getCachingHooks(names, { inclBwd: true });
  {
    using _hooks = model.hooks({ fwdHooks, bwdHooks });
    model.forward(PROMPT, { returnType: "loss" }).backward();
  }
  const [, wanted] = model.runWithCache(PROMPT, {
    namesFilter: names,
    inclBwd: true,
    returnType: "loss",
  });
  assertEquals([...cache.keys()].sort(), [...wanted.keys()].sort());
  for (const [name, value] of wanted) assertEquals(cache.get(name)?.data(), value.data(), name);
});

Deno.test("addCachingHooks() fills its map at every run until resetHooks()", () => {
  const given = new Map<string, Tensor>();
  const cache = model.addCachingHooks((name) => name.endsWith("hook_pattern"), {
    cache: given,
    removeBatchDim: true,
    posSlice: -1,
  });
  assertEquals(cache === given, true);
  model.forward(PROMPT);
  assertEquals(given.get("blocks.0.attn.hook_pattern")?.shape, [4, 1, 15]);
  assertEquals(given.size, model.cfg.nLayers);
  model.resetHooks();
  given.clear();
  model.forward(PROMPT);
  assertEquals(given.size, 0);
});

Deno.test("addCachingHooks() adds nothing where a name is wrong, and says what it caches by", () => {
  const add = () => model.addCachingHooks(["hook_embed", "blocks.0.hook_resid_pra"]);
  assertThrows(add, UnknownPointError, 'Did you mean "blocks.0.hook_resid_pre"');
  assertEquals(model.listHooks(), []);
  assertThrows(
    () => model.getCachingHooks({ hook_embed: true } as unknown as string[]),
    HookError,
    "Cannot cache: expected a name, a list of names or a predicate.",
  );
  const [, fwdHooks] = model.getCachingHooks("hook_embed", { removeBatchDim: true });
  assertThrows(
    () => model.runWithHooks([PROMPT, PROMPT], { fwdHooks }),
    HookError,
    'Cannot remove the batch axis of "hook_embed": it has 2 texts, expected 1.',
  );
});

Deno.test("an SAE and a module of one's own run alone with a cache and with hooks", async () => {
  const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const x = Tensor.randn([1, 3, 4, 32], { seed: 5 });
  const [output, cache] = sae.runWithCache(x, { removeBatchDim: true });
  assertEquals(output.data(), sae.forward(x).data());
  assertEquals(cache.get("hook_sae_acts_post").data(), sae.encode(x).data());
  assertEquals(cache.get("hook_sae_output").shape, [3, 4, 32]);
  assertEquals(sae.listHooks(), []);
  const silenced = sae.runWithHooks(x, {
    fwdHooks: [["hook_sae_acts_post", (codes) => codes.mul(0)]],
  });
  assertEquals(silenced.at(0, 0).flatten().data(), sae.b_dec.data());

  class Doubling extends HookedModule {
    cfg = { hookName: "hook_embed" };
    hookMid: HookPoint = new HookPoint("hook_mid");
    forward(value: Tensor): Tensor {
      return this.hookMid.apply(value.add(value));
    }
  }
  const [doubled, kept] = new Doubling().runWithCache(Tensor.from([1, 2]));
  assertEquals([doubled.toArray(), kept.get("hook_mid").toArray()], [[2, 4], [2, 4]]);
  assertThrows(
    () => new Doubling().runWithCache(Tensor.from([1]), { namesFilter: "hook_mit" }),
    UnknownPointError,
    'There is no hook point "hook_mit". Did you mean "hook_mid"?',
  );
});

Deno.test("HookPoint.removeHooks() removes the hooks that name the point, of a direction", () => {
  const point = model.hookDict.get("hook_embed")!;
  const noop = () => {};
  point.addHook(noop);
  point.addHook(noop, "bwd");
  point.addPermaHook(noop);
  model.addHook("blocks.0.hook_resid_pre", noop);
  point.removeHooks();
  assertEquals([point.fwdHooks.length, point.bwdHooks.length], [1, 1]);
  point.removeHooks("both", { includingPermanent: true });
  assertEquals(point.hasHooks(), false);
  assertEquals(model.listHooks(), [{ name: "blocks.0.hook_resid_pre", fwd: 1, bwd: 0 }]);
  model.resetHooks();
});

Deno.test("getCachingHooks() without a batch axis to drop says so", () => {
  const [, fwdHooks] = model.getCachingHooks(null, { removeBatchDim: true });
  const error = assertThrows(() => model.runWithHooks([PROMPT, PROMPT], { fwdHooks }), HookError);
  assertEquals(error.cause instanceof ShapeError, true);
});
