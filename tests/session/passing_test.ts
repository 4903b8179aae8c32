import { assertEquals, assertThrows } from "@std/assert";
import { HookedTransformer, MemoryBudgetError, memoryUsage, setMemoryLimit } from "../../mod.ts";
import { assertSameBits } from "./_models.ts";

const [N_LAYERS, N_POS, D_MODEL] = [24, 64, 64];
const TOKENS = [Array.from({ length: N_POS }, (_, i) => i % 7)];

function deepModel(): HookedTransformer {
  return new HookedTransformer({
    nLayers: N_LAYERS,
    dModel: D_MODEL,
    nHeads: 2,
    dHead: 32,
    nCtx: N_POS,
    dVocab: 7,
    actFn: "gelu_new",
    seed: 1,
  });
}

/** What a block makes, in bytes: its MLP's two inner activations are the most of it. */
const BLOCK = N_POS * D_MODEL * 4 * 24;

Deno.test("a run without hooks needs room for a block's values, not for those of all", () => {
  using model = deepModel();
  model.keepBase = false;
  const wanted = model.forward(TOKENS).clone();
  const { liveBytes } = memoryUsage();
  try {
    setMemoryLimit(liveBytes + 3 * BLOCK);
    assertSameBits(model.forward(TOKENS).clone(), wanted);
    const [logits, cache] = model.runWithCache(TOKENS);
    assertSameBits(logits.clone(), wanted);
    assertEquals(cache.get("resid_post", N_LAYERS - 1).shape, [1, N_POS, D_MODEL]);
    // Hooks may keep what they are lent until the run ends.
    const fwdHooks: [string, () => void][] = [["blocks.0.hook_resid_pre", () => {}]];
    assertThrows(() => model.runWithHooks(TOKENS, { fwdHooks }), MemoryBudgetError);
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals(memoryUsage().liveBytes, liveBytes);
});
