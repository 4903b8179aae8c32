/**
 * Temporal autoencoders (Lubana et al. 2025): attention over the codes of the positions before predicts a part of each activation,
 * and the codes are of what it doesn't predict.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { copyIn } from "../../core/scope.ts";
import type { ParameterStore } from "../../weights/parameter_store.ts";
import type { SaeConfig } from "../config.ts";
import { CODE, encoder, type Grid, type SaeKind, type SaeShapes, sumLast } from "./kind.ts";

/** What SAELens 6.54 adds to the length of a prediction. */
const LENGTH_EPS = 1e-6;

/** Below this a square is none: the gradient of its root would be infinite. */
const TINY = 1e-30;

/** Maps codes of the positions before, and of this one, to codes: [rows, dSae]. */
type Attend = (context: Handle, target: Handle, grid: Grid) => Handle;

const PROJECTIONS = ["k_ctx", "q_target", "v_ctx", "c_proj"] as const;

function attentionShapes(cfg: SaeConfig, layer: number): SaeShapes {
  const { dSae, bottleneckFactor = 1 } = cfg;
  const width = dSae / bottleneckFactor;
  const rows = { k_ctx: width, q_target: width, v_ctx: dSae, c_proj: dSae };
  return Object.fromEntries(PROJECTIONS.flatMap((name) => [
    [`attn_layers.${layer}.${name}.weight`, [rows[name], dSae]],
    [`attn_layers.${layer}.${name}.bias`, [rows[name]]],
  ]));
}

/** True where a key is at or before the query, [pos, pos]. */
function causalMask(nPos: number): Handle {
  const mask = Uint8Array.from(
    { length: nPos * nPos },
    (_, i) => i % nPos <= Math.floor(i / nPos) ? 1 : 0,
  );
  return copyIn(mask, [nPos, nPos], "bool");
}

/** Causal softmax attention with scores scaled by the root of the keys' width. */
function attention(store: ParameterStore, cfg: SaeConfig, layer: number): Attend {
  const { nHeads = 1 } = cfg;
  const shapes = attentionShapes(cfg, layer);
  const projection = (name: typeof PROJECTIONS[number]) => {
    const path = `attn_layers.${layer}.${name}`;
    const [width] = shapes[`${path}.weight`];
    const weight = store.packed(`${path}.weight`, { transposed: true });
    return encoder(weight, store.plain(`${path}.bias`), width);
  };
  const [key, query, value, output] = PROJECTIONS.map(projection);
  /** [rows, head * d] to [batch, head, pos, d]. */
  const byHead = (x: Handle, { batch, nPos }: Grid) => {
    const width = core().shape_of(x)[1] / nHeads;
    const split = core().reshape(x, Uint32Array.of(batch, nPos, nHeads, width));
    return core().permute(split, Uint32Array.of(0, 2, 1, 3));
  };
  return (context, target, grid) => {
    const [k, q, v] = [key(context), query(target), value(context)].map((x) => byHead(x, grid));
    const scale = 1 / Math.sqrt(core().shape_of(k)[3]);
    const products = core().matmul(q, core().permute(k, Uint32Array.of(0, 1, 3, 2)));
    const scores = core().select_where(
      causalMask(grid.nPos),
      core().with_scalar(CODE.mulScalar, products, scale),
      copyIn(new Float32Array([-Infinity]), [], "float32"),
    );
    const mixed = core().permute(
      core().matmul(core().softmax(scores, 3), v),
      Uint32Array.of(0, 2, 1, 3),
    );
    return output(core().reshape(mixed, core().shape_of(target)));
  };
}

/** Each text's rows moved on by one position, zeros in front. */
function shifted(codes: Handle, { batch, nPos }: Grid): Handle {
  const [rows, dSae] = core().shape_of(codes);
  const grid = core().reshape(codes, Uint32Array.of(batch, nPos, dSae));
  const zeros = copyIn(new Float32Array(batch * dSae), [batch, 1, dSae], "float32");
  const longer = core().cat(Uint32Array.of(zeros, grid), 1);
  const positions = copyIn(Int32Array.from({ length: nPos }, (_, i) => i), [nPos], "int32");
  return core().reshape(
    core().index_select(longer, 1, positions),
    Uint32Array.of(rows, dSae),
  );
}

/** How much of a prediction is in the residual, `(p r) / (|p| + eps)^2` [rows, 1]. */
function share(prediction: Handle, residual: Handle): Handle {
  const squares = sumLast(core().binary(CODE.mul, prediction, prediction));
  const length = core().with_scalar(
    CODE.addScalar,
    core().unary(CODE.sqrt, core().clamp(squares, TINY, Infinity)),
    LENGTH_EPS,
  );
  return core().binary(
    CODE.div,
    sumLast(core().binary(CODE.mul, prediction, residual)),
    core().binary(CODE.mul, length, length),
  );
}

/**
 * The novel codes. {@linkcode HookedSAE.forward} adds what was predicted; the splice, as SAELens', has the novel codes alone, so that
 * a temporal SAE wants its error term.
 */
export const TEMPORAL: SaeKind = {
  ownKeys: [
    "n_heads",
    "n_attn_layers",
    "bottleneck_factor",
    "sae_diff_type",
    "kval_topk",
    "tied_weights",
    "activation_normalization_factor",
  ],
  readOwn: (fields) => ({
    nHeads: fields.optionalCount("n_heads") ?? 8,
    nAttnLayers: fields.optionalCount("n_attn_layers") ?? 1,
    bottleneckFactor: fields.optionalCount("bottleneck_factor") ?? 64,
    saeDiffType: fields.oneOf("sae_diff_type", ["topk", "relu"], "topk"),
    kvalTopk: fields.optionalCount("kval_topk"),
    tiedWeights: fields.optional("tied_weights", "boolean") ?? true,
    activationNormalizationFactor: fields.optional("activation_normalization_factor", "number") ??
      1,
  }),
  appliesBDec: true,
  isTranscoder: false,
  shapes: (cfg) => {
    const { dIn, dSae, tiedWeights, nAttnLayers = 1 } = cfg;
    const layers = Array.from({ length: nAttnLayers }, (_, layer) => attentionShapes(cfg, layer));
    return {
      W_dec: [dSae, dIn],
      ...tiedWeights ? {} : { W_enc: [dIn, dSae] },
      b_dec: [dIn],
      ...Object.assign({}, ...layers),
    };
  },
  scaledByNorm: [],
  shifted: {},
  whyTied: "its predictions depend on the codes' scale",
  whyUnscalable: "its predictions depend on the codes' scale",
  mixesPositions: true,
  splicesCodesAlone: true,
  load(store, cfg) {
    const { dIn, dSae, tiedWeights, applyBDecToInput, saeDiffType, kvalTopk } = cfg;
    const wDec = store.packed("W_dec");
    const wEnc = tiedWeights ? store.packedTranspose("W_dec") : store.packed("W_enc");
    const bDec = store.plain("b_dec");
    const layers = Array.from(
      { length: cfg.nAttnLayers ?? 1 },
      (_, layer) => attention(store, cfg, layer),
    );
    const encoded = encoder(wEnc, 0, dSae);
    const decoded = encoder(wDec, 0, dIn);
    const codesOf = (x: Handle, act?: number) =>
      encoded(core().with_scalar(CODE.mulScalar, x, 1 / (4 * dIn)), act);
    /** What the layers leave of an input, and what they predicted of it: [rows, dIn] each. */
    const parts = (x: Handle, grid: Grid) => {
      let residual = x;
      let predicted = 0;
      for (const attend of layers) {
        const input = codesOf(residual, CODE.relu);
        const codes = core().activate(CODE.relu, attend(shifted(input, grid), input, grid));
        const prediction = decoded(codes);
        const part = core().binary(CODE.mul, share(prediction, residual), prediction);
        predicted = predicted ? core().binary(CODE.add, predicted, part) : part;
        residual = core().binary(CODE.sub, residual, part);
      }
      return { residual, predicted };
    };
    const pre = (x: Handle, grid: Grid) => codesOf(parts(x, grid).residual);
    const post = (pre: Handle) =>
      saeDiffType === "topk" && kvalTopk !== undefined
        ? core().topk_relu(pre, kvalTopk)
        : core().activate(CODE.relu, pre);
    const hasBias = !tiedWeights || applyBDecToInput;
    return {
      bDec,
      encode: (x, grid) => post(pre(x, grid)),
      halves: { pre, post },
      decode: (codes) => core().decode(codes, wDec, hasBias ? bDec : 0),
      ...layers.length > 0 ? { bypass: (_, x, grid) => parts(x(), grid).predicted } : {},
    };
  },
};
