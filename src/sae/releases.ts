/**
 * Releases of SAEs: which files a name stands for.
 *
 * @module
 */

import { nearestNames, UnknownPointError } from "../core/errors.ts";
import { embeddedFolder } from "../weights/embedded.ts";
import type { SourceLocation } from "../weights/open_source.ts";

/** The folder of the embedded SAEs. */
const EMBEDDED = embeddedFolder("ioi-tiny/saes");

/** A release: where its files are, and the SAEs in it. */
interface Release {
  readonly location: SourceLocation;
  /** The folder of each SAE by its id. */
  readonly folders: Readonly<Record<string, string>>;
}

function sameNames(ids: readonly string[]): Record<string, string> {
  return Object.fromEntries(ids.map((id) => [id, id]));
}

/** The releases by name. */
const RELEASES: Readonly<Record<string, Release>> = {
  "ioi-tiny-hook-z": {
    location: EMBEDDED,
    folders: sameNames([0, 1, 2, 3].map((layer) => `blocks.${layer}.hook_z`)),
  },
  "ioi-tiny-resid": {
    location: EMBEDDED,
    folders: sameNames(["blocks.2.hook_resid_pre.jumprelu", "blocks.2.hook_resid_pre.topk"]),
  },
};

/** The names of the releases. */
export function releaseNames(): string[] {
  return Object.keys(RELEASES);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/**
 * Finds an SAE's files.
 *
 * @throws {UnknownPointError} If there is no such release or SAE; the message names the nearest.
 */
export function locateRelease(
  release: string,
  id: string,
): { location: SourceLocation; folder: string } {
  if (!Object.hasOwn(RELEASES, release)) {
    throw new UnknownPointError(
      `There is no SAE release "${release}". Did you mean ${
        quoted(nearestNames(release, releaseNames()))
      }? ` +
        "For SAEs in a folder of your own, use SAE.fromDisk(folder).",
    );
  }
  const { location, folders } = RELEASES[release];
  if (!Object.hasOwn(folders, id)) {
    throw new UnknownPointError(
      `The SAE release "${release}" has no "${id}". Did you mean ${
        quoted(nearestNames(id, Object.keys(folders)))
      }?`,
    );
  }
  return { location, folder: folders[id] };
}
