/**
 * A model's weights in the core's memory, laid out for the forward pass.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import { ConfigError } from "../core/errors.ts";
import { ACTIVATION } from "../core/tensor.ts";
import { ParameterStore } from "../weights/parameter_store.ts";
import type { StateDict } from "../weights/state_dict.ts";
import type { AttentionWeights, Projection } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import type { MlpWeights } from "./mlp.ts";
import type { NormWeights } from "./norm.ts";

/** The weights of one block. */
export interface BlockWeights {
  /** `undefined` in models without norms. */
  readonly ln1: NormWeights | undefined;
  readonly attention: AttentionWeights;
  readonly ln2: NormWeights | undefined;
  /** `undefined` in models of attention alone. */
  readonly mlp: MlpWeights | undefined;
}

/** The weights of a model. */
export interface ModelWeights {
  /** Holds them, and reads them as TransformerLens lays them out. */
  readonly store: ParameterStore;
  readonly blocks: readonly BlockWeights[];
  readonly lnFinal: NormWeights | undefined;
  /** [dVocab, dModel]. */
  readonly wE: Handle;
  /** [nCtx, dModel]. */
  readonly wPos: Handle;
  readonly unembed: Projection;
}

function normWeights(
  store: ParameterStore,
  cfg: HookedTransformerConfig,
  name: string,
): NormWeights | undefined {
  if (cfg.normalizationType === null) return undefined;
  const isFolded = cfg.normalizationType === "LNPre";
  return {
    eps: cfg.eps,
    center: true,
    weight: isFolded ? 0 : store.plain(`${name}.w`),
    bias: isFolded ? 0 : store.plain(`${name}.b`),
  };
}

function activationCode(name: string): number {
  if (Object.hasOwn(ACTIVATION, name)) return ACTIVATION[name as keyof typeof ACTIVATION];
  const known = Object.keys(ACTIVATION).map((known) => `"${known}"`).join(", ");
  throw new ConfigError(
    `The activation function "${name}" isn't supported: expected one of ${known}.`,
  );
}

function projection(
  store: ParameterStore,
  weight: string,
  bias: string,
  headsFirst = false,
): Projection {
  return { weight: store.packed(weight, { headsFirst }), bias: store.plain(bias) };
}

function blockWeights(
  store: ParameterStore,
  cfg: HookedTransformerConfig,
  layer: number,
): BlockWeights {
  const b = `blocks.${layer}`;
  const scale = cfg.useAttnScale ? cfg.attnScale : 1;
  const byHead = (letter: string) =>
    projection(store, `${b}.attn.W_${letter}`, `${b}.attn.b_${letter}`, true);
  return {
    ln1: normWeights(store, cfg, `${b}.ln1`),
    attention: {
      q: byHead("Q"),
      k: byHead("K"),
      v: byHead("V"),
      o: projection(store, `${b}.attn.W_O`, `${b}.attn.b_O`),
      scale: cfg.scaleAttnByInverseLayerIdx ? scale * (layer + 1) : scale,
    },
    ln2: cfg.attnOnly ? undefined : normWeights(store, cfg, `${b}.ln2`),
    mlp: cfg.attnOnly || cfg.actFn === null ? undefined : {
      in: projection(store, `${b}.mlp.W_in`, `${b}.mlp.b_in`),
      out: projection(store, `${b}.mlp.W_out`, `${b}.mlp.b_out`),
      act: activationCode(cfg.actFn),
    },
  };
}

/**
 * Moves a state dict into the core's memory.
 *
 * @param cfg The model's configuration.
 * @param dict Parameters by TransformerLens' names, in its layouts.
 * @throws {WeightFileError} If parameters are missing.
 * @throws {MemoryBudgetError} If they don't fit; then nothing stays allocated.
 */
export function modelWeights(cfg: HookedTransformerConfig, dict: StateDict): ModelWeights {
  const { store, layout } = ParameterStore.filled(dict, (store) => ({
    wE: store.plain("embed.W_E"),
    wPos: store.plain("pos_embed.W_pos"),
    blocks: Array.from({ length: cfg.nLayers }, (_, layer) => blockWeights(store, cfg, layer)),
    lnFinal: normWeights(store, cfg, "ln_final"),
    unembed: projection(store, "unembed.W_U", "unembed.b_U"),
  }));
  return { store, ...layout };
}
