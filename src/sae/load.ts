/**
 * From a folder, a release or a repository to an SAE's configuration and weights.
 *
 * @module
 */

import { requireKnownOptions } from "../core/errors.ts";
import { DEVICE_OPTIONS } from "../core/python_names.ts";
import { openSharedCore } from "../core/shared_core.ts";
import { openSource, type SourceLocation } from "../weights/open_source.ts";
import { openRepository, type RepositoryOptions } from "../weights/repository.ts";
import type { SourceOptions } from "../weights/source.ts";
import {
  foldedScale,
  hasNativeFiles,
  placeIn,
  type ReadSae,
  readSae,
  type SaeOverrides,
  splitLocation,
} from "./read.ts";
import type { SaeFormatName } from "./formats/registry.ts";
import { locateRelease } from "./releases.ts";

/** How an SAE is read from files. */
export interface SaeLoadOptions extends SourceOptions {
  /** The layout of the files; found out unless said, where they leave no doubt. */
  format?: SaeFormatName;
  /** The SAE's folder or file within the location; the location itself unless said. */
  path?: string;
  /** The repository that the files are of, `owner/name`, where its name tells what they don't. */
  repo?: string;
  /** What to change in the configuration: what the files say wrongly, or don't say. */
  cfg?: SaeOverrides;
}

/** How an SAE of a release, or of a repository of the hub, is loaded. */
export interface SaeReleaseOptions extends RepositoryOptions {
  /** The layout of a repository's files; found out unless said. */
  format?: SaeFormatName;
  /** What to change in the configuration. */
  cfg?: SaeOverrides;
}

const SOURCE_OPTIONS = ["format", "cfg", "signal", "onProgress"] as const;
const DISK_OPTIONS: ReadonlySet<string> = new Set<keyof SaeLoadOptions>([
  ...SOURCE_OPTIONS,
  "path",
  "repo",
]);
const RELEASE_OPTIONS: ReadonlySet<string> = new Set<keyof SaeReleaseOptions>([
  ...SOURCE_OPTIONS,
  "revision",
  "endpoint",
  "token",
  "cacheDir",
]);

/** Reads an SAE, and meanwhile readies a core that a model which is loaded later may share with threads. */
async function readForCore(...args: Parameters<typeof readSae>): Promise<ReadSae> {
  const [sae] = await Promise.all([readSae(...args), openSharedCore()]);
  return sae;
}

/** Reads an SAE from files of one's own; see `SAE.fromDisk`. */
export async function loadSae(
  location: SourceLocation,
  given: SaeLoadOptions,
): Promise<ReadSae> {
  requireKnownOptions("Cannot load an SAE", given, DISK_OPTIONS, DEVICE_OPTIONS);
  const { format, path, repo, cfg, ...options } = given;
  const source = openSource(location, options);
  const isNative = path === undefined && (format === undefined || format === "sae_lens") &&
    await hasNativeFiles(source);
  const split = path === undefined && !isNative &&
      (typeof location === "string" || location instanceof URL)
    ? splitLocation(location)
    : undefined;
  // What the repository's name tells counts more than what folders are called here.
  const named = (base: string) => repo === undefined ? base : `${base}/${repo}`;
  // Publishers keep some of what an SAE needs beside its folder.
  const place = split
    ? placeIn(openSource(split.root, options), split.path, named(String(split.root)))
    : placeIn(source, path ?? "", named(source.base));
  return await readForCore(place, isNative ? "sae_lens" : format, cfg);
}

/** Reads an SAE of a release; see `SAE.fromPretrained`. */
export async function loadRelease(
  release: string,
  id: string,
  given: SaeReleaseOptions,
): Promise<ReadSae> {
  requireKnownOptions("Cannot load an SAE", given, RELEASE_OPTIONS, DEVICE_OPTIONS);
  const { format, cfg = {}, ...options } = given;
  const found = locateRelease(release, id);
  const source = "location" in found.at
    ? openSource(found.at.location, options)
    : await openRepository(found.at.repo, options);
  const metadata = { ...found.cfg?.metadata, ...cfg.metadata };
  const overrides = { ...found.cfg, ...cfg, metadata };
  const place = placeIn(source, found.path, "repo" in found.at ? found.at.repo : source.base);
  const sae = await readForCore(place, format ?? found.format, overrides);
  const factor = found.normScalingFactor ?? sae.normScalingFactor;
  return sae.cfg.normalizeActivations === "expected_average_only_in" && factor !== undefined
    ? foldedScale(sae, factor)
    : sae;
}
