/** The model and its SAEs, loaded once. */
import { HookedSAETransformer, SAE } from "../../mod.ts";
import { LIMITS } from "./limits.ts";

/** The embedded SAEs by id, each with its release. */
const RELEASES: Readonly<Record<string, string>> = {
  "blocks.0.hook_z": "ioi-tiny-hook-z",
  "blocks.1.hook_z": "ioi-tiny-hook-z",
  "blocks.2.hook_z": "ioi-tiny-hook-z",
  "blocks.3.hook_z": "ioi-tiny-hook-z",
  "blocks.2.hook_resid_pre.jumprelu": "ioi-tiny-resid",
  "blocks.2.hook_resid_pre.topk": "ioi-tiny-resid",
};

/** What requests may name as an SAE. */
export const SAE_IDS: readonly string[] = Object.keys(RELEASES);

/** An SAE under the id that requests know it by. */
export interface NamedSae {
  readonly id: string;
  readonly sae: SAE;
}

/** A model with SAEs to splice into it. */
export interface Study {
  readonly model: HookedSAETransformer;
  /** SAEs by id. */
  readonly saes: ReadonlyMap<string, SAE>;
}

let loading: Promise<Study> | undefined;

async function load(): Promise<Study> {
  const model = await HookedSAETransformer.fromPretrained("ioi-tiny", {
    memoryLimit: LIMITS.coreBytes,
  });
  const saes = await Promise.all(
    SAE_IDS.map(async (id) => [id, await SAE.fromPretrained(RELEASES[id], id)] as const),
  );
  return { model, saes: new Map(saes) };
}

/** Gives the model and its SAEs; a load that failed is tried again by the next request. */
export async function study(): Promise<Study> {
  loading ??= load();
  try {
    return await loading;
  } catch (error) {
    loading = undefined;
    throw error;
  }
}
