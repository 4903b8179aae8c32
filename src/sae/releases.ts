/**
 * Finds SAEs by the names of their releases.
 *
 * @module
 */

import { described, nearestNames, UnknownPointError } from "../core/errors.ts";
import type { SourceLocation } from "../weights/open_source.ts";
import type { SaeConfigOptions } from "./config.ts";
import type { SaeFormatName } from "./formats/registry.ts";
import { releases } from "./releases/table.ts";

/** Where an SAE of a release, or of a repository of the hub, is. */
export interface ReleasePlace {
  /** Where the files are: with the library, or in a repository. */
  readonly at: { readonly location: SourceLocation } | { readonly repo: string };
  /** The path of the SAE's folder or file. */
  readonly path: string;
  /** The layout of its files, where it is known. */
  readonly format?: SaeFormatName;
  /** What its files say wrongly, or don't say. */
  readonly cfg?: Partial<SaeConfigOptions>;
  /** What activations were multiplied by in training. */
  readonly normScalingFactor?: number;
}

/** The names of the releases. */
export function releaseNames(): string[] {
  return Object.keys(releases());
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/**
 * Finds an SAE's files.
 *
 * @param release The release's name, or the id of a repository of the hub, `owner/name`.
 * @param id The SAE in it; of a repository its path.
 * @throws {UnknownPointError} If there is no such release or SAE; the message names the nearest.
 */
export function locateRelease(release: string, id: string): ReleasePlace {
  if (!Object.hasOwn(releases(), release)) {
    if (release.includes("/")) return { at: { repo: release }, path: id };
    throw new UnknownPointError(
      `There is no SAE release "${release}". Did you mean ${
        quoted(nearestNames(release, releaseNames()))
      }? ` +
        'For SAEs in a folder of your own, use SAE.fromDisk(folder); for a repository of the hub, its id "owner/name".',
    );
  }
  const { repo, location, format, saes, cfg, factors = {} } = releases()[release];
  if (typeof id !== "string") {
    throw new UnknownPointError(
      `Cannot load ${
        described(id)
      } of the SAE release "${release}": expected an SAE's id, such as ${
        quoted(saes.examples.slice(0, 3))
      }.`,
    );
  }
  const path = saes.path(id);
  if (path === undefined) {
    throw new UnknownPointError(
      `The SAE release "${release}" has no "${id}". Did you mean ${
        quoted(nearestNames(id, saes.examples))
      }?`,
    );
  }
  const at = location === undefined ? { repo: repo ?? release } : { location };
  const factor = Object.hasOwn(factors, id) ? factors[id] : undefined;
  return {
    at,
    path,
    format,
    ...cfg === undefined ? {} : { cfg },
    ...factor === undefined ? {} : { normScalingFactor: factor },
  };
}
