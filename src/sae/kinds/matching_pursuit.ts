/**
 * Matching-pursuit autoencoders (Costa et al. 2025): features are chosen one after another, each for what the ones before it left.
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { copyIn, copyOut } from "../../core/scope.ts";
import type { SaeConfig } from "../config.ts";
import { CODE, type SaeKind, sumLast } from "./kind.ts";

/** What is left of each row, and whether its choice goes on. */
class Pursuit {
  readonly #isDone: Uint8Array<ArrayBuffer>;
  readonly #supports: Set<number>[];
  readonly #threshold: number;
  readonly #stopsOnDuplicate: boolean;

  constructor(rows: number, { residualThreshold = 0, stopOnDuplicateSupport = true }: SaeConfig) {
    this.#isDone = new Uint8Array(rows);
    this.#supports = Array.from({ length: rows }, () => new Set());
    this.#threshold = residualThreshold;
    this.#stopsOnDuplicate = stopOnDuplicateSupport;
  }

  get isDone(): boolean {
    return this.#isDone.every((flag) => flag === 1);
  }

  /** 1 for the rows that go on, 0 for the others, [rows, 1]. */
  active(): Handle {
    const flags = Float32Array.from(this.#isDone, (flag) => 1 - flag);
    return copyIn(flags, [flags.length, 1], "float32");
  }

  /** Ends the rows whose set of features stayed the same, and those of which little enough is left. */
  settle(chosen: ArrayLike<number>, values: ArrayLike<number>, squares: ArrayLike<number>): void {
    this.#supports.forEach((support, row) => {
      const isSame = values[row] === 0 || support.has(chosen[row]);
      if (values[row] !== 0) support.add(chosen[row]);
      const isSmall = this.#threshold > 0 && Math.sqrt(squares[row]) < this.#threshold;
      if ((this.#stopsOnDuplicate && isSame) || isSmall) this.#isDone[row] = 1;
    });
  }
}

/**
 * At each step the feature whose decoder row `d` has the largest product with the residual `r` gets `relu(r d)` more, and `r` loses
 * as much of `d`. Gradients go through the values; the choice is a constant (SAELens).
 *
 * There are no pre-activations. The codes pass `hook_sae_acts_post`, which they don't in SAELens.
 */
export const MATCHING_PURSUIT: SaeKind = {
  ownKeys: ["residual_threshold", "max_iterations", "stop_on_duplicate_support"],
  readOwn: (fields) => ({
    residualThreshold: fields.optional("residual_threshold", "number") ?? 0.01,
    maxIterations: fields.optionalCount("max_iterations"),
    stopOnDuplicateSupport: fields.optional("stop_on_duplicate_support", "boolean") ?? true,
  }),
  appliesBDec: true,
  isTranscoder: false,
  shapes: ({ dIn, dSae }) => ({ W_dec: [dSae, dIn], b_dec: [dIn] }),
  scaledByNorm: [],
  shifted: {},
  whyTied: "its encoder is its decoder, so that it would choose other features",
  whyNoPreActivations:
    "matching pursuit chooses one feature after another, without pre-activations",
  load(store, cfg) {
    const { dIn, dSae, maxIterations = dIn, applyBDecToInput } = cfg;
    const wDec = store.packed("W_dec");
    const wDecTransposed = store.packedTranspose("W_dec");
    const bDec = store.plain("b_dec");
    const dims = Uint32Array.of(dSae);
    return {
      bDec,
      encode(x) {
        const [rows] = core().shape_of(x);
        const features = copyIn(
          Int32Array.from({ length: dSae }, (_, f) => f),
          [1, dSae],
          "int32",
        );
        const zero = copyIn(new Float32Array([0]), [], "float32");
        const pursuit = new Pursuit(rows, cfg);
        let residual = x;
        let codes = copyIn(new Float32Array(rows * dSae), [rows, dSae], "float32");
        for (let step = 0; step < maxIterations && !pursuit.isDone; step++) {
          const products = core().linear(
            core().detach(residual),
            wDecTransposed,
            0,
            1,
            dims,
            CODE.identity,
          );
          const best = core().arg_extreme(products, 1, true, true);
          const chosen = copyOut(best, "int32", rows);
          const atoms = core().lookup(wDec, best, false);
          const product = sumLast(core().binary(CODE.mul, residual, atoms));
          const value = core().binary(
            CODE.mul,
            core().activate(CODE.relu, product),
            pursuit.active(),
          );
          const isChosen = core().compare(CODE.eq, features, best);
          codes = core().binary(CODE.add, codes, core().select_where(isChosen, value, zero));
          residual = core().binary(CODE.sub, residual, core().binary(CODE.mul, value, atoms));
          const left = core().detach(residual);
          pursuit.settle(
            chosen,
            copyOut(value, "float32", rows),
            copyOut(sumLast(core().binary(CODE.mul, left, left)), "float32", rows),
          );
        }
        return codes;
      },
      decode: (codes) => core().decode(codes, wDec, applyBDecToInput ? bDec : 0),
    };
  },
};
