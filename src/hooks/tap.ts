/**
 * What the forward pass knows of a run: where values pass points.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import type { Mode } from "./points.ts";

/** A run, as the parts of the forward pass see it. */
export interface Tap {
  /** What a point asks for. */
  mode(name: string): Mode;
  /** Passes a value through a point: its hooks, cache and splice. The handle that comes back may be another. */
  visit(name: string, value: Handle): Handle;
  /** Shows a value that nobody may change. */
  observe(name: string, value: Handle): void;
  /** Begins a stage. */
  stage(name: string): void;
  /** Counts multiply-adds. */
  count(multiplyAdds: number): void;
}
