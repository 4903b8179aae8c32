import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedSAETransformer,
  MemoryBudgetError,
  memoryUsage,
  SAE,
  setMemoryLimit,
} from "../../mod.ts";
import { memoryBudget } from "../../src/core/engine.ts";

const load = (memoryLimit: number) =>
  HookedSAETransformer.fromPretrained("ioi-tiny", { memoryLimit });

const PROMPT = "When John and Mary went to the shops, John gave the bag to";

Deno.test("memoryLimit is the budget from the load on, for all that the core holds", async () => {
  const bytes = 6_500_000;
  using model = await load(bytes);
  try {
    assertEquals(memoryBudget(), bytes);
    model.forward(PROMPT);
    // The model's own 5 MB leave no room for two SAEs of 1 MB.
    const saes: SAE[] = [];
    const error = await assertRejects(async () => {
      for (let layer = 0; layer < 4; layer++) {
        saes.push(await SAE.fromPretrained("ioi-tiny-hook-z", `blocks.${layer}.hook_z`));
      }
    }, MemoryBudgetError);
    assert(error.message.includes(`are in use and the budget is ${bytes}. `), error.message);
    saes.forEach((sae) => sae[Symbol.dispose]());
    // So is a batch that is too large, and the model goes on.
    const texts = Array<string>(200).fill(PROMPT);
    assertThrows(() => model.runWithCache(texts), MemoryBudgetError);
    const { liveBytes, weightBytes, baseBytes } = memoryUsage();
    assertEquals(liveBytes, weightBytes + baseBytes);
    assertEquals(model.toString(model.forward(PROMPT).at(0, -1).argmax().item()), " Mary");
  } finally {
    setMemoryLimit(Infinity);
  }
});

Deno.test("a model that can't fit its memoryLimit is refused before its weights are read", async () => {
  const before = memoryUsage();
  let nRead = 0;
  const error = await assertRejects(
    () =>
      HookedSAETransformer.fromPretrained("ioi-tiny", {
        memoryLimit: 1000,
        onProgress: ({ file }) => {
          if (file.endsWith(".safetensors")) nRead++;
        },
      }),
    MemoryBudgetError,
  );
  // 1,327,104 weights in half precision.
  assertEquals(
    error.message,
    `Out of memory budget: the weights of ioi-tiny take at least 2654208 bytes, ${before.liveBytes} are in use and the budget is 1000. Take fewer layers ({ firstNLayers }), 16 bits or eight ({ dtype: "bfloat16" }, { dtype: "int8" }), or give it more (setMemoryLimit, at most 4 GiB).`,
  );
  assertEquals([nRead, memoryBudget(), memoryUsage().liveBytes], [0, Infinity, before.liveBytes]);
});

Deno.test("a model that doesn't fit its memoryLimit after all leaves budget and memory as they were", async () => {
  const before = memoryUsage().liveBytes;
  // More than the matrices would take in half precision, less than they take.
  await assertRejects(() => load(before + 3_000_000), MemoryBudgetError);
  assertEquals([memoryBudget(), memoryUsage().liveBytes], [Infinity, before]);
});

Deno.test("a random model that no memory holds is refused before it is drawn", () => {
  const cfg = { nLayers: 1, dModel: 2 ** 16, nCtx: 4, dVocab: 2 ** 20, attnOnly: true } as const;
  const error = assertThrows(
    () => new HookedSAETransformer({ ...cfg, nHeads: 2, dHead: 4, modelName: "huge" }),
    MemoryBudgetError,
  );
  assert(/the weights of huge take at least \d{12} bytes, \d+ are in use/.test(error.message));
});

Deno.test("a configuration that claims a million layers is refused for what they would take, not counted through", async () => {
  const config = {
    model_type: "gpt2",
    n_layer: 1e6,
    n_embd: 32,
    n_head: 4,
    n_positions: 64,
    vocab_size: 100,
  };
  const error = await assertRejects(
    () => HookedSAETransformer.fromPretrained({ config, weights: new Uint8Array() }),
    MemoryBudgetError,
  );
  // 12 * 32 * 32 weights a layer, and the embeddings.
  const bytes = 2 * (1e6 * 12 * 32 * 32 + 32 * (2 * 100 + 64));
  assert(error.message.includes(`take at least ${bytes} bytes`), error.message);
});

Deno.test("a memoryLimit that is no number of bytes is refused", async () => {
  for (const bytes of [-1, NaN, "1 GB"]) {
    const shown = JSON.stringify(bytes) ?? bytes;
    await assertRejects(
      () => load(bytes as number),
      ConfigError,
      `Cannot load with memoryLimit ${
        Number.isNaN(bytes) ? "NaN" : shown
      }: expected a number of bytes, 0 or more.`,
    );
  }
});
