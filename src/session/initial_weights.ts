/**
 * The weights of a model that nobody has trained.
 *
 * @module
 */

import { normal } from "../core/random.ts";
import { sizeOf } from "../core/scope.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import type { StateDict } from "../weights/state_dict.ts";

/** The parameters that are zero, and those that are one, in a fresh model. */
const [ZERO_INIT, ONE_INIT] = [/\.b(_\w+)?$/, /ln\w*\.w$/];

function parameterShapes(cfg: HookedTransformerConfig): Record<string, readonly number[]> {
  const { dModel: D, dHead: d, nHeads: h, dVocab, dVocabOut, nCtx } = cfg;
  const M = cfg.dMlp ?? 0;
  const hasNorms = cfg.normalizationType === "LN";
  const ln = (name: string) => (hasNorms ? { [`${name}.w`]: [D], [`${name}.b`]: [D] } : {});
  const block = (l: number) => {
    const b = `blocks.${l}`;
    const byHead = ["Q", "K", "V"].map((x) => ({
      [`${b}.attn.W_${x}`]: [h, D, d],
      [`${b}.attn.b_${x}`]: [h, d],
    }));
    const mlp = cfg.attnOnly ? {} : {
      ...ln(`${b}.ln2`),
      [`${b}.mlp.W_in`]: [D, M],
      [`${b}.mlp.b_in`]: [M],
      [`${b}.mlp.W_out`]: [M, D],
      [`${b}.mlp.b_out`]: [D],
    };
    return Object.assign({}, ...byHead, ln(`${b}.ln1`), mlp, {
      [`${b}.attn.W_O`]: [h, d, D],
      [`${b}.attn.b_O`]: [D],
    });
  };
  return Object.assign(
    { "embed.W_E": [dVocab, D], "pos_embed.W_pos": [nCtx, D] },
    ...Array.from({ length: cfg.nLayers }, (_, l) => block(l)),
    ln("ln_final"),
    { "unembed.W_U": [D, dVocabOut], "unembed.b_U": [dVocabOut] },
  );
}

/** GPT-2's initialisation: normal weights, zero biases (TransformerLens `init_weights`). */
export function initialWeights(cfg: HookedTransformerConfig): StateDict {
  const random = normal(cfg.seed ?? 0);
  return new Map(
    Object.entries(parameterShapes(cfg)).map(([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      if (ONE_INIT.test(name)) data.fill(1);
      else if (!ZERO_INIT.test(name)) {
        for (let i = 0; i < data.length; i++) data[i] = random() * cfg.initializerRange;
      }
      return [name, { shape, data }];
    }),
  );
}
