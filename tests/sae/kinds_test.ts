import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedSAE,
  type HookedSaeOptions,
  SAE,
  ShapeError,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { SAE_KINDS } from "../../src/sae/kinds/registry.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, differs, tinyModel, TOKENS } from "../session/_models.ts";

const RESID = "blocks.1.hook_resid_pre";

/** Each kind with options of its own. */
const KINDS: readonly Partial<HookedSaeOptions>[] = [
  { architecture: "standard" },
  { architecture: "gated" },
  { architecture: "jumprelu" },
  { architecture: "topk", k: 5 },
  { architecture: "abstopk", k: 5, rescaleActsByDecoderNorm: true },
  { architecture: "matching_pursuit", maxIterations: 6 },
  { architecture: "temporal", nHeads: 2, bottleneckFactor: 4, nAttnLayers: 2, kvalTopk: 6 },
  {
    architecture: "temporal",
    nHeads: 4,
    bottleneckFactor: 2,
    tiedWeights: false,
    saeDiffType: "relu",
  },
  { architecture: "transcoder" },
  { architecture: "skip_transcoder" },
  { architecture: "jumprelu_transcoder" },
  { architecture: "jumprelu_skip_transcoder" },
];

/** A random SAE of a kind, every parameter random: biases and skip connections too. */
function randomSae(kind: Partial<HookedSaeOptions>, hookName = RESID): SAE {
  const options = { dIn: 16, dSae: 24, hookName, ...kind };
  const shapes = SAE_KINDS[kind.architecture ?? "standard"].shapes(new SAE(options).cfg);
  const weights = Object.entries(shapes).map(([name, shape], i) => {
    const data = Tensor.randn(shape, { seed: i + 1 }).mul(0.3).data() as Float32Array;
    return [name, { shape, data }] as const;
  });
  return new SAE(options, new Map(weights));
}

const nameOf = ({ architecture, tiedWeights }: Partial<HookedSaeOptions>) =>
  tiedWeights === false ? `untied ${architecture}` : `${architecture}`;

for (const kind of KINDS) {
  Deno.test(`A ${nameOf(kind)} SAE gives a text alone, in a batch and as the beginning of a longer one the same bits`, () => {
    using sae = randomSae(kind);
    const x = Tensor.randn([3, 7, 16], { seed: 9 });
    const codes = sae.encode(x);
    const output = sae.forward(x);
    for (const part of [[1, ":"], [1, ":4"], [2, 0]]) {
      const some = x.at(...part).reshape(1, -1, 16);
      assertSameBits(sae.encode(some), codes.at(...part).reshape(1, -1, 24), `codes of ${part}`);
      assertSameBits(sae.forward(some), output.at(...part).reshape(1, -1, 16), `output of ${part}`);
    }
  });

  Deno.test(`The gradient of a ${nameOf(kind)} SAE is that of its finite differences`, () => {
    using sae = randomSae(kind);
    const x = Tensor.randn([1, 3, 16], { seed: 4 });
    const weights = Tensor.randn([1, 3, 16], { seed: 5 });
    const value = (at: Tensor) => sae.forward(at).mul(weights).sum();
    x.requiresGrad = true;
    value(x).backward();
    const clean = x.detach();
    const codes = sae.encode(clean).ne(0).data();
    const step = 2e-3;
    let compared = 0;
    for (let i = 0; i < clean.size; i++) {
      const moved = (by: number) => {
        const data = clean.data();
        data[i] += by;
        return Tensor.from(data, clean.shape);
      };
      const [up, down] = [moved(step), moved(-step)];
      // Where another set of features is alive, the map has a kink.
      const sides = [up, down].map((side) => sae.encode(side).ne(0).data().join());
      if (sides.some((side) => side !== codes.join())) continue;
      compared++;
      const slope = (value(up).item() - value(down).item()) / (2 * step);
      const got = x.grad!.data()[i];
      // Rounding of sums of about 10 to float32 (1e-6) over the step, and the third derivative.
      assert(
        Math.abs(got - slope) <= 4e-3 + 4e-3 * Math.abs(slope),
        `element ${i} is ${got}, the difference quotient ${slope}`,
      );
    }
    assert(compared > clean.size / 2, `${compared} of ${clean.size} elements are smooth`);
  });
}

Deno.test("An edit at a skip transcoder's input reaches its skip connection; the error term makes up for it", () => {
  using model = tinyModel();
  const point = "blocks.1.hook_mlp_out";
  using sae = randomSae(
    { architecture: "skip_transcoder", hookNameOut: point },
    "blocks.1.hook_resid_mid",
  );
  const options = { saes: sae, useErrorTerm: true };
  const clean = model.forward(TOKENS).clone();
  assertSameBits(model.runWithSaes(TOKENS, options), clean);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, options);
  const doubled = model.runWithHooksWithSaes(TOKENS, {
    ...options,
    fwdHooks: [
      [`${point}.hook_sae_input`, (x) => x.mul(2)],
      [`${point}.hook_sae_output`, (y) => {
        const input = cache.get(`${point}.hook_sae_input`);
        const moved = sae.forward(input.mul(2)).sub(sae.forward(input));
        assert(y.allClose(cache.get(`${point}.hook_sae_output`).add(moved), { atol: 1e-5 }));
      }],
    ],
  });
  assert(differs(doubled, clean));
});

Deno.test("A matching pursuit's codes can be seen and edited; it has no pre-activations to hook", () => {
  using model = tinyModel();
  using sae = randomSae({ architecture: "matching_pursuit", maxIterations: 5 });
  const [logits, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  const codes = cache.get(`${RESID}.hook_sae_acts_post`);
  const alive = codes.ne(0).sum(-1).data();
  assert(alive.every((n) => n >= 1 && n <= 5));
  const edited = model.runWithHooksWithSaes(TOKENS, {
    saes: sae,
    fwdHooks: [[`${RESID}.hook_sae_acts_post`, (acts) => acts.mul(0)]],
  });
  assert(differs(edited, logits as Tensor));
  const why =
    "can never fire: matching pursuit chooses one feature after another, without pre-activations.";
  assertError(
    () =>
      model.runWithHooksWithSaes(TOKENS, {
        saes: sae,
        fwdHooks: [[`${RESID}.hook_sae_acts_pre`, () => {}]],
      }),
    UnknownPointError,
    `A hook on "${RESID}.hook_sae_acts_pre" ${why}`,
  );
  assertError(
    () => sae.addHook("hook_sae_acts_pre", () => {}),
    UnknownPointError,
    `A hook on "hook_sae_acts_pre" ${why}`,
  );
});

Deno.test("An abstopk SAE keeps the k codes of the largest magnitude with their signs", () => {
  using sae = randomSae({ architecture: "abstopk", k: 5 });
  const x = Tensor.randn([2, 16], { seed: 3 });
  const pre = x.sub(sae.b_dec).matmul(sae.W_enc).add(sae.b_enc);
  const codes = sae.encode(x);
  assert(codes.lt(0).any().item());
  for (const row of [0, 1]) {
    const [, largest] = pre.at(row).abs().topk(5);
    const kept = codes.at(row).nonzero().squeeze(1).data();
    assertEquals([...kept], [...largest.data()].sort((a, b) => a - b));
    assert(codes.at(row).indexSelect(0, largest).allClose(pre.at(row).indexSelect(0, largest)));
  }
});

Deno.test("A transcoder alone writes what is as wide as its output, and knows no error term", () => {
  const options = { architecture: "transcoder", dIn: 16, dOut: 12, dSae: 24 } as const;
  using sae = new SAE({ ...options, hookName: RESID, hookNameOut: "blocks.1.hook_mlp_out" });
  const x = Tensor.randn([2, 3, 16], { seed: 8 });
  const output = sae.forward(x);
  assertEquals(output.shape, [2, 3, 12]);
  sae.useErrorTerm = true;
  assertSameBits(sae.forward(x), output);
});

Deno.test("An SAE whose encoder is its decoder shows it as W_enc, and can't take a whitening", () => {
  const square = Tensor.ones([16, 16]);
  for (const kind of KINDS) {
    const { whyTied, whyUnscalable } = SAE_KINDS[kind.architecture ?? "standard"];
    if (whyTied === undefined) continue;
    using sae = randomSae(kind);
    if (kind.tiedWeights !== false) assertEquals(sae.W_enc.data(), sae.W_dec.transpose().data());
    assertError(
      () => sae.foldActivationWhitening(Tensor.zeros([16]), square, square),
      ConfigError,
      `Cannot fold a whitening into this ${sae.cfg.architecture} SAE: ${whyTied}.`,
    );
    if (whyUnscalable === undefined) continue;
    assertError(
      () => sae.foldActivationNormScalingFactor(2),
      ConfigError,
      `Cannot fold the activations' scale into this ${sae.cfg.architecture} SAE: ${whyUnscalable}.`,
    );
  }
});

Deno.test("foldActivationNormScalingFactor() gives a matching pursuit of the activations as they are", () => {
  using sae = randomSae({ architecture: "matching_pursuit", residualThreshold: 0.9 });
  using folded = sae.clone();
  folded.foldActivationNormScalingFactor(4);
  assertEquals([sae.cfg.residualThreshold, folded.cfg.residualThreshold], [0.9, 0.225]);
  const x = Tensor.randn([4, 16], { seed: 2 });
  assert(folded.encode(x).allClose(sae.encode(x.mul(4)).div(4), { atol: 1e-6 }));
  assert(folded.forward(x).allClose(sae.forward(x.mul(4)).div(4), { atol: 1e-6 }));
});

/** An invertible matrix and its inverse. */
function whiteningOf(dIn: number): { mean: Tensor; matrix: Tensor; inverse: Tensor } {
  const [rotated, stretch] = [Tensor.randn([dIn, dIn], { seed: 11 }), Tensor.arange(1, dIn + 1)];
  // A lower triangle of ones has the inverse that takes neighbours' differences.
  const triangle = Tensor.zeros([dIn, dIn]);
  const differences = Tensor.zeros([dIn, dIn]);
  for (let i = 0; i < dIn; i++) {
    triangle.set([i, `:${i + 1}`], 1);
    differences.set([i, i], 1);
    if (i > 0) differences.set([i, i - 1], -1);
  }
  const scales = stretch.div(dIn).add(0.5);
  return {
    mean: rotated.at(0),
    matrix: triangle.mul(scales.unsqueeze(0)),
    inverse: differences.div(scales.unsqueeze(-1)),
  };
}

Deno.test("foldActivationWhitening() gives the codes and the output of the whitened activations", () => {
  const { mean, matrix, inverse } = whiteningOf(16);
  const x = Tensor.randn([2, 5, 16], { seed: 6 });
  const white = x.sub(mean).matmul(matrix);
  for (const kind of KINDS) {
    const { whyTied, isTranscoder } = SAE_KINDS[kind.architecture ?? "standard"];
    if (whyTied !== undefined || isTranscoder) continue;
    for (const applyBDecToInput of [true, false]) {
      using sae = randomSae({
        ...kind,
        applyBDecToInput,
        normalizeActivations: "covariance_whitening",
      });
      using folded = sae.clone();
      folded.foldActivationWhitening(mean, matrix, inverse);
      const close = { atol: 2e-3, rtol: 1e-3 };
      assert(folded.encode(x).allClose(sae.encode(white), close), nameOf(kind));
      const output = sae.forward(white).matmul(inverse).add(mean);
      assert(folded.forward(x).allClose(output, close), nameOf(kind));
      assertEquals(folded.cfg.normalizeActivations, "none");
    }
  }
});

Deno.test("folds refuse factors, shapes and kinds that they can't take", () => {
  using sae = randomSae({ architecture: "standard" });
  for (const factor of [0, NaN, Infinity]) {
    assertError(
      () => sae.foldActivationNormScalingFactor(factor),
      ConfigError,
      `Cannot fold the activations' scale ${factor}: expected a number, not 0.`,
    );
  }
  const wrong = Tensor.ones([16, 15]);
  assertError(
    () => sae.foldActivationWhitening(Tensor.zeros([16]), wrong, wrong),
    ShapeError,
    "Cannot fold a whitening of shapes 16; 16,15; 16,15: expected 16; 16,16; 16,16.",
  );
  using transcoder = randomSae({ architecture: "transcoder" });
  const square = Tensor.ones([16, 16]);
  assertThrows(
    () => transcoder.foldActivationWhitening(Tensor.zeros([16]), square, square),
    ConfigError,
    "Cannot fold a whitening into a transcoder: what it writes isn't what was whitened.",
  );
});

Deno.test("new HookedSAE() refuses options of a kind that contradict each other", () => {
  const base = { dIn: 16, dSae: 24, hookName: RESID };
  const refused: readonly [HookedSaeOptions, string][] = [
    [
      { ...base, architecture: "temporal", nHeads: 5, bottleneckFactor: 2 },
      "dSae is 24, wanted a multiple of bottleneckFactor × nHeads, 2 × 5",
    ],
    [
      { ...base, architecture: "temporal", nHeads: 2, bottleneckFactor: 2, nAttnLayers: 1000 },
      "nAttnLayers is 1000, wanted at most 64",
    ],
    [
      { ...base, architecture: "temporal", nHeads: 2, bottleneckFactor: 2, kvalTopk: 25 },
      "kvalTopk is 25, but dSae is 24, wanted at most that many",
    ],
    [
      { ...base, architecture: "matching_pursuit", residualThreshold: -1 },
      "residualThreshold is -1, wanted 0 or more",
    ],
    [
      { ...base, normalizeActivations: "constant_scalar_rescale" },
      'normalizeActivations is "constant_scalar_rescale", which only temporal SAEs have',
    ],
  ];
  for (const [options, problem] of refused) {
    assertError(
      () => new HookedSAE(options),
      ConfigError,
      `Cannot use the SAE config of a new SAE: ${problem}`,
    );
  }
});

Deno.test("decode() takes the scale of the codes' own input, whatever was encoded meanwhile", () => {
  for (const normalizeActivations of ["layer_norm", "constant_norm_rescale"] as const) {
    using sae = new HookedSAE({ dIn: 8, dSae: 20, hookName: RESID, normalizeActivations });
    const [first, second] = [
      Tensor.randn([2, 3, 8], { seed: 1 }),
      Tensor.randn([5, 8], { seed: 2 }),
    ];
    const codes = sae.encode(first);
    const wanted = sae.decode(codes);
    sae.encode(second.mul(7));
    assertSameBits(sae.decode(codes), wanted, normalizeActivations);
    // Codes in another shape are those of the last input, as long as there are as many.
    assertError(
      () => sae.decode(codes.mul(1)),
      ShapeError,
      `Cannot decode [2, 3, 20] with ${normalizeActivations}: the scale is taken from the input, and the last was [5, 8].`,
    );
    sae.encode(first);
    assertSameBits(sae.decode(codes.reshape(6, 20)), wanted.reshape(6, 8), normalizeActivations);
  }
});
