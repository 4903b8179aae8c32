/**
 * Reads SAEs from any layout: which one it is, and what its files and the caller say of the configuration.
 *
 * @module
 */

import { ConfigError, nearestNames, WeightFileError } from "../core/errors.ts";
import type { Source } from "../weights/source.ts";
import type { WeightArray } from "../weights/state_dict.ts";
import { type JsonObject, quoteAll } from "./_config_fields.ts";
import type { SaeConfig, SaeConfigOptions } from "./config.ts";
import { readSaeConfig, snakeKeys } from "./read_config.ts";
import { readSaeDirectory, type SaeFiles } from "./files.ts";
import { scaled } from "./formats/_mapping.ts";
import type { Place, SaeFormat } from "./formats/format.ts";
import { hasFiles } from "./formats/format.ts";
import { SAE_FORMAT_NAMES, SAE_FORMATS, type SaeFormatName } from "./formats/registry.ts";
import { SAE_KINDS } from "./kinds/registry.ts";

/** What the caller says of an SAE, in place of what its files say. */
export type SaeOverrides = Partial<SaeConfigOptions>;

/** An SAE as it was read. */
export interface ReadSae extends SaeFiles {
  /** What activations were multiplied by in training, where the files say it. */
  readonly normScalingFactor?: number;
}

/** The layouts with what says that a place is of theirs. */
const DETECTORS = Object.entries(SAE_FORMATS)
  .filter(([, { isHere }]) => isHere !== undefined) as [SaeFormatName, Required<SaeFormat>][];

/** Whether a folder has SAELens' own files. */
export async function hasNativeFiles(source: Source): Promise<boolean> {
  return await source.has("cfg.json") && await source.has("sae_weights.safetensors");
}

/**
 * Finds out which layout a place is of.
 *
 * @throws {WeightFileError} If it is of none beyond doubt.
 */
async function detectFormat(place: Place): Promise<SaeFormatName> {
  if (await hasFiles(place, "cfg.json", "sae_weights.safetensors")) return "sae_lens";
  for (const [name, { isHere }] of DETECTORS) {
    if (await isHere(place)) return name;
  }
  if (await hasFiles(place, "cfg.json")) return "sae_lens";
  throw new WeightFileError(
    `Cannot tell the format of the SAE "${place.path}" in ${place.source.base}: pass { format }, one of ${
      quoteAll(SAE_FORMAT_NAMES)
    }. SAELens' folders hold "cfg.json" and "sae_weights.safetensors": is the path right?`,
  );
}

/** Gives a layout by its name. @throws {ConfigError} If there is none. */
function requireFormat(name: string): SaeFormatName {
  const format = SAE_FORMAT_NAMES.find((candidate) => candidate === name);
  if (format !== undefined) return format;
  const near = nearestNames(name, SAE_FORMAT_NAMES).map((candidate) => `"${candidate}"`);
  throw new ConfigError(`There is no SAE format "${name}". Did you mean ${near.join(", ")}?`);
}

/** Lays what the caller says over a configuration in version 6's form; metadata field by field. */
function overridden(config: JsonObject, overrides: SaeOverrides): JsonObject {
  const { metadata, hookName, hookNameOut, ...fields } = overrides;
  return {
    ...config,
    ...snakeKeys(fields),
    metadata: {
      ...config.metadata as JsonObject | undefined,
      ...snakeKeys({ ...metadata, hookName, hookNameOut }),
    },
  };
}

/** Checks parameters by name and shape against a configuration. */
function checkWeights(
  weights: ReadonlyMap<string, WeightArray>,
  cfg: SaeConfig,
  where: string,
): void {
  const shapes = SAE_KINDS[cfg.architecture].shapes(cfg);
  const list = (shape: readonly number[]) => `[${shape.join(", ")}]`;
  const problems = Object.entries(shapes).flatMap(([name, shape]) => {
    const found = weights.get(name);
    if (found?.shape.join() === shape.join()) return [];
    return [`"${name}" is ${found ? list(found.shape) : "missing"}, wanted ${list(shape)}`];
  });
  for (const name of weights.keys()) {
    if (!Object.hasOwn(shapes, name)) problems.push(`"${name}" is unexpected`);
  }
  if (problems.length === 0) return;
  throw new WeightFileError(
    `Cannot use "${where}" for the architecture "${cfg.architecture}":\n  ${problems.join("\n  ")}`,
  );
}

/** Reads an SAE of another publisher's layout. */
async function readForeign(
  format: SaeFormat,
  place: Place,
  overrides: SaeOverrides,
): Promise<ReadSae> {
  const { config, weights, normScalingFactor } = await format.read(place);
  const where = place.path === "" ? place.source.base : place.path;
  const { hook_name: told } = config.metadata as JsonObject;
  if (told === undefined && overrides.hookName === undefined) {
    throw new ConfigError(
      `Cannot tell where the SAE "${where}" belongs: the names of its folders don't say the hook point. ` +
        'Pass { cfg: { hookName: "blocks.1.hook_resid_post" } }.',
    );
  }
  const cfg = readSaeConfig(config, where, (json) => overridden(json, overrides));
  checkWeights(weights, cfg, where);
  return { cfg, weights, ...normScalingFactor === undefined ? {} : { normScalingFactor } };
}

/** Whether a place is what its path says: a folder or file of a layout, not one in which SAEs lie. */
async function isPlaced(place: Place, format: SaeFormat): Promise<boolean> {
  const { source, path } = place;
  return await source.has(path === "" ? "cfg.json" : path) ||
    (await format.isHere?.(place) ?? false);
}

/**
 * Finds the SAE in a folder that can be looked through, if it has one alone.
 *
 * @param place A folder, or the SAE itself.
 * @param formats The layouts that it may be of.
 * @throws {WeightFileError} If there are several; the message names them.
 */
async function soleSae(place: Place, formats: readonly SaeFormat[]): Promise<Place> {
  for (const format of formats) {
    if (await isPlaced(place, format)) return place;
  }
  const names = await place.source.list(place.path) ?? [];
  const paths = new Set(
    formats.flatMap(({ pathOf }) => names.map(pathOf).filter((path) => path !== undefined)),
  );
  if (paths.size === 0 || paths.has(place.path)) return place;
  const [path, ...others] = paths;
  if (others.length === 0) {
    const inner = place.path === "" ? path : path.slice(place.path.length + 1);
    return { ...place, path, name: `${place.name}/${inner}` };
  }
  const shown = [...paths].slice(0, 5).map((path) => JSON.stringify(path));
  throw new WeightFileError(
    `Cannot choose among the ${paths.size} SAEs in ${place.source.base}: pass { path }, such as ${
      shown.join(", ")
    }`,
  );
}

/**
 * Reads an SAE.
 *
 * @param place Where its files are.
 * @param format The layout; found out unless said.
 * @param overrides What the caller says in place of the files.
 * @throws {ConfigError} If the configuration can't be used, or the layout's names don't tell enough.
 * @throws {WeightFileError} If files or tensors are missing, malformed or of another shape.
 */
export async function readSae(
  place: Place,
  format?: SaeFormatName,
  overrides: SaeOverrides = {},
): Promise<ReadSae> {
  const given = format === undefined ? undefined : requireFormat(format);
  const layouts = given === undefined
    ? DETECTORS.map(([, layout]) => layout)
    : given === "sae_lens"
    ? []
    : [SAE_FORMATS[given]];
  const found = layouts.length > 0 ? await soleSae(place, layouts) : place;
  const name = given ?? await detectFormat(found);
  if (name !== "sae_lens") return await readForeign(SAE_FORMATS[name], found, overrides);
  return await readSaeDirectory(place.source, {
    folder: place.path,
    change: (json) => overridden(json, overrides),
  });
}

/** The weights that read and write activations as they are, of weights for activations times a factor. */
export function foldedScale(sae: ReadSae, factor: number): ReadSae {
  const change = (name: string, by: number): [string, WeightArray][] => {
    const array = sae.weights.get(name);
    return array ? [[name, scaled(array, by)]] : [];
  };
  return {
    ...sae,
    cfg: { ...sae.cfg, normalizeActivations: "none" },
    weights: new Map([
      ...sae.weights,
      ...change("W_enc", factor),
      ...change("W_dec", 1 / factor),
      ...change("b_dec", 1 / factor),
    ]),
  };
}

/** Where a location's last part is: the source that it lies in is opened one folder up, so that files beside it are seen. */
export interface SplitLocation {
  readonly root: string | URL;
  readonly path: string;
}

/**
 * Splits a folder or file from the one that it lies in.
 *
 * @param location A path or URL.
 * @returns `undefined` where there is nothing to split.
 */
export function splitLocation(location: string | URL): SplitLocation | undefined {
  const text = String(location).replace(/[/\\]+$/, "");
  const url = location instanceof URL || /^[a-z][a-z0-9+.-]+:\/\//i.test(text) ||
    text.startsWith("file:");
  if (url) {
    const whole = new URL(text);
    const path = whole.pathname.replace(/\/+$/, "");
    const name = decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
    if (name === "") return undefined;
    const root = new URL(whole);
    root.pathname = path.slice(0, path.lastIndexOf("/") + 1);
    return { root, path: name };
  }
  const [, folder = "", name = ""] = /^(.*[/\\])?([^/\\]+)$/.exec(text) ?? [];
  if (name === "" || name === "." || name === ".." || /^[A-Za-z]:$/.test(name)) return undefined;
  return { root: folder === "" ? "." : folder, path: name };
}

/** A place in a source. */
export function placeIn(source: Source, path: string, repo: string): Place {
  const clean = path.replace(/^\.?\/+|\/+$/g, "");
  return { source, path: clean, name: clean === "" ? repo : `${repo}/${clean}` };
}
