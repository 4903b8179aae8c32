/**
 * What a run with edits will cost, before it runs: the forward pass walked with rows alone.
 *
 * @module
 */

import type { Handle } from "../core/engine.ts";
import type { Rows, RowSpace } from "../core/rows.ts";
import { Mode } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import type { Splice } from "./splice.ts";

/** An edit that has no effect on a run as it is, and why. */
export interface IdleEdit {
  /** Where it is made, as it was said. */
  readonly at: string;
  /** What it is, in words. */
  readonly edit: string;
  /** Why it never fires. */
  readonly reason: string;
}

/**
 * What a run will cost at most: rows that come out as they were aren't computed any further, nor the last block's ends of rows whose
 * logits nobody reads, which only the run can tell.
 */
export interface Forecast {
  /** The stages that will run, in order. */
  readonly stages: readonly string[];
  /** Rows, (batch, position) pairs, summed over the stages. */
  readonly rows: number;
  /** Multiply-adds of matrix products, attention and encoding, as if all logits were read; what is unembedded comes on top. */
  readonly multiplyAdds: number;
  /** Bytes of the values that will be computed. */
  readonly bytes: number;
  /** Whole runs that are needed first: on prompts that are patched from, and two for each path. */
  readonly otherRuns: number;
  /** Edits that won't fire. */
  readonly idle: readonly IdleEdit[];
}

/** What a forecast needs of a run. */
export interface ForecastParts {
  readonly space: RowSpace;
  /** The rows that edits touch, by point. */
  readonly edits: ReadonlyMap<string, Rows>;
  readonly splices: readonly Splice[];
  /** How many numbers a row of a value has. */
  readonly widthOf: (name: string) => number;
}

/** A run on the base run's values in which only rows are known. */
export class ForeseenRun implements Tap {
  readonly stages: string[] = [];
  rows = 0;
  multiplyAdds = 0;
  bytes = 0;
  readonly space: RowSpace;
  readonly isResumed = true;
  readonly #parts: ForecastParts;
  /** Rows of values that splices elsewhere read. */
  readonly #read = new Map<string, Rows>();

  /** Begins with what edits touch. */
  constructor(parts: ForecastParts) {
    this.#parts = parts;
    this.space = parts.space;
  }

  mode(name: string): Mode {
    return this.#parts.edits.has(name) ? Mode.split : Mode.idle;
  }

  visit(value: RowValue): RowValue {
    const { name } = value;
    this.#read.set(name, value.rows);
    const edited = { ...value, rows: this.#with(value.rows, name) };
    const splice = this.#parts.splices.find(({ outName }) => outName === name);
    return splice ? this.#spliced(splice, edited) : edited;
  }

  observe(): void {}

  map(name: string, inputs: readonly RowValue[]): RowValue {
    return this.made(name, this.space.union(...inputs.map(({ rows }) => rows)));
  }

  made(name: string, rows: Rows): RowValue {
    this.bytes += rows.count * this.#parts.widthOf(name) * Float32Array.BYTES_PER_ELEMENT;
    return { name, rows, handle: 0 };
  }

  pick(): Handle {
    return 0;
  }

  whole(): Handle {
    return 0;
  }

  stage(name: string, rows: Rows): void {
    if (rows.isEmpty) return;
    this.stages.push(name);
    this.rows += rows.count;
  }

  count(multiplyAdds: number): void {
    this.multiplyAdds += multiplyAdds;
  }

  /** Rows, and those that an edit at a point touches. */
  #with(rows: Rows, name: string): Rows {
    return this.space.union(rows, this.#parts.edits.get(name) ?? this.space.none);
  }

  /** What a splice puts in a value's place: it reads again what differs, and edits inside touch rows of their own. */
  #spliced({ module, inName, outName, useErrorTerm, points }: Splice, value: RowValue): RowValue {
    const isEdited = points.some(({ info }) => this.#parts.edits.has(info.name));
    const input = inName === outName ? value.rows : this.#read.get(inName) ?? this.space.none;
    if (!isEdited && useErrorTerm && module instanceof HookedSAE) return value;
    let rows = input;
    if (module instanceof HookedSAE) {
      const { dIn, dSae } = module.cfg;
      const encoded = this.#with(input, `${outName}.hook_sae_input`);
      this.multiplyAdds += encoded.count * dIn * dSae;
      this.bytes += encoded.count * dSae * Float32Array.BYTES_PER_ELEMENT;
    } else if (!input.isEmpty || isEdited) rows = this.space.all;
    for (const { info } of points) rows = this.#with(rows, info.name);
    return { ...value, rows: useErrorTerm ? this.space.union(value.rows, rows) : rows };
  }
}
