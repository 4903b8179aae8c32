/** Runs cases in a thread of its own, so that one that hangs can be ended and told. */

/// <reference lib="deno.worker" />

import {
  ConfigError,
  MemoryBudgetError,
  setMemoryLimit,
  ShapeError,
  TokenError,
  UnknownPointError,
  WeightFileError,
} from "../../mod.ts";
import { Dice, mutated } from "./_mutate.ts";
import { TARGETS } from "./_targets.ts";

/** What the worker is asked. */
export interface FuzzRequest {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** Where it writes which case it is at. */
  readonly progress: SharedArrayBuffer;
}

/** What came of it. */
export interface FuzzReport {
  readonly valid: number;
  readonly refused: number;
  /** The cases that ended otherwise, the first of them. */
  readonly failures: readonly { readonly index: number; readonly reason: string }[];
}

/** More than any file here needs: an allocation beyond it was made on a broken file's word. */
const BUDGET_BYTES = 64 * 2 ** 20;

const MAX_FAILURES = 5;

/** Errors that a broken file may end in. */
const TYPED = [
  WeightFileError,
  ConfigError,
  MemoryBudgetError,
  ShapeError,
  TokenError,
  UnknownPointError,
];

let largest = 0;

/** Notes how much typed arrays of a kind take. */
function watched<T extends new (...args: never[]) => ArrayBufferView | ArrayBuffer>(type: T): T {
  return new Proxy(type, {
    construct(target, args, self) {
      const made = Reflect.construct(target, args, self) as ArrayBufferView | ArrayBuffer;
      // A view of a buffer takes nothing of its own.
      if (!(args[0] instanceof ArrayBuffer)) largest = Math.max(largest, made.byteLength);
      return made;
    },
  });
}

globalThis.ArrayBuffer = watched(ArrayBuffer);
globalThis.Uint8Array = watched(Uint8Array);
globalThis.Uint32Array = watched(Uint32Array);
globalThis.Int32Array = watched(Int32Array);
globalThis.Float32Array = watched(Float32Array);
globalThis.Float64Array = watched(Float64Array);

/** The case's own stream: any case can be run alone. */
function diceOf({ seed }: FuzzRequest, index: number): Dice {
  return new Dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

async function run(request: FuzzRequest): Promise<FuzzReport> {
  const { corpus, kind, read } = TARGETS[request.target];
  const whole = await corpus();
  const progress = new Int32Array(request.progress);
  const failures: { index: number; reason: string }[] = [];
  let [valid, refused] = [0, 0];
  setMemoryLimit(BUDGET_BYTES);
  for (let index = request.from; index < request.to && failures.length < MAX_FAILURES; index++) {
    Atomics.store(progress, 0, index);
    const file = mutated(whole, kind, diceOf(request, index));
    largest = 0;
    try {
      await read(file);
      valid++;
    } catch (error) {
      if (TYPED.some((type) => error instanceof type)) refused++;
      else {
        const reason = error instanceof Error ? error.stack ?? error.message : String(error);
        failures.push({ index, reason });
      }
    }
    if (largest > BUDGET_BYTES) {
      failures.push({ index, reason: `it allocated ${largest} bytes at once` });
    }
  }
  return { valid, refused, failures };
}

// What a tokenizer's backend warns of is no error to it.
console.warn = () => {};

self.onmessage = async ({ data }: MessageEvent<FuzzRequest>) => {
  self.postMessage(await run(data));
};
