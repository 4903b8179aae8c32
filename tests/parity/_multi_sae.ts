/** Five SAEs at once on the GPT-2 fixture: the notebook's steps. */

import { assertEquals } from "@std/assert";
import { attribution, edits, HookedSAETransformer, type HookSpec, SAE, Tensor } from "../../mod.ts";
import { type FixtureInfo, fixtureUrl, readJson, readTensors } from "../_fixtures.ts";
import {
  gradientsWithSaes,
  kept,
  type Named,
  type ParityCase,
  perPrompt,
  shown,
  tokenTensor,
  under,
  withErrorGradients,
} from "./_observe.ts";

const FIXTURE = "multi_sae";

/** A feature at a position. */
interface FeatureAt {
  readonly feature: number;
  readonly pos: number;
}

interface MultiInfo extends FixtureInfo {
  readonly cache_names: Readonly<Record<"noerr" | "err", readonly string[]>>;
  /** The SAEs in the order in which they are attached. */
  readonly saes_attached: Readonly<Record<string, unknown>>;
  readonly ablation: {
    readonly sae: string;
    readonly hook: string;
    readonly pos: number;
    readonly one: FeatureAt;
    /** Hook, position (`null` for all), feature. */
    readonly two_saes: { readonly hooks: readonly (readonly [string, number | null, number])[] };
  };
  readonly path_patching: { readonly one: { readonly feature: number; readonly head: number } };
  readonly integrated_gradients: { readonly hook: string; readonly steps: number };
}

interface Loaded {
  readonly model: HookedSAETransformer;
  readonly saes: Readonly<Record<string, SAE>>;
  readonly info: MultiInfo;
  readonly tokens: Tensor;
}

async function load(): Promise<Loaded> {
  const info = await readJson<MultiInfo>(FIXTURE, "fixture.json");
  const model = await HookedSAETransformer.fromPretrained(fixtureUrl("gpt2/model"));
  const read = async (name: string) =>
    [name, await SAE.fromDisk(fixtureUrl(`${FIXTURE}/saes/${name}`))] as const;
  const saes = Object.fromEntries(await Promise.all(Object.keys(info.saes_attached).map(read)));
  return { model, saes, info, tokens: tokenTensor(info.tokens) };
}

/** A case over the part of the references under a prefix. */
function multiCase(
  part: string,
  compute: (loaded: Loaded, want: Named) => Iterable<[string, Tensor]>,
  how = "",
): ParityCase {
  return {
    name: `${FIXTURE}/${part}${how}`,
    async run() {
      const loaded = await load();
      using _model = loaded.model;
      const want = under(`${part}/`, await readTensors(FIXTURE, "refs.safetensors"));
      return { got: kept(compute(loaded, want)), want };
    },
  };
}

/** Zeroes a part of every prompt's value: at a position (`null` for all), of a feature or of all. */
type Ablating = (pos: number | null, feature?: number) => HookSpec[1];

/** By a hook. */
const byHook: Ablating = (pos, feature) => (value) =>
  value.set([":", pos ?? ":", feature ?? ":"], 0);

/** By an edit. */
const byEdit: Ablating = (pos, feature) => edits.ablate({ pos: pos ?? "all", feature });

function cachedCase(part: "noerr" | "err"): ParityCase {
  return multiCase(part, ({ model, saes, info, tokens }) => {
    const list = Object.values(saes);
    const values = shown(
      model.runWithCacheWithSaes(tokens, { saes: list, useErrorTerm: part === "err" }),
    );
    // The raw point stays alive under a splice: the value that enters it.
    const raw = new Set(list.map(({ cfg }) => cfg.hookNameOut ?? cfg.hookName));
    const names = [...values.keys()].map((name) => name.replace("cache/", ""));
    assertEquals(names.filter((name) => name !== "logits" && !raw.has(name)), [
      ...info.cache_names[part],
    ]);
    return [...values, ["per_prompt", perPrompt(values.get("logits")!, info.metric)]];
  });
}

const CLEAN = multiCase("clean", ({ model, info, tokens }) => {
  const logits = model.forward(tokens);
  return [["logits", logits], ["per_prompt", perPrompt(logits, info.metric)]];
});

const SUBSETS = multiCase(
  "subset",
  ({ model, saes, tokens }, want) =>
    [...want.keys()].map((name): [string, Tensor] => {
      const chosen = name.replace("/logits", "").split("+").map((sae) => saes[sae]);
      return [name, model.runWithSaes(tokens, { saes: chosen }).detach()];
    }),
);

/** The features of the ablated SAE that are active at its position on any prompt. */
function liveFeatures({ model, saes, info: { ablation }, tokens }: Loaded): Tensor {
  const [, cache] = model.runWithCacheWithSaes(tokens, {
    saes: saes[ablation.sae],
    namesFilter: ablation.hook,
  });
  return cache.get(ablation.hook).at(":", ablation.pos).gt(0).any(0).nonzero().squeeze(1);
}

/** What zeroing each live feature does to each prompt's logit difference, [feature, batch], with what is attached. */
function ablationEffects(
  { model, info: { ablation, metric }, tokens }: Loaded,
  live: Tensor,
  pos: number | null,
  ablating: Ablating,
): Tensor {
  const base = perPrompt(model.forward(tokens), metric);
  return Tensor.stack(
    [...live].map((feature) => {
      const fwdHooks = [[ablation.hook, ablating(pos, feature.item())]] as const;
      return perPrompt(model.runWithHooks(tokens, { fwdHooks }), metric).sub(base);
    }),
  );
}

const ablationCase = (ablating: Ablating, how = "") =>
  multiCase("ablation", (loaded) => {
    const { model, saes, info: { ablation, metric }, tokens } = loaded;
    const { sae, hook, pos, one, two_saes } = ablation;
    const base = model.runWithSaes(tokens, { saes: saes[sae] });
    const live = liveFeatures(loaded);
    const two = two_saes.hooks.map(([name, at, feature]) => [name, ablating(at, feature)] as const);
    using _attached = model.saes(saes[sae]);
    const effects: [string, Tensor][] = [
      ["effect_at_pos", ablationEffects(loaded, live, pos, ablating)],
      ["effect_all_pos", ablationEffects(loaded, live, null, ablating)],
    ];
    return [
      ["base_logits", base],
      ["base_per_prompt", perPrompt(base, metric)],
      ["live_features", live],
      [
        "one/logits",
        model.runWithHooks(tokens, { fwdHooks: [[hook, ablating(one.pos, one.feature)]] }),
      ],
      [
        "two_saes/logits",
        model.runWithHooksWithSaes(tokens, { saes: Object.values(saes), fwdHooks: two }),
      ],
      ...effects,
    ];
  }, how);

const attachedCase = (ablating: Ablating, how = "") =>
  multiCase("attached_err", (loaded) => {
    const { model, saes, info: { ablation }, tokens } = loaded;
    const live = liveFeatures(loaded);
    model.addSae(saes[ablation.sae], { useErrorTerm: true });
    const errorName = ablation.hook.replace("hook_sae_acts_post", "hook_sae_error");
    return [
      ["logits", model.forward(tokens)],
      ["effect_at_pos", ablationEffects(loaded, live, ablation.pos, ablating)],
      [
        "error_ablation_logits",
        model.runWithHooks(tokens, { fwdHooks: [[errorName, ablating(ablation.pos)]] }),
      ],
    ];
  }, how);

/** A hook that takes a direction, [batch, dModel], out of one head's input at a position. */
function withoutDirection(dirs: Tensor, pos: number, head: number): (input: Tensor) => void {
  return (input) => input.set([":", pos, head], input.at(":", pos, head).sub(dirs));
}

const PATHS = multiCase("path", (loaded) => {
  const { model, saes, info: { ablation, path_patching, metric }, tokens } = loaded;
  const { hook, pos, sae } = ablation;
  const live = liveFeatures(loaded);
  model.addSae(saes[sae]);
  const base = perPrompt(model.forward(tokens), metric);
  const [, cache] = model.runWithCache(tokens, { namesFilter: hook });
  const codes = cache.get(hook).at(":", pos);
  const { nLayers, nHeads, dHead, dModel } = model.cfg;
  const wO = model.W_O.reshape([nLayers, nHeads * dHead, dModel]).at(1);
  const dirsOf = (feature: number) =>
    codes.at(":", feature).unsqueeze(-1).mul(saes[sae].W_dec.at(feature)).matmul(wO);
  // An exact name opens the gate for the run: no switch is set.
  const patched = (letter: "v" | "q", feature: number, head: number) => {
    const hookFn = withoutDirection(dirsOf(feature), letter === "v" ? pos : -1, head);
    return model.runWithHooks(tokens, { fwdHooks: [[`blocks.2.hook_${letter}_input`, hookFn]] });
  };
  const effects = (letter: "v" | "q") =>
    Tensor.stack(
      [...live].map((feature) =>
        Tensor.stack(Array.from({ length: nHeads }, (_, head) =>
          perPrompt(patched(letter, feature.item(), head), metric).sub(base)))
      ),
    );
  const { feature, head } = path_patching.one;
  return [
    ["one/dirs", dirsOf(feature)],
    ["one/logits", patched("v", feature, head)],
    ["v_input_effect", effects("v")],
    ["q_input_effect", effects("q")],
  ];
});

/** The same as a path: the feature's ablation reaches the value input of one head alone. */
function pathEditCase(): ParityCase {
  const wanted = new Set(["one/logits", "v_input_effect"]);
  const whole = multiCase("path", (loaded) => {
    const { model, saes, info: { ablation, path_patching, metric }, tokens } = loaded;
    const { hook, pos, sae } = ablation;
    const live = liveFeatures(loaded);
    model.addSae(saes[sae]);
    const base = perPrompt(model.forward(tokens), metric);
    const patched = (feature: number, head: number) => {
      const edit = edits.ablate({ feature, pos });
      const to = { at: "blocks.2.hook_v_input", head, pos };
      return model.runWithHooks(tokens, { fwdHooks: [[hook, edits.pathPatch({ edit, to })]] });
    };
    const heads = Array.from({ length: model.cfg.nHeads }, (_, head) => head);
    const effectOf = (feature: number, head: number) =>
      perPrompt(patched(feature, head), metric).sub(base);
    const effects = [...live].map((feature) =>
      Tensor.stack(heads.map((head) => effectOf(feature.item(), head)))
    );
    const { feature, head } = path_patching.one;
    return [["one/logits", patched(feature, head)], ["v_input_effect", Tensor.stack(effects)]];
  }, " (edits)");
  return {
    ...whole,
    async run() {
      const { got, want } = await whole.run();
      return { got, want: new Map([...want].filter(([name]) => wanted.has(name))) };
    },
  };
}

function attributionCase(useErrorTerm: boolean): ParityCase {
  const part = `attribution_${useErrorTerm ? "err" : "noerr"}`;
  const plain = multiCase(part, ({ model, saes, info, tokens }) => {
    const options = { saes: Object.values(saes), useErrorTerm };
    const isCodes = (name: string) => name.endsWith(".hook_sae_acts_post");
    const [, cache] = model.runWithCacheWithSaes(tokens, { ...options, namesFilter: isCodes });
    const grads = gradientsWithSaes(model, tokens, info, options);
    const attributions = [...cache].map(([name, codes]): [string, Tensor] => [
      `attr/${name}`,
      attribution.nodeAttribution(grads.get(`grad/${name}`)!, codes),
    ]);
    return [...grads, ...attributions];
  });
  if (!useErrorTerm) return plain;
  return {
    ...plain,
    async run() {
      const { got, want } = await plain.run();
      return { got, want: withErrorGradients(want) };
    },
  };
}

const INTEGRATED = multiCase("integrated_gradients", ({ model, saes, info, tokens }) => {
  const { hook, steps } = info.integrated_gradients;
  using _attached = model.saes(saes.resid1, { useErrorTerm: true });
  const metric = (logits: Tensor) => perPrompt(logits, info.metric).mean();
  return [["attr", attribution.integratedGradients(model, tokens, hook, metric, { steps })]];
});

/** The cases of the fixture with several SAEs. */
export const MULTI_SAE_CASES: readonly ParityCase[] = [
  CLEAN,
  cachedCase("noerr"),
  cachedCase("err"),
  SUBSETS,
  ablationCase(byHook),
  ablationCase(byEdit, " (edits)"),
  attachedCase(byHook),
  attachedCase(byEdit, " (edits)"),
  PATHS,
  pathEditCase(),
  attributionCase(false),
  attributionCase(true),
  INTEGRATED,
];
