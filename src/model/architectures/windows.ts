/**
 * Local attention in `config.json`: which layers see only a window, and how wide it is.
 *
 * @module
 */

import type { ConfigReader, ConfigSource } from "./architecture.ts";

/** How a family says where its windows are. */
export interface WindowKeys {
  /** Further keys that `isLocal` reads. */
  readonly keys?: readonly string[];
  /** The width where none is given; `undefined` for no window then. */
  readonly usualWindow?: number;
  /** Whether a layer is local where `layer_types` doesn't say it. */
  readonly isLocal: (layer: number, source: ConfigSource) => boolean;
}

const LAYER_TYPES: Readonly<Record<string, "local" | "global">> = {
  sliding_attention: "local",
  full_attention: "global",
};

/** The kind of each layer by name, where `layer_types` gives them. */
function listedTypes(
  { json: { layer_types: listed }, refuse }: ConfigSource,
  nLayers: number,
): ("local" | "global")[] | undefined {
  if (listed === undefined || listed === null) return undefined;
  const isList = Array.isArray(listed) && listed.length === nLayers &&
    listed.every((type) => Object.hasOwn(LAYER_TYPES, String(type)));
  if (isList) return listed.map((type) => LAYER_TYPES[String(type)]);
  const known = Object.keys(LAYER_TYPES).map((type) => `"${type}"`).join(" or ");
  refuse(`layer_types is ${JSON.stringify(listed)}, wanted ${nLayers} of ${known}`);
  return undefined;
}

/** Reads what a `config.json` says of windows. */
export function windowReader({ keys = [], usualWindow, isLocal }: WindowKeys): ConfigReader {
  return {
    keys: ["sliding_window", "layer_types", ...keys],
    read(source, { nLayers }) {
      const { json } = source;
      // A key that is null says that there is no window, unlike one that is missing.
      const given = "sliding_window" in json ? json.sliding_window : usualWindow;
      const window = given === null || given === undefined || given === 0
        ? undefined
        : source.count("sliding_window", usualWindow ?? 1);
      const types = listedTypes(source, nLayers) ??
        Array.from(
          { length: nLayers },
          (_, layer) => window !== undefined && isLocal(layer, source) ? "local" : "global",
        );
      if (!types.includes("local")) return {};
      if (window === undefined) source.refuse("sliding_window is missing, wanted a width");
      return { useLocalAttn: true, windowSize: window ?? 1, attnTypes: types };
    },
  };
}
