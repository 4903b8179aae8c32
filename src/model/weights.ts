/**
 * A model's weights in the core's memory, laid out for the forward pass.
 *
 * @module
 */

import {
  type ParameterBatch,
  ParameterStore,
  type Placing,
  type Table,
} from "../weights/parameter_store.ts";
import type { StateDict } from "../weights/state_dict.ts";
import type { HeldDtype } from "../weights/weight_view.ts";
import { ACTIVATIONS } from "./activation.ts";
import { alibiSlopes } from "./alibi.ts";
import type { AttentionWeights, Projection } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import type { MlpWeights } from "./mlp.ts";
import type { NormWeights } from "./norm.ts";
import { isLocal, type RotaryKind, rotaryKind } from "./rotary.ts";
import type { AttentionKind } from "./rows.ts";

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
  readonly wE: Table;
  /** The norm of what is embedded, where there is one. */
  readonly embedNorm: NormWeights | undefined;
  /** [nCtx, dModel]; `undefined` in models that know positions otherwise. */
  readonly wPos: Table | undefined;
  readonly unembed: Projection;
}

/** What makes a norm, whatever its name. */
interface NormShape {
  /** Layer norm subtracts the mean and has a bias, RMS norm doesn't. */
  readonly center: boolean;
  /** Weight and bias are in the matrices that read from it. */
  readonly isFolded: boolean;
}

function normWeights(
  store: Placing,
  { eps }: HookedTransformerConfig,
  name: string,
  { center, isFolded }: NormShape,
): NormWeights {
  if (isFolded) return { eps, center, weight: 0, bias: 0 };
  const weight = store.plain(`${name}.w`);
  const bias = center ? store.plain(`${name}.b`) : store.zerosLike(weight);
  const names = { weight: `${name}.w`, bias: center ? `${name}.b` : undefined };
  return { eps, center, weight, bias, names };
}

/** The norm that a reader of the residual stream has; `undefined` in models without norms. */
function readingNorm(
  store: Placing,
  cfg: HookedTransformerConfig,
  name: string,
  isRms = false,
): NormWeights | undefined {
  const type = cfg.normalizationType;
  if (type === null) return undefined;
  const center = type.startsWith("LN") && !isRms;
  return normWeights(store, cfg, name, { center, isFolded: type.endsWith("Pre") });
}

/** A norm that is never folded, for nothing but the residual stream reads from it. */
function postNorm(
  store: Placing,
  cfg: HookedTransformerConfig,
  name: string,
): NormWeights | undefined {
  if (!cfg.useNormalizationBeforeAndAfter) return undefined;
  const center = !cfg.normalizationType?.startsWith("RMS");
  return normWeights(store, cfg, name, { center, isFolded: false });
}

function projection(
  store: Placing,
  weight: string,
  bias: string,
  headsFirst = false,
): Projection {
  const names = { weight, bias };
  return { weight: store.packed(weight, { headsFirst }), bias: store.plain(bias), names };
}

/** What layers of global and of local attention do; layers of one kind share it. */
interface LayerKinds {
  readonly attention: (layer: number) => AttentionKind;
  readonly rotary: (layer: number) => RotaryKind | undefined;
}

function layerKinds(cfg: HookedTransformerConfig): LayerKinds {
  const slopes = cfg.positionalEmbeddingType === "alibi"
    ? alibiSlopes(cfg.nHeads)
    : new Float64Array();
  const scale = cfg.useAttnScale ? cfg.attnScale : 1;
  const attention = remembered((divisor: number, isWindowed: boolean): AttentionKind => ({
    scale: scale * divisor,
    window: isWindowed ? cfg.windowSize ?? undefined : undefined,
    softCap: Math.max(cfg.attnScoresSoftCap, 0),
    slopes,
  }));
  const rotary = remembered((_: number, isWindowed: boolean) => rotaryKind(cfg, isWindowed));
  return {
    attention: (layer) =>
      attention(cfg.scaleAttnByInverseLayerIdx ? layer + 1 : 1, isLocal(cfg, layer)),
    rotary: (layer) =>
      cfg.positionalEmbeddingType === "rotary" ? rotary(0, isLocal(cfg, layer)) : undefined,
  };
}

/** Makes a value once for each pair of arguments. */
function remembered<T>(
  make: (a: number, b: boolean) => T,
): (a: number, b: boolean) => T {
  const made = new Map<string, T>();
  return (a, b) => {
    const key = `${a} ${b}`;
    const known = made.get(key) ?? make(a, b);
    made.set(key, known);
    return known;
  };
}

function attentionWeights(
  store: Placing,
  cfg: HookedTransformerConfig,
  layer: number,
  kinds: LayerKinds,
): AttentionWeights {
  const attn = `blocks.${layer}.attn`;
  const byHead = (letter: string, mark = "") =>
    projection(store, `${attn}.${mark}W_${letter}`, `${attn}.${mark}b_${letter}`, true);
  // TransformerLens names the parameters of shared keys and values apart from those that it computes for each head.
  const mark = cfg.nKeyValueHeads === null ? "" : "_";
  const headNorm = (name: string) =>
    cfg.useQkNorm
      ? normWeights(store, cfg, `${attn}.${name}`, { center: false, isFolded: false })
      : undefined;
  return {
    q: byHead("Q"),
    k: byHead("K", mark),
    v: byHead("V", mark),
    o: projection(store, `${attn}.W_O`, `${attn}.b_O`),
    kind: kinds.attention(layer),
    rotary: kinds.rotary(layer),
    qNorm: headNorm("q_norm"),
    kNorm: headNorm("k_norm"),
    postNorm: postNorm(store, cfg, `blocks.${layer}.ln1_post`),
  };
}

function mlpWeights(
  store: Placing,
  cfg: HookedTransformerConfig,
  layer: number,
): MlpWeights | undefined {
  if (cfg.attnOnly || cfg.actFn === null) return undefined;
  const mlp = `blocks.${layer}.mlp`;
  // Whatever the model's norms are, this is a layer norm, and folded unless they have weights (TransformerLens).
  const norm = { center: true, isFolded: cfg.normalizationType !== "LN" };
  return {
    in: projection(store, `${mlp}.W_in`, `${mlp}.b_in`),
    gate: cfg.gatedMlp
      ? {
        weight: store.packed(`${mlp}.W_gate`),
        bias: 0,
        names: { weight: `${mlp}.W_gate` },
      }
      : undefined,
    out: projection(store, `${mlp}.W_out`, `${mlp}.b_out`),
    act: ACTIVATIONS[cfg.actFn],
    norm: cfg.actFn.endsWith("_ln") ? normWeights(store, cfg, `${mlp}.ln`, norm) : undefined,
    postNorm: postNorm(store, cfg, `blocks.${layer}.ln2_post`),
  };
}

/** Where the parameters of a model belong. */
function layoutOf(cfg: HookedTransformerConfig): (store: Placing) => Omit<ModelWeights, "store"> {
  const kinds = layerKinds(cfg);
  const hasPositions = ["standard", "shortformer"].includes(cfg.positionalEmbeddingType);
  return (store) => ({
    wE: store.table("embed.W_E", { tiedTo: "unembed.W_U" }),
    embedNorm: cfg.postEmbeddingLn
      ? normWeights(store, cfg, "embed.ln", { center: true, isFolded: false })
      : undefined,
    wPos: hasPositions ? store.table("pos_embed.W_pos") : undefined,
    blocks: Array.from({ length: cfg.nLayers }, (_, layer): BlockWeights => ({
      ln1: readingNorm(store, cfg, `blocks.${layer}.ln1`),
      attention: attentionWeights(store, cfg, layer, kinds),
      ln2: cfg.attnOnly ? undefined : readingNorm(store, cfg, `blocks.${layer}.ln2`),
      mlp: mlpWeights(store, cfg, layer),
    })),
    lnFinal: readingNorm(store, cfg, "ln_final", cfg.finalRms),
    unembed: projection(store, "unembed.W_U", "unembed.b_U"),
  });
}

/**
 * Moves a state dict into the core's memory.
 *
 * @param cfg The model's configuration; with another `dtype` than float32 matrices are rounded to it.
 * @param dict Parameters by TransformerLens' names, in its layouts.
 * @throws {WeightFileError} If parameters are missing.
 * @throws {MemoryBudgetError} If they don't fit; then nothing stays allocated.
 */
export function modelWeights(cfg: HookedTransformerConfig, dict: StateDict): ModelWeights {
  const dtype = cfg.dtype === "float32" ? undefined : cfg.dtype;
  const { store, layout } = ParameterStore.filled(dict, layoutOf(cfg), dtype);
  return { store, ...layout };
}

/**
 * Moves parameters into the core's memory as they come from their files.
 *
 * @param cfg The model's configuration.
 * @param batches The parameters, as for {@linkcode modelWeights}.
 * @param dtype How matrices are held; each as it comes, unless said.
 * @throws {WeightFileError} If parameters are missing, or a file can't be read.
 * @throws {MemoryBudgetError} If they don't fit; then nothing stays allocated.
 */
export async function streamedWeights(
  cfg: HookedTransformerConfig,
  batches: AsyncIterable<ParameterBatch>,
  dtype?: HeldDtype,
): Promise<ModelWeights> {
  const { store, layout } = await ParameterStore.streamed(batches, layoutOf(cfg), dtype);
  return { store, ...layout };
}
