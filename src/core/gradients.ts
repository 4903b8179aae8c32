/**
 * Recording and walking back: what is watched, who sees a gradient, and when a recording ends.
 *
 * @module
 */

import { core, type Handle } from "./engine.ts";
import { GradientError } from "./errors.ts";
import { scoped } from "./scope.ts";

/** Sees the gradient at a stop; a handle that it returns replaces the gradient that goes on. */
export type StopHandler = (gradient: Handle) => Handle | void;

/** A run whose recording waits for `backward`. */
interface PendingRun {
  readonly group: number;
  readonly label: string;
}

/** More recordings than this at once are a mistake: a backward pass that never comes. */
const MAX_PENDING = 4;

const stops = new Map<number, StopHandler>();
let pending: PendingRun[] = [];

/** Registers who sees the gradient that reaches a watched node. */
export function onGradient(node: number, handler: StopHandler): void {
  stops.set(node, handler);
}

function forgetReleased(): void {
  pending = pending.filter(({ group }) => core().is_pending(group));
  for (const node of stops.keys()) {
    if (!core().is_recorded(node)) stops.delete(node);
  }
}

/**
 * Runs a recorded forward pass: what it records is kept until a backward pass, or dropped if the forward fails.
 *
 * @param label Names the run in messages.
 * @param forward The pass.
 * @throws {GradientError} If too many recorded runs wait for a backward pass already.
 */
export function recordedRun<R>(label: string, forward: () => R): R {
  if (pending.length >= MAX_PENDING) {
    throw new GradientError(
      `Cannot record another run: ${pending.length} recorded runs wait for backward(), the oldest is ${
        pending[0].label
      }. ` +
        "Call backward() on what they gave, or model.releaseTapes() to drop them.",
    );
  }
  const group = core().begin_run();
  try {
    const result = forward();
    if (core().is_pending(group)) pending.push({ group, label });
    return result;
  } catch (error) {
    core().release_group(group);
    forgetReleased();
    throw error;
  } finally {
    core().end_run();
  }
}

/** Drops every recording that waits for a backward pass, those of expressions outside runs too. */
export function releaseTapes(): void {
  for (const { group } of pending) core().release_group(group);
  for (const node of stops.keys()) core().release_group(core().group_of(node));
  forgetReleased();
}

/** How many recorded runs wait for a backward pass. */
export function pendingRuns(): number {
  return pending.length;
}

/** Options of a backward pass. */
export interface BackwardOptions {
  /** Keeps the recording for another backward pass. */
  retainGraph?: boolean;
}

/**
 * Walks back from a node, letting each stop see its gradient.
 *
 * @param node Where the walk begins.
 * @param seed Makes the gradient it begins with.
 */
export function walkBack(
  node: number,
  seed: () => Handle,
  { retainGraph = false }: BackwardOptions = {},
): void {
  scoped(() => {
    core().begin_backward(node, seed());
    for (let stop = core().next_stop(); stop.length > 0; stop = core().next_stop()) {
      try {
        const replacement = stops.get(stop[0])?.(stop[1]);
        if (replacement) core().replace_gradient(replacement);
      } catch (error) {
        core().abandon_backward();
        throw error;
      }
    }
  });
  if (!retainGraph) {
    core().release_group(core().group_of(node));
    forgetReleased();
  }
}

/**
 * Runs a function without recording: inside it nothing is watched.
 *
 * @param body What to run.
 */
export function noGrad<R>(body: () => R): R {
  core().pause_recording();
  try {
    return body();
  } finally {
    core().resume_recording();
  }
}
