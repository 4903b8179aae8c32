// Gradients of parameters: what torch gives, what differences give, and how they are kept.

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedSAE,
  HookedSAETransformer,
  HookedTransformerKeyValueCache,
  type HookSpec,
  SAE,
  Tensor,
} from "../../mod.ts";
import { type FixtureInfo, fixtureUrl, readJson } from "../_fixtures.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

/** A gradient of torch's: its norm, and elements at even distances in row-major order. */
interface Reference {
  readonly shape: readonly number[];
  readonly norm: number;
  readonly values: readonly number[];
}

/** What torch gives for the loss of a fixture's tokens. */
interface ReferenceRun {
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Reference>>;
  readonly sae?: Readonly<Record<string, Reference>>;
}

const REFERENCE = await readJson<Readonly<Record<string, ReferenceRun>>>(
  "parameter_gradients",
  "reference.json",
);

type Model = ReturnType<typeof tinyModel>;

/** The gradients of all parameters that have one. */
function gradientsOf(owner: Model | HookedSAE): Map<string, Tensor> {
  const entries = [...owner.stateDict()].flatMap(([name, { grad }]) =>
    grad ? [[name, grad] as const] : []
  );
  return new Map(entries);
}

function assertGradient(got: Tensor | undefined, want: Reference, what: string): void {
  assert(got, `${what} has no gradient`);
  assertEquals(got.shape, want.shape, what);
  // The tolerance of the fixtures' gradients, in units of the whole: sums over all rows, in another order than torch's.
  const tolerance = 1e-4 * want.norm + 1e-7;
  assertAlmostEquals(got.norm().item(), want.norm, tolerance, what);
  const flat = got.data();
  want.values.forEach((value, i) => {
    const at = Math.floor(i * flat.length / want.values.length);
    assertAlmostEquals(flat[at], value, tolerance, `${what} at ${at}`);
  });
}

/** The loss' gradients in a model, and what torch gives. */
async function assertAsTorch(model: Model, key: string, folder: string, sae?: HookedSAE) {
  const { tokens } = await readJson<FixtureInfo>(folder, "fixture.json");
  const want = REFERENCE[key];
  const loss = model.forward(tokens as number[][], { returnType: "loss", watch: "params" });
  assertAlmostEquals(loss.item(), want.loss, 2e-5, key);
  loss.backward();
  const got = gradientsOf(model);
  for (const [name, reference] of Object.entries(want.gradients)) {
    assertGradient(got.get(name), reference, `${key}: ${name}`);
  }
  const own = sae ? gradientsOf(sae) : new Map<string, Tensor>();
  assertEquals([...own.keys()].sort(), Object.keys(want.sae ?? {}).sort(), key);
  for (const [name, reference] of Object.entries(want.sae ?? {})) {
    assertGradient(own.get(name), reference, `${key}: ${name}`);
  }
}

for (const name of ["gpt2", "llama"]) {
  Deno.test(`every parameter of ${name} has torch's gradient`, async () => {
    using model = await HookedSAETransformer.fromPretrainedNoProcessing(
      fixtureUrl(`${name}/model`),
    );
    await assertAsTorch(model, name, name);
    assertEquals(gradientsOf(model).size, model.stateDict().size);
  });
}

Deno.test("parameters of a spliced SAE have torch's gradients, with and without its error term", async () => {
  using model = await HookedSAETransformer.fromPretrainedNoProcessing(fixtureUrl("gpt2/model"));
  for (const key of Object.keys(REFERENCE).filter((key) => key.includes(" "))) {
    const [folder, how] = key.split(" ");
    using sae = await SAE.fromDisk(fixtureUrl(`sae/${folder}`));
    model.addSae(sae, { useErrorTerm: how === "with" });
    await assertAsTorch(model, key, "gpt2", sae);
    model.zeroGrad();
    assertEquals([gradientsOf(model).size, gradientsOf(sae).size], [0, 0]);
    model.resetSaes();
  }
});

const metric = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 7)).sum();

type Weights = Map<string, { shape: readonly number[]; data: Float32Array }>;

function weightsOf(model: Model): Weights {
  return new Map(
    [...model.stateDict()].map(([name, view]) => [
      name,
      { shape: view.shape, data: view.data() as Float32Array },
    ]),
  );
}

/** Asserts that gradients are the slopes along random directions, one for each kind of parameter. */
function assertSlopes(model: Model, what: string, run: (model: Model) => Tensor): void {
  run(model).backward();
  const gradients = gradientsOf(model);
  const weights = weightsOf(model);
  const kinds = Map.groupBy(weights.keys(), (name) => name.replace(/^blocks\.\d+\./, ""));
  const directions = new Map(
    [...weights].map(([name, { shape }], i) => [name, Tensor.randn(shape, { seed: i + 50 })]),
  );
  const none = {
    foldLn: false,
    centerWritingWeights: false,
    centerUnembed: false,
    foldValueBiases: false,
  };
  for (const [kind, names] of kinds) {
    const along = (step: number) => {
      const moved = names.map((name) => {
        const { shape, data } = weights.get(name)!;
        const sum = Tensor.from(data, shape).add(directions.get(name)!.mul(step));
        return [name, { shape, data: sum.data() as Float32Array }] as const;
      });
      model.loadAndProcessStateDict(new Map([...weights, ...moved]), none);
      const value = run(model);
      model.releaseTapes();
      return value.item();
    };
    const difference = (step: number) => (along(step) - along(-step)) / (2 * step);
    // Of two steps, so that the curvature's share cancels (Richardson).
    const slope = (4 * difference(2e-3) - difference(4e-3)) / 3;
    const gradient = names.reduce(
      (sum, name) => sum + gradients.get(name)!.mul(directions.get(name)!).sum().item(),
      0,
    );
    // The metric is good to about 4e-6, which a division by 4e-3 makes 1e-3 and the extrapolation 1.4e-3.
    const allowed = 3e-3 * Math.max(1, Math.abs(slope));
    assert(
      Math.abs(slope - gradient) < allowed,
      `${what}, ${kind}: the gradient gives ${gradient}, differences ${slope}`,
    );
  }
  model.loadAndProcessStateDict(weights, none);
}

const watched = (model: Model) => metric(model.forward(TOKENS, { watch: "params" }));

for (const [kind, { changes }] of Object.entries(VARIANTS)) {
  // Angles aren't parameters: one kind of rotation is like another.
  if (/stretched/.test(kind)) continue;
  Deno.test(`parameters' gradients are what differences say: ${kind}`, () => {
    using model = tinyModel(changes);
    assertSlopes(model, kind, watched);
  });
}

Deno.test("hooks see nothing of it, and what they change counts", () => {
  using model = tinyModel({ useAttnResult: true });
  const seen: string[] = [];
  const fwdHooks: HookSpec[] = [
    ["blocks.0.attn.hook_q", (q) => q.mul(2)],
    ["blocks.0.ln2.hook_normalized", (n) => n.mul(0.5)],
    ["blocks.0.mlp.hook_pre", (pre) => void pre.set([":", 2], 0)],
    ["blocks.1.attn.hook_z", (z) => z.mul(1.5)],
    ["blocks.1.attn.hook_result", (result) => void result.set([":", ":", 0], 0)],
    ["blocks.1.hook_q_input", (x) => x.add(1)],
    ["blocks.1.hook_mlp_in", (x) => x.mul(1.2)],
    ["unembed.hook_in", (x) => x.mul(0.7)],
  ];
  assertSlopes(
    model,
    "hooks",
    (model) => metric(model.runWithHooks(TOKENS, { fwdHooks, watch: "params" })),
  );
  using _spy = model.hooks({
    fwdHooks: [[() => true, (_, { name }) => void seen.push(name)]],
  });
  model.forward(TOKENS);
  const without = seen.splice(0);
  const [, cache] = model.runWithCache(TOKENS, { watch: ["params"] });
  assertEquals(seen, without);
  assertEquals([...cache.keys()], without);
  model.releaseTapes();
});

Deno.test("a backward hook's gradient is the one that goes on to parameters", () => {
  using model = tinyModel();
  const bwdHooks: HookSpec[] = [["blocks.1.attn.hook_q", (gradient) => gradient.mul(0)]];
  metric(model.forward(TOKENS, { watch: "params" })).backward();
  const plain = gradientsOf(model);
  model.zeroGrad();
  using _hooks = model.hooks({ bwdHooks });
  metric(model.forward(TOKENS, { watch: "params" })).backward();
  const [attn, other] = [model.blocks[1].attn, model.blocks[0].attn];
  assertEquals(attn.W_Q.grad!.abs().sum().item(), 0);
  assertSameBits(attn.W_V.grad!, plain.get("blocks.1.attn.W_V")!);
  assert(other.W_Q.grad!.abs().sum().item() > 0);
});

Deno.test("values keep their bits, with points and SAEs beside the parameters", () => {
  for (const [kind, { changes }] of Object.entries(VARIANTS)) {
    using model = tinyModel(changes);
    const clean = model.forward(TOKENS).clone();
    assertSameBits(model.forward(TOKENS, { watch: "params" }), clean, kind);
    model.releaseTapes();
    assertSameBits(model.forward(TOKENS), clean, kind);
  }
  using model = tinyModel();
  const name = "blocks.1.hook_resid_pre";
  const sae = tinySae(name);
  for (const useErrorTerm of [false, true]) {
    model.addSae(sae, { useErrorTerm });
    const clean = model.forward(TOKENS).clone();
    const points = [`${name}.hook_sae_acts_post`, "blocks.0.attn.hook_z"];
    const [logits, cache] = model.runWithCache(TOKENS, { watch: ["params", ...points] });
    const [plain, other] = model.runWithCache(TOKENS, { watch: points });
    assertSameBits(logits, clean);
    metric(logits).backward();
    metric(plain).backward();
    for (const point of points) {
      assert(cache.get(point).grad!.allClose(other.get(point).grad!, { atol: 1e-6 }), point);
    }
    model.resetSaes();
  }
});

Deno.test("gradients add up until zeroGrad(), and every view shows them", () => {
  using model = tinyModel();
  const early = model.W_E;
  const scalar = metric(model.forward(TOKENS, { watch: "params" }));
  assertEquals(early.grad, undefined);
  scalar.backward({ retainGraph: true });
  const once = gradientsOf(model);
  assertEquals(once.size, model.stateDict().size);
  assertSameBits(early.grad!, model.W_E.grad!);
  const { attn, mlp, ln1 } = model.blocks[1];
  assertSameBits(model.W_Q.grad!.at(1), attn.W_Q.grad!);
  for (const view of [attn.b_O, mlp.W_in, mlp.b_out, ln1.w, model.W_U, model.b_U, model.W_pos]) {
    assertEquals(view.grad!.shape, view.shape);
  }
  scalar.backward();
  for (const [name, grad] of gradientsOf(model)) assertSameBits(grad, once.get(name)!.mul(2), name);

  model.zeroGrad();
  assertEquals([gradientsOf(model).size, early.grad, model.W_Q.grad], [0, undefined, undefined]);
  const perPrompt = model.forward(TOKENS, { watch: "params" }).at(":", -1, 3);
  model.backwardMany(perPrompt, { retainGraph: true });
  const many = gradientsOf(model);
  model.zeroGrad();
  perPrompt.sum().backward();
  for (const [name, grad] of gradientsOf(model)) {
    assert(grad.allClose(many.get(name)!, { atol: 1e-5, rtol: 1e-5 }), name);
  }

  model.b_U.grad = undefined;
  assertEquals([model.b_U.grad, gradientsOf(model).size], [undefined, many.size - 1]);
  model.loadAndProcessStateDict(weightsOf(model));
  assertEquals(gradientsOf(model).size, 0);
});

Deno.test("a run gives gradients of what it computed with", () => {
  using model = tinyModel();
  const mask = Tensor.from([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]], undefined, "int32");
  const run = { watch: "params", attentionMask: mask };
  assertSlopes(model, "pads", (model) => metric(model.forward(TOKENS, run)));
  const resid = Tensor.randn([2, 6, 16], { seed: 4 });
  model.forward(resid, { startAtLayer: 1, watch: "params", stopAtLayer: 2 }).sum().backward();
  const names = [...gradientsOf(model).keys()];
  assertEquals(names, [...model.stateDict().keys()].filter((name) => name.startsWith("blocks.1.")));
  assertEquals(model.W_Q.grad, undefined);
});

Deno.test("heads that share keys have the gradient where the parameter is", () => {
  using model = tinyModel(VARIANTS["rotary positions, shared keys and gates"].changes);
  watched(model).backward();
  const { _W_K, W_K, _b_V, W_Q } = model.blocks[0].attn;
  assertEquals([_W_K.grad?.shape, _b_V.grad?.shape], [[2, 16, 4], [2, 4]]);
  assertEquals([W_K.grad, model.W_K.grad, W_Q.grad?.shape], [undefined, undefined, [4, 16, 4]]);
});

Deno.test("where gradients of parameters aren't known, a run says so before it begins", () => {
  using model = tinyModel();
  const refuses = (message: string, run: () => unknown) =>
    assertEquals(assertThrows(run, ConfigError).message, message);
  const pastKvCache = HookedTransformerKeyValueCache.initCache(model.cfg, 2);
  refuses(
    'Cannot watch "params" with a pastKvCache: what it holds are constants, so that gradients would lack their part. Run the whole text.',
    () => model.forward(TOKENS, { watch: "params", pastKvCache }),
  );
  const hookName = "blocks.1.hook_resid_pre";
  const common = { dIn: 16, dSae: 8, hookName };
  const gated = new HookedSAE({ ...common, architecture: "gated" });
  const at = `Cannot watch "params" with the SAE at "${hookName}"`;
  refuses(
    `${at}: gradients of the parameters of gated SAEs aren't known.`,
    () => model.runWithSaes(TOKENS, { saes: gated, watch: ["params"] }),
  );
  const rescaled = new HookedSAE({
    ...common,
    architecture: "topk",
    k: 2,
    rescaleActsByDecoderNorm: true,
  });
  refuses(
    `${at}: its decoder's norms scale its codes (rescaleActsByDecoderNorm), and that part of the gradient isn't known.`,
    () => model.runWithSaes(TOKENS, { saes: rescaled, watch: ["params"] }),
  );
  refuses(
    `${at}: its error term lets gradients through (errorGrad: "passthrough").`,
    () =>
      model.runWithSaes(TOKENS, {
        saes: tinySae(hookName),
        watch: ["params"],
        useErrorTerm: true,
        errorGrad: "passthrough",
      }),
  );
});
