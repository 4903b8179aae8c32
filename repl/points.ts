/** Short names of hook points: `2.z.sae` for `blocks.2.attn.hook_z.hook_sae_acts_post`. */
import { nearestNames } from "../src/core/errors.ts";
import { getActName } from "../src/hooks/act_name.ts";
import { CommandError } from "./errors.ts";

/** What the points of a spliced SAE are called here. */
const SAE_SUFFIXES: Readonly<Record<string, string>> = {
  "sae": "hook_sae_acts_post",
  "sae.input": "hook_sae_input",
  "sae.pre": "hook_sae_acts_pre",
  "sae.recons": "hook_sae_recons",
  "sae.error": "hook_sae_error",
  "sae.output": "hook_sae_output",
};

/** Points outside the blocks. */
const ROOTS: Readonly<Record<string, string>> = {
  "embed": "hook_embed",
  "pos_embed": "hook_pos_embed",
  "final": "unembed.hook_in",
  "logits": "unembed.hook_out",
};

/** Names of activations that getActName doesn't know. */
const ALIASES: Readonly<Record<string, string>> = { scores: "attn_scores", resid: "resid_pre" };

/** Names with the layer in front that are otherwise TransformerLens': `1.attn.hook_z`, `1.hook_resid_pre`, codes behind them. */
const LAYERED = /^(\d+)\.(attn\.|mlp\.|ln\d\.)?hook_(\w+?)(\.hook_sae_\w+)?((?:\.sae(?:\.\w+)?)?)$/;

/** Expands a short name; a full one stays as it is, and what isn't one comes back unchanged. */
export function expandPoint(short: string): string {
  if (Object.hasOwn(ROOTS, short)) return ROOTS[short];
  const named = LAYERED.exec(short);
  if (named) {
    const [, layer, part = "", name, codes = "", suffix] = named;
    const isNorm = part.startsWith("ln") || (part === "mlp." && name === "in");
    return expandPoint(`${layer}.${isNorm ? part : ""}${name}${suffix}`) + codes;
  }
  const [, layer, rest] = /^(\d+)\.([a-z].*)$/.exec(short) ?? [];
  if (layer === undefined) return short;
  const [, name, suffix] = /^(.*?)(?:\.(sae(?:\.\w+)?))?$/.exec(rest) ?? [];
  const norm = /^(ln\d)\.(\w+)$/.exec(name);
  const base = norm
    ? `blocks.${layer}.${norm[1]}.hook_${norm[2]}`
    : name === "mlp.in"
    ? `blocks.${layer}.mlp.hook_in`
    : getActName(ALIASES[name] ?? name, Number(layer));
  if (suffix === undefined) return base;
  return `${base}.${SAE_SUFFIXES[suffix] ?? suffix}`;
}

/** Shortens a full name. */
export function shortPoint(name: string): string {
  const root = Object.entries(ROOTS).find(([, full]) => full === name);
  if (root) return root[0];
  const [, layer, rest] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (layer === undefined) return name;
  const [base, inner] = rest.split(/\.(?=hook_sae_)/);
  const suffix = Object.entries(SAE_SUFFIXES).find(([, full]) => full === inner);
  if (inner !== undefined && !suffix) return name;
  const part = base === "mlp.hook_in"
    ? "mlp.in"
    : base.replace(/^(attn|mlp)\./, "").replace("hook_", "").replace("attn_scores", "scores");
  const short = `${layer}.${part}${suffix ? `.${suffix[0]}` : ""}`;
  return expandPoint(short) === name ? short : name;
}

/**
 * Finds the point that a word means.
 *
 * @param names The points that there are.
 * @throws {CommandError} If there is none; with the nearest.
 */
export function requirePoint(word: string, names: readonly string[]): string {
  const full = expandPoint(word);
  if (names.includes(full)) return full;
  const layered = expandPoint(`0.${word}`);
  const near = names.includes(layered)
    ? [`0.${word}, with its layer`]
    : names.includes(`blocks.${word}.hook_resid_pre`)
    ? [`${word}.z`, `${word}.resid_pre`, `${word}.mlp_out`]
    : nearestNames(full, names).map(shortPoint);
  const isSae = /\.sae(\.|$)/.test(word);
  const hint =
    isSae && !names.some((name) => name.startsWith(full.split(".hook_sae")[0] + ".hook_sae"))
      ? " No SAE is spliced in there: see `saes`."
      : ` Did you mean ${near.join(", ")}?`;
  throw new CommandError(`There is no hook point "${word}".${hint}`);
}
