import { assert, assertEquals } from "@std/assert";
import { ConfigError, HookedSAETransformer, SAE, Tensor } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { fixtureUrl } from "../_fixtures.ts";

const Z = "blocks.1.attn.hook_z";
const TOKENS = [[5, 9, 200, 31, 7], [1, 2, 3, 4, 250]];
const GPT2 = fixtureUrl("gpt2/model");

/** A random SAE of a point, trained on a model loaded so. */
function saeAt(hookName: string, kwargs?: Record<string, boolean>, options = {}): SAE {
  const reshapeActivations = hookName.endsWith("hook_z") ? "hook_z" : "none";
  const metadata = kwargs && { modelFromPretrainedKwargs: kwargs };
  const sae = new SAE({
    ...{ dIn: 48, dSae: 30, seed: 3, hookName, reshapeActivations },
    ...metadata && { metadata },
    ...options,
  });
  const weights = [...sae.stateDict()].map(([name, tensor], i) => {
    const { shape } = tensor;
    const data = tensor.add(Tensor.randn(shape, { seed: i + 1 }).mul(0.2)).data() as Float32Array;
    return [name, { shape, data }] as const;
  });
  return new SAE(sae.cfg, new Map(weights));
}

const steps = (model: HookedSAETransformer, sae: SAE) =>
  model.processingDifferences(sae).map(({ step, isInTraining, isInModel }) =>
    `${step}: ${isInTraining} ${isInModel}`
  );

Deno.test("processingDifferences() tells where an SAE's training and a model differ in what its point holds", async () => {
  using processed = await HookedSAETransformer.fromPretrained(GPT2);
  using raw = await HookedSAETransformer.fromPretrainedNoProcessing(GPT2);
  const table: readonly [string, Record<string, boolean> | undefined, string[], string[]][] = [
    [Z, undefined, [], []],
    [Z, {}, ["fold_value_biases: false true"], []],
    [Z, { fold_value_biases: true }, [], ["fold_value_biases: true false"]],
    [Z, { center_writing_weights: true, fold_value_biases: true }, [], [
      "fold_value_biases: true false",
    ]],
    ["blocks.1.hook_resid_pre", {}, ["center_writing_weights: false true"], []],
    ["blocks.1.hook_resid_pre", { center_writing_weights: true }, [], [
      "center_writing_weights: true false",
    ]],
    ["blocks.1.hook_mlp_out", {}, ["center_writing_weights: false true"], []],
    ["blocks.1.mlp.hook_in", { fold_ln: false }, ["fold_ln: false true"], []],
    ["blocks.1.mlp.hook_pre", {}, [], []],
    ["blocks.1.ln2.hook_normalized", {}, [], []],
  ];
  for (const [point, kwargs, inProcessed, inRaw] of table) {
    using sae = saeAt(point, kwargs);
    assertEquals([steps(processed, sae), steps(raw, sae)], [inProcessed, inRaw], point);
  }
  using sae = saeAt(Z, {});
  assertEquals(processed.processingDifferences(sae), [{
    step: "fold_value_biases",
    point: Z,
    isInTraining: false,
    isInModel: true,
    effect: "folding takes the value biases out of it",
  }]);
});

Deno.test("processingDifferences() looks at both points of a transcoder", async () => {
  using processed = await HookedSAETransformer.fromPretrained(GPT2);
  using sae = saeAt("blocks.1.ln2.hook_normalized", {}, {
    architecture: "transcoder",
    hookNameOut: "blocks.1.hook_mlp_out",
  });
  assertEquals(processed.processingDifferences(sae).map(({ point }) => point), [
    "blocks.1.hook_mlp_out",
  ]);
});

/** The codes of an SAE spliced into a model. */
function codesIn(model: HookedSAETransformer, sae: SAE): Tensor {
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  return cache.get(`${Z}.hook_sae_acts_post`).detach();
}

for (const applyBDecToInput of [true, false]) {
  for (const architecture of ["standard", "gated", "jumprelu"] as const) {
    Deno.test(
      `rebase() gives a ${architecture} SAE the codes of its own model, ${
        applyBDecToInput ? "with" : "without"
      } b_dec taken from the input`,
      async () => {
        using processed = await HookedSAETransformer.fromPretrained(GPT2);
        using raw = await HookedSAETransformer.fromPretrainedNoProcessing(GPT2);
        const close = { atol: 2e-5, rtol: 2e-5 };
        const options = { architecture, applyBDecToInput };

        using ofRaw = saeAt(Z, {}, options);
        const wanted = codesIn(raw, ofRaw);
        assert(!codesIn(processed, ofRaw).allClose(wanted, close));
        using toProcessed = processed.rebase(ofRaw, raw);
        assert(codesIn(processed, toProcessed).allClose(wanted, close));
        assertEquals(processed.processingDifferences(toProcessed), []);

        using ofProcessed = saeAt(Z, { fold_ln: true, fold_value_biases: true }, options);
        using toRaw = raw.rebase(ofProcessed);
        assert(codesIn(raw, toRaw).allClose(codesIn(processed, ofProcessed), close));

        // What they write is theirs too: the loss of either model with its SAE is the same.
        const loss = (model: HookedSAETransformer, sae: SAE) =>
          model.runWithSaes(TOKENS, { saes: sae, returnType: "loss" }).item();
        assert(Math.abs(loss(processed, toProcessed) - loss(raw, ofRaw)) < 2e-5);
        assert(Math.abs(loss(raw, toRaw) - loss(processed, ofProcessed)) < 2e-5);
      },
    );
  }
}

Deno.test("rebase() gives a copy of an SAE that fits, and refuses what it can't make fit", async () => {
  using processed = await HookedSAETransformer.fromPretrained(GPT2);
  using fitting = saeAt(Z);
  using same = processed.rebase(fitting);
  assertEquals(same.b_dec.data(), fitting.b_dec.data());
  using other = saeAt(Z, {});
  assertError(
    () => processed.rebase(other),
    ConfigError,
    `Cannot rebase HookedSAE(standard, ${Z}, 48 → 30): this model's value biases are folded and can't be told any more; ` +
      "pass the unprocessed model too.",
  );
  using resid = saeAt("blocks.1.hook_resid_pre", {});
  assertError(
    () => processed.rebase(resid),
    ConfigError,
    "Cannot rebase HookedSAE(standard, blocks.1.hook_resid_pre, 48 → 30): blocks.1.hook_resid_pre differs by " +
      "center_writing_weights, which loses what can't be had back. Load the model as the SAE says, with " +
      "fromPretrainedNoProcessing(name, options of sae.cfg.metadata.modelFromPretrainedKwargs).",
  );
});

Deno.test("foldActivationShift() refuses SAEs that scale what they read", async () => {
  using sae = saeAt(Z, undefined, { normalizeActivations: "layer_norm" });
  assertError(
    () => sae.foldActivationShift(Tensor.zeros([48])),
    ConfigError,
    "Cannot fold a shift into this standard SAE: it scales activations (layer_norm) before its weights see them.",
  );
  using transcoder = await SAE.fromDisk(fixtureUrl("sae/transcoder"));
  assertError(
    () => transcoder.foldActivationShift(Tensor.zeros([48])),
    ConfigError,
    "Cannot fold a shift into this transcoder SAE: what it writes isn't what it reads.",
  );
});
