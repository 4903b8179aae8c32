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

/** A watched node: who sees its gradient, and its name where it is a point's. */
interface Stop {
  readonly handler: StopHandler;
  readonly name: string | undefined;
}

const stops = new Map<number, Stop>();
let pending: PendingRun[] = [];

/** Registers who sees the gradient that reaches a watched node. @param name The point at which it is, if it is at one. */
export function onGradient(node: number, handler: StopHandler, name?: string): void {
  stops.set(node, { handler, name });
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

/**
 * Runs forward passes and what comes after them; if that fails, what they recorded is dropped, and nothing else.
 *
 * @param body What to run.
 */
export function dropOnFailure<R>(body: () => R): R {
  const before = new Set(pending.map(({ group }) => group));
  try {
    return body();
  } catch (error) {
    for (const { group } of pending) if (!before.has(group)) core().release_group(group);
    forgetReleased();
    throw error;
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

/** Sees the gradient that reaches a point, before any hook replaces it. */
type GradientListener = (name: string, gradient: Handle) => void;

/** Walks back from a node, letting each stop see its gradient; the recording stays. */
function walk(node: number, seed: () => Handle, listener?: GradientListener): void {
  scoped(() => {
    core().begin_backward(node, seed());
    for (let next = core().next_stop(); next.length > 0; next = core().next_stop()) {
      try {
        const [at, gradient] = next;
        const stop = stops.get(at);
        if (listener && stop?.name !== undefined) listener(stop.name, gradient);
        const replacement = stop?.handler(gradient);
        if (replacement) core().replace_gradient(replacement);
      } catch (error) {
        core().abandon_backward();
        throw error;
      }
    }
  });
}

/**
 * Walks back from nodes, one after the other, letting each stop see its gradients.
 *
 * @param nodes Where the walks begin.
 * @param seed Makes the gradient that a walk begins with.
 * @param listener Sees the gradients that reach points, and of which walk they are.
 */
export function walkBack(
  nodes: readonly number[],
  seed: (walk: number) => Handle,
  { retainGraph = false }: BackwardOptions,
  listener?: (walk: number, name: string, gradient: Handle) => void,
): void {
  nodes.forEach((node, i) =>
    walk(node, () => seed(i), listener && ((name, gradient) => listener(i, name, gradient)))
  );
  if (retainGraph) return;
  for (const node of nodes) core().release_group(core().group_of(node));
  forgetReleased();
}

/**
 * Runs a function without recording: inside it nothing is watched.
 *
 * @param body What to run.
 */
export function noGrad<R>(body: () => R): R {
  core().pause_recording();
  paused++;
  try {
    return body();
  } finally {
    paused--;
    core().resume_recording();
  }
}

/** How many calls of {@linkcode noGrad} there are around. */
let paused = 0;

/** Whether nothing is recorded now. */
export function isPaused(): boolean {
  return paused > 0;
}

/**
 * Runs a function with recording, inside {@linkcode noGrad} too: for a value that was begun outside and is computed when it is first read.
 *
 * @param body What to run.
 */
export function withGrad<R>(body: () => R): R {
  const depth = paused;
  for (let i = 0; i < depth; i++) core().resume_recording();
  paused = 0;
  try {
    return body();
  } finally {
    paused = depth;
    for (let i = 0; i < depth; i++) core().pause_recording();
  }
}
