// Codes are kept as those that aren't zero until somebody reads them.

import { assert, assertEquals } from "@std/assert";
import { HookedSAE, HookedSAETransformer, memoryUsage, setMemoryLimit, Tensor } from "../../mod.ts";

const [D_MODEL, D_SAE, N_TOKENS] = [256, 2048, 12];
const CODES = "blocks.1.hook_resid_pre.hook_sae_acts_post";

function build() {
  const model = new HookedSAETransformer({
    nLayers: 2,
    dModel: D_MODEL,
    nHeads: 8,
    dHead: 32,
    dMlp: 32,
    nCtx: N_TOKENS,
    dVocab: 23,
    actFn: "gelu_new",
    normalizationType: "LN",
    initializerRange: 0.3,
    seed: 3,
  });
  const random = (seed: number, shape: number[]) => ({
    shape,
    data: Tensor.randn(shape, { seed }).data() as Float32Array,
  });
  const constant = (shape: number[], value: number) => ({
    shape,
    data: new Float32Array(shape[0]).fill(value),
  });
  const sae = new HookedSAE(
    {
      hookName: "blocks.1.hook_resid_pre",
      dIn: D_MODEL,
      dSae: D_SAE,
      architecture: "standard",
      applyBDecToInput: false,
    },
    new Map([
      ["W_enc", random(1, [D_MODEL, D_SAE])],
      ["b_enc", constant([D_SAE], -800)],
      ["W_dec", random(2, [D_SAE, D_MODEL])],
      ["b_dec", constant([D_MODEL], 0)],
    ]),
  );
  // Rows enough for a screen to pay.
  sae.encode(Tensor.randn([1, 200, D_MODEL]));
  const tokens = Tensor.from(Int32Array.from({ length: N_TOKENS }, (_, i) => i), [1, N_TOKENS]);
  return { model, sae, tokens };
}

Deno.test("a base run keeps few bytes for codes, and gives all of them", () => {
  const { model, sae, tokens } = build();
  const read = () => {
    const [, cache] = model.runWithCacheWithSaes(tokens, { saes: sae, namesFilter: CODES });
    return cache.get(CODES);
  };
  model.runWithSaes(tokens, { saes: sae });
  const kept = memoryUsage().baseBytes;
  const codes = read().data();
  const alive = codes.filter((code) => code !== 0).length;
  assert(alive > 0 && alive < codes.length / 8, `${alive} of ${codes.length} are alive`);
  // What a hook sees, as a tensor of the core, has the same bits.
  let seen = new Float32Array();
  model.runWithHooksWithSaes(tokens, {
    saes: sae,
    fwdHooks: [[CODES, (acts) => {
      seen = acts.add(0).data() as Float32Array<ArrayBuffer>;
    }]],
  });
  assertEquals(seen, codes);
  // Now that they were written out for the hook, the base run has them.
  assertEquals(memoryUsage().baseBytes - kept, 4 * codes.length);
  model[Symbol.dispose]();
  sae[Symbol.dispose]();
});

Deno.test("codes that nobody has read outlive their model, however little memory is left", () => {
  const { model, sae, tokens } = build();
  const options = { saes: sae, namesFilter: CODES };
  const expected = model.runWithCacheWithSaes(tokens, options)[1].get(CODES).data();
  const unread = model.runWithCacheWithSaes(tokens, options)[1].get(CODES);
  try {
    setMemoryLimit(1);
    model[Symbol.dispose]();
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals(unread.data(), expected);
  sae[Symbol.dispose]();
  assertEquals(memoryUsage().liveBytes, 0);
});
