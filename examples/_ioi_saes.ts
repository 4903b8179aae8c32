/** The SAEs that the demo splices in: those of a release, or of a folder of one's own. */
import { ConfigError, type HookedSAE, progress, SAE, utils } from "../mod.ts";
import type { Task } from "./_ioi_task.ts";

/** The SAEs of a study. */
export interface StudySaes {
  /** SAEs of attention's mixed values, by layer, in the layers' order. */
  byLayer: Map<number, HookedSAE>;
  /** SAEs of the residual stream, by their kind. */
  residual: Map<string, HookedSAE>;
}

/** The release that is embedded, and its companion on the residual stream. */
const EMBEDDED = "ioi-tiny-hook-z";
const EMBEDDED_RESIDUAL = {
  release: "ioi-tiny-resid",
  ids: ["blocks.2.hook_resid_pre.jumprelu", "blocks.2.hook_resid_pre.topk"],
};

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Loads one SAE after another: only one of them is in memory twice at a time. */
async function loadEach(loads: readonly (() => Promise<HookedSAE>)[]): Promise<HookedSAE[]> {
  const saes: HookedSAE[] = [];
  for (const load of progress(loads, { label: "loading SAEs" })) saes.push(await load());
  return saes;
}

function loadRelease(release: string, nLayers: number): Promise<HookedSAE[]> {
  const places = Array.from({ length: nLayers }, (_, layer) => [release, `blocks.${layer}.hook_z`]);
  if (release === EMBEDDED) {
    places.push(...EMBEDDED_RESIDUAL.ids.map((id) => [EMBEDDED_RESIDUAL.release, id]));
  }
  return loadEach(places.map(([release, id]) => () => SAE.fromPretrained(release, id)));
}

function loadFolder(folder: string): Promise<HookedSAE[]> {
  const names = [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory)
    .map((entry) => entry.name).sort();
  return loadEach(names.map((name) => () => SAE.fromDisk(`${folder}/${name}`)));
}

/**
 * Loads the SAEs of `--saes`.
 *
 * @param saes A release with an SAE `blocks.L.hook_z` for every layer, or a folder of SAE folders.
 * @param task What is studied; the layer looked at must have an SAE.
 * @param nLayers How many layers the model has.
 * @throws {ConfigError} If that layer has none on its `hook_z`, or two are of the same place and kind.
 */
export async function loadSaes(
  saes: string,
  { s2Layer }: Task,
  nLayers: number,
): Promise<StudySaes> {
  const loaded = await (isDirectory(saes) ? loadFolder(saes) : loadRelease(saes, nLayers));
  const found: StudySaes = { byLayer: new Map(), residual: new Map() };
  const add = <K>(map: Map<K, HookedSAE>, key: K, sae: HookedSAE) => {
    if (map.has(key)) throw new ConfigError(`Cannot use "${saes}": it has two SAEs like ${sae}.`);
    map.set(key, sae);
  };
  for (let layer = 0; layer < nLayers; layer++) {
    const onZ = loaded.filter((sae) => sae.cfg.hookName === utils.getActName("z", layer));
    for (const sae of onZ) add(found.byLayer, layer, sae);
  }
  for (const sae of loaded.filter(({ cfg }) => cfg.hookName.endsWith(".hook_resid_pre"))) {
    add(found.residual, sae.cfg.architecture, sae);
  }
  if (!found.byLayer.has(s2Layer)) {
    const layers = [...found.byLayer.keys()].join(", ") || "none";
    throw new ConfigError(
      `Cannot use "${saes}": it has no SAE of "${
        utils.getActName("z", s2Layer)
      }", the task's s2Layer; ` +
        `layers with an SAE of hook_z: ${layers}.`,
    );
  }
  return found;
}

/** Layers up to which every set of them is tried; five more layers would make 32 times as many. */
const MAX_LAYERS_FOR_ALL_SETS = 4;

/** The sets that the notebook tries in GPT-2 small's twelve layers. */
const NOTEBOOK_SETS = [[0, 3], [2, 4], [5, 6], [7, 8], [9, 10, 11]];

/**
 * Chooses the sets of layers whose SAEs are spliced in together.
 *
 * @param layers The layers that have an SAE.
 * @returns Every set that isn't empty, the small ones first, or the notebook's where that is too many.
 */
export function layerSets(layers: readonly number[]): number[][] {
  if (layers.length > MAX_LAYERS_FOR_ALL_SETS) {
    return NOTEBOOK_SETS.filter((set) => set.every((layer) => layers.includes(layer)));
  }
  const sets = layers.reduce<number[][]>(
    (smaller, layer) => [...smaller, ...smaller.map((set) => [...set, layer])],
    [[]],
  ).slice(1);
  const key = (set: number[]) => set.map((layer) => layers.indexOf(layer)).join();
  return sets.sort((a, b) => a.length - b.length || (key(a) < key(b) ? -1 : 1));
}
