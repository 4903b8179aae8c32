/** The steps of the notebook on our side. `peers/transformer_lens_peer.py` has the same ones. */
import {
  type HookedSAE,
  HookedSAETransformer,
  HookedTransformerKeyValueCache,
  type HookSpec,
  patching,
  SAE,
  Tensor,
  type Threads,
  utils,
} from "../mod.ts";
import type { Scenario } from "./_random_model.ts";

/** What weights are rounded to. */
export type RoundedDtype = "bfloat16" | "int8";

/** A piece of work, as data that goes to the peer too. */
export type Step =
  /** A forward pass of the first prompts, its logits read at the last position or at all of them. */
  | { step: "forward"; prompts: number; rows: "last" | "all" }
  /** Tokens one by one behind a text of all prompts, over its keys and values; the logits after each. */
  | { step: "generate"; tokens: number }
  /** The same with weights rounded; ours alone. */
  | { step: "generate_rounded"; dtype: RoundedDtype; tokens: number }
  /** `runWithCache` without a filter. */
  | { step: "cache" }
  /** `runWithSaes`, its logits read at the last position. */
  | { step: "splice"; layers: number[] }
  /** `runWithCacheWithSaes` without a filter. */
  | { step: "cache_splice"; layers: number[] }
  /** One feature after another set to zero at a position. */
  | { step: "ablate"; layer: number; position: number; features: number[]; errorTerm: boolean }
  /** The same as one sweep; ours alone. */
  | { step: "sweep"; layer: number; position: number; features: number[] }
  /** What one feature after another writes taken out of the value inputs of the scenario's heads. */
  | { step: "path_patch"; features: number[] }
  /** Activation patching at every place; the corrupted prompts have another prompt's token at the scenario's position. */
  | { step: "patch"; activation: keyof typeof PATCHES }
  /** One forward and one backward pass through SAEs with error terms. The peer's parameters require gradients unless frozen. */
  | { step: "attribute"; layers: number[]; frozen: boolean };

/** The functions of `patching` by TransformerLens' names for them. */
const PATCHES = {
  resid_pre: patching.getActPatchResidPre,
  attn_head_out_all_pos: patching.getActPatchAttnHeadOutAllPos,
} as const;

/** A scenario, loaded. */
export interface Study extends Scenario {
  readonly transformer: HookedSAETransformer;
  /** The same with weights rounded, where it is wanted. */
  readonly rounded?: HookedSAETransformer;
  readonly byLayer: HookedSAE[];
  /** Token ids [prompt, pos]. */
  readonly ids: Tensor;
  /** Ids of the answers [prompt, 2]. */
  readonly answerIds: Tensor;
  /** Codes of the scenario's layer at its position [prompt, feature]. */
  readonly codes: Tensor;
}

const zName = (layer: number) => utils.getActName("z", layer);
const codesName = (layer: number) => `${zName(layer)}.hook_sae_acts_post`;

/** Loads a scenario, on as many threads as the model gains from unless said. */
export async function loadStudy(scenario: Scenario, threads: Threads = "auto"): Promise<Study> {
  const transformer = await HookedSAETransformer.fromPretrained(scenario.model, { threads });
  const byLayer: HookedSAE[] = [];
  for (const folder of scenario.saes) byLayer.push(await SAE.fromDisk(folder));
  const ids = Tensor.from(scenario.tokens, undefined, "int32");
  const answerIds = Tensor.from(scenario.answers, undefined, "int32");
  const name = codesName(scenario.layer);
  const [, cache] = transformer.runWithCacheWithSaes(ids, {
    saes: byLayer[scenario.layer],
    namesFilter: name,
  });
  const codes = cache.get(name).at(":", scenario.position);
  return { ...scenario, transformer, byLayer, ids, answerIds, codes };
}

/** Forgets the values that the last run left, so that the next one begins as the first. */
export function forget({ transformer }: Study): void {
  transformer.keepBase = false;
  transformer.keepBase = true;
}

/** Gives the memory of a model back. */
export function closeModel(model: HookedSAETransformer): void {
  contexts.get(model)?.[Symbol.dispose]();
  model[Symbol.dispose]();
}

/** Gives the memory of a scenario back. */
export function closeStudy({ transformer, byLayer }: Study): void {
  closeModel(transformer);
  for (const sae of byLayer) sae[Symbol.dispose]();
}

function logitDiff(logits: Tensor, { answerIds }: Study): Tensor {
  const answers = logits.at(":", -1).gather(-1, answerIds);
  return answers.at(":", 0).sub(answers.at(":", 1));
}

type StepOf<Name extends Step["step"]> = Extract<Step, { step: Name }>;

/** Runs without hooks and then with each feature's, and gives the logit differences [run][prompt]. */
function logitDiffs(
  study: Study,
  features: number[],
  run: (feature: number) => HookSpec[],
): Tensor[] {
  const { transformer, ids } = study;
  const baseline = logitDiff(transformer.forward(ids, {}), study);
  const results = features.map((feature) =>
    logitDiff(transformer.runWithHooks(ids, { fwdHooks: run(feature) }), study)
  );
  return [baseline, ...results];
}

function ablate(study: Study, step: StepOf<"ablate">): Tensor[] {
  const { transformer, ids, byLayer } = study;
  const { layer, position, features, errorTerm } = step;
  const sae = byLayer[layer];
  const zeroing = (feature: number): HookSpec[] => [[
    codesName(layer),
    (acts) => acts.set([":", position, feature], 0),
  ]];
  if (errorTerm) {
    using _sae = transformer.saes(sae, { useErrorTerm: true });
    return logitDiffs(study, features, zeroing);
  }
  const baseline = logitDiff(transformer.runWithSaes(ids, { saes: sae }), study);
  const results = features.map((feature) => {
    const logits = transformer.runWithHooksWithSaes(ids, { saes: sae, fwdHooks: zeroing(feature) });
    return logitDiff(logits, study);
  });
  return [baseline, ...results];
}

function pathPatch(study: Study, { features }: StepOf<"path_patch">): Tensor[] {
  const { transformer, byLayer, layer, position, heads, codes } = study;
  const sae = byLayer[layer];
  const { nHeads, dHead, dModel } = transformer.cfg;
  const W_O = transformer.blocks[layer].attn.W_O.reshape(nHeads * dHead, dModel);
  using _sae = transformer.saes(sae);
  transformer.setUseSplitQkvInput(true);
  const results = logitDiffs(study, features, (feature) => {
    const codesOfFeature = codes.at(":", feature).unsqueeze(-1);
    const written = codesOfFeature.mul(sae.W_dec.at(feature)).matmul(W_O);
    return heads.map(([layer, head]): HookSpec => [
      utils.getActName("v_input", layer),
      (vInput) => vInput.set([":", position, head], vInput.at(":", position, head).sub(written)),
    ]);
  });
  transformer.setUseSplitQkvInput(false);
  return results;
}

function attribute(study: Study, { layers }: StepOf<"attribute">): Tensor[] {
  const { transformer, ids, byLayer } = study;
  using _saes = transformer.saes(layers.map((layer) => byLayer[layer]), { useErrorTerm: true });
  const isCodes = (name: string) => name.includes("hook_sae_acts_post");
  const [acts, gradients] = [new Map<string, Tensor>(), new Map<string, Tensor>()];
  transformer.addHook(isCodes, (act, hook) => void acts.set(hook.name, act.detach()), "fwd");
  transformer.addHook(isCodes, (grad, hook) => void gradients.set(hook.name, grad.detach()), "bwd");
  const value = logitDiff(transformer.forward(ids, {}), study).sum();
  value.backward();
  transformer.resetHooks();
  const attributions = layers.map((layer) => {
    const name = codesName(layer);
    return gradients.get(name)!.mul(acts.get(name)!.neg()).sum(-1);
  });
  return [value, ...attributions];
}

/** The keys and values of a text of all prompts, by model: computed when the steps run for the first time, to warm up. */
const contexts = new WeakMap<HookedSAETransformer, HookedTransformerKeyValueCache>();

function contextOf({ transformer, ids }: Study): HookedTransformerKeyValueCache {
  const known = contexts.get(transformer);
  if (known) return known;
  const pastKvCache = HookedTransformerKeyValueCache.initCache(transformer.cfg);
  transformer.forward(ids.reshape(1, ids.size), { pastKvCache, returnType: null });
  contexts.set(transformer, pastKvCache);
  return pastKvCache;
}

function generate(study: Study, { tokens }: StepOf<"generate">): Tensor[] {
  const { transformer, ids } = study;
  const pastKvCache = contextOf(study);
  pastKvCache.truncate(ids.size);
  return ids.at(0, `:${tokens}`).toArray().map((id: number) =>
    transformer.forward([[id]], { pastKvCache }).at(0, -1)
  );
}

/** What each step does. Results are those that the peer's step gives, in its order. */
const STEPS: { [Name in Step["step"]]: (study: Study, step: StepOf<Name>) => Tensor[] } = {
  forward({ transformer, ids }, { prompts, rows }) {
    const logits = transformer.forward(ids.at(`:${prompts}`), {});
    return [rows === "last" ? logits.at(":", -1) : logits];
  },
  generate,
  generate_rounded(study, { dtype, tokens }) {
    const { rounded: transformer } = study;
    if (transformer?.cfg.dtype !== dtype) throw new Error(`The model isn't loaded in ${dtype}.`);
    return generate({ ...study, transformer }, { step: "generate", tokens });
  },
  cache({ transformer, ids }) {
    const [logits, cache] = transformer.runWithCache(ids, {});
    return [logits, cache.get("resid_post", transformer.cfg.nLayers - 1), cache.get("pattern", 0)];
  },
  splice({ transformer, ids, byLayer }, { layers }) {
    const saes = layers.map((layer) => byLayer[layer]);
    return [transformer.runWithSaes(ids, { saes }).at(":", -1)];
  },
  cache_splice({ transformer, ids, byLayer }, { layers }) {
    const saes = layers.map((layer) => byLayer[layer]);
    const [logits, cache] = transformer.runWithCacheWithSaes(ids, { saes });
    return [logits.at(":", -1), ...layers.map((layer) => cache.get(codesName(layer)))];
  },
  ablate,
  sweep(study, { layer, position, features }) {
    const { transformer, ids, byLayer } = study;
    const saes = byLayer[layer];
    const metric = (logits: Tensor) => logitDiff(logits, study);
    const over = { pos: [position], feature: features };
    return [
      metric(transformer.runWithSaes(ids, { saes })),
      transformer.sweep(ids, { saes, at: codesName(layer), over, edit: "ablate", metric }),
    ];
  },
  path_patch: pathPatch,
  patch(study, { activation }) {
    const { transformer, ids, position } = study;
    const corrupted = ids.clone();
    const n = ids.shape[0];
    const others = Array.from({ length: n }, (_, prompt) => (prompt + 1) % n);
    corrupted.set([":", position], ids.at(":", position).at(others));
    const metric = (logits: Tensor) => logitDiff(logits, study).mean();
    const [, clean] = transformer.runWithCache(ids, {});
    return [PATCHES[activation](transformer, corrupted, clean, metric)];
  },
  attribute,
};

/** Runs steps and reads their results, [tensor][element]. */
export function runSteps(study: Study, steps: readonly Step[]): Float32Array[] {
  return steps.flatMap((step) => {
    // The table's type ties each name to its step; TypeScript can't follow that through a union.
    const run = STEPS[step.step] as (study: Study, step: Step) => Tensor[];
    return run(study, step).map((tensor) => tensor.data() as Float32Array);
  });
}

/** Features by how many prompts they are live in, at the scenario's layer and position: ids by count. */
export function featuresByPrompts({ codes }: Study): number[][] {
  const [nPrompts, nFeatures] = codes.shape;
  const data = codes.data();
  const byCount: number[][] = Array.from({ length: nPrompts + 1 }, () => []);
  for (let feature = 0; feature < nFeatures; feature++) {
    let count = 0;
    for (let prompt = 0; prompt < nPrompts; prompt++) {
      if (data[prompt * nFeatures + feature] > 0) count++;
    }
    byCount[count].push(feature);
  }
  return byCount;
}

/** The mean number of live features in a row, by layer. */
export function liveFeaturesPerRow(study: Study): number[] {
  return study.byLayer.map((sae, layer) => {
    const name = codesName(layer);
    const [, cache] = study.transformer.runWithCacheWithSaes(study.ids, {
      saes: sae,
      namesFilter: name,
    });
    const codes = cache.get(name);
    return codes.gt(0).sum().item() / (codes.size / codes.shape[codes.rank - 1]);
  });
}

/** Ids of the features that are live at a layer and position in any prompt. */
export function liveFeatures(study: Study, layer: number, position: number): number[] {
  const name = codesName(layer);
  const [, cache] = study.transformer.runWithCacheWithSaes(study.ids, {
    saes: study.byLayer[layer],
    namesFilter: name,
  });
  return cache.get(name).at(":", position).gt(0).any(0).nonzero().flatten().toArray();
}
