/**
 * The point table: what a model tells about its hook points.
 *
 * @module
 */

/** A switch that a gated point waits for. An exact name opens the gate for a run without it. */
export type PointSwitch =
  | "useAttnResult"
  | "useSplitQkvInput"
  | "useAttnIn"
  | "useHookMlpIn";

/** One hook point of a model. */
export interface PointInfo {
  /** The dotted name, `blocks.5.attn.hook_z`. */
  readonly name: string;
  /** What each axis of the value is, `["batch", "pos", "head", "dHead"]`. */
  readonly axes: readonly string[];
  /** The stage of the forward pass in which it fires, by its place in the order of stages. */
  readonly stage: number;
  /** The switch without which only an exact name reaches it. */
  readonly gate?: PointSwitch;
  /** Why it never fires, where TransformerLens lists it all the same. */
  readonly never?: string;
}

/** The axes of a point that shows texts, positions and heads on one axis, as TransformerLens' norms of queries and keys do. */
export const JOINED_AXES: readonly string[] = ["batch · pos · head", "dHead"];

/** Whether the point of a name, or of a cached value's name, has such axes. */
export function isJoined(name: string): boolean {
  return /\.attn\.[qk]_norm\.hook_\w+$/.test(name);
}

/**
 * How a value passes a point: nobody asks (the fused op runs, the value may never exist), somebody looks (the same op writes one
 * more output), or somebody may change it (the op runs as its two halves with the value between). The bits are the same.
 */
export const Mode = { idle: 0, emit: 1, split: 2 } as const;

/** One of {@linkcode Mode}. */
export type Mode = typeof Mode[keyof typeof Mode];

/** Writes a shape with the names of its axes: `[batch 8, pos 15, head 12, dHead 64]`. */
export function describeShape(shape: readonly number[], axes: readonly string[]): string {
  const named = shape.map((n, i) => (axes.length === shape.length ? `${axes[i]} ${n}` : `${n}`));
  return `[${named.join(", ")}]`;
}
