/**
 * Rotary positions: how far pairs of a head's dimensions turn at each position, and the angles of a pass.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { getOrInsertComputed } from "../core/get_or_insert.ts";
import type { Rows } from "../core/rows.ts";
import { copyIn } from "../core/scope.ts";
import type { HookedTransformerConfig } from "./config.ts";

/** The core's code of multiplication by a number. */
const TIMES = 1;

/** How the heads of a layer turn. Layers that are alike share one. */
export interface RotaryKind {
  /** The angle that each pair turns by from one position to the next. */
  readonly frequencies: Float32Array;
  /** Lengthens what turns. */
  readonly factor: number;
  /** Neighbouring dimensions turn together, not the halves. */
  readonly adjacentPairs: boolean;
}

/** The angle that each pair turns by a position, before any stretching: base^(-i / pairs). */
function plainFrequencies(base: number, pairs: number): number[] {
  return Array.from({ length: pairs }, (_, i) => 1 / base ** (i / pairs));
}

/** Slow turns are slowed by a factor, fast ones kept, those between mixed (LLaMA 3.1; "NTK by parts" of Peng et al., 2023). */
function byParts(frequency: number, cfg: HookedTransformerConfig): number {
  const { ntkByPartsFactor: factor, ntkByPartsLowFreqFactor: low } = cfg;
  const turns = frequency * cfg.ntkOriginalCtxLen / (2 * Math.PI);
  const kept = Math.min(Math.max((turns - low) / (cfg.ntkByPartsHighFreqFactor - low), 0), 1);
  return (1 - kept) * frequency / factor + kept * frequency;
}

/** The pair, counted with fractions, that turns `turns` times in the original context. */
function pairOfTurns(turns: number, base: number, pairs: number, nCtx: number): number {
  return pairs * Math.log(nCtx / (turns * 2 * Math.PI)) / Math.log(base);
}

/** Slow turns are slowed by a factor, fast ones kept, with a ramp over the pairs between (YaRN; Peng et al., 2023). */
function yarn(
  frequencies: readonly number[],
  base: number,
  cfg: HookedTransformerConfig,
): number[] {
  const pairs = frequencies.length;
  const pairOf = (turns: number) =>
    pairOfTurns(turns, base, pairs, cfg.yarnOriginalMaxPositionEmbeddings);
  const [first, last] = [pairOf(cfg.yarnBetaFast), pairOf(cfg.yarnBetaSlow)];
  const low = Math.max(cfg.yarnTruncate ? Math.floor(first) : first, 0);
  const high = Math.min(cfg.yarnTruncate ? Math.ceil(last) : last, 2 * pairs - 1);
  // As transformers avoids the division by zero.
  const width = low === high ? 0.001 : high - low;
  return frequencies.map((frequency, i) => {
    const slowed = Math.min(Math.max((i - low) / width, 0), 1);
    return slowed * frequency / cfg.yarnFactor + (1 - slowed) * frequency;
  });
}

/**
 * Each pair slowed by a factor of its own (LongRoPE; Ding et al., 2024). transformers takes the long factors where a text is longer
 * than the original context, so that a token turns otherwise once others follow. Here the model's context decides, so that a text has
 * the numbers of any longer one's beginning; up to the original context both agree.
 */
function longRopeFactors(cfg: HookedTransformerConfig): readonly number[] | null {
  const isLong = cfg.nCtx > cfg.longRopeOriginalMaxPositionEmbeddings;
  return isLong ? cfg.longRopeLongFactors : cfg.longRopeShortFactors;
}

/**
 * How the heads of a model turn.
 *
 * @param isLocal Whether in the layers of local attention.
 */
export function rotaryKind(cfg: HookedTransformerConfig, isLocal: boolean): RotaryKind {
  const { rotaryDim, rotaryBaseLocal, useYarnRope, useNtkByPartsRope, rotaryAdjacentPairs } = cfg;
  const base = isLocal ? rotaryBaseLocal ?? cfg.rotaryBase : cfg.rotaryBase;
  const plain = plainFrequencies(base, (rotaryDim ?? cfg.dHead) / 2);
  // Periods of their own go with stretching of their own: where those of local layers differ, only the others are stretched.
  const factor = isLocal ? 1 : cfg.rotaryScalingFactor;
  const factors = longRopeFactors(cfg);
  const scaled = factors !== null
    ? plain.map((frequency, pair) => frequency / factors[pair])
    : useNtkByPartsRope
    ? plain.map((frequency) => byParts(frequency, cfg))
    : useYarnRope
    ? yarn(plain, base, cfg)
    : plain.map((frequency) => frequency / factor);
  return {
    frequencies: Float32Array.from(scaled),
    factor: factors !== null
      ? cfg.longRopeAttentionFactor
      : useYarnRope
      ? cfg.yarnAttentionFactor
      : 1,
    adjacentPairs: rotaryAdjacentPairs,
  };
}

/** Cosines and sines of rows' angles, [rows, pairs]. */
export interface Angles {
  readonly cos: Handle;
  readonly sin: Handle;
}

/** The angles of a pass, by rows and kind; they live in the scope of the pass. */
export class Rotations {
  readonly #made = new Map<Rows, Map<RotaryKind, Angles>>();
  readonly #positions: Int32Array;

  /** @param positions The position of each row of the pass. */
  constructor(positions: Int32Array) {
    this.#positions = positions;
  }

  /** The angles of these rows. */
  at(rows: Rows, kind: RotaryKind): Angles {
    const byKind = getOrInsertComputed(this.#made, rows, () => new Map<RotaryKind, Angles>());
    return getOrInsertComputed(byKind, kind, () => this.#angles(rows, kind));
  }

  /** Angles are products of two float32 numbers, rounded to float32, as checkpoints were trained with them. */
  #angles({ indices }: Rows, { frequencies, factor }: RotaryKind): Angles {
    const shape = [indices.length, frequencies.length];
    const [cos, sin] = [0, 1].map(() => new Float32Array(shape[0] * shape[1]));
    indices.forEach((row, i) => {
      frequencies.forEach((frequency, pair) => {
        const angle = Math.fround(this.#positions[row] * frequency);
        cos[i * shape[1] + pair] = factor * Math.cos(angle);
        sin[i * shape[1] + pair] = factor * Math.sin(angle);
      });
    });
    return { cos: copyIn(cos, shape, "float32"), sin: copyIn(sin, shape, "float32") };
  }
}

/** Whether a layer's attention is local. */
export function isLocal(
  { useLocalAttn, attnTypes }: HookedTransformerConfig,
  layer: number,
): boolean {
  return useLocalAttn && attnTypes?.[layer] === "local";
}

/** How the heads of a layer turn; `undefined` where they don't. */
export function layerRotary(
  cfg: HookedTransformerConfig,
  layer: number,
): RotaryKind | undefined {
  if (cfg.positionalEmbeddingType !== "rotary") return undefined;
  return rotaryKind(cfg, isLocal(cfg, layer));
}

/** Turns queries or keys [rows, head, dHead]. */
export function turned(x: Handle, { cos, sin }: Angles, { adjacentPairs }: RotaryKind): Handle {
  return core().rotary(x, cos, sin, adjacentPairs);
}

/** Turns keys [rows, head, dHead] back. */
export function turnedBack(
  x: Handle,
  { cos, sin }: Angles,
  { adjacentPairs, factor }: RotaryKind,
): Handle {
  const square = factor * factor;
  const scaled = (angles: Handle, by: number) => core().with_scalar(TIMES, angles, by);
  return core().rotary(x, scaled(cos, 1 / square), scaled(sin, -1 / square), adjacentPairs);
}
