/**
 * Splices: modules whose output takes a value's place during a run.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import type { PointInfo } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";

/** Whether the error term lets gradients through to the value that was replaced. */
export type ErrorGrad = "detach" | "passthrough";

/** What a splice is told about a run. */
export interface SpliceContext {
  readonly tap: Tap;
  /** Rows that pass unchanged, one flag each, [batch * pos]; `undefined` for none. */
  readonly excluded: Uint8Array | undefined;
}

/** One of a splice's own points. */
export interface SplicePoint {
  readonly info: PointInfo;
  readonly point: HookPoint;
  /** Why the module never comes past it; `undefined` when it may. */
  readonly unreachable?: string;
}

/** A module attached to a model: anything that turns the value at a point into another of its shape. */
export interface Splice {
  /** What the user spliced in. */
  readonly module: { readonly cfg: { readonly hookName: string }; forward(x: Tensor): Tensor };
  /** Says what was attached and how, so that runs with the same splices know each other. */
  readonly signature: string;
  /** The point whose value it reads. */
  readonly inName: string;
  /** The point whose value it replaces. */
  readonly outName: string;
  /** Whether the error term is added. */
  readonly useErrorTerm: boolean;
  /** Whether that lets gradients through. */
  readonly errorGrad: ErrorGrad;
  /** Tokens at which the value passes unchanged: ids, or the tokenizer's special ones. */
  readonly excludeSpecialTokens: boolean | readonly number[];
  /** Whether what it gives at a position depends on the positions before. */
  readonly mixesPositions: boolean;
  /** Its own points under their full names, in the order in which they fire. */
  readonly points: readonly SplicePoint[];
  /**
   * Computes what takes the value's place.
   *
   * @param input The value at `inName`, [rows, ...].
   * @param original The value at `outName`, [rows, ...].
   */
  run(context: SpliceContext, input: RowValue, original: RowValue): RowValue;
}
