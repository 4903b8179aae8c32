/** Prints a digest of each of many results, as JSON: products of many shapes and whole runs, forward and backward. */

import { coreInfo, HookedSAE, HookedSAETransformer, Tensor } from "../../mod.ts";
import { digest } from "../_digest.ts";
import { tinyModel, tinySae, TOKENS } from "../session/_models.ts";

/** Rows, inner length and columns: few and many of each, and widths around panels and groups of panels. */
const SHAPES: readonly [number, number, number][] = [
  [1, 64, 16],
  [1, 96, 50],
  [1, 33, 770],
  [2, 17, 97],
  [3, 40, 144],
  [8, 64, 331],
  [31, 24, 40],
  [47, 7, 5],
  [64, 96, 384],
  [130, 31, 100],
];

function* products(): Generator<[string, string]> {
  for (const [rows, k, cols] of SHAPES) {
    const a = Tensor.randn([rows, k], { seed: 1 });
    const b = Tensor.randn([k, cols], { seed: 2 });
    a.requiresGrad = true;
    b.requiresGrad = true;
    const product = a.matmul(b);
    product.relu().logSoftmax().sum().backward();
    yield [`${rows} x ${k} x ${cols}`, digest([product, a.grad!, b.grad!, product.softmax()])];
  }
}

function* elements(): Generator<[string, string]> {
  for (const length of [1, 63, 64, 65, 1000, 4099]) {
    const x = Tensor.randn([length], { seed: length });
    const results = [x.tanh(), x.exp(), x.sigmoid(), x.abs().sqrt(), x.mul(x), x.add(1), x.pow(3)];
    yield [`${length} elements`, digest(results)];
  }
}

/** The logits, every value and every gradient of a run of a loss. */
function whole(model: HookedSAETransformer, tokens: number[][]): string {
  const logits = model.forward(tokens);
  const [, cache] = model.runWithCache(tokens, { returnType: "loss", inclBwd: true });
  return digest([logits, ...[...cache].map(([, value]) => value)]);
}

function* runs(): Generator<[string, string]> {
  const tokens = [...TOKENS, [1, 1, 2, 3, 5, 8]];
  using plain = tinyModel();
  yield ["a plain model", whole(plain, tokens)];
  yield ["one token", digest([plain.forward([[7]])])];
  const points = ["blocks.0.attn.hook_z", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"];
  for (const point of points) plain.addSae(tinySae(point), { useErrorTerm: true });
  yield ["a model with SAEs", whole(plain, tokens)];
  for (const architecture of ["topk", "jumprelu", "gated"] as const) {
    const shape = { dIn: 16, dSae: 70, hookName: points[1], seed: 3 };
    using sae = new HookedSAE({ ...shape, architecture, ...architecture === "topk" && { k: 5 } });
    const logits = plain.runWithHooksWithSaes(tokens, {
      saes: sae,
      fwdHooks: [[`${points[1]}.hook_sae_acts_post`, (codes) => codes.mul(2)]],
    });
    yield [`${architecture} codes that a hook scales`, digest([logits])];
  }
  using wide = new HookedSAETransformer({
    nLayers: 2,
    dModel: 120,
    nHeads: 5,
    dHead: 24,
    nCtx: 40,
    dVocab: 301,
    actFn: "gelu_new",
    normalizationType: "LN",
    initializerRange: 0.2,
    seed: 4,
  });
  const texts = [0, 1, 2].map((b) => Array.from({ length: 37 }, (_, p) => (7 * b + 11 * p) % 300));
  wide.setUseAttnResult(true);
  yield ["a wide model", whole(wide, texts)];
  wide.setUseSplitQkvInput(true);
  yield ["a wide model with inputs by heads", whole(wide, texts)];
}

const digests = Object.fromEntries([...products(), ...elements(), ...runs()]);
console.log(JSON.stringify({ ...coreInfo(), digests }));
