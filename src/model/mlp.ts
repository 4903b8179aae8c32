/**
 * The MLP half of a block.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import type { Activation } from "./activation.ts";
import type { Projection } from "./attention.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { byMatrix } from "../hooks/learned.ts";
import { beforeNorm, norm, type NormWeights } from "./norm.ts";
import type { BlockNames } from "./points.ts";

/** The weights of an MLP. */
export interface MlpWeights {
  /** Without gate, what the activation function is applied to; with one, what it is multiplied by. */
  readonly in: Projection;
  /** What the activation function is applied to, in an MLP with a gate; it has no bias, and that of `in` is added last. */
  readonly gate: Projection | undefined;
  readonly out: Projection;
  readonly act: Activation;
  /** The norm of the neurons, in SoLU models. */
  readonly norm: NormWeights | undefined;
  /** The norm of what the MLP adds to the residual stream, where there is one. */
  readonly postNorm: NormWeights | undefined;
}

const [ADD, MUL] = [0, 2];

/** The core's product of rows with a matrix of [dModel, dMlp]. */
function project(
  { weight, bias }: Pick<Projection, "weight" | "bias">,
  x: Handle,
  { dMlp }: HookedTransformerConfig,
  activation = 0,
): Handle {
  return core().linear(x, weight, bias, 1, Uint32Array.of(dMlp ?? 0), activation);
}

/**
 * Computes the neurons' activations from the residual stream, [rows, dMlp].
 *
 * @param resid The residual stream that the MLP reads, [rows, dModel].
 */
export function mlpIn(
  tap: Tap,
  names: BlockNames,
  resid: RowValue,
  ln2: NormWeights | undefined,
  w: MlpWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  const input = tap.mode(names.mlpIn) === Mode.idle
    ? resid
    : tap.visit({ ...resid, name: names.mlpIn });
  const x = tap.visit({ ...norm(tap, input, names.ln2, ln2), name: names.mlpHookIn });
  tap.count(x.rows.count * cfg.dModel * (cfg.dMlp ?? 0) * (w.gate ? 2 : 1));
  if (w.gate) return tap.visit(gated(tap, names, x, w, w.gate, cfg));
  if (w.norm) return normalized(tap, names, activated(tap, names, names.mid, x, w, cfg), w.norm);
  return tap.visit(activated(tap, names, names.post, x, w, cfg));
}

function activated(
  tap: Tap,
  names: BlockNames,
  name: string,
  x: RowValue,
  w: MlpWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  if (tap.mode(names.pre) === Mode.idle && !tap.learned) {
    return tap.map(name, [x], (x) => w.act.after((act) => project(w.in, x, cfg, act)));
  }
  const made = tap.map(names.pre, [x], (x) => project(w.in, x, cfg));
  const pre = tap.visit(byMatrix(tap, made, x, w.in.names));
  return tap.map(name, [pre], (pre) => w.act.of(pre));
}

/** The neurons' own norm comes after the activation function (SoLU; Elhage et al., 2022). */
function normalized(
  tap: Tap,
  names: BlockNames,
  mid: RowValue,
  weights: NormWeights,
): RowValue {
  return tap.visit({ ...norm(tap, tap.visit(mid), names.mlpLn, weights), name: names.post });
}

/** `act(x W_gate) · (x W_in) + b_in`. */
function gated(
  tap: Tap,
  names: BlockNames,
  x: RowValue,
  w: MlpWeights,
  gate: Projection,
  cfg: HookedTransformerConfig,
): RowValue {
  const linear = { weight: w.in.weight, bias: 0 };
  const product = (a: Handle, b: Handle) => core().binary(ADD, core().binary(MUL, a, b), w.in.bias);
  const mode = Math.max(tap.mode(names.pre), tap.mode(names.preLinear));
  if (mode === Mode.idle && !tap.learned) {
    return tap.map(
      names.post,
      [x],
      (x) => product(w.act.after((act) => project(gate, x, cfg, act)), project(linear, x, cfg)),
    );
  }
  const made = (name: string, from: Pick<Projection, "weight" | "bias">, weight?: string) =>
    tap.visit(byMatrix(tap, tap.map(name, [x], (x) => project(from, x, cfg)), x, { weight }));
  const pre = made(names.pre, gate, gate.names.weight);
  const preLinear = made(names.preLinear, linear, w.in.names.weight);
  const post = tap.map(names.post, [pre, preLinear], (a, b) => product(w.act.of(a), b));
  return byMatrix(tap, post, x, { bias: w.in.names.bias });
}

/** Computes what the MLP adds to the residual stream, [rows, dModel]. */
export function mlpOut(
  tap: Tap,
  names: BlockNames,
  post: RowValue,
  w: MlpWeights,
  cfg: HookedTransformerConfig,
): RowValue {
  tap.count(post.rows.count * cfg.dModel * (cfg.dMlp ?? 0));
  const { weight, bias, names: parameters } = w.out;
  const dims = Uint32Array.of(cfg.dModel);
  const out = (name: string) => {
    const made = tap.map(name, [post], (post) => core().linear(post, weight, bias, 1, dims, 0));
    return tap.visit(byMatrix(tap, made, post, parameters));
  };
  if (!w.postNorm) return out(names.mlpOut);
  const normed = norm(tap, out(beforeNorm(names.mlpOut)), names.ln2Post, w.postNorm);
  return tap.visit({ ...normed, name: names.mlpOut });
}
