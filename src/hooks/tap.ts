/**
 * What the forward pass knows of a run: values passing points, row by row.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import type { Rows, RowSpace } from "../core/rows.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Mode } from "./points.ts";

/**
 * A value on its way: the rows that may differ from the base run's value of this name. Without a base run the rows are all.
 */
export interface RowValue {
  /** The point at which the value is, or another name under which the base run knows it. */
  readonly name: string;
  readonly rows: Rows;
  /** The rows, [rows.count, ...]; 0 when there are none. */
  readonly handle: Handle;
}

/** Where gradients of parameters are added up. */
export interface GradientSums {
  /** Adds the gradient of a parameter. */
  add(name: string, gradient: Tensor): void;
}

/** Turns the gradient of a value that parameters made, [rows, ...], into theirs, by name. */
export type GradientRule = (
  gradient: Tensor,
) => readonly (readonly [parameter: string, gradient: Tensor])[];

/** A run, as the parts of the forward pass see it. */
export interface Tap {
  /** The rows that there are. */
  readonly space: RowSpace;
  /** Whether a base run's values stand for the rows that aren't computed. */
  readonly isResumed: boolean;
  /** Whether nothing holds on to a block's values once the next one has begun; false unless said. */
  readonly isPassing?: boolean;
  /** What a point asks for. */
  mode(name: string): Mode;
  /** Passes a value through the point of its name: hooks, cache, splice. */
  visit(value: RowValue): RowValue;
  /** Shows a value that nobody may change. */
  observe(value: RowValue): void;
  /** Applies an operation to the rows in which any input differs. */
  map(
    name: string,
    inputs: readonly RowValue[],
    operation: (...handles: Handle[]) => Handle,
  ): RowValue;
  /** Makes a value of some rows; where a run is only foreseen, nothing is computed. */
  made(name: string, rows: Rows, compute: () => Handle): RowValue;
  /** A value's rows, the base run's where it doesn't differ: [rows.count, ...]. */
  pick(value: RowValue, rows: Rows): Handle;
  /** All of a value's rows: [batch * pos, ...]. */
  whole(value: RowValue): Handle;
  /**
   * Marks a value that parameters made, in runs that give gradients of parameters; other runs don't have this.
   *
   * @param rule Makes the rule, from what it needs of the forward pass.
   * @param owner Whose parameters they are; the model's unless said.
   * @returns What takes the value's place.
   */
  learned?(value: RowValue, rule: () => GradientRule, owner?: GradientSums): RowValue;
  /** Begins a stage over some rows. */
  stage(name: string, rows: Rows): void;
  /** Counts multiply-adds. */
  count(multiplyAdds: number): void;
}
