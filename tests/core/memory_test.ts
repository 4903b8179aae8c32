import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import {
  BorrowedTensorError,
  ConfigError,
  HookedSAE,
  HookedTransformer,
  MemoryBudgetError,
  memoryUsage,
  setMemoryLimit,
  Tensor,
} from "../../mod.ts";
import { core, isStarted } from "../../src/core/engine.ts";
import { copyIn, scoped } from "../../src/core/scope.ts";
import { lentTensor } from "../../src/core/tensor.ts";
import { assertError, assertTensor, SIX } from "./_tensors.ts";

const NOTHING = { liveBytes: 0, weightBytes: 0, baseBytes: 0, tapeBytes: 0 };

Deno.test("memoryUsage() is all zero before the core is used", () => {
  assertEquals(isStarted(), false);
  assertEquals(memoryUsage(), { ...NOTHING, heapBytes: 0 });
});

Deno.test("memoryUsage() is back at zero after any operation", () => {
  SIX.matmul(SIX.transpose()).softmax().topk(1);
  Tensor.cat([SIX, SIX]).std(0).clone().set([0], 1);
  SIX.at([0, 1], [1, 2]).sum().item();
  try {
    SIX.add(Tensor.from([1, 2]));
  } catch {
    // Only what it leaves behind is of interest here.
  }
  const { heapBytes, ...rest } = memoryUsage();
  assertEquals(rest, NOTHING);
  assertEquals(core().value_count(), 0);
  // WASM memory comes in pages of 64 KiB.
  assertEquals(heapBytes % 65536, 0);
  assertGreaterOrEqual(heapBytes, 65536);
});

Deno.test("memoryUsage() counts recordings until their backward pass", () => {
  const x = Tensor.ones([100]);
  x.requiresGrad = true;
  const y = x.mul(x).sum();
  // mul() keeps both of its inputs, which share their 400 bytes.
  const { tapeBytes, liveBytes } = memoryUsage();
  assertEquals([tapeBytes, liveBytes], [800, 400]);
  y.backward();
  assertEquals(memoryUsage().tapeBytes, 0);
});

Deno.test("memoryUsage() counts the weights of models and SAEs until they are disposed", () => {
  const cfg = {
    nLayers: 1,
    dModel: 8,
    dHead: 4,
    nHeads: 2,
    nCtx: 4,
    dVocab: 8,
    actFn: "relu",
  } as const;
  using model = new HookedTransformer(cfg);
  const ofModel = memoryUsage().weightBytes;
  using sae = new HookedSAE({ dIn: 8, dSae: 32, hookName: "blocks.0.hook_resid_pre" });
  const { weightBytes, liveBytes } = memoryUsage();
  assertEquals(liveBytes, weightBytes);
  // Encoder and decoder are packed to whole panels: no less than their elements.
  assertGreaterOrEqual(weightBytes - ofModel, 4 * (2 * 8 * 32 + 32 + 8));
  sae[Symbol.dispose]();
  assertEquals(memoryUsage().weightBytes, ofModel);
  model[Symbol.dispose]();
  const { heapBytes: _, ...rest } = memoryUsage();
  assertEquals(rest, NOTHING);
});

Deno.test("setMemoryLimit() refuses what exceeds it before anything is allocated", () => {
  setMemoryLimit(1000);
  try {
    assertError(
      () => Tensor.zeros([1000]).add(1),
      MemoryBudgetError,
      "Out of memory budget: 4000 more bytes are wanted, 0 are in use and the budget is 1000. Run fewer texts at once, cache fewer points, or raise it with setMemoryLimit(), to at most 4 GiB.",
    );
    assertEquals(core().value_count(), 0);
    assertTensor(SIX.sum(), 21);
  } finally {
    setMemoryLimit(Infinity);
  }
  assertTensor(Tensor.zeros([1000]).add(1).sum(), 1000);
});

Deno.test("setMemoryLimit() refuses what isn't a number of bytes", () => {
  for (const bytes of [-1, NaN]) {
    assertError(
      () => setMemoryLimit(bytes),
      ConfigError,
      `Cannot set a memory limit of ${bytes}: expected a number of bytes, 0 or more.`,
    );
  }
});

Deno.test("A tensor that was lent can't be used after its scope", () => {
  const lent = scoped((scope) => lentTensor(copyIn(Float32Array.of(1, 2), [2], "float32"), scope));
  const message =
    "Cannot read a borrowed tensor of shape [2]: its run has ended. In the hook, keep act.clone() or act.detach() instead of act.";
  const uses = [
    () => lent.data(),
    () => lent.toArray(),
    () => lent.add(1),
    () => lent.clone(),
    () => lent.detach(),
    () => lent.at(0),
    () => lent.set([0], 1),
    () => SIX.at(0).add(lent.sum()),
  ];
  for (const use of uses) assertError(use, BorrowedTensorError, message);
  assertEquals(Deno.inspect(lent), "Tensor(float32[2])");
});

Deno.test("scoped() frees what was made in it, on exceptions too", () => {
  try {
    scoped(() => {
      copyIn(Float32Array.of(1, 2), [2], "float32");
      throw new RangeError("stop");
    });
  } catch (error) {
    assertEquals((error as Error).message, "stop");
  }
  assertEquals(core().value_count(), 0);
});
