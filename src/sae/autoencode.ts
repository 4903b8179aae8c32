/**
 * The path of an activation through an autoencoder, with its points and the error term.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { copyIn } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { Mode } from "../hooks/points.ts";
import type { GradientSums, RowValue, Tap } from "../hooks/tap.ts";
import { byMatrix } from "../hooks/learned.ts";
import type { SaeConfig } from "./config.ts";
import { CODE, type KindOps } from "./kinds/kind.ts";
import { SAE_KINDS } from "./kinds/registry.ts";
import { normalize, RESTORED } from "./normalize.ts";

/** The points of an autoencoder by their own names, in the order in which they fire. */
const SAE_POINTS = [
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

/** Why an SAE never comes past one of its points, by its own name; `undefined` when it may. */
export function whyNeverPassed({ architecture }: SaeConfig, point: string): string | undefined {
  const { whyNoPreActivations } = SAE_KINDS[architecture];
  return point === "hook_sae_acts_pre" ? whyNoPreActivations : undefined;
}

/** Why nobody knows the gradients of an SAE's parameters; `undefined` when they are known. */
export function whyNoParameterGradients(cfg: SaeConfig): string | undefined {
  if (!SAE_KINDS[cfg.architecture].isPlain) {
    return `gradients of the parameters of ${cfg.architecture} SAEs aren't known`;
  }
  return cfg.rescaleActsByDecoderNorm
    ? "its decoder's norms scale its codes (rescaleActsByDecoderNorm), and that part of the gradient isn't known"
    : undefined;
}

/** An autoencoder's arithmetic with the points it passes. */
export interface AutoencodeContext {
  readonly cfg: SaeConfig;
  readonly ops: KindOps;
  readonly names: SaeNames;
  readonly tap: Tap;
  /** What reaches the output beside the codes, where that is wanted. */
  readonly bypass: KindOps["bypass"];
  /** The gradients of its parameters; `undefined` where no run could ask for them. */
  readonly gradients?: GradientSums;
}

/** Joins the head axis of `hook_z` to the one after it, where the SAE reads it so. */
export function flattened(x: Handle, cfg: SaeConfig): Handle {
  if (cfg.reshapeActivations !== "hook_z") return x;
  const shape = Array.from(core().shape_of(x));
  const [heads, dHead] = shape.slice(-2);
  return core().reshape(x, Uint32Array.of(...shape.slice(0, -2), heads * dHead));
}

/** The same run without its points: nobody looks, nobody edits. */
function silentTap(tap: Tap): Tap {
  return {
    space: tap.space,
    isResumed: tap.isResumed,
    mode: () => Mode.idle,
    visit: (value) => value,
    observe: () => {},
    map: (name, inputs, operation) => tap.map(name, inputs, operation),
    made: (name, rows, compute) => tap.made(name, rows, compute),
    pick: (value, rows) => tap.pick(value, rows),
    whole: (value) => tap.whole(value),
    stage: () => {},
    count: () => {},
  };
}

/** Codes on their way to the decoder. */
export interface Encoded {
  readonly codes: RowValue;
  /** The codes before hooks saw them. */
  readonly unhooked: RowValue;
  /** Whether hooks changed what the codes were computed from. */
  readonly isInputChanged: boolean;
  /** The flattened input after its hooks: what scales are taken from. */
  readonly input: RowValue;
}

function visited(tap: Tap, value: RowValue): { value: RowValue; isChanged: boolean } {
  const after = tap.visit(value);
  const isSame = after === value ||
    (after.rows === value.rows && after.handle !== 0 &&
      core().same_buffer(after.handle, value.handle));
  return { value: after, isChanged: !isSame };
}

/** Applies an operation in which a row sees the positions before it. It always computes every row. */
function mapMixed(
  tap: Tap,
  name: string,
  input: RowValue,
  operation: (whole: Handle) => Handle,
): RowValue {
  const rows = tap.space.grown(input.rows);
  if (rows.isEmpty) return { name, rows, handle: 0 };
  const whole = operation(tap.whole(input));
  return { name, rows, handle: rows.isAll ? whole : core().take_rows(whole, rows.indices) };
}

/** An activation as it is encoded: normalised and, where the SAE says so, centred by `b_dec`. */
function prepared(x: Handle, cfg: SaeConfig, bDec: Handle): Handle {
  const { value } = normalize(x, cfg);
  return cfg.applyBDecToInput ? core().binary(CODE.sub, value, bDec) : value;
}

/** Pre-activations, where gradients of parameters are wanted. */
function learnedPre(
  { cfg, ops, names, tap, gradients }: AutoencodeContext,
  pre: (x: Handle) => Handle,
  input: RowValue,
): RowValue {
  const name = `${names.hook_sae_input} (as it is encoded)`;
  const x = tap.map(name, [input], (x) => prepared(x, cfg, ops.bDec));
  const subtracted = (gradient: Tensor) => [["b_dec", gradient.sum(0).neg()] as const];
  const marked = cfg.applyBDecToInput ? tap.learned?.(x, () => subtracted, gradients) ?? x : x;
  const made = tap.map(names.hook_sae_acts_pre, [marked], pre);
  return byMatrix(tap, made, marked, { weight: "W_enc", bias: "b_enc" }, gradients);
}

/**
 * Encodes activations, passing `hook_sae_input`, `hook_sae_acts_pre` and `hook_sae_acts_post`.
 *
 * @param x Activations [rows, ...].
 */
export function encode(context: AutoencodeContext, x: RowValue): Encoded {
  const { cfg, ops, names, tap } = context;
  const flat = tap.map(names.hook_sae_input, [x], (x) => flattened(x, cfg));
  const { value: input, isChanged } = visited(tap, flat);
  tap.count(input.rows.count * cfg.dIn * cfg.dSae);
  const { halves } = ops;
  const ready = (x: Handle) => prepared(x, cfg, ops.bDec);
  const map = SAE_KINDS[cfg.architecture].mixesPositions
    ? (name: string, operation: (x: Handle) => Handle) => mapMixed(tap, name, input, operation)
    : (name: string, operation: (x: Handle) => Handle) => tap.map(name, [input], operation);
  const post = names.hook_sae_acts_post;
  let isPreChanged = false;
  let unhooked: RowValue;
  if (!halves || (tap.mode(names.hook_sae_acts_pre) === Mode.idle && !tap.learned)) {
    unhooked = map(post, (x) => ops.encode(ready(x), tap.space));
  } else {
    const half = (x: Handle) => halves.pre(x, tap.space);
    const pre = visited(
      tap,
      tap.learned
        ? learnedPre(context, half, input)
        : map(names.hook_sae_acts_pre, (x) => half(ready(x))),
    );
    isPreChanged = pre.isChanged;
    unhooked = tap.map(post, [pre.value, input], (pre, x) => halves.post(pre, () => ready(x)));
  }
  return { codes: tap.visit(unhooked), unhooked, input, isInputChanged: isChanged || isPreChanged };
}

/**
 * Decodes codes, passing `hook_sae_recons`, and brings them into the shape of the activations.
 *
 * @param codes Codes [rows, dSae].
 * @param input The flattened input, from which scales are taken.
 * @param tail The output's axes behind the rows.
 */
export function decode(
  { cfg, ops, names, tap, bypass, gradients }: AutoencodeContext,
  codes: RowValue,
  input: RowValue,
  tail: readonly number[],
): { recons: RowValue; output: RowValue; isChanged: boolean } {
  const decoded = tap.map(names.hook_sae_recons, [codes], (f) => ops.decode(f));
  const { value: recons, isChanged } = visited(
    tap,
    byMatrix(tap, decoded, codes, { weight: "W_dec", bias: "b_dec" }, gradients),
  );
  // A transcoder's output lives elsewhere: its input's scale isn't given back (SAELens).
  const isScaled = RESTORED.has(cfg.normalizeActivations) &&
    !SAE_KINDS[cfg.architecture].isTranscoder;
  const shaped = (y: Handle) => core().reshape(y, Uint32Array.of(core().shape_of(y)[0], ...tail));
  const name = `${names.hook_sae_output} (reconstruction)`;
  const beside = bypass && ((x: Handle) => bypass(x, () => prepared(x, cfg, ops.bDec), tap.space));
  const output = isScaled || beside
    ? tap.map(name, [recons, input], (y, x) => {
      const whole = beside ? core().binary(CODE.add, y, beside(x)) : y;
      return shaped(isScaled ? normalize(x, cfg).restore(whole) : whole);
    })
    : tap.map(name, [recons], shaped);
  return { recons, output: tap.visit(output), isChanged };
}

/** How an autoencoder is spliced in. */
export interface SpliceMode {
  readonly useErrorTerm: boolean;
  /** Whether the error lets gradients through to the value it replaces. */
  readonly errorGrad: "detach" | "passthrough";
  /** Flags of the rows that pass unchanged; `undefined` for none. */
  readonly excluded: Uint8Array | undefined;
  /** The output's axes behind the rows, where they aren't those of the value that is replaced. */
  readonly tail?: readonly number[];
}

/** A value's axes behind the rows. */
function tailOf(tap: Tap, value: RowValue): readonly number[] {
  const shown = value.rows.isEmpty ? tap.whole(value) : value.handle;
  return Array.from(core().shape_of(shown).subarray(1));
}

/** Picks `a` in flagged rows and `b` elsewhere. */
export function atExcluded(
  tap: Tap,
  excluded: Uint8Array | undefined,
  a: RowValue | "zero",
  b: RowValue,
): RowValue {
  if (!excluded) return b;
  const rows = a === "zero" ? b.rows : tap.space.union(a.rows, b.rows);
  if (rows.isEmpty) return b;
  const value = tap.pick(b, rows);
  const flags = Uint8Array.from(rows.indices, (row) => excluded[row]);
  const trailing = core().shape_of(value).length - 1;
  const mask = copyIn(flags, [rows.count, ...Array<number>(trailing).fill(1)], "bool");
  const other = a === "zero" ? copyIn(new Float32Array([0]), [], "float32") : tap.pick(a, rows);
  return { ...b, rows, handle: core().select_where(mask, other, value) };
}

function detached(value: RowValue): RowValue {
  return value.rows.isEmpty ? value : { ...value, handle: core().detach(value.handle) };
}

/** The reconstruction that no hook touches. */
function untouched(context: AutoencodeContext, x: RowValue, tail: readonly number[]): RowValue {
  const silent = { ...context, tap: silentTap(context.tap) };
  const { codes, input } = encode(silent, x);
  return decode(silent, codes, input, tail).output;
}

/** What one pass leaves: the output, and what it would be without hooks (values only, no recording). */
function passage(
  context: AutoencodeContext,
  x: RowValue,
  tail: readonly number[],
): { output: RowValue; clean: RowValue } {
  const encoded = encode(context, x);
  const { output, isChanged } = decode(context, encoded.codes, encoded.input, tail);
  if (encoded.isInputChanged) return { output, clean: untouched(context, detached(x), tail) };
  const { codes, unhooked, input } = encoded;
  const isSame = codes === unhooked ||
    (codes.rows === unhooked.rows && codes.handle !== 0 &&
      core().same_buffer(codes.handle, unhooked.handle));
  if (isSame && !isChanged) return { output, clean: detached(output) };
  const silent = { ...context, tap: silentTap(context.tap) };
  return { output, clean: decode(silent, detached(unhooked), detached(input), tail).output };
}

/**
 * Computes what takes the place of `original`: the reconstruction of `input`, with the error term `original - clean` where asked.
 *
 * The error is a constant for gradients (Marks et al. 2024, A.3; SAELens), except with `errorGrad: "passthrough"`; its node has a
 * gradient in both. A row that no hook changed gives back `original` itself, bit for bit.
 *
 * @param input The value that is encoded, [rows, ...].
 * @param original The value that is replaced, [rows, ...].
 */
export function splicedOutput(
  context: AutoencodeContext,
  input: RowValue,
  original: RowValue,
  { useErrorTerm, errorGrad, excluded, tail }: SpliceMode,
): RowValue {
  const { names, tap, cfg } = context;
  const isDetached = errorGrad === "detach";
  const isRecorded = !input.rows.isEmpty && core().node_of(input.handle) !== 0;
  const isIdle = SAE_POINTS.every((point) => tap.mode(names[point]) === Mode.idle);
  const isWanted = tap.learned !== undefined || (isRecorded && isDetached);
  if (useErrorTerm && isIdle && !isWanted) return original;

  const axes = tail ?? tailOf(tap, original);
  const { output, clean: silent } = passage(context, input, axes);
  if (!useErrorTerm) {
    return tap.visit({
      ...atExcluded(tap, excluded, original, output),
      name: names.hook_sae_output,
    });
  }
  const clean = isDetached ? silent : untouched(context, input, axes);
  const from = isDetached ? detached(original) : original;
  const missed = tap.map(
    names.hook_sae_error,
    [from, clean],
    (x, y) => core().binary(CODE.sub, x, y),
  );
  const cleanError = atExcluded(tap, excluded, "zero", missed);
  const error = tap.visit(cleanError);
  const row = cfg.dOut ?? cfg.dIn;
  const merged = tap.map(
    names.hook_sae_output,
    [original, clean, cleanError, output, error],
    (x, cleanY, cleanE, y, e) => core().merge_error(x, cleanY, cleanE, y, e, row),
  );
  return tap.visit(atExcluded(tap, excluded, original, merged));
}
