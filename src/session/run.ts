/**
 * A run: values passing points, with what the plan asks of each.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { HookError, ShapeError } from "../core/errors.ts";
import { onGradient } from "../core/gradients.ts";
import { copyOut, currentScope, type Scope, shapeOf, sizeOf } from "../core/scope.ts";
import { handleOf, lentTensor, ownedTensor, Tensor, tensorOf } from "../core/tensor.ts";
import type { HookPoint } from "../hooks/hook_point.ts";
import type { HookEntry } from "../hooks/hook_registry.ts";
import { describeShape, Mode } from "../hooks/points.ts";
import type { Tap } from "../hooks/tap.ts";
import type { PointPlan } from "./plan.ts";
import type { ErrorGrad } from "./splice.ts";

/** What a run cost. */
export interface RunCost {
  /** The stages that ran, in order. */
  stages: string[];
  /** Rows, (batch, position) pairs, that were computed, summed over the stages. */
  rows: number;
  /** Multiply-adds of matrix products, attention and decoding. */
  multiplyAdds: number;
  /** Milliseconds from start to end. */
  ms: number;
  /** The first stage, when an earlier run's values stood for those before it. */
  resumedFrom: string | null;
}

/** Where a run puts what it is asked to keep. */
export type KeepValue = (name: string, value: Tensor) => void;

/** What a run needs beside its plan. */
export interface RunOptions {
  readonly plans: ReadonlyMap<string, PointPlan>;
  readonly scope: Scope;
  readonly keep: KeepValue;
  readonly excluded: (tokens: boolean | readonly number[]) => Handle;
  readonly errorGrad: ErrorGrad;
  readonly rowsPerStage: number;
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function ordinal(index: number): string {
  return `hook ${index + 1}`;
}

/** Calls a hook and checks what it gives back. */
function callHook(entry: HookEntry, index: number, value: Tensor, point: HookPoint, axes: readonly string[]): Tensor {
  let result: unknown;
  try {
    result = entry.hook(value, point);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HookError(`Cannot pass "${point.name}": ${ordinal(index)} threw: ${reason}`, { cause });
  }
  if (result === undefined || result === null) return value;
  if (isThenable(result)) {
    throw new HookError(
      `Cannot pass "${point.name}": ${ordinal(index)} returned a Promise; hooks are ordinary functions, not async ones.`,
    );
  }
  if (!(result instanceof Tensor)) {
    throw new HookError(
      `Cannot pass "${point.name}": ${ordinal(index)} returned ${typeof result}, expected a Tensor or nothing.`,
    );
  }
  if (result.shape.join() !== value.shape.join()) {
    throw new ShapeError(
      `Cannot set "${point.name}": ${ordinal(index)} returned [${result.shape.join(", ")}], expected ${
        describeShape(value.shape, axes)
      }`,
    );
  }
  if (result.dtype !== "float32") {
    throw new ShapeError(
      `Cannot set "${point.name}": ${ordinal(index)} returned a ${result.dtype} tensor, expected float32`,
    );
  }
  return result;
}

/** One run through the model. */
export class Run implements Tap {
  /** What it cost. */
  readonly cost: RunCost = { stages: [], rows: 0, multiplyAdds: 0, ms: 0, resumedFrom: null };
  readonly #options: RunOptions;
  /** Values that splices wait for, by the point they read. */
  readonly #captured = new Map<string, Handle>();

  constructor(options: RunOptions) {
    this.#options = options;
  }

  mode(name: string): Mode {
    return this.#options.plans.get(name)?.mode ?? Mode.idle;
  }

  stage(name: string): void {
    this.cost.stages.push(name);
    this.cost.rows += this.#options.rowsPerStage;
  }

  count(multiplyAdds: number): void {
    this.cost.multiplyAdds += multiplyAdds;
  }

  observe(name: string, value: Handle): void {
    const plan = this.#options.plans.get(name);
    if (!plan) return;
    if (plan.readers.length > 0) this.#captured.set(name, value);
    if (plan.cached) this.#keep(name, value);
  }

  visit(name: string, value: Handle): Handle {
    const plan = this.#options.plans.get(name);
    if (!plan) return value;
    // A transcoder reads what came, whatever hooks here make of it (SAELens).
    if (plan.readers.length > 0) this.#captured.set(name, value);
    let current = plan.fwd.length > 0 ? this.#hooked(plan, value) : value;
    if (plan.bwd.length > 0 || plan.watched || plan.cachedGradient) current = this.#watched(plan, current);
    else if (plan.cached) this.#keep(name, current);
    return plan.splice ? this.#spliced(plan, current) : current;
  }

  /** Runs the forward hooks, each on what the one before left. */
  #hooked({ active, fwd }: PointPlan, value: Handle): Handle {
    const { point, info } = active;
    // Hooks edit a handle of their own: the value may have other readers.
    let tensor = lentTensor(core().share(value), this.#options.scope);
    fwd.forEach((entry, index) => {
      tensor = callHook(entry, index, tensor, point, info.axes);
    });
    return handleOf(tensor);
  }

  /** Makes the value a stop of the backward pass, where hooks, caches and `grad` see the gradient. */
  #watched(plan: PointPlan, value: Handle): Handle {
    const { active: { info, point }, bwd, cached, cachedGradient, watched } = plan;
    const stop = core().watch(value);
    const node = core().node_of(stop);
    const kept = cached ? this.#keep(info.name, stop) : undefined;
    const { keep } = this.#options;
    if (!node) return stop;
    onGradient(node, (gradient) => {
      let replacement: Tensor | undefined;
      bwd.forEach((entry, index) => {
        // Each hook sees what reached the point; the last that changes it wins (TransformerLens).
        const seen = lentTensor(core().share(gradient), currentScope() ?? this.#options.scope);
        const result = callHook(entry, index, seen, point, info.axes);
        const isEdited = result !== seen || !core().same_buffer(handleOf(seen), gradient);
        if (isEdited) replacement = result;
      });
      if (cachedGradient || (watched && cached)) {
        const value = tensorOf(gradient);
        if (cachedGradient) keep(`${info.name}_grad`, value);
        if (kept) kept.grad = value;
      }
      return replacement && handleOf(replacement);
    });
    return stop;
  }

  #keep(name: string, value: Handle): Tensor {
    const shape = shapeOf(value);
    const snapshot = ownedTensor(copyOut(value, "float32", sizeOf(shape)), shape);
    this.#options.keep(name, snapshot);
    return snapshot;
  }

  #spliced({ splice, active }: PointPlan, value: Handle): Handle {
    if (!splice) return value;
    const input = splice.inName === splice.outName ? value : this.#captured.get(splice.inName);
    if (input === undefined) {
      throw new ShapeError(
        `Cannot run what is spliced in at "${active.info.name}": the run doesn't pass "${splice.inName}", which it reads.`,
      );
    }
    const { excluded, errorGrad } = this.#options;
    const tap: Tap = this;
    return splice.run({ tap, excluded: excluded(splice.excludeSpecialTokens), errorGrad }, input, value);
  }
}
