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
  scaledByNorm: ["b_gate", "b_mag"],
  load(store, cfg) {
    const wEnc = store.packed("W_enc");
    const wDec = store.packed("W_dec");
    const bDec = store.plain("b_dec");
    const bGate = store.plain("b_gate");
    const bMag = store.plain("b_mag");
    const rMag = store.plain("r_mag");
    const scale = store.derived("exp(r_mag)", scoped(() => ownValue(core().activate(CODE.exp, rMag))));
    const dims = new Uint32Array([cfg.dSae]);
    const zero = () => copyIn(new Float32Array([0]), [], "float32");
    return {
      bDec,
      encode(x, pre) {
        // Both paths share the product: the magnitudes' weights are the gate's, scaled by feature.
        const shared: Handle = core().linear(x, wEnc, 0, 1, dims, CODE.identity);
        const gate = core().compare(CODE.gt, core().binary(CODE.add, shared, bGate), zero());
        const magnitude = core().binary(CODE.add, core().binary(CODE.mul, shared, scale), bMag);
        return core().select_where(gate, core().activate(CODE.relu, pre.visit(magnitude)), zero());
      },
      decode: (codes) => core().decode(codes, wDec, bDec),
    };
  },
};
