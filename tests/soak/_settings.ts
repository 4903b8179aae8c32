/** Models with SAEs that can be made anew, with the same bits each time. */

import { type HookedSAE, HookedSAETransformer, SAE, type SourceOptions } from "../../mod.ts";
import type { Threads } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { randomModel, randomSae, saeSites } from "../invariants/_random_runs.ts";

/** What a setting is made of: the embedded model, the same with weights in half precision, or a random one by its seed. */
export type Recipe = "embedded" | "half" | number;

/** A model and the SAEs that are spliced into it, now these and now those. */
export interface Setting extends Disposable {
  readonly recipe: Recipe;
  readonly model: HookedSAETransformer;
  readonly saes: readonly HookedSAE[];
}

/** The embedded SAEs: six, two of them at one point. */
const EMBEDDED = [
  ...[0, 1, 2, 3].map((layer) => ["ioi-tiny-hook-z", `blocks.${layer}.hook_z`]),
  ...["jumprelu", "topk"].map((kind) => ["ioi-tiny-resid", `blocks.2.hook_resid_pre.${kind}`]),
] as const;

function setting(recipe: Recipe, model: HookedSAETransformer, saes: HookedSAE[]): Setting {
  const dispose = () => [model, ...saes].forEach((resource) => resource[Symbol.dispose]());
  return { recipe, model, saes, [Symbol.dispose]: dispose };
}

/** Loads the embedded model and its SAEs at once; where one of them fails, the others are given back. */
async function embedded(
  recipe: "embedded" | "half",
  options: SourceOptions & { threads?: Threads },
): Promise<Setting> {
  const { threads, ...source } = options;
  const dtype = recipe === "half" ? "float16" : "auto";
  const [model, ...saes] = await Promise.allSettled([
    HookedSAETransformer.fromPretrained("ioi-tiny", { ...source, threads, dtype }),
    ...EMBEDDED.map(([release, id]) => SAE.fromPretrained(release, id, source)),
  ]);
  const all = [model, ...saes];
  const failed = all.find((result) => result.status === "rejected");
  if (failed) {
    for (const result of all) {
      if (result.status === "fulfilled") result.value[Symbol.dispose]();
    }
    throw failed.reason;
  }
  const value = <T>(result: PromiseSettledResult<T>) => (result as PromiseFulfilledResult<T>).value;
  return setting(recipe, value(model), saes.map(value));
}

/** A random model of three layers with an SAE of some kind at each of five points. */
function random(seed: number): Setting {
  const dice = uniform(seed);
  const model = randomModel(dice, seed);
  return setting(seed, model, saeSites(model).map((site, i) => randomSae(dice, site, seed + i)));
}

/**
 * Makes a setting.
 *
 * @param options How it is loaded, for the embedded one.
 */
export async function makeSetting(
  recipe: Recipe,
  options: SourceOptions & { threads?: Threads } = {},
): Promise<Setting> {
  return typeof recipe === "string" ? await embedded(recipe, options) : random(recipe);
}
