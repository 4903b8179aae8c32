/** The tokens that a feature speaks for. */
import type { HookedSAE, HookedTransformer, Tensor } from "../mod.ts";

/** How many tokens. */
const N_TOKENS = 4;

/** Features' directions in the residual stream, [feature, dModel]; `undefined` where an SAE writes elsewhere. */
function directionsOf(
  model: HookedTransformer,
  sae: HookedSAE,
  features: readonly number[],
): Tensor | undefined {
  const name = sae.cfg.hookNameOut ?? sae.cfg.hookName;
  const rows = sae.W_dec.indexSelect(0, features);
  if (/\.hook_(resid_(pre|mid|post)|attn_out|mlp_out)$/.test(name)) return rows;
  const layer = /^blocks\.(\d+)\.attn\.hook_z$/.exec(name)?.[1];
  if (layer === undefined) return undefined;
  const { nHeads, dHead, dModel } = model.cfg;
  return rows.matmul(model.blocks[Number(layer)].attn.W_O.reshape(nHeads * dHead, dModel));
}

/**
 * The tokens whose logits each feature's direction raises most, by itself: the unembedding of the decoder's row.
 *
 * @returns Tokens in quotes for each feature; `undefined` where that can't be told.
 */
export function promotedTokens(
  model: HookedTransformer,
  sae: HookedSAE,
  features: readonly number[],
): string[][] | undefined {
  if (features.length === 0) return [];
  const directions = directionsOf(model, sae, features);
  if (!directions) return undefined;
  const [, ids] = directions.matmul(model.W_U).topk(N_TOKENS);
  return ids.toArray().map((row: number[]) =>
    row.map((id) => JSON.stringify(model.toSingleStrToken(id)))
  );
}
