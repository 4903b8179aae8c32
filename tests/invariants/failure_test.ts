// Invariant 5: a throwing hook, an aborted load and a refused allocation leave model, SAEs, hooks and memory as they were.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  HookedSAE,
  HookedSAETransformer,
  HookError,
  MemoryBudgetError,
  memoryUsage,
  setMemoryLimit,
  type Tensor,
} from "../../mod.ts";
import { core } from "../../src/core/engine.ts";
import { pendingRuns } from "../../src/core/gradients.ts";
import { bits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const Z = "blocks.0.attn.hook_z";

/** All that a failure might disturb, except the size of the heap, which only grows. */
function state(model: HookedSAETransformer, sae: HookedSAE) {
  const { heapBytes: _, ...memory } = memoryUsage();
  return {
    memory,
    values: core().value_count(),
    pendingRuns: pendingRuns(),
    hooks: model.listHooks(),
    ownHooks: sae.listHooks(),
    level: model.contextLevel,
    attached: [...model.actsToSaes.keys()],
    useErrorTerm: sae.useErrorTerm,
  };
}

/** A model with a standing hook and an SAE attached, one more SAE, and what both compute. */
function setUp({ keepBase }: { keepBase: boolean }) {
  const model = tinyModel();
  const [attached, sae] = [tinySae("blocks.1.hook_resid_pre"), tinySae(Z)];
  model.keepBase = keepBase;
  model.addSae(attached, { useErrorTerm: true });
  model.addHook("blocks.1.hook_mlp_out", (act) => act.mul(1.5));
  sae.addHook("hook_sae_acts_post", (codes) => codes.mul(1.25));
  const outputs = () => {
    const computed = [bits(model.forward(TOKENS)), bits(model.runWithSaes(TOKENS, { saes: sae }))];
    // Whether a base run is made for a run with hooks depends on what earlier ones were used for.
    model.keepBase = false;
    model.keepBase = keepBase;
    return computed;
  };
  const dispose = () => {
    for (const resource of [model, attached, sae]) resource[Symbol.dispose]();
  };
  return { model, sae, outputs, [Symbol.dispose]: dispose };
}

/** Runs that fail at a point, by how they meet it. */
function failingRuns(model: HookedSAETransformer, sae: HookedSAE, name: string) {
  const fail = () => {
    throw new RangeError("stop");
  };
  const edits = (act: Tensor) => act.mul(2);
  return {
    forward: () => model.runWithHooks(TOKENS, { fwdHooks: [[name, fail]] }),
    afterAnEdit: () =>
      model.runWithHooks(TOKENS, { fwdHooks: [["hook_embed", edits], [name, fail]] }),
    withSaes: () => model.runWithHooksWithSaes(TOKENS, { saes: sae, fwdHooks: [[name, fail]] }),
    inCache: () => {
      using _hooks = model.hooks({ fwdHooks: [[name, fail]] });
      model.runWithCacheWithSaes(TOKENS, { saes: sae, useErrorTerm: true });
    },
    recorded: () =>
      model.runWithHooks(TOKENS, { fwdHooks: [[name, fail]], watch: ["blocks.0.hook_resid_pre"] }),
    backward: () => {
      const loss = () => model.forward(TOKENS, { returnType: "loss" });
      using _hooks = model.hooks({ bwdHooks: [[name, fail]] });
      try {
        loss().backward();
      } finally {
        model.releaseTapes();
      }
    },
  };
}

for (const keepBase of [false, true]) {
  Deno.test(`a throwing hook leaves everything as it was, keepBase ${keepBase}`, () => {
    using setting = setUp({ keepBase });
    const { model, sae, outputs } = setting;
    const fresh = state(model, sae);
    for (
      const name of ["blocks.0.hook_resid_pre", Z, "blocks.1.mlp.hook_post", "unembed.hook_out"]
    ) {
      for (const [kind, run] of Object.entries(failingRuns(model, sae, name))) {
        const error = assertThrows(run, HookError, undefined, `${kind} at ${name}`);
        assertEquals((error.cause as Error).message, "stop");
        if (kind === "backward") {
          // Its forward pass went through and left a base run.
          model.keepBase = false;
          model.keepBase = keepBase;
        }
        assertEquals(state(model, sae), fresh, `${kind} at ${name}`);
      }
    }
    const expected = outputs();
    const settled = state(model, sae);
    for (const [kind, run] of Object.entries(failingRuns(model, sae, Z))) {
      assertThrows(run, HookError);
      assertEquals(outputs(), expected, kind);
      assertEquals(state(model, sae), settled, kind);
    }
  });
}

Deno.test("a throwing module leaves everything as it was", () => {
  using setting = setUp({ keepBase: true });
  const { model, sae, outputs } = setting;
  const expected = outputs();
  const settled = state(model, sae);
  const broken = {
    cfg: { hookName: Z },
    forward(): Tensor {
      throw new RangeError("stop");
    },
  };
  for (const useErrorTerm of [false, true]) {
    assertThrows(() => model.runWithSaes(TOKENS, { saes: [sae, broken], useErrorTerm }), HookError);
    assertEquals(outputs(), expected);
    assertEquals(state(model, sae), settled);
  }
});

Deno.test("a refused allocation leaves everything as it was, wherever it comes", () => {
  for (const keepBase of [false, true]) {
    using setting = setUp({ keepBase });
    const { model, sae, outputs } = setting;
    const expected = outputs();
    const settled = state(model, sae);
    let refused = 0;
    for (let spare = 0; spare < 24_000; spare += 800) {
      setMemoryLimit(memoryUsage().liveBytes + spare);
      try {
        model.runWithHooksWithSaes([[1, 2, 3, 4, 5, 6, 7]], {
          saes: sae,
          fwdHooks: [[`${Z}.hook_sae_acts_post`, (codes) => codes.set([":", 2], 0)]],
        });
      } catch (error) {
        const cause = error instanceof HookError ? error.cause : error;
        assert(cause instanceof MemoryBudgetError, String(error));
        refused++;
      } finally {
        setMemoryLimit(Infinity);
      }
      assertEquals(outputs(), expected, `${spare} bytes to spare`);
      assertEquals(state(model, sae), settled, `${spare} bytes to spare`);
    }
    assert(refused > 5, `only ${refused} runs were refused`);
  }
});

Deno.test("a refused model leaves no weights behind", () => {
  using model = tinyModel();
  const before = memoryUsage();
  setMemoryLimit(before.liveBytes + before.weightBytes / 2);
  try {
    assertThrows(() => tinyModel(), MemoryBudgetError);
    assertThrows(() => tinySae(Z, { dSae: 2000 }), MemoryBudgetError);
    assertThrows(
      () => model.loadAndProcessStateDict(new Map(ownWeights(model))),
      MemoryBudgetError,
    );
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals({ ...memoryUsage(), heapBytes: 0 }, { ...before, heapBytes: 0 });
  model.forward(TOKENS);
});

/** A model's own parameters, as a state dict. */
function ownWeights(model: HookedSAETransformer) {
  return [...model.stateDict()].map(([name, tensor]) =>
    [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
  );
}

Deno.test("an aborted load leaves nothing behind", async () => {
  tinyModel()[Symbol.dispose]();
  const before = memoryUsage();
  for (const loads of [0, 1, 3]) {
    const controller = new AbortController();
    let seen = 0;
    const onProgress = () => {
      if (++seen > loads) controller.abort(new RangeError("stop"));
    };
    if (loads === 0) controller.abort(new RangeError("stop"));
    const error = await assertRejects(
      () =>
        HookedSAETransformer.fromPretrained("ioi-tiny", { signal: controller.signal, onProgress }),
      RangeError,
    );
    assertEquals(error.message, "stop");
    assertEquals({ ...memoryUsage(), heapBytes: 0 }, { ...before, heapBytes: 0 });
  }
  const saeError = await assertRejects(
    () =>
      HookedSAE.fromPretrained("ioi-tiny-hook-z", "blocks.2.hook_z", {
        signal: AbortSignal.abort(new RangeError("stop")),
      }),
    RangeError,
  );
  assertEquals(saeError.message, "stop");
  assertEquals({ ...memoryUsage(), heapBytes: 0 }, { ...before, heapBytes: 0 });
});
