import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { attribution, ConfigError, GradientError, ShapeError, Tensor } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const CLEAN = [[3, 1, 4, 7, 5, 9], [2, 6, 1, 3, 8, 8]];
const Z = "blocks.1.attn.hook_z";

const metric = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4)).mean();

Deno.test("attributionPatch() is the derivative of patching", () => {
  using model = tinyModel();
  const attributions = attribution.attributionPatch(model, CLEAN, TOKENS, metric, {
    namesFilter: (name) => /hook_(z|mlp_out|resid_pre|embed)$/.test(name),
  });
  const [, clean] = model.runWithCache(CLEAN);
  const base = metric(model.forward(TOKENS)).item();
  assertEquals(attributions.size, 1 + 2 * 3);
  for (const [name, value] of attributions) {
    assertEquals(value.shape, clean.get(name).shape);
    // A small step towards the clean activation, in float32: about three digits are left.
    const share = 1e-2;
    const moved = (by: number) =>
      metric(model.runWithHooks(TOKENS, {
        fwdHooks: [[name, (act) => act.add(clean.get(name).sub(act).mul(by))]],
      })).item();
    const slope = (moved(share) - moved(-share)) / (2 * share);
    assertAlmostEquals(value.sum().item(), slope, 2e-3 * (1 + Math.abs(slope)), `${name} ${base}`);
  }
});

Deno.test("nodeAttribution() is gradient times change", () => {
  const [gradient, from] = [Tensor.from([1, -2, 3]), Tensor.from([4, 5, 6])];
  assertEquals(attribution.nodeAttribution(gradient, from).toArray(), [-4, 10, -18]);
  assertEquals(attribution.nodeAttribution(gradient, from, 4).toArray(), [0, 2, -6]);
  const to = Tensor.from([5, 5, 5]);
  assertEquals(attribution.nodeAttribution(gradient, from, to).toArray(), [1, 0, -3]);
});

Deno.test("cacheActivationsAndGradients() keeps both at the same points, SAEs' too", () => {
  using model = tinyModel();
  using sae = tinySae(Z);
  using _attached = model.saes(sae, { useErrorTerm: true });
  const { activations, gradients, metric: value } = attribution.cacheActivationsAndGradients(
    model,
    TOKENS,
    metric,
  );
  assertAlmostEquals(value.item(), metric(model.forward(TOKENS)).item(), 1e-6);
  const codes = `${Z}.hook_sae_acts_post`;
  for (const name of [codes, `${Z}.hook_sae_error`, "hook_embed", "blocks.1.mlp.hook_post"]) {
    assertEquals(gradients.get(name).shape, activations.get(name).shape, name);
  }
  // Decoding is linear: the gradient at the codes is the one at the output, seen by each direction.
  const out = gradients.get(`${Z}.hook_sae_output`).reshape(2, 6, 16);
  assert(
    gradients.get(codes).allClose(out.matmul(sae.W_dec.transpose(0, 1)), { atol: 1e-5 }),
  );
});

Deno.test("integratedGradients() sum to what the change does", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.hook_resid_pre");
  using _attached = model.saes(sae, { useErrorTerm: true });
  const codes = "blocks.1.hook_resid_pre.hook_sae_acts_post";
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: codes });
  const half = cache.get(codes).mul(0.5);
  for (const baseline of [0, half]) {
    const attr = attribution.integratedGradients(model, TOKENS, codes, metric, {
      baseline,
      steps: 64,
    });
    assertEquals(attr.shape, cache.get(codes).shape);
    const replaced = model.runWithHooks(TOKENS, {
      fwdHooks: [[codes, (act) => act.mul(0).add(baseline)]],
    });
    const effect = metric(model.forward(TOKENS)).item() - metric(replaced).item();
    // The midpoint rule leaves an error of the order of 1/steps².
    assertAlmostEquals(attr.sum().item(), effect, 2e-3 * (1 + Math.abs(effect)));
  }
});

Deno.test("integratedGradients() of one step are attributions halfway", () => {
  using model = tinyModel();
  const attr = attribution.integratedGradients(model, TOKENS, Z, metric, { steps: 1 });
  const [, cache] = model.runWithCache(TOKENS, { namesFilter: Z });
  const z = cache.get(Z);
  let gradient = z;
  using _hooks = model.hooks({
    fwdHooks: [[Z, () => z.mul(0.5)]],
    bwdHooks: [[Z, (seen) => {
      gradient = seen.clone();
    }]],
  });
  metric(model.forward(TOKENS)).backward();
  assertSameBits(attr, z.mul(gradient));
});

Deno.test("Attribution refuses what it can't do, and leaves no recording", () => {
  using model = tinyModel();
  for (let i = 0; i < 6; i++) {
    assertError(
      () =>
        attribution.cacheActivationsAndGradients(model, TOKENS, (logits) => logits.at(":", -1, 3)),
      ShapeError,
      "Cannot attribute: the metric gave Tensor(float32[2]), expected one number, e.g. the mean over the batch.",
    );
  }
  assertError(
    () => attribution.cacheActivationsAndGradients(model, TOKENS, () => Tensor.from(1)),
    GradientError,
    "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  );
  assertError(
    () => attribution.attributionPatch(model, [[1, 2, 3]], TOKENS, metric, { namesFilter: Z }),
    ShapeError,
    `Cannot attribute "${Z}": it is [1, 3, 2, 8] in the clean run and [2, 6, 2, 8] in the corrupted one.`,
  );
  assertError(
    () => attribution.integratedGradients(model, TOKENS, Z, metric, { steps: 0 }),
    ConfigError,
    "Cannot integrate in 0 steps: expected a positive whole number.",
  );
});
