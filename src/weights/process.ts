/**
 * Weight processing: the same function of the tokens, in weights that are easier to read.
 *
 * The formulas and their order are those of TransformerLens 3.9 (`weight_processing.py`); sums run in float64 and each step
 * rounds once. We differ where TransformerLens changes what the model computes: with `finalRms`, `W_U` isn't centred over dModel.
 *
 * Axes: m = dModel, h = head, d = dHead, f = dMlp, v = vocabulary.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import { type Columns, productSvd } from "../core/svd.ts";
import { addProduct, centerRows, type Extents, scaleRows } from "./folding.ts";
import type { StateDict, WeightArray } from "./state_dict.ts";

/** What processing needs to know of a model. */
export interface ProcessableConfig {
  /** The number of blocks. */
  readonly nLayers: number;
  /** The norms; "Pre" once their weights are folded. */
  readonly normalizationType: "LN" | "LNPre" | "RMS" | "RMSPre" | null;
  /** The last norm is an RMS norm although the others aren't. */
  readonly finalRms: boolean;
  /** How the model knows positions: "rotary" and "shortformer" forbid some steps. */
  readonly positionalEmbeddingType: string;
  /** A bound on the logits; -1 for none. */
  readonly outputLogitsSoftCap: number;
  /** The heads that keys and values have; `null` when as many as queries. */
  readonly nKeyValueHeads: number | null;
  /** Queries and keys are normalised in each head. */
  readonly useQkNorm: boolean;
}

/** A configuration and the parameters that go with it. */
export interface Weights<C extends ProcessableConfig> {
  /** The configuration. */
  readonly cfg: C;
  /** The parameters. */
  readonly stateDict: StateDict;
}

/** Which steps to take; the defaults are TransformerLens'. */
export interface ProcessingOptions {
  /** Folds the weights and biases of norms into the matrices that read from them. Default true. */
  foldLn?: boolean;
  /** Takes the mean over dModel from all that writes to the residual stream. Default true. */
  centerWritingWeights?: boolean;
  /** Takes the mean over the vocabulary from the unembedding. Default true. */
  centerUnembed?: boolean;
  /** Moves the value biases into `b_O`. Default true. */
  foldValueBiases?: boolean;
  /** Makes queries and keys, and values and outputs, orthogonal factors. Default false. */
  refactorFactoredAttnMatrices?: boolean;
}

/** The configuration that a model has once its weights are processed: the norms that are folded away have no weights left. */
export function processedConfig<C extends ProcessableConfig>(
  cfg: C,
  { foldLn: folds = true }: ProcessingOptions = {},
): C {
  const { normalizationType: type, positionalEmbeddingType } = cfg;
  if (!folds || positionalEmbeddingType === "shortformer") return cfg;
  if (type !== "LN" && type !== "RMS") return cfg;
  return { ...cfg, normalizationType: type === "LN" ? "LNPre" : "RMSPre" };
}

/** What can be processed by itself: a block by its number, what stands before or behind the blocks, or everything. */
export type WeightPart = number | "embed" | "unembed" | "all";

/** The part that a parameter belongs to. */
export function partOf(name: string): Exclude<WeightPart, "all"> {
  const layer = /^blocks\.(\d+)\./.exec(name)?.[1];
  if (layer !== undefined) return Number(layer);
  return /^(unembed|ln_final)\./.test(name) ? "unembed" : "embed";
}

/** The blocks of a part. */
function blocksOf({ nLayers }: ProcessableConfig, part: WeightPart): number[] {
  if (typeof part === "number") return [part];
  return part === "all" ? Array.from({ length: nLayers }, (_, l) => l) : [];
}

/** Whose values a step may write over: those that processing has made, and those that the caller has done with. */
interface Own {
  readonly made: WeakSet<Float32Array>;
  readonly isGiven: (weight: WeightArray) => boolean;
}

/** Values that a step may change: a parameter's own where it may write over them, else a copy. */
function roomFor(weight: WeightArray, { made, isGiven }: Own): Float32Array {
  const { data } = weight;
  const room = made.has(data) || isGiven(weight) ? data : data.slice();
  made.add(room);
  return room;
}

/** Which part of a model is processed, and what of it may be written over. */
export interface PartOptions {
  /** The part that the parameters are; everything unless said. */
  readonly part?: WeightPart;
  /** Whether nobody needs the values of a parameter any more; nobody has said so of any unless said. */
  readonly isGiven?: (weight: WeightArray) => boolean;
}

/**
 * Processes weights in TransformerLens' order.
 *
 * @param cfg The model's configuration.
 * @param stateDict The parameters; left as they are, but for those whose values are given away.
 * @param options Which steps to take.
 * @param parts The part of a model that the parameters are, and which values may be written over.
 * @returns The configuration, `normalizationType` changed by folding, and new parameters.
 * @throws {ConfigError} If weights can't be processed so without changing what the model computes.
 */
export function processWeights<C extends ProcessableConfig>(
  cfg: C,
  stateDict: StateDict,
  options: ProcessingOptions = {},
  { part = "all", isGiven = () => false }: PartOptions = {},
): Weights<C> {
  const {
    foldLn: folds = true,
    centerWritingWeights: centersWriting = true,
    centerUnembed: centersUnembed = true,
    foldValueBiases: foldsValues = true,
    refactorFactoredAttnMatrices: refactors = false,
  } = options;
  // A shortformer's positions enter queries and keys after the norm, so nothing can be folded or centred through it;
  // TransformerLens leaves its unembedding alone as well.
  const isShortformer = cfg.positionalEmbeddingType === "shortformer";
  let weights: Weights<C> = { cfg, stateDict };
  const own: Own = { made: new WeakSet(), isGiven };
  if (!isShortformer) {
    if (folds) weights = foldLn(weights, part, own);
    if (centersWriting && hasCentringNorms(cfg)) {
      weights = centerWritingWeights(weights, part, own);
    }
    if (centersUnembed && (part === "all" || part === "unembed")) {
      weights = centerUnembed(weights, own);
    }
  }
  if (foldsValues) weights = foldValueBiases(weights, part);
  if (refactors) weights = refactorFactoredAttnMatrices(weights, part);
  return weights;
}

/** Whether every reader of the residual stream subtracts its mean, so that writers may drop theirs. */
function hasCentringNorms({ normalizationType, finalRms }: ProcessableConfig): boolean {
  return (normalizationType === "LN" || normalizationType === "LNPre") && !finalRms;
}

/** A norm of a block and the matrices that read from it, with their biases. */
interface Reading {
  readonly norm: string;
  readonly readers: readonly (readonly [weight: string, bias: string | undefined])[];
}

/** Who reads from the norms of a block; those that a model hasn't got are passed over. */
const BLOCK_READINGS: readonly Reading[] = [
  {
    norm: "ln1",
    readers: [
      ["attn.W_Q", "attn.b_Q"],
      ["attn.W_K", "attn.b_K"],
      ["attn._W_K", "attn._b_K"],
      ["attn.W_V", "attn.b_V"],
      ["attn._W_V", "attn._b_V"],
    ],
  },
  { norm: "ln2", readers: [["mlp.W_in", "mlp.b_in"]] },
];

/** In an MLP with a gate the one bias is added after the product, so that what a norm's bias adds has no place. */
const GATED_READING: Reading = {
  norm: "ln2",
  readers: [["mlp.W_in", undefined], ["mlp.W_gate", undefined]],
};

/**
 * Folds the norms' weights and biases into their readers: b += b_ln W, W *= w_ln over its input axis, and for layer norms
 * W -= mean over that axis. The norms' parameters are gone afterwards, and LN becomes LNPre, RMS RMSPre. Norms that follow attention
 * and MLP, those of heads and that of the embedding stay: no matrix reads from them alone.
 *
 * @param weights Configuration and parameters. Of another norm type they are given back as they are.
 * @throws {ConfigError} If a norm with a bias is to be folded into a gated MLP.
 */
function foldLn<C extends ProcessableConfig>(
  { cfg, stateDict }: Weights<C>,
  part: WeightPart,
  own: Own,
): Weights<C> {
  if (cfg.normalizationType !== "LN" && cfg.normalizationType !== "RMS") return { cfg, stateDict };
  const isLayerNorm = cfg.normalizationType === "LN";
  const dict = new Map(stateDict);
  for (const l of blocksOf(cfg, part)) {
    const path = (name: string) => `blocks.${l}.${name}`;
    const isGated = dict.has(path("mlp.W_gate"));
    const readings = BLOCK_READINGS.map((reading) =>
      isGated && reading.norm === "ln2" ? GATED_READING : reading
    );
    for (const { norm, readers } of readings) {
      const found = readers.map(([w, b]) => [path(w), b && path(b)] as const)
        .filter(([w]) => dict.has(w));
      foldNorm(dict, path(norm), found, isLayerNorm, own);
    }
    // The norm of a SoLU model's neurons is a layer norm whatever the others are.
    foldNorm(dict, path("mlp.ln"), [[path("mlp.W_out"), path("mlp.b_out")]], true, own);
  }
  foldNorm(dict, "ln_final", [["unembed.W_U", "unembed.b_U"]], isLayerNorm && !cfg.finalRms, own);
  return { cfg: processedConfig(cfg), stateDict: dict };
}

/** Folds one norm, if its parameters are there, into its readers. */
function foldNorm(
  dict: StateDict,
  norm: string,
  readers: Reading["readers"],
  centers: boolean,
  own: Own,
): void {
  const w = dict.get(`${norm}.w`)?.data;
  if (w === undefined) return;
  const b = dict.get(`${norm}.b`)?.data;
  for (const [weightName, biasName] of readers) {
    const weight = get(dict, weightName);
    if (b !== undefined && biasName !== undefined) {
      dict.set(biasName, biased(get(dict, biasName), b, weight));
    } else if (b?.some((value) => value !== 0)) {
      throw new ConfigError(
        `Cannot fold "${norm}" into "${weightName}": the norm has a bias, for which a gated MLP has no place; ` +
          "wanted foldLn false",
      );
    }
    dict.set(weightName, scaled(weight, w, centers, own));
  }
  dict.delete(`${norm}.w`);
  dict.delete(`${norm}.b`);
}

/**
 * Adds vector × matrix to a bias: bias[…, j] += sum_i x[i] matrix[…, i, j].
 *
 * @param bias The bias [outer…, columns].
 * @param x The vector [rows].
 * @param matrix The matrix [outer…, rows, columns].
 */
function biased(bias: WeightArray, x: Float32Array, matrix: WeightArray): WeightArray {
  const out = bias.data.slice();
  addProduct(out, x, matrix.data, extentsOf(matrix));
  return { shape: bias.shape, data: out };
}

/** Multiplies the rows of matrices [outer…, rows, columns] by a vector [rows], and may centre the columns over the rows. */
function scaled(
  matrix: WeightArray,
  w: Float32Array,
  centers: boolean,
  own: Own,
): WeightArray {
  const out = roomFor(matrix, own);
  scaleRows(out, extentsOf(matrix), w, centers);
  return { shape: matrix.shape, data: out };
}

/**
 * Takes the mean over dModel from embeddings, attention outputs and MLP outputs. The function stays the same where every norm
 * subtracts the mean.
 *
 * @param weights Configuration and parameters, of a model whose norms are all layer norms.
 */
function centerWritingWeights<C extends ProcessableConfig>(
  { cfg, stateDict }: Weights<C>,
  part: WeightPart,
  own: Own,
): Weights<C> {
  const dict = new Map(stateDict);
  const written = blocksOf(cfg, part).flatMap((l) =>
    ["attn.W_O", "attn.b_O", "mlp.W_out", "mlp.b_out"].map((name) => `blocks.${l}.${name}`)
  );
  for (const name of ["embed.W_E", "pos_embed.W_pos", ...written]) {
    const weight = dict.get(name);
    if (weight !== undefined) dict.set(name, centerLastAxis(weight, own));
  }
  return { cfg, stateDict: dict };
}

/**
 * Takes the mean over the vocabulary from `W_U` and `b_U`. Logits move by a constant per position, log-probabilities stay.
 *
 * @param weights Configuration and parameters. With a soft cap on the logits they are given back as they are.
 */
function centerUnembed<C extends ProcessableConfig>(
  { cfg, stateDict }: Weights<C>,
  own: Own,
): Weights<C> {
  // The cap isn't linear: a constant inside it would change the probabilities.
  if (cfg.outputLogitsSoftCap > 0) return { cfg, stateDict };
  const dict = new Map(stateDict);
  for (const name of ["unembed.W_U", "unembed.b_U"]) {
    dict.set(name, centerLastAxis(get(dict, name), own));
  }
  return { cfg, stateDict: dict };
}

function centerLastAxis(weight: WeightArray, own: Own): WeightArray {
  const out = roomFor(weight, own);
  centerRows(out, weight.shape[weight.shape.length - 1]);
  return { shape: weight.shape, data: out };
}

/**
 * Moves the value biases into the output bias, b_O += sum_{h,d} b_V[h, d] W_O[h, d, :], b_V = 0: patterns sum to one, so what
 * a value bias adds doesn't depend on where a head looks. A bias that heads share counts for each of them.
 *
 * @param weights Configuration and parameters.
 */
function foldValueBiases<C extends ProcessableConfig>(
  { cfg, stateDict }: Weights<C>,
  part: WeightPart,
): Weights<C> {
  const dict = new Map(stateDict);
  for (const l of blocksOf(cfg, part)) foldValueBias(dict, `blocks.${l}.attn`);
  return { cfg, stateDict: dict };
}

function foldValueBias(dict: StateDict, attn: string): void {
  const name = dict.has(`${attn}._b_V`) ? `${attn}._b_V` : `${attn}.b_V`;
  const bV = get(dict, name);
  const wO = get(dict, `${attn}.W_O`);
  const [heads, dHead, dModel] = wO.shape;
  const sharedBy = heads / bV.shape[0];
  const ofHeads = Float32Array.from(
    { length: heads * dHead },
    (_, i) => bV.data[Math.floor(i / dHead / sharedBy) * dHead + i % dHead],
  );
  // Heads and their dimensions are summed alike: W_O as one matrix [h d, m].
  const rows = { shape: [heads * dHead, dModel], data: wO.data };
  dict.set(`${attn}.b_O`, biased(get(dict, `${attn}.b_O`), ofHeads, rows));
  dict.set(name, { shape: bV.shape, data: new Float32Array(bV.data.length) });
}

/**
 * Rewrites each head's factors through singular value decompositions, products kept: with [W_Q; b_Q] [W_K; b_K]^T = U S V^T,
 * [W_Q; b_Q] = U √S and [W_K; b_K] = V √S; with W_V W_O = U S V^T, W_V = U S and W_O = V^T. Value biases are folded first,
 * since they don't survive the change of basis.
 *
 * @param weights Configuration and parameters.
 * @throws {ConfigError} If something acts between W_Q and W_K, or heads share W_K and W_V.
 */
function refactorFactoredAttnMatrices<C extends ProcessableConfig>(
  weights: Weights<C>,
  part: WeightPart,
): Weights<C> {
  const { positionalEmbeddingType, useQkNorm, nKeyValueHeads } = weights.cfg;
  const obstacles: readonly (readonly [boolean, string])[] = [
    [
      positionalEmbeddingType === "rotary",
      "positionalEmbeddingType is rotary, and rotations act between W_Q and W_K",
    ],
    [useQkNorm, "useQkNorm is true, and norms act between W_Q and W_K"],
    [nKeyValueHeads !== null, "nKeyValueHeads is given, and heads share W_K and W_V"],
  ];
  const [obstacle] = obstacles.filter(([isThere]) => isThere).map(([, reason]) => reason);
  if (obstacle !== undefined) {
    throw new ConfigError(
      `Cannot refactor the attention matrices: ${obstacle}; wanted refactorFactoredAttnMatrices false`,
    );
  }
  const { cfg, stateDict } = foldValueBiases(weights, part);
  const dict = new Map(stateDict);
  for (const l of blocksOf(cfg, part)) {
    refactorQueryKey(dict, `blocks.${l}.attn`);
    refactorValueOutput(dict, `blocks.${l}.attn`);
  }
  return { cfg, stateDict: dict };
}

function refactorQueryKey(dict: StateDict, attn: string): void {
  const parts = ["W_Q", "b_Q", "W_K", "b_K"].map((part) => copyOf(get(dict, `${attn}.${part}`)));
  const [wQ, bQ, wK, bK] = parts;
  const [nHeads, dModel, dHead] = wQ.shape;
  const withBias = (w: WeightArray, b: WeightArray, h: number): Columns =>
    headColumns(w, h).map((column, j) => Float64Array.of(...column, b.data[h * dHead + j]));
  for (let h = 0; h < nHeads; h++) {
    const { u, s, v } = productSvd(withBias(wQ, bQ, h), withBias(wK, bK, h));
    for (const [w, b, basis] of [[wQ, bQ, u], [wK, bK, v]] as const) {
      for (let j = 0; j < dHead; j++) {
        const root = Math.sqrt(s[j]);
        for (let i = 0; i < dModel; i++) {
          w.data[(h * dModel + i) * dHead + j] = root * basis[j][i];
        }
        b.data[h * dHead + j] = root * basis[j][dModel];
      }
    }
  }
  ["W_Q", "b_Q", "W_K", "b_K"].forEach((part, i) => dict.set(`${attn}.${part}`, parts[i]));
}

function refactorValueOutput(dict: StateDict, attn: string): void {
  const wV = copyOf(get(dict, `${attn}.W_V`));
  const wO = copyOf(get(dict, `${attn}.W_O`));
  const [nHeads, dModel, dHead] = wV.shape;
  for (let h = 0; h < nHeads; h++) {
    const { u, s, v } = productSvd(headColumns(wV, h), headRows(wO, h));
    for (let j = 0; j < dHead; j++) {
      for (let i = 0; i < dModel; i++) {
        wV.data[(h * dModel + i) * dHead + j] = s[j] * u[j][i];
        wO.data[(h * dHead + j) * dModel + i] = v[j][i];
      }
    }
  }
  dict.set(`${attn}.W_V`, wV);
  dict.set(`${attn}.W_O`, wO);
}

/** A head's matrix of weights [h, m, d], by its d columns. */
function headColumns({ shape: [, dModel, dHead], data }: WeightArray, h: number): Columns {
  return Array.from(
    { length: dHead },
    (_, j) => Float64Array.from({ length: dModel }, (_, i) => data[(h * dModel + i) * dHead + j]),
  );
}

/** A head's matrix of weights [h, d, m], by its d rows: the columns of its transpose. */
function headRows({ shape: [, dHead, dModel], data }: WeightArray, h: number): Columns {
  return Array.from({ length: dHead }, (_, j) => {
    const start = (h * dHead + j) * dModel;
    return Float64Array.from(data.subarray(start, start + dModel));
  });
}

function copyOf({ shape, data }: WeightArray): WeightArray {
  return { shape, data: data.slice() };
}

/** The last two axes of a tensor, and all before them as one. */
function extentsOf({ shape, data }: WeightArray): Extents {
  const [rows, columns] = shape.slice(-2);
  return { outer: data.length / (rows * columns), rows, columns };
}

function get(dict: StateDict, name: string): WeightArray {
  const weight = dict.get(name);
  if (weight === undefined) {
    throw new ConfigError(`Cannot process the weights: the parameter "${name}" is missing`);
  }
  return weight;
}
