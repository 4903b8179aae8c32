import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedModule,
  HookedSAE,
  HookError,
  type HookFunction,
  HookPoint,
  ShapeError,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const Z = "blocks.0.attn.hook_z";
const RESID = "blocks.1.hook_resid_pre";
const CODES = `${RESID}.hook_sae_acts_post`;

/** A module of one's own with a point in the middle. */
class Halving extends HookedModule {
  cfg = { hookName: RESID };
  hookMid = new HookPoint("hook_mid");

  forward(x: Tensor): Tensor {
    return this.hookMid.apply(x.relu()).mul(0.5);
  }
}

/** The gradient of the loss at points. */
function gradients(
  model: ReturnType<typeof tinyModel>,
  points: readonly string[],
  options: Parameters<typeof model.runWithCacheWithSaes>[1] = {},
): Tensor[] {
  const [loss, cache] = model.runWithCacheWithSaes(TOKENS, {
    ...options,
    returnType: "loss",
    watch: points,
    namesFilter: points,
  });
  (loss as Tensor).backward();
  return points.map((point) => cache.get(point).grad!);
}

Deno.test("runWithSaes() splices for one run: one SAE or a list", () => {
  using model = tinyModel();
  const saes = [tinySae(Z), tinySae(RESID)];
  const clean = model.forward(TOKENS).clone();
  const one = model.runWithSaes(TOKENS, { saes: saes[0] }).clone();
  const two = model.runWithSaes(TOKENS, { saes }).clone();
  assert(differs(one, clean) && differs(two, one));
  assertEquals([model.actsToSaes.size, model.hookDict.has(CODES)], [0, false]);
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("A spliced SAE gives what its forward() gives", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  const x = cache.get(RESID);
  assertSameBits(cache.get(CODES), sae.encode(x));
  assertSameBits(cache.get(`${RESID}.hook_sae_output`), sae.forward(x));
  // relu((x - b_dec) W_enc + b_enc) W_dec + b_dec, in another order of summation: a few roundings apart.
  const codes = x.sub(sae.b_dec).matmul(sae.W_enc).add(sae.b_enc).relu();
  const close = { atol: 1e-5, rtol: 1e-5 };
  assert(cache.get(CODES).allClose(codes, close));
  const recons = codes.matmul(sae.W_dec).add(sae.b_dec);
  assert(cache.get(`${RESID}.hook_sae_output`).allClose(recons, close));
});

Deno.test("addSae() stays until resetSaes(), under actsToSaes", () => {
  using model = tinyModel();
  const [z, resid] = [tinySae(Z), tinySae(RESID)];
  const clean = model.forward(TOKENS).clone();
  model.addSae(z);
  model.addSae(resid);
  assertEquals([...model.actsToSaes.keys()], [Z, RESID]);
  assertStrictEquals(model.actsToSaes[Z], z);
  const both = model.forward(TOKENS).clone();
  assertSameBits(both, model.runWithSaes(TOKENS, { saes: [] }));
  model.resetSaes(RESID);
  assertEquals([...model.actsToSaes.keys()], [Z]);
  assertSameBits(model.runWithSaes(TOKENS, { saes: resid }), both);
  model.resetSaes();
  assertEquals(model.actsToSaes.size, 0);
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("resetSaes() and addSae() refuse names that aren't there, with the nearest", () => {
  using model = tinyModel();
  model.addSae(tinySae(Z));
  assertError(
    () => model.resetSaes([Z, "blocks.1.attn.hook_z"]),
    UnknownPointError,
    `There is no SAE attached at "blocks.1.attn.hook_z". Attached: "${Z}".`,
  );
  assertEquals([...model.actsToSaes.keys()], [Z]);
  const lost = tinySae("blocks.7.hook_resid_pre");
  const message =
    'Cannot splice at "blocks.7.hook_resid_pre": the model has no such hook point. Did you mean "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.0.hook_resid_mid"?';
  assertError(() => model.addSae(lost), UnknownPointError, message);
  assertError(
    () => model.runWithSaes(TOKENS, { saes: [tinySae(RESID), lost] }),
    UnknownPointError,
    message,
  );
  assertEquals([...model.actsToSaes.keys()], [Z]);
  assertError(
    () => model.addSae({ cfg: {} } as never),
    ConfigError,
    "Cannot splice an object: expected an SAE, or a module with `cfg.hookName` and `forward(x)`.",
  );
});

Deno.test("saes() splices for a block, on exceptions too, last in first out", () => {
  using model = tinyModel();
  const [a, b, c] = [1, 2, 3].map((seed) => tinySae(RESID, { seed }));
  model.addSae(a);
  const withA = model.forward(TOKENS).clone();
  {
    using _outer = model.saes([b, c]);
    assertStrictEquals(model.actsToSaes[RESID], c);
    {
      using _inner = model.saes(a, { useErrorTerm: true });
      assertStrictEquals(model.actsToSaes[RESID], a);
    }
    assertStrictEquals(model.actsToSaes[RESID], c);
  }
  assertStrictEquals(model.actsToSaes[RESID], a);
  assertThrows(
    () => {
      using _saes = model.saes(b);
      throw new RangeError("stop");
    },
    RangeError,
    "stop",
  );
  assertThrows(() =>
    model.runWithHooksWithSaes(TOKENS, {
      saes: [b, a],
      fwdHooks: [[CODES, () => {
        throw new RangeError("stop");
      }]],
    }), HookError);
  assertStrictEquals(model.actsToSaes[RESID], a);
  assertSameBits(model.forward(TOKENS), withA);
});

Deno.test("resetSaesEnd: false leaves the run's SAEs attached", () => {
  using model = tinyModel();
  const sae = tinySae(Z);
  const logits = model.runWithSaes(TOKENS, { saes: sae, resetSaesEnd: false }).clone();
  assertSameBits(model.forward(TOKENS), logits);
  assertStrictEquals(model.actsToSaes[Z], sae);
});

Deno.test("A splice leaves the hooks at its point and takes its own along", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const note: HookFunction = (_, hook) => {
    fired.push(hook.name);
  };
  model.addPermaHook(RESID, note);
  model.addHook(RESID, note);
  const sae = tinySae(RESID);
  model.addSae(sae);
  model.addHook(CODES, note);
  model.addHook((name) => name.endsWith("hook_sae_output"), note);
  model.forward(TOKENS);
  assertEquals(fired, [RESID, RESID, CODES, `${RESID}.hook_sae_output`]);
  model.resetSaes();
  fired.length = 0;
  model.forward(TOKENS);
  assertEquals(fired, [RESID, RESID]);
  assertEquals(model.listHooks(), [{ name: RESID, fwd: 2, bwd: 0 }]);
  // The predicate is bound anew when the points are back, the exact name isn't.
  model.addSae(sae);
  fired.length = 0;
  model.forward(TOKENS);
  assertEquals(fired, [RESID, RESID, `${RESID}.hook_sae_output`]);
});

Deno.test("The raw point stays: its hooks see the value that enters the SAE, and edit it", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  const double: HookFunction = (act) => act.mul(2);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  using _hooks = model.hooks({ fwdHooks: [[RESID, double]] });
  const [, edited] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  assertSameBits(edited.get(RESID), cache.get(RESID).mul(2));
  assertSameBits(edited.get(`${RESID}.hook_sae_input`), cache.get(RESID).mul(2));
});

Deno.test("Hooks on the SAE itself fire in the model and alone, the SAE's first", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  const fired: string[] = [];
  sae.addHook("hook_sae_acts_post", (_, hook) => {
    fired.push(`own ${hook.name}`);
  });
  model.runWithHooksWithSaes(TOKENS, {
    saes: sae,
    fwdHooks: [[CODES, () => {
      fired.push("model");
    }]],
  });
  assertEquals(fired, [`own ${CODES}`, "model"]);
  fired.length = 0;
  sae.encode(Tensor.ones([1, 2, 16]));
  assertEquals(fired, ["own hook_sae_acts_post"]);
});

Deno.test("With the error term an unedited SAE leaves the logits' bits", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const kinds = [
    tinySae(Z),
    tinySae(RESID),
    new HookedSAE({
      dIn: 16,
      dSae: 40,
      hookName: "blocks.1.hook_mlp_out",
      architecture: "topk",
      k: 3,
    }),
    new HookedSAE({
      dIn: 16,
      dSae: 40,
      hookName: "blocks.0.hook_resid_mid",
      architecture: "jumprelu",
      normalizeActivations: "layer_norm",
    }),
  ];
  for (const saes of [...kinds, kinds]) {
    assertSameBits(model.runWithSaes(TOKENS, { saes, useErrorTerm: true }), clean);
    const [logits, cache] = model.runWithCacheWithSaes(TOKENS, { saes, useErrorTerm: true });
    assertSameBits(logits, clean);
    for (const { cfg } of [saes].flat()) {
      assertSameBits(cache.get(`${cfg.hookName}.hook_sae_output`), cache.get(cfg.hookName));
    }
  }
});

Deno.test("With the error term an edit of the codes moves the output by what it decodes to", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  const edit: HookFunction = (codes) => codes.set([":", 3, 7], 2);
  const run = (fwdHooks: [string, HookFunction][]) => {
    using _hooks = model.saes(sae, { useErrorTerm: true });
    using _scope = model.hooks({ fwdHooks });
    return model.runWithCache(TOKENS)[1];
  };
  const [before, after] = [run([]), run([[CODES, edit]])];
  const output = (cache: typeof before) => cache.get(`${RESID}.hook_sae_output`);
  const change = after.get(CODES).sub(before.get(CODES)).matmul(sae.W_dec);
  // x̂' + (x - x̂) against x + ΔfW_dec: the sums differ by a few roundings of values around 1.
  assert(output(after).allClose(output(before).add(change), { atol: 1e-5, rtol: 1e-5 }));
  assertSameBits(output(after).at(":", ":3"), before.get(RESID).at(":", ":3"), "unedited rows");
  assertSameBits(
    after.get(`${RESID}.hook_sae_error`),
    before.get(`${RESID}.hook_sae_error`),
    "the error ignores edits",
  );
});

Deno.test("useErrorTerm of the splice wins over the SAE's own flag and leaves it alone", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  sae.useErrorTerm = true;
  const clean = model.forward(TOKENS).clone();
  assertSameBits(model.runWithSaes(TOKENS, { saes: sae }), clean);
  assert(differs(model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: false }), clean));
  assertEquals(sae.useErrorTerm, true);
  model.addSae(sae);
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("excludeSpecialTokens passes the value unchanged at these tokens", () => {
  using model = tinyModel();
  const saes = tinySae(RESID);
  for (const useErrorTerm of [false, true]) {
    const options = { saes, useErrorTerm, excludeSpecialTokens: [5] };
    using _hooks = model.hooks({ fwdHooks: [[(name) => name === CODES, (codes) => codes.mul(2)]] });
    const [, cache] = model.runWithCacheWithSaes(TOKENS, options);
    const [output, raw] = [cache.get(`${RESID}.hook_sae_output`), cache.get(RESID)];
    // Token 5 stands at position 4 of the first text, 2 and 4 of the second.
    for (const [b, p] of [[0, 4], [1, 2], [1, 4]]) assertSameBits(output.at(b, p), raw.at(b, p));
    assert(differs(output.at(0, 3), raw.at(0, 3)));
    if (useErrorTerm) {
      assertEquals(cache.get(`${RESID}.hook_sae_error`).at(1, 2).any().item(), 0);
    }
  }
});

Deno.test('errorGrad "passthrough" gives the raw point the plain model\'s gradient', () => {
  using model = tinyModel();
  const saes = [tinySae(Z), tinySae(RESID)];
  const points = ["hook_embed", Z, RESID];
  const plain = gradients(model, points);
  const passing = gradients(model, points, { saes, useErrorTerm: true, errorGrad: "passthrough" });
  // Through x + (x̂' - x̂) the SAE's own paths cancel up to float32 rounding of gradients below 1.
  plain.forEach((gradient, i) => {
    assert(passing[i].allClose(gradient, { atol: 1e-5, rtol: 1e-4 }), points[i]);
  });
});

Deno.test('errorGrad "detach" lets gradients through the SAE alone', () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  const output = `${RESID}.hook_sae_output`;
  const error = `${RESID}.hook_sae_error`;
  const points = [RESID, CODES, error, output];
  const [atInput, atCodes, atError, atOutput] = gradients(model, points, {
    saes: sae,
    useErrorTerm: true,
  });
  assertSameBits(atError, atOutput);
  const close = { atol: 1e-6, rtol: 1e-5 };
  assert(atCodes.allClose(atOutput.matmul(sae.W_dec.transpose()), close));
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae, useErrorTerm: true });
  const alive = cache.get(CODES).gt(0);
  assert(atInput.allClose(atCodes.mul(alive).matmul(sae.W_enc.transpose()), close));

  // d/dx of the output at every code, error and bias: f·dL/df + err·dL/derr + b_dec·dL/dout = x·dL/dout.
  const dot = (a: Tensor, b: Tensor) => a.mul(b).sum(-1);
  const parts = dot(cache.get(CODES), atCodes).add(dot(cache.get(error), atError))
    .add(dot(sae.b_dec, atOutput));
  assert(parts.allClose(dot(cache.get(RESID), atOutput), close));
});

Deno.test("The error node has its gradient under passthrough too", () => {
  using model = tinyModel();
  const points = [`${RESID}.hook_sae_error`, `${RESID}.hook_sae_output`];
  const options = { saes: tinySae(RESID), useErrorTerm: true, errorGrad: "passthrough" } as const;
  const [atError, atOutput] = gradients(model, points, options);
  assertSameBits(atError, atOutput);
});

Deno.test("A transcoder reads one point and replaces another", () => {
  using model = tinyModel();
  const [input, out] = ["blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out"];
  const sae = new HookedSAE({
    dIn: 16,
    dOut: 16,
    dSae: 40,
    architecture: "transcoder",
    hookName: input,
    hookNameOut: out,
    seed: 3,
  });
  const clean = model.forward(TOKENS).clone();
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  assertSameBits(cache.get(`${out}.hook_sae_input`), cache.get(input));
  assertSameBits(cache.get(`${out}.hook_sae_output`), sae.decode(sae.encode(cache.get(input))));
  const sum = cache.get("blocks.0.hook_resid_mid").add(cache.get(`${out}.hook_sae_output`));
  assertSameBits(cache.get("blocks.0.hook_resid_post"), sum);
  assertSameBits(model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: true }), clean);
  // What hooks make of the point that it reads doesn't reach it (SAELens).
  const zeroed = model.runWithHooksWithSaes(TOKENS, {
    saes: sae,
    fwdHooks: [[input, (act) => act.mul(0)]],
  });
  assertSameBits(zeroed, model.runWithSaes(TOKENS, { saes: sae }));
  model.addSae(sae);
  assertEquals([...model.actsToSaes.keys()], [input]);
  assert(model.hookDict.has(`${out}.hook_sae_acts_post`));
  model.resetSaes(out);
  assertEquals(model.actsToSaes.size, 0);
});

Deno.test("A transcoder whose input the run doesn't pass is an error", () => {
  using model = tinyModel();
  const sae = new HookedSAE({
    dIn: 16,
    dOut: 16,
    dSae: 40,
    architecture: "transcoder",
    hookName: "blocks.0.mlp.hook_in",
    hookNameOut: "blocks.1.hook_mlp_out",
  });
  const residual = model.forward(TOKENS, { stopAtLayer: 1 });
  assertError(
    () => model.runWithSaes(residual, { saes: sae, startAtLayer: 1 }),
    ShapeError,
    'Cannot run what is spliced in at "blocks.1.hook_mlp_out": the run doesn\'t pass "blocks.0.mlp.hook_in", which it reads.',
  );
});

Deno.test("A module of one's own is hooked, cached and differentiated", () => {
  using model = tinyModel();
  const [module, mid] = [new Halving(), `${RESID}.hook_mid`];
  const [logits, cache] = model.runWithCacheWithSaes(TOKENS, { saes: module });
  assertSameBits(cache.get(mid), cache.get(RESID).relu());
  const plain = model.runWithHooks(TOKENS, { fwdHooks: [[RESID, (x) => x.relu().mul(0.5)]] });
  assertSameBits(logits, plain);

  const zeroed = model.runWithHooksWithSaes(TOKENS, {
    saes: module,
    fwdHooks: [[mid, (act) => act.set([":", 2], 0)]],
  });
  const expected = model.runWithHooks(TOKENS, {
    fwdHooks: [[RESID, (x) => {
      const y = x.relu().mul(0.5);
      y.set([":", 2], 0);
      return y;
    }]],
  });
  assertSameBits(zeroed, expected);

  const seen: Tensor[] = [];
  const [atRaw, atMid] = gradients(model, [RESID, mid], { saes: module });
  module.addHook("hook_mid", (gradient) => {
    seen.push(gradient.clone());
  }, "bwd");
  gradients(model, [RESID], { saes: module });
  assertSameBits(seen[0], atMid);
  assertSameBits(atRaw, atMid.mul(cache.get(RESID).gt(0)));
});

Deno.test("A module of one's own works alone, with its own hooks", () => {
  const module = new Halving();
  const x = Tensor.from([-1, 4]);
  assertEquals(module.forward(x).toArray(), [0, 2]);
  module.addHook("hook_mid", (act) => act.add(2));
  assertEquals(module.forward(x).toArray(), [1, 3]);
  assertEquals([...module.hookDict.keys()], ["hook_mid"]);
  using model = tinyModel();
  const shifted = model.runWithSaes(TOKENS, { saes: module }).clone();
  module.resetHooks();
  assert(differs(model.runWithSaes(TOKENS, { saes: module }), shifted));
  assertEquals(module.forward(x).toArray(), [0, 2]);
});

Deno.test("A module of one's own takes an error term", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const module = new Halving();
  assertSameBits(model.runWithSaes(TOKENS, { saes: module, useErrorTerm: true }), clean);
  const edited = model.runWithHooksWithSaes(TOKENS, {
    saes: module,
    useErrorTerm: true,
    fwdHooks: [[`${RESID}.hook_mid`, (act) => act.set([0, 1, 2], 3)]],
  });
  assertSameBits(edited.at(1), clean.at(1), "the other text");
  assert(differs(edited.at(0), clean.at(0)));
  const [plain] = gradients(model, [RESID]);
  const passing = { saes: module, useErrorTerm: true, errorGrad: "passthrough" } as const;
  // As for an SAE's: the module's own path cancels up to rounding.
  assert(gradients(model, [RESID], passing)[0].allClose(plain, { atol: 1e-5, rtol: 1e-4 }));
});

Deno.test("Anything with cfg.hookName and forward() can be spliced", () => {
  using model = tinyModel();
  const module = { cfg: { hookName: Z }, forward: (z: Tensor) => z.mul(0.5) };
  const expected = model.runWithHooks(TOKENS, { fwdHooks: [[Z, (z) => z.mul(0.5)]] }).clone();
  assertSameBits(model.runWithSaes(TOKENS, { saes: module }), expected);
  assertEquals([...model.hookDict.keys()].some((name) => name.startsWith(`${Z}.`)), false);
});

Deno.test("A module that fails is named with its point, and leaves the model as it was", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const run = (forward: (x: Tensor) => unknown) => () =>
    model.runWithSaes(TOKENS, {
      saes: { cfg: { hookName: RESID }, forward: forward as () => Tensor },
    });
  assertError(
    run((x) => x.sum(-1)),
    ShapeError,
    `Cannot splice at "${RESID}": forward() returned [2, 6], expected [2, 6, 16].`,
  );
  assertError(
    run((x) => Promise.resolve(x)),
    HookError,
    `Cannot splice at "${RESID}": forward() returned a Promise, expected a Tensor.`,
  );
  assertError(
    run(() => undefined),
    HookError,
    `Cannot splice at "${RESID}": forward() returned undefined, expected a Tensor.`,
  );
  const cause = new RangeError("no weights");
  const error = assertThrows(
    run(() => {
      throw cause;
    }),
    HookError,
  );
  assertEquals(error.message, `Cannot splice at "${RESID}": forward() threw: no weights`);
  assertStrictEquals(error.cause, cause);
  assertEquals(model.actsToSaes.size, 0);
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("A hook that fails inside a module is named with its own point", () => {
  using model = tinyModel();
  const [module, mid] = [new Halving(), `${RESID}.hook_mid`];
  const cause = new RangeError("stop");
  const hooked = (hook: HookFunction) => () =>
    model.runWithHooksWithSaes(TOKENS, { saes: module, fwdHooks: [[mid, hook]] });
  const error = assertThrows(
    hooked(() => {
      throw cause;
    }),
    HookError,
  );
  assertEquals(error.message, `Cannot pass "${mid}": hook 1 threw: stop`);
  assertStrictEquals(error.cause, cause);
  assertError(
    hooked((act) => act.sum(-1)),
    ShapeError,
    `Cannot set "${mid}": hook 1 returned [2, 6], expected [2, 6, 16]`,
  );
  assertEquals(module.forward(Tensor.from([4])).toArray(), [2]);
});

Deno.test("An SAE of another width is told what it was given", () => {
  using model = tinyModel();
  const sae = new HookedSAE({ dIn: 8, dSae: 20, hookName: RESID });
  const message =
    `Cannot encode [2, 6, 16] at "${RESID}": expected [..., dIn 8]. Is it an SAE of this model?`;
  assertError(() => model.runWithSaes(TOKENS, { saes: sae }), ShapeError, message);
  assertError(
    () => sae.encode(Tensor.zeros([2, 16])),
    ShapeError,
    `Cannot encode [2, 16] at "${RESID}": expected [..., dIn 8]. Is it an SAE of this model?`,
  );
});

Deno.test("A disposed SAE says so", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const sae = tinySae(RESID);
  sae[Symbol.dispose]();
  const message = `Cannot use HookedSAE(standard, ${RESID}, 16 → 40): the SAE was disposed.`;
  assertError(() => model.runWithSaes(TOKENS, { saes: sae }), ConfigError, message);
  assertError(() => sae.encode(Tensor.zeros([2, 16])), ConfigError, message);
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("clone() shares weights, copies flags, and has hook points of its own", () => {
  using model = tinyModel();
  const sae = tinySae(RESID);
  sae.useErrorTerm = true;
  sae.addHook("hook_sae_acts_post", (codes) => codes.mul(0));
  const before = sae.W_dec.clone();
  const clone = sae.clone();
  assertEquals([clone.useErrorTerm, clone.cfg], [true, sae.cfg]);
  assertEquals([clone.listHooks(), sae.listHooks().length], [[], 1]);
  assertSameBits(clone.W_dec, sae.W_dec);
  clone.useErrorTerm = false;
  assertEquals(sae.useErrorTerm, true);
  const clean = model.forward(TOKENS).clone();
  assertSameBits(
    model.runWithSaes(TOKENS, { saes: tinySae(RESID) }),
    model.runWithSaes(TOKENS, { saes: clone }),
  );
  assert(differs(model.runWithSaes(TOKENS, { saes: sae }), clean));
  clone.foldWDecNorm();
  assertSameBits(sae.W_dec, before, "folding the clone leaves the original");
});
