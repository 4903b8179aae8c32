/**
 * Gated autoencoders (Rajamanoharan et al. 2024).
 *
 * @module
 */

import { core, type Handle } from "../../core/engine.ts";
import { ownValue } from "../../core/memory.ts";
import { copyIn, scoped } from "../../core/scope.ts";
import { CODE, type SaeKind } from "./kind.ts";

/**
 * Magnitudes `relu(x (W_enc exp(r_mag)) + b_mag)` where the gate `x W_enc + b_gate` is positive. The gate is a constant for
 * gradients; `hook_sae_acts_pre` is the magnitude path.
 */
export const GATED: SaeKind = {
  ownKeys: [],
  appliesBDec: true,
  isTranscoder: false,
  shapes: ({ dIn, dSae }) => ({
    W_enc: [dIn, dSae],
    W_dec: [dSae, dIn],
    b_dec: [dIn],
    b_gate: [dSae],
    b_mag: [dSae],
    r_mag: [dSae],
  }),
  scaledByNorm: ["b_gate", "b_mag"],
  shifted: { b_gate: undefined, b_mag: "r_mag" },
  load(store, cfg) {
    const wEnc = store.packed("W_enc");
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    const bGate = store.plain("b_gate");
    const bMag = store.plain("b_mag");
    const rMag = store.plain("r_mag");
    const scale = store.derived(
      "exp(r_mag)",
      scoped(() => ownValue(core().activate(CODE.exp, rMag), "weight")),
    );
    const dims = new Uint32Array([cfg.dSae]);
    const zero = () => copyIn(new Float32Array([0]), [], "float32");
    // Both paths share the product: the magnitudes' weights are the gate's, scaled by feature.
    const shared = (x: Handle) => core().linear(x, wEnc, 0, 1, dims, CODE.identity);
    const magnitude = (product: Handle) =>
      core().binary(CODE.add, core().binary(CODE.mul, product, scale), bMag);
    const gated = (product: Handle, pre: Handle) => {
      const gate = core().compare(
        CODE.gt,
        core().binary(CODE.add, core().detach(product), bGate),
        zero(),
      );
      return core().select_where(gate, core().activate(CODE.relu, pre), zero());
    };
    return {
      bDec,
      encode(x) {
        const product = shared(x);
        return gated(product, magnitude(product));
      },
      halves: {
        pre: (x) => magnitude(shared(x)),
        post: (pre, x) => gated(shared(x()), pre),
      },
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
