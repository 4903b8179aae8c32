/** What is measured, as tables. Limits are those that the project has set itself: our time over the peer's. */
import type { OnnxPackage } from "./_peer.ts";
import {
  featuresByPrompts,
  liveFeatures,
  type RoundedDtype,
  type Step,
  type Study,
} from "./_steps.ts";

/** Work that both sides do. */
export interface BenchCase {
  /** What `--only` picks it by. */
  name: string;
  work: string;
  peer: "transformer_lens" | OnnxPackage;
  steps: Step[];
  /** What the peer does, where it isn't the same steps. */
  peerSteps?: Step[];
  /** The limit for our time over the peer's. */
  atMost?: number;
  /** A loop of many runs, measured less often. */
  isLoop?: boolean;
  /** The largest difference that counts as agreement, where it isn't that of rounding in float32. */
  tolerance?: number;
}

/** How many features the loops go through. */
const N_FEATURES = 32;

/** How many tokens are generated. */
const N_GENERATED = 8;

/** Whom generation is compared with, and what our weights are rounded to. */
const GENERATION: (Pick<BenchCase, "name" | "peer" | "atMost"> & { dtype?: RoundedDtype })[] = [
  { name: "generate", peer: "transformer_lens", atMost: 0.15 },
  { name: "generate-bfloat16", peer: "transformer_lens", atMost: 0.08, dtype: "bfloat16" },
  { name: "generate-int8", peer: "transformer_lens", dtype: "int8" },
  { name: "generate-onnx-node", peer: "onnxruntime-node", atMost: 1.15 },
  {
    name: "generate-bfloat16-onnx-node",
    peer: "onnxruntime-node",
    atMost: 0.65,
    dtype: "bfloat16",
  },
  { name: "generate-int8-onnx-node", peer: "onnxruntime-node", dtype: "int8" },
];

/** Rounding a weight moves logits after twelve layers: by some thousandths when eight bits are left, by more with steps of a column. */
const TOLERANCES: Readonly<Record<RoundedDtype, number>> = { bfloat16: 0.03, int8: 0.1 };

function picked(features: readonly number[], wanted: string): number[] {
  if (features.length < N_FEATURES) {
    throw new Error(`Only ${features.length} features are ${wanted}, wanted ${N_FEATURES}.`);
  }
  return features.slice(0, N_FEATURES);
}

/** The work at GPT-2 small's shapes, 8 prompts of 16 tokens unless it says otherwise. */
export function gpt2SmallCases(study: Study): BenchCase[] {
  const { layer, position } = study;
  const byPrompts = featuresByPrompts(study);
  const few = picked([...byPrompts[1], ...byPrompts[2]], "live in one or two prompts");
  const all = picked(byPrompts[study.tokens.length].toReversed(), "live in all prompts");
  const ablate = (features: number[]): Step => {
    return { step: "ablate", layer, position, features, errorTerm: false };
  };
  const forward = (prompts: number, rows: "last" | "all"): Step => {
    return { step: "forward", prompts, rows };
  };
  const layers = study.byLayer.map((_, layer) => layer);
  return [
    {
      name: "ablation-few",
      work: `ablation loop, ${few.length} features live in one or two prompts each`,
      peer: "transformer_lens",
      steps: [ablate(few)],
      atMost: 1 / 25,
      isLoop: true,
    },
    {
      name: "ablation-all",
      work: `ablation loop, ${all.length} features live in all prompts`,
      peer: "transformer_lens",
      steps: [ablate(all)],
      atMost: 1 / 8,
      isLoop: true,
    },
    {
      name: "sweep-few",
      work: `the same as a sweep, ${few.length} features live in one or two prompts each`,
      peer: "transformer_lens",
      steps: [{ step: "sweep", layer, position, features: few }],
      peerSteps: [ablate(few)],
      atMost: 1 / 50,
      isLoop: true,
    },
    {
      name: "sweep-all",
      work: `the same as a sweep, ${all.length} features live in all prompts`,
      peer: "transformer_lens",
      steps: [{ step: "sweep", layer, position, features: all }],
      peerSteps: [ablate(all)],
      atMost: 1 / 10,
      isLoop: true,
    },
    {
      name: "path-patching",
      work: `path patching loop, ${few.length} features`,
      peer: "transformer_lens",
      steps: [{ step: "path_patch", features: few }],
      atMost: 1 / 12,
      isLoop: true,
    },
    ...(["resid_pre", "attn_head_out_all_pos"] as const).map((activation): BenchCase => ({
      name: `patching-${activation}`,
      work: `activation patching, ${activation} at every place, one token of each prompt corrupted`,
      peer: "transformer_lens",
      steps: [{ step: "patch", activation }],
      isLoop: true,
    })),
    {
      name: "attribution-frozen",
      work: `attribution patching, layer ${layer}, error term; its parameters frozen`,
      peer: "transformer_lens",
      steps: [{ step: "attribute", layers: [layer], frozen: true }],
      atMost: 0.35,
    },
    {
      name: "attribution",
      work:
        `attribution patching, layer ${layer}, error term; its parameters as the notebook leaves them`,
      peer: "transformer_lens",
      steps: [{ step: "attribute", layers: [layer], frozen: false }],
      atMost: 0.25,
    },
    {
      name: "forward-last",
      work: "forward, logits read at the last position",
      peer: "transformer_lens",
      steps: [forward(8, "last")],
      atMost: 0.75,
    },
    {
      name: "forward-all",
      work: "forward, all logits",
      peer: "transformer_lens",
      steps: [forward(8, "all")],
      atMost: 1.1,
    },
    {
      name: "forward-single-last",
      work: "forward 1 x 16, logits read at the last position",
      peer: "transformer_lens",
      steps: [forward(1, "last")],
      atMost: 0.35,
    },
    {
      name: "forward-single-all",
      work: "forward 1 x 16, all logits",
      peer: "transformer_lens",
      steps: [forward(1, "all")],
      atMost: 0.35,
    },
    {
      name: "twelve-saes",
      work: "all 12 SAEs spliced, logits read at the last position",
      peer: "transformer_lens",
      steps: [{ step: "splice", layers }],
      atMost: 0.45,
    },
    {
      name: "cache",
      work: "runWithCache, everything, all logits",
      peer: "transformer_lens",
      steps: [{ step: "cache" }],
      atMost: 0.95,
    },
    ...GENERATION.map(({ name, peer, atMost, dtype }): BenchCase => {
      const steps: Step[] = [{ step: "generate", tokens: N_GENERATED }];
      const work = `generation, ${N_GENERATED} tokens with the KV cache behind 128`;
      return dtype
        ? {
          name,
          work: `${work}; our weights in ${dtype}, the peer's in float32`,
          peer,
          steps: [{ step: "generate_rounded", dtype, tokens: N_GENERATED }],
          peerSteps: steps,
          atMost,
          tolerance: TOLERANCES[dtype],
        }
        : { name, work, peer, steps, atMost };
    }),
    {
      name: "onnx-web",
      work: "forward, all logits",
      peer: "onnxruntime-web",
      steps: [forward(8, "all")],
      atMost: 0.65,
    },
    {
      name: "onnx-web-single",
      work: "forward 1 x 16, all logits",
      peer: "onnxruntime-web",
      steps: [forward(1, "all")],
    },
    {
      name: "onnx-node",
      work: "forward, all logits",
      peer: "onnxruntime-node",
      steps: [forward(8, "all")],
    },
    {
      name: "onnx-node-single",
      work: "forward 1 x 16, all logits",
      peer: "onnxruntime-node",
      steps: [forward(1, "all")],
    },
  ];
}

/** Every set of layers that isn't empty. */
function layerSets(nLayers: number): number[][] {
  const layers = Array.from({ length: nLayers }, (_, layer) => layer);
  return Array.from(
    { length: 2 ** nLayers - 1 },
    (_, i) => layers.filter((layer) => (i + 1) & (1 << layer)),
  );
}

/** The demo's work on the embedded model. */
export function ioiTinyCases(study: Study): BenchCase[] {
  const { layer, position } = study;
  const last = study.byLayer.length - 1;
  const features = liveFeatures(study, layer, position);
  const atEnd = liveFeatures(study, last, -1);
  const ablate = (layer: number, position: number, features: number[], errorTerm = false): Step => {
    return { step: "ablate", layer, position, features, errorTerm };
  };
  const sets = layerSets(study.byLayer.length);
  const one = (name: string, work: string, steps: Step[], isLoop = false): BenchCase => {
    return { name, work, peer: "transformer_lens", steps, isLoop };
  };
  const loops = [
    ablate(layer, position, features),
    ablate(last, -1, atEnd),
    { step: "path_patch", features },
    ablate(layer, position, features, true),
  ] satisfies Step[];
  const others: Step[] = [
    { step: "cache" },
    ...sets.map((layers): Step => ({ step: "splice", layers })),
    { step: "cache_splice", layers: sets[sets.length - 1] },
    ...study.byLayer.map((_, layer): Step => ({ step: "cache_splice", layers: [layer] })),
    { step: "attribute", layers: [layer], frozen: false },
    { step: "attribute", layers: sets[sets.length - 1], frozen: false },
  ];
  return [
    { ...one("demo-loops", "the demo's loops together", loops, true), atMost: 1 / 10 },
    one("demo-ablation", `ablation loop, ${features.length} features`, [loops[0]], true),
    one("demo-ablation-end", `ablation loop in the last layer, ${atEnd.length} features`, [
      loops[1],
    ], true),
    one("demo-path-patching", `path patching loop, ${features.length} features`, [loops[2]], true),
    one("demo-patching", "activation patching, resid_pre and each head's output", [
      { step: "patch", activation: "resid_pre" },
      { step: "patch", activation: "attn_head_out_all_pos" },
    ], true),
    one("demo-error-term", `ablation loop with the error term, ${features.length} features`, [
      loops[3],
    ], true),
    { ...one("demo-steps", "the demo's other steps together", others), atMost: 1 / 3 },
    one("demo-cache", "runWithCache, everything", others.filter(({ step }) => step === "cache")),
    one(
      "demo-subsets",
      `runWithSaes, ${sets.length} sets of SAEs`,
      others.filter(({ step }) => step === "splice"),
    ),
    one(
      "demo-caches",
      "runWithCacheWithSaes, all SAEs and each by itself",
      others.filter(({ step }) => step === "cache_splice"),
    ),
    one(
      "demo-attribution",
      "attribution patching, one SAE and all",
      others.filter(({ step }) => step === "attribute"),
    ),
  ];
}

/** The same steps with the loops cut short. */
export function shortened(steps: readonly Step[], nFeatures: number): Step[] {
  return steps.map((step) =>
    "features" in step ? { ...step, features: step.features.slice(0, nFeatures) } : step
  );
}
