/**
 * The path of an activation through an autoencoder, with its points and the error term.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { copyIn } from "../core/scope.ts";
import { Mode } from "../hooks/points.ts";
import type { Tap } from "../hooks/tap.ts";
import type { SaeConfig } from "./config.ts";
import { CODE, type KindOps } from "./kinds/kind.ts";
import { normalize } from "./normalize.ts";

/** The points of an autoencoder by their own names, in the order in which they fire. */
export const SAE_POINTS = [
  "hook_sae_input",
  "hook_sae_acts_pre",
  "hook_sae_acts_post",
  "hook_sae_recons",
  "hook_sae_error",
  "hook_sae_output",
] as const;

/** The full names of an autoencoder's points in a model, or its own names alone. */
export type SaeNames = Readonly<Record<typeof SAE_POINTS[number], string>>;

/** The names under a prefix, which is empty for an autoencoder by itself. */
export function saeNames(prefix: string): SaeNames {
  const named = SAE_POINTS.map((point) => [point, prefix ? `${prefix}.${point}` : point]);
  return Object.fromEntries(named) as SaeNames;
}

/** An autoencoder's arithmetic with the points it passes. */
export interface AutoencodeContext {
  readonly cfg: SaeConfig;
  readonly ops: KindOps;
  readonly names: SaeNames;
  readonly tap: Tap;
}

/** What one pass leaves. */
interface Passage {
  /** The reconstruction, scaled back and in the input's shape. */
  readonly output: Handle;
  /** The same without what hooks changed on the way; values only, no recording. */
  readonly clean: Handle;
}

/** A tap at which nobody is. */
export const SILENT: Tap = {
  mode: () => Mode.idle,
  visit: (_, value) => value,
  observe: () => {},
  stage: () => {},
  count: () => {},
};

/** Joins the head axis of `hook_z` to the one after it, where the SAE reads it so. */
export function flattened(x: Handle, cfg: SaeConfig): Handle {
  if (cfg.reshapeActivations !== "hook_z") return x;
  const shape = core().shape_of(x);
  return core().reshape(x, Uint32Array.of(...shape.subarray(0, -2), shape.at(-1)! * shape.at(-2)!));
}

/** Encodes activations, passing `hook_sae_input`, `hook_sae_acts_pre` and `hook_sae_acts_post`. */
export function encode(context: AutoencodeContext, x: Handle): { codes: Handle; restore: (recons: Handle) => Handle } {
  const { cfg, ops, names, tap } = context;
  const input = tap.visit(names.hook_sae_input, flattened(x, cfg));
  const { value, restore } = normalize(input, cfg);
  const centered = cfg.applyBDecToInput ? core().binary(CODE.sub, value, ops.bDec) : value;
  const name = names.hook_sae_acts_pre;
  const rows = core().shape_of(centered).subarray(0, -1).reduce((n, m) => n * m, 1);
  tap.count(rows * cfg.dIn * cfg.dSae);
  const codes = ops.encode(centered, {
    isIdle: tap.mode(name) === Mode.idle,
    visit: (pre) => tap.visit(name, pre),
  });
  return { codes: tap.visit(names.hook_sae_acts_post, codes), restore };
}

/** Decodes codes, passing `hook_sae_recons`, and brings them into the shape of the activations. */
export function decode(
  { cfg, ops, names, tap }: AutoencodeContext,
  codes: Handle,
  shape: Uint32Array,
  restore: (recons: Handle) => Handle,
): Handle {
  const recons = tap.visit(names.hook_sae_recons, ops.decode(codes));
  // A transcoder's output lives elsewhere: its input's scale isn't given back (SAELens).
  return core().reshape(cfg.architecture === "transcoder" ? recons : restore(recons), shape);
}

/** A tap that notices whether hooks changed a value. */
class Noticing implements Tap {
  changed = false;
  readonly #inner: Tap;

  constructor(inner: Tap) {
    this.#inner = inner;
  }

  mode(name: string): Mode {
    return this.#inner.mode(name);
  }

  visit(name: string, value: Handle): Handle {
    const after = this.#inner.visit(name, value);
    if (after !== value && !core().same_buffer(after, value)) this.changed = true;
    return after;
  }

  observe(name: string, value: Handle): void {
    this.#inner.observe(name, value);
  }

  stage(name: string): void {
    this.#inner.stage(name);
  }

  count(multiplyAdds: number): void {
    this.#inner.count(multiplyAdds);
  }
}

/**
 * Runs an autoencoder with and, where hooks changed something, without its hooks.
 *
 * @param shape The shape of the output.
 * @param isCleanWanted Whether the clean reconstruction will be used.
 */
function passage(context: AutoencodeContext, x: Handle, shape: Uint32Array, isCleanWanted: boolean): Passage {
  const tap = new Noticing(context.tap);
  const noticing = { ...context, tap };
  const { codes, restore } = encode(noticing, x);
  const output = decode(noticing, codes, shape, restore);
  if (!isCleanWanted || !tap.changed) return { output, clean: core().detach(output) };
  return { output, clean: cleanOutput(context, core().detach(x), shape) };
}

/** The reconstruction that no hook touches. */
function cleanOutput(context: AutoencodeContext, x: Handle, shape: Uint32Array): Handle {
  const silent = { ...context, tap: SILENT };
  const { codes, restore } = encode(silent, x);
  return decode(silent, codes, shape, restore);
}

/** How an autoencoder is spliced in. */
export interface SpliceMode {
  readonly useErrorTerm: boolean;
  /** Whether the error lets gradients through to the value it replaces. */
  readonly errorGrad: "detach" | "passthrough";
  /** Flags of positions that pass unchanged, [batch, pos]; 0 for none. */
  readonly excluded: Handle;
}

/** Picks `a` at flagged positions and `b` elsewhere. */
function atExcluded(excluded: Handle, a: Handle, b: Handle): Handle {
  if (!excluded) return b;
  const [batch, pos] = core().shape_of(excluded);
  const trailing = core().shape_of(b).length - 2;
  const flags = core().reshape(excluded, Uint32Array.of(batch, pos, ...Array<number>(trailing).fill(1)));
  return core().select_where(flags, a, b);
}

/**
 * Computes what takes the place of `original`: the reconstruction of `input`, with the error term `original - clean` where asked.
 *
 * The error is a constant for gradients (Marks et al. 2024, A.3; SAELens), except with `errorGrad: "passthrough"`; its node has a
 * gradient in both. A position that no hook changed gives back `original` itself, bit for bit.
 */
export function splicedOutput(
  context: AutoencodeContext,
  input: Handle,
  original: Handle,
  { useErrorTerm, errorGrad, excluded }: SpliceMode,
): Handle {
  const { names, tap, cfg } = context;
  const shape = core().shape_of(original);
  if (!useErrorTerm) {
    const { output } = passage(context, input, shape, false);
    return tap.visit(names.hook_sae_output, atExcluded(excluded, original, output));
  }
  const isWatched = core().node_of(input) !== 0 && errorGrad === "detach";
  const isIdle = SAE_POINTS.every((point) => tap.mode(names[point]) === Mode.idle);
  if (isIdle && !isWatched) return original;

  const { output, clean: silent } = passage(context, input, shape, errorGrad === "detach");
  const isPassthrough = errorGrad === "passthrough";
  const clean = isPassthrough ? cleanOutput(context, input, shape) : silent;
  const from = isPassthrough ? original : core().detach(original);
  const zero = excluded ? copyIn(new Float32Array([0]), [], "float32") : 0;
  const cleanError = atExcluded(excluded, zero, core().binary(CODE.sub, from, clean));
  const error = tap.visit(names.hook_sae_error, cleanError);
  const merged = core().merge_error(original, clean, cleanError, output, error, cfg.dOut ?? cfg.dIn);
  return tap.visit(names.hook_sae_output, atExcluded(excluded, original, merged));
}
