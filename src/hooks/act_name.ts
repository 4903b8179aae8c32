/** What people call an activation, where that isn't the name of its hook point. */
const NAME_ALIASES: Readonly<Record<string, string>> = {
  attn: "pattern",
  attn_logits: "attn_scores",
  key: "k",
  query: "q",
  value: "v",
  mlp_pre: "pre",
  mlp_mid: "mid",
  mlp_post: "post",
};

/** Short forms of a layer type; the block itself has no segment of its own. */
const LAYER_TYPE_ALIASES: Readonly<Record<string, string>> = {
  a: "attn",
  m: "mlp",
  b: "",
  block: "",
  blocks: "",
  attention: "attn",
};

/** Activations that occur in one part of a block only, so that the part needs no naming. */
const LAYER_TYPE_OF: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["k", "v", "q", "z", "rot_k", "rot_q", "result", "pattern", "attn_scores"]
      .map((name) => [name, "attn"]),
  ),
  ...Object.fromEntries(["pre", "post", "mid", "pre_linear"].map((name) => [name, "mlp"])),
};

/** `k6`, `scale4ln1`: name, layer, layer type. */
const SHORTHAND = /^([a-z]+)(\d+)([a-z]?.*)/;

/**
 * Expands the short name of an activation to the full name of its hook point.
 *
 * The rules are those of TransformerLens 3.9's `get_act_name`. Whether a model has such a point is not asked here.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { getActName } from "./act_name.ts";
 *
 * assertEquals(getActName("z", 5), "blocks.5.attn.hook_z");
 * assertEquals(getActName("scale4ln1"), "blocks.4.ln1.hook_scale");
 * ```
 *
 * @param name Short name (`"z"`, `"resid_pre"`), shorthand with a layer (`"k6"`, `"scale4ln1"`) or a full name.
 * @param layer Index of the block; left out for points outside the blocks.
 * @param layerType Part of the block (`"attn"`, `"ln1"`, or a short form like `"a"`); left out where the name tells.
 * @returns The full name, such as `"blocks.5.attn.hook_z"`; a name that is full already comes back as it is.
 */
export function getActName(name: string, layer?: number | string, layerType?: string): string {
  const isFull = name.includes(".") || name.startsWith("hook_");
  if (isFull && layer === undefined && layerType === undefined) return name;

  const shorthand = SHORTHAND.exec(name);
  if (shorthand) [, name, layer, layerType] = shorthand;

  const act = lookUp(NAME_ALIASES, name) ?? name;
  const part = lookUp(LAYER_TYPE_OF, act) ??
    (layerType === undefined ? "" : lookUp(LAYER_TYPE_ALIASES, layerType) ?? layerType);
  const isFinalNorm = layer === undefined && (act === "scale" || act === "normalized");

  return [
    ...(isFinalNorm ? ["ln_final"] : []),
    ...(layer === undefined ? [] : ["blocks", layer]),
    ...(part === "" ? [] : [part]),
    `hook_${act}`,
  ].join(".");
}

/** Looks a key up without reaching into `Object.prototype`. */
function lookUp(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
