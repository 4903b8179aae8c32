/**
 * What a release of SAEs is: where its files are, and the SAEs in it.
 *
 * @module
 */

import type { SourceLocation } from "../../weights/open_source.ts";
import type { SaeConfigOptions } from "../config.ts";
import type { SaeFormatName } from "../formats/registry.ts";

/** The SAEs of a release. */
export interface SaeIds {
  /** The path of an SAE's folder or file; `undefined` where there is none of this id. */
  path(id: string): string | undefined;
  /** The ids, or some of them where there are hundreds. */
  readonly examples: readonly string[];
}

/** A release. */
export interface Release {
  /** The hub's repository, `owner/name`; `undefined` for what comes with the library. */
  readonly repo?: string;
  /** Where the files are that come with the library. */
  readonly location?: SourceLocation;
  /** The layout of its files. */
  readonly format: SaeFormatName;
  /** The SAEs in it. */
  readonly saes: SaeIds;
  /** What its files say wrongly, or don't say. */
  readonly cfg?: Partial<SaeConfigOptions>;
  /** What activations were multiplied by in training, by id, where the files don't say it. */
  readonly factors?: Readonly<Record<string, number>>;
}

/** SAEs whose ids and paths are known one by one; a function writes them down when somebody asks. */
export function listed(
  paths: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>),
): SaeIds {
  let made = typeof paths === "function" ? undefined : paths;
  const known = () => made ??= (paths as () => Readonly<Record<string, string>>)();
  return {
    path: (id) => Object.hasOwn(known(), id) ? known()[id] : undefined,
    get examples() {
      return Object.keys(known());
    },
  };
}

/** SAEs whose ids are their paths. */
export function named(...ids: readonly string[]): SaeIds {
  return listed(() => Object.fromEntries(ids.map((id) => [id, id])));
}

/** One SAE a layer. */
export function layers(
  count: number,
  entry: (layer: number) => readonly [id: string, path: string],
): SaeIds {
  return listed(() =>
    Object.fromEntries(Array.from({ length: count }, (_, layer) => entry(layer)))
  );
}

/** SAEs by the hundred, whose ids have a form. Whether one is there is known when its files are asked for. */
export function pattern(
  form: RegExp,
  path: (id: string, ...groups: string[]) => string,
  examples: readonly string[],
): SaeIds {
  return {
    path: (id) => {
      const match = form.exec(id);
      return match ? path(...match as unknown as [string, ...string[]]) : undefined;
    },
    examples,
  };
}
