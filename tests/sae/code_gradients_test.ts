import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, HookedSAE, HookedSAETransformer, Tensor } from "../../mod.ts";

const HOOK = "blocks.1.attn.hook_z";
const CODES = `${HOOK}.hook_sae_acts_post`;
const TOKENS = Tensor.from([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], undefined, "int32");
const [D_IN, D_SAE] = [16, 200];

function study(options: Partial<ConstructorParameters<typeof HookedSAE>[0]> = {}) {
  const model = new HookedSAETransformer({
    nLayers: 3,
    dModel: 16,
    nHeads: 2,
    dHead: 8,
    dMlp: 32,
    nCtx: 8,
    dVocab: 11,
    actFn: "gelu_new",
    normalizationType: "LN",
    initializerRange: 0.3,
    seed: 1,
  });
  const made = new HookedSAE(
    {
      architecture: "standard",
      dIn: D_IN,
      dSae: D_SAE,
      hookName: HOOK,
      reshapeActivations: "hook_z",
      seed: 2,
      ...options,
    } as ConstructorParameters<typeof HookedSAE>[0],
  );
  return { model, sae: made };
}

/** The gradient of a scalar at the codes, as the hook that sees it keeps it, and the codes. */
function gradientAtCodes(
  { model, sae }: ReturnType<typeof study>,
  keep: (gradient: Tensor) => Tensor,
): { gradient: Tensor; codes: Tensor } {
  let [gradient, codes]: (Tensor | undefined)[] = [];
  using _sae = model.saes(sae);
  using _hooks = model.hooks({
    fwdHooks: [[CODES, (acts) => void (codes = acts.detach())]],
    bwdHooks: [[CODES, (grad) => void (gradient = keep(grad))]],
  });
  model.forward(TOKENS).at(":", -1, 3).sum().backward();
  assert(gradient && codes);
  return { gradient, codes };
}

Deno.test("a gradient of codes has the same elements read in part, in products with the codes, and as a whole", () => {
  const parts = study();
  // Read as a whole within the hook, from the core; and outside it, when somebody asks.
  const whole = gradientAtCodes(parts, (grad) => Tensor.from(grad.toArray())).gradient;
  const { gradient, codes } = gradientAtCodes(parts, (grad) => grad.detach());
  const lazily = () => gradient.detach();
  assertEquals(gradient.shape, [2, 5, D_SAE]);
  for (
    const index of [
      [1, 2, 7],
      [":", -1, 7],
      [":", 3, [5, 199, 0]],
      ["1:", ":", 11],
      [[1, 1, 0], 2, 40],
      [0, "2:4", "10:14"],
    ]
  ) {
    assertEquals(lazily().at(...index), whole.at(...index), JSON.stringify(index));
  }
  const ranked = codes.data().toSorted((a, b) => b - a);
  const sparse = codes.mul(codes.gt(ranked[codes.size >> 5]).mul(1));
  const n = sparse.gt(0).sum().item();
  assert(n > 5 && n < codes.size / 16, `${n} codes`);
  assertEquals(lazily().mul(sparse), whole.mul(sparse));
  assertEquals(sparse.mul(lazily()), sparse.mul(whole));
  assertEquals(lazily().mul(codes), whole.mul(codes));
  assertEquals(gradient.toArray(), whole.toArray());
  assertEquals(lazily().sum().item(), whole.sum().item());
});

Deno.test("a gradient of codes agrees with differences", () => {
  const { model, sae } = study();
  const { gradient, codes } = gradientAtCodes({ model, sae }, (grad) => grad.detach());
  using _sae = model.saes(sae);
  const step = 1e-2;
  const moved = (row: number, pos: number, feature: number, by: number) =>
    model.runWithHooks(TOKENS, {
      fwdHooks: [[
        CODES,
        (acts) => acts.set([row, pos, feature], codes.at(row, pos, feature).item() + by),
      ]],
    }).at(":", -1, 3).sum().item();
  for (const [row, pos, feature] of [[0, 1, 3], [1, 4, 150], [1, 2, 77]]) {
    const difference = (moved(row, pos, feature, step) - moved(row, pos, feature, -step)) /
      (2 * step);
    // Logits of about 1 in float32 differ by 1e-7 / 0.02 from rounding, and by the step squared.
    assertAlmostEquals(gradient.at(row, pos, feature).item(), difference, 2e-4);
  }
});

Deno.test("gradients go on through encoders from live codes alone, of every kind alike", () => {
  for (const architecture of ["standard", "jumprelu", "topk"] as const) {
    const parts = study({ architecture, ...(architecture === "topk" ? { k: 6 } : {}) });
    const at = `${HOOK}`;
    const gradients = ["none", "codes", "pre-activations"].map((watched) => {
      using _sae = parts.model.saes(parts.sae);
      const names = {
        none: [at],
        codes: [at, CODES],
        "pre-activations": [at, CODES, `${HOOK}.hook_sae_acts_pre`],
      }[watched]!;
      const [logits, cache] = parts.model.runWithCache(TOKENS, { watch: names });
      logits.at(":", -1, 3).sum().backward();
      return cache.get(at).grad!.data();
    });
    assert(gradients[0].some((g) => g !== 0), architecture);
    assertEquals(gradients[1], gradients[0], architecture);
    assertEquals(gradients[2], gradients[0], architecture);
  }
});

Deno.test("a gradient of codes that nobody has read goes with its SAE, and says so", () => {
  const parts = study();
  const { gradient } = gradientAtCodes(parts, (grad) => grad.detach());
  const kept = gradient.detach();
  assertEquals(kept.at(0, 0, 0).shape, []);
  const read = gradient.detach();
  const element = read.toArray()[1][2][3];
  parts.sae[Symbol.dispose]();
  assertEquals(read.at(1, 2, 3).item(), element);
  assertThrows(
    () => kept.at(0, 0, 0),
    ConfigError,
    "Cannot read a gradient of codes: the SAE was disposed before anybody did.",
  );
});

Deno.test("a bwd hook that edits a gradient of codes replaces it", () => {
  const parts = study();
  const { model, sae } = parts;
  using _sae = model.saes(sae);
  const seen: number[] = [];
  const run = (edit: (grad: Tensor) => Tensor | void) => {
    using _hooks = model.hooks({ bwdHooks: [[CODES, (grad) => edit(grad)]] });
    const [logits, cache] = model.runWithCache(TOKENS, { watch: HOOK });
    logits.at(":", -1, 3).sum().backward();
    seen.push(cache.get(HOOK).grad!.abs().sum().item());
  };
  run(() => {});
  run((grad) => grad.mul(2));
  run((grad) => grad.set([":"], 0));
  assertAlmostEquals(seen[1], 2 * seen[0], 1e-4 * seen[0]);
  assertEquals(seen[2], 0);
});
