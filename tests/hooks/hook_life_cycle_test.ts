import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BorrowedTensorError,
  HookError,
  type HookFunction,
  type HookPoint,
  memoryUsage,
  noGrad,
  ShapeError,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const Z = "blocks.1.attn.hook_z";

/** A hook that notes its name when it fires. */
function noting(fired: string[], name: string): HookFunction {
  return () => {
    fired.push(name);
  };
}

/** Runs once and tells which noting hooks fired. */
function firing(fired: string[], run: () => unknown): string[] {
  fired.length = 0;
  run();
  return [...fired];
}

Deno.test("addHook() takes exact names and predicates, which bind anew at each run", () => {
  using model = tinyModel();
  const fired: string[] = [];
  model.addHook(Z, noting(fired, "exact"));
  let wanted = "hook_embed";
  model.addHook((name) => name.endsWith(wanted), (_, hook) => {
    fired.push(hook.name);
  });
  const run = () => model.forward(TOKENS);
  assertEquals(firing(fired, run), ["hook_embed", "exact"]);
  wanted = "hook_mlp_out";
  assertEquals(firing(fired, run), ["blocks.0.hook_mlp_out", "exact", "blocks.1.hook_mlp_out"]);
});

Deno.test("addHook() runs hooks in order, each on what the one before left", () => {
  using model = tinyModel();
  const seen: number[] = [];
  const look: HookFunction = (act) => {
    seen.push(act.at(0, 0, 0, 0).item());
  };
  model.addHook(Z, (act) => act.mul(0).add(2));
  model.addHook(Z, (act) => act.set(["..."], act.mul(3)));
  model.addHook(Z, look);
  model.addHook(Z, (act) => act.mul(0).add(7), "fwd", { prepend: true });
  model.addHook(Z, look, "fwd", { prepend: true });
  const [, cache] = model.runWithCache(TOKENS);
  assertEquals(seen[1], 6);
  assertEquals(seen.length, 2);
  assert(seen[0] !== 7);
  assertEquals(cache.get(Z).at(0, 0, 0, 0).item(), 6);
});

Deno.test("addHook() refuses a name that no point has and names the nearest", () => {
  using model = tinyModel();
  assertError(
    () => model.addHook("blocks.1.attn.hook_zz", () => {}),
    UnknownPointError,
    'There is no hook point "blocks.1.attn.hook_zz". Did you mean "blocks.1.attn.hook_z", "blocks.0.attn.hook_z", "blocks.1.attn.hook_q"?',
  );
  assertError(
    () => model.addHook(`${Z}.hook_sae_input`, () => {}),
    UnknownPointError,
    'There is no hook point "blocks.1.attn.hook_z.hook_sae_input". No SAE is spliced in at "blocks.1.attn.hook_z": pass it as `saes`, or addSae() it first.',
  );
  assertEquals(model.listHooks(), []);
});

Deno.test("addPermaHook() stays through resetHooks() unless permanent ones are included", () => {
  using model = tinyModel();
  const fired: string[] = [];
  model.addPermaHook(Z, noting(fired, "permanent"));
  model.addHook(Z, noting(fired, "ordinary"));
  const run = () => model.forward(TOKENS);
  assertEquals(firing(fired, run), ["permanent", "ordinary"]);
  model.resetHooks();
  assertEquals(firing(fired, run), ["permanent"]);
  model.resetHooks({ includingPermanent: true });
  assertEquals(firing(fired, run), []);
});

Deno.test("resetHooks() chooses by direction and level, and ignores the level with permanent ones", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const add = () => {
    model.addHook(Z, noting(fired, "any"));
    model.addHook(Z, noting(fired, "one"), "fwd", { level: 1 });
    model.addHook(Z, noting(fired, "two"), "fwd", { level: 2 });
    model.addHook(Z, noting(fired, "bwd"), "bwd", { level: 1 });
  };
  const run = () => model.forward(TOKENS, { returnType: "loss", watch: [Z] }).backward();
  add();
  assertEquals(firing(fired, run), ["any", "one", "two", "bwd"]);
  model.resetHooks({ level: 1 });
  assertEquals(firing(fired, run), ["any", "two"]);
  model.resetHooks();
  add();
  model.resetHooks({ direction: "bwd" });
  assertEquals(firing(fired, run), ["any", "one", "two"]);
  model.resetHooks({ direction: "fwd" });
  assertEquals(firing(fired, run), []);
  add();
  model.resetHooks({ level: 2, includingPermanent: true });
  assertEquals(firing(fired, run), []);
});

Deno.test("listHooks() and hasHooks() look for hooks by point, direction, permanence and level", () => {
  using model = tinyModel();
  const noop = () => {};
  model.addHook(Z, noop);
  model.addHook(Z, noop, "bwd", { level: 3 });
  model.addPermaHook("hook_embed", noop);
  const both = [{ name: "hook_embed", fwd: 1, bwd: 0 }, { name: Z, fwd: 1, bwd: 1 }];
  assertEquals(model.listHooks(), both);
  assertEquals(model.listHooks({ namesFilter: Z }), [both[1]]);
  assertEquals(model.listHooks({ namesFilter: ["hook_embed"] }), [both[0]]);
  assertEquals(model.listHooks({ namesFilter: (name) => name === Z, direction: "bwd" }), [
    { name: Z, fwd: 0, bwd: 1 },
  ]);
  assertEquals(model.listHooks({ includingPermanent: false }), [both[1]]);
  const [point, embed] = [Z, "hook_embed"].map((name) => model.hookDict.get(name)!);
  assertEquals(point.hasHooks("both", { level: 3 }), true);
  assertEquals(point.hasHooks("fwd", { level: 3 }), false);
  assertEquals([embed.hasHooks(), embed.hasHooks("both", { includingPermanent: false })], [
    true,
    false,
  ]);
});

Deno.test("removeAllHookFns() leaves what hooks keep in ctx", () => {
  using model = tinyModel();
  model.addHook(Z, (_, hook) => {
    hook.ctx.seen = true;
  });
  model.addPermaHook("hook_embed", () => {});
  model.forward(TOKENS);
  model.removeAllHookFns("bwd");
  assertEquals(model.listHooks().length, 2);
  model.removeAllHookFns();
  assertEquals(model.listHooks().map(({ name }) => name), ["hook_embed"]);
  assertEquals(model.hookDict.get(Z)?.ctx, { seen: true });
  model.removeAllHookFns("both", { includingPermanent: true });
  assertEquals(model.listHooks(), []);
});

Deno.test("hooks() nest, and each scope removes only its own", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const run = () => model.forward(TOKENS);
  model.addHook(Z, noting(fired, "standing"));
  {
    using _outer = model.hooks({ fwdHooks: [[Z, noting(fired, "outer")]] });
    assertEquals(model.contextLevel, 1);
    {
      using _inner = model.hooks({ fwdHooks: [[Z, noting(fired, "inner")]] });
      assertEquals(model.contextLevel, 2);
      assertEquals(firing(fired, run), ["standing", "outer", "inner"]);
      model.runWithHooks(TOKENS, { fwdHooks: [[Z, noting(fired, "run")]] });
    }
    assertEquals(firing(fired, run), ["standing", "outer"]);
  }
  assertEquals(model.contextLevel, 0);
  assertEquals(firing(fired, run), ["standing"]);
});

Deno.test("hooks() removes its hooks on exceptions, and disposing twice does nothing", () => {
  using model = tinyModel();
  const fired: string[] = [];
  assertThrows(
    () => {
      using _hooks = model.hooks({ fwdHooks: [[Z, noting(fired, "scoped")]] });
      throw new RangeError("stop");
    },
    RangeError,
    "stop",
  );
  assertThrows(
    () =>
      model.runWithHooks(TOKENS, {
        fwdHooks: [[Z, () => {
          throw new RangeError("stop");
        }]],
      }),
    HookError,
  );
  assertEquals([model.listHooks(), model.contextLevel], [[], 0]);
  const scope = model.hooks({ fwdHooks: [[Z, noting(fired, "scoped")]] });
  scope[Symbol.dispose]();
  scope[Symbol.dispose]();
  assertEquals(model.contextLevel, 0);
});

Deno.test("hooks() with an unknown name adds none of its hooks", () => {
  using model = tinyModel();
  assertThrows(
    () => model.hooks({ fwdHooks: [[Z, () => {}], ["hook_embe", () => {}]] }),
    UnknownPointError,
    'There is no hook point "hook_embe". Did you mean "hook_embed"',
  );
  assertEquals([model.listHooks(), model.contextLevel], [[], 0]);
});

Deno.test("resetHooksEnd: false leaves hooks until the next scope of that depth ends", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const run = () => model.forward(TOKENS);
  model.runWithHooks(TOKENS, {
    fwdHooks: [[Z, noting(fired, "left")]],
    resetHooksEnd: false,
  });
  assertEquals(firing(fired, run), ["left"]);
  assertEquals(model.contextLevel, 0);
  model.runWithHooks(TOKENS, { fwdHooks: [[Z, noting(fired, "next")]] });
  assertEquals(firing(fired, run), []);
});

Deno.test("ctx keeps what hooks remember until resetHooks() or clearContexts", () => {
  using model = tinyModel();
  const remember: HookFunction = (_, hook) => {
    hook.ctx.runs = Number(hook.ctx.runs ?? 0) + 1;
  };
  const runs = () => model.hookDict[Z] as HookPoint;
  for (let i = 0; i < 3; i++) model.runWithHooks(TOKENS, { fwdHooks: [[Z, remember]] });
  assertEquals(runs().ctx, { runs: 3 });
  model.resetHooks({ clearContexts: false });
  assertEquals(runs().ctx, { runs: 3 });
  model.resetHooks();
  assertEquals(runs().ctx, {});
  model.runWithHooks(TOKENS, { fwdHooks: [[Z, remember]], clearContexts: true });
  assertEquals(runs().ctx, {});
});

Deno.test("A hook is told the point: its name, its layer, where positions begin", () => {
  using model = tinyModel();
  const points: HookPoint[] = [];
  model.runWithHooks(TOKENS, {
    fwdHooks: [[Z, (_, hook) => {
      points.push(hook);
    }]],
  });
  assertStrictEquals(points[0], model.hookDict.get(Z));
  assertEquals([points[0].name, points[0].layer(), points[0].posOffset], [Z, 1, 0]);
});

Deno.test("HookPoint adds hooks of its own and tells whether it has any", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const point = model.hookDict.get(Z)!;
  point.addHook(noting(fired, "second"));
  point.addHook(noting(fired, "first"), "fwd", { prepend: true });
  assertEquals([point.hasHooks(), point.hasHooks("fwd"), point.hasHooks("bwd")], [
    true,
    true,
    false,
  ]);
  point.addPermaHook(noting(fired, "bwd"), "bwd");
  assertEquals(model.listHooks(), [{ name: Z, fwd: 2, bwd: 1 }]);
  const run = () => model.forward(TOKENS, { returnType: "loss" }).backward();
  assertEquals(firing(fired, run), ["first", "second", "bwd"]);
  model.resetHooks();
  assertEquals(model.listHooks(), [{ name: Z, fwd: 0, bwd: 1 }]);
});

Deno.test("An exact name opens a gated point for the run, a predicate only with its switch", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const gated = ["hook_attn_in", "hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in"]
    .map((name) => `blocks.1.${name}`).concat("blocks.1.attn.hook_result");
  const fired: string[] = [];
  for (const name of gated) {
    const run = () => model.runWithHooks(TOKENS, { fwdHooks: [[name, noting(fired, name)]] });
    assertEquals(firing(fired, run), [name]);
    assertError(
      () => model.runWithHooks(TOKENS, { fwdHooks: [[(other) => other === name, () => {}]] }),
      UnknownPointError,
      "A hook on the predicate can never fire: it matches no hook point of this run.",
    );
    const edited = model.runWithHooks(TOKENS, { fwdHooks: [[name, (act) => act.mul(0)]] });
    assert(differs(edited, clean), name);
  }
  const everything = new Set<string>();
  const all: HookFunction = (_, hook) => {
    everything.add(hook.name);
  };
  model.runWithHooks(TOKENS, { fwdHooks: [[() => true, all]] });
  assertEquals(gated.filter((name) => everything.has(name)), []);
  model.setUseAttnIn(true);
  model.setUseSplitQkvInput(true);
  model.setUseHookMlpIn(true);
  model.setUseAttnResult(true);
  model.runWithHooks(TOKENS, { fwdHooks: [[() => true, all]] });
  assertEquals(gated.filter((name) => !everything.has(name)), []);
  assertEquals(everything.size, model.hookDict.size);
});

Deno.test("ln1 has a head axis and fires for each input with the split switch alone", () => {
  using model = tinyModel();
  const shapes: number[][] = [];
  const fwdHooks = [["blocks.1.ln1.hook_normalized", (act: Tensor) => {
    shapes.push([...act.shape]);
  }]] as const;
  model.runWithHooks(TOKENS, { fwdHooks });
  assertEquals(shapes, [[2, 6, 16]]);
  model.setUseSplitQkvInput(true);
  shapes.length = 0;
  model.runWithHooks(TOKENS, { fwdHooks });
  assertEquals(shapes, [[2, 6, 2, 16], [2, 6, 2, 16], [2, 6, 2, 16]]);
});

Deno.test("A hook that can never fire in a run is an error with the reason", () => {
  using model = tinyModel();
  const look: HookFunction = () => {};
  const hooked = (name: string, options = {}) => () =>
    model.runWithHooks(TOKENS, { fwdHooks: [[name, look]], ...options });
  assertError(
    hooked(Z, { stopAtLayer: 1 }),
    UnknownPointError,
    `A hook on "${Z}" can never fire: the run stops before layer 1.`,
  );
  assertError(
    hooked("unembed.hook_out", { returnType: null }),
    UnknownPointError,
    'A hook on "unembed.hook_out" can never fire: returnType: null unembeds nothing.',
  );
  const resid = model.forward(TOKENS, { stopAtLayer: 1 });
  const from = { fwdHooks: [["hook_embed", look]] as const, startAtLayer: 1 };
  assertError(
    () => model.runWithHooks(resid as Tensor, from),
    UnknownPointError,
    'A hook on "hook_embed" can never fire: the run starts at layer 1.',
  );
  const error = `${Z}.hook_sae_error`;
  assertError(
    () => model.runWithHooksWithSaes(TOKENS, { saes: tinySae(Z), fwdHooks: [[error, look]] }),
    UnknownPointError,
    `A hook on "${error}" can never fire: it is spliced in without the error term.`,
  );
  assertError(
    () => model.forward(TOKENS, { watch: [Z], stopAtLayer: 1 }),
    UnknownPointError,
    `A hook on "${Z}" can never fire: the run stops before layer 1.`,
  );
  assertError(
    () => model.runWithCache(TOKENS, { namesFilter: [Z], stopAtLayer: 1 }),
    UnknownPointError,
    `A hook on "${Z}" can never fire: the run stops before layer 1.`,
  );
  assertEquals([model.listHooks(), model.contextLevel, model.actsToSaes.size], [[], 0, 0]);
});

Deno.test("A tensor that a hook was lent throws after its run; clone() and detach() stay", () => {
  using model = tinyModel();
  const kept: Record<string, Tensor> = {};
  const [, cache] = model.runWithCache(TOKENS);
  model.runWithHooks(TOKENS, {
    fwdHooks: [[Z, (act) => {
      Object.assign(kept, { act, clone: act.clone(), detach: act.detach(), sum: act.sum(-1) });
    }]],
  });
  const message =
    "Cannot read a borrowed tensor of shape [2, 6, 2, 8]: its run has ended. In the hook, keep act.clone() or act.detach() instead of act.";
  assertError(() => kept.act.data(), BorrowedTensorError, message);
  assertError(() => kept.act.add(1), BorrowedTensorError, message);
  assertError(
    () => model.runWithHooks(TOKENS, { fwdHooks: [[Z, () => kept.act]] }),
    BorrowedTensorError,
    message,
  );
  assertSameBits(kept.clone, cache.get(Z));
  assertSameBits(kept.detach, cache.get(Z));
  assertSameBits(kept.sum, cache.get(Z).sum(-1));
});

Deno.test("A gradient that a bwd hook was lent throws after the backward pass", () => {
  using model = tinyModel();
  const kept: Tensor[] = [];
  using _hooks = model.hooks({
    bwdHooks: [[Z, (gradient) => {
      kept.push(gradient, gradient.clone());
    }]],
  });
  model.forward(TOKENS, { returnType: "loss" }).backward();
  assertError(
    () => kept[0].data(),
    BorrowedTensorError,
    "Cannot read a borrowed tensor of shape [2, 6, 2, 8]: its run has ended. In the hook, keep act.clone() or act.detach() instead of act.",
  );
  assertEquals([...kept[1].shape], [2, 6, 2, 8]);
});

Deno.test("An edit in place counts without a return, and reaches neither cache nor base run", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const [, before] = model.runWithCache(TOKENS);
  const zero: HookFunction = (act) => act.set([":", 2], 0);
  const [inPlace, replaced] = [zero, (act: Tensor) => {
    const copy = act.clone();
    copy.set([":", 2], 0);
    return copy;
  }].map((hook) =>
    model.runWithHooks(TOKENS, { fwdHooks: [["blocks.1.hook_resid_pre", hook]] }).clone()
  );
  assertSameBits(inPlace, replaced);
  assert(differs(inPlace, clean));
  // blocks.0.hook_resid_post is the same value, one point earlier: a snapshot doesn't follow the edit.
  using _hooks = model.hooks({ fwdHooks: [["blocks.1.hook_resid_pre", zero]] });
  const [, after] = model.runWithCache(TOKENS);
  assertSameBits(after.get("blocks.0.hook_resid_post"), before.get("blocks.0.hook_resid_post"));
  assertEquals(after.get("blocks.1.hook_resid_pre").at(":", 2).any().item(), 0);
  assertSameBits(before.get("blocks.1.hook_resid_pre"), before.get("blocks.0.hook_resid_post"));
});

Deno.test("A hook that returns what doesn't fit is told what was expected", () => {
  using model = tinyModel();
  const clean = model.forward(TOKENS).clone();
  const returning = (name: string, value: (act: Tensor) => unknown) => () =>
    model.runWithHooks(TOKENS, { fwdHooks: [[name, () => {}], [name, value as HookFunction]] });
  assertError(
    returning(Z, (act) => act.at(":", ":3")),
    ShapeError,
    `Cannot set "${Z}": hook 2 returned [2, 3, 2, 8], expected [batch 2, pos 6, head 2, dHead 8]`,
  );
  assertError(
    returning("blocks.0.attn.hook_pattern", (act) => act.sum(-1)),
    ShapeError,
    'Cannot set "blocks.0.attn.hook_pattern": hook 2 returned [2, 2, 6], expected [batch 2, head 2, query 6, key 6]',
  );
  assertError(
    returning("blocks.0.hook_resid_mid", (act) => act.gt(0)),
    ShapeError,
    'Cannot set "blocks.0.hook_resid_mid": hook 2 returned a bool tensor, expected float32',
  );
  assertError(
    returning("blocks.0.mlp.hook_post", () => 5),
    HookError,
    'Cannot pass "blocks.0.mlp.hook_post": hook 2 returned number, expected a Tensor or nothing.',
  );
  assertError(
    returning("blocks.0.mlp.hook_post", (act) => Promise.resolve(act)),
    HookError,
    'Cannot pass "blocks.0.mlp.hook_post": hook 2 returned a Promise; hooks are ordinary functions, not async ones.',
  );
  assertSameBits(model.forward(TOKENS), clean);
});

Deno.test("A hook's exception arrives as the cause, forward and backward", () => {
  using model = tinyModel();
  const cause = new RangeError("no such head");
  const fail: HookFunction = () => {
    throw cause;
  };
  const forward = assertThrows(
    () => model.runWithHooks(TOKENS, { fwdHooks: [[Z, () => {}], [Z, fail]] }),
    HookError,
  );
  assertEquals(forward.message, `Cannot pass "${Z}": hook 2 threw: no such head`);
  assertStrictEquals(forward.cause, cause);
  using _hooks = model.hooks({ bwdHooks: [[Z, fail]] });
  const loss = model.forward(TOKENS, { returnType: "loss" });
  const backward = assertThrows(() => loss.backward(), HookError);
  assertEquals(backward.message, `Cannot pass "${Z}": hook 1 threw: no such head`);
  assertStrictEquals(backward.cause, cause);
  model.releaseTapes();
});

Deno.test("A hook may run the model itself", () => {
  using model = tinyModel();
  const other = [[9, 8, 7]];
  const edit = ["blocks.1.hook_resid_mid", (act: Tensor) => act.mul(1.5)] as const;
  model.keepBase = false;
  const [expected, otherExpected] = [TOKENS, other].map((input) =>
    model.runWithHooks(input, { fwdHooks: [edit] }).clone()
  );
  for (const keepBase of [true, false]) {
    model.keepBase = keepBase;
    model.forward(TOKENS);
    let inner: Tensor | undefined;
    const nested: HookFunction = () => {
      // The hooks are the model's, so they fire in the inner run as well.
      if (inner) return;
      inner = Tensor.zeros([0]);
      inner = model.forward(other).clone();
    };
    const outer = model.runWithHooks(TOKENS, {
      fwdHooks: [["blocks.0.hook_resid_mid", nested], edit],
    });
    assertSameBits(outer, expected, `outer, keepBase ${keepBase}`);
    assertSameBits(inner!, otherExpected, `inner, keepBase ${keepBase}`);
  }
});

Deno.test("bwd hooks each see the gradient that reached the point, and the last return wins", () => {
  using model = tinyModel();
  const point = "blocks.1.hook_resid_pre";
  const seen: Tensor[] = [];
  const gradientAt = (bwdHooks: HookFunction[]) => {
    let upstream: Tensor | undefined;
    using _hooks = model.hooks({
      bwdHooks: [
        ...bwdHooks.map((hook) => [point, hook] as const),
        ["blocks.0.hook_resid_pre", (gradient) => {
          upstream = gradient.clone();
        }],
      ],
    });
    model.forward(TOKENS, { returnType: "loss" }).backward();
    return upstream!;
  };
  const look: HookFunction = (gradient) => {
    seen.push(gradient.clone());
  };
  const plain = gradientAt([look]);
  const doubled = gradientAt([
    look,
    (gradient) => gradient.mul(0),
    look,
    (gradient) => gradient.mul(2),
    look,
  ]);
  for (const gradient of seen) assertSameBits(gradient, seen[0]);
  assertEquals(seen.length, 4);
  // Doubling is exact in float32, and the rest of the walk is linear.
  assertSameBits(doubled, plain.mul(2));
  const inPlace = gradientAt([(gradient) => gradient.set([], 0)]);
  assertEquals(inPlace.any().item(), 0);
});

Deno.test("bwd hooks fire in reverse order and survive until backward()", () => {
  using model = tinyModel();
  const order: string[] = [];
  const loss = model.runWithHooks(TOKENS, {
    returnType: "loss",
    bwdHooks: [[(name) => /hook_resid_(pre|mid)$/.test(name), (_, hook) => {
      order.push(hook.name);
    }]],
  }) as Tensor;
  assertEquals([order, model.listHooks()], [[], []]);
  loss.backward();
  assertEquals(order, [
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_resid_pre",
    "blocks.0.hook_resid_mid",
    "blocks.0.hook_resid_pre",
  ]);
});

Deno.test("A bwd hook that returns another shape is told what was expected", () => {
  using model = tinyModel();
  using _hooks = model.hooks({ bwdHooks: [[Z, (gradient) => gradient.sum(-1)]] });
  const loss = model.forward(TOKENS, { returnType: "loss" });
  assertError(
    () => loss.backward(),
    ShapeError,
    `Cannot set "${Z}": hook 1 returned [2, 6, 2], expected [batch 2, pos 6, head 2, dHead 8]`,
  );
  model.releaseTapes();
});

Deno.test("A hook that runs the model itself leaves one base run", () => {
  using model = tinyModel();
  const inner = () => {
    model.keepBase = false;
    model.keepBase = true;
    noGrad(() => model.forward([[9, 8, 7]]));
  };
  for (const dropped of ["blocks.0.hook_resid_mid", "blocks.1.hook_resid_mid"]) {
    let isInside = false;
    const nested: HookFunction = () => {
      if (isInside) return;
      isInside = true;
      inner();
    };
    model.runWithHooks(TOKENS, { fwdHooks: [[dropped, nested]] });
    isInside = false;
    model.runWithHooks(TOKENS, {
      watch: [dropped],
      bwdHooks: [[dropped, nested]],
      returnType: "loss",
    });
    model.releaseTapes();
  }
  const { liveBytes, weightBytes, baseBytes } = memoryUsage();
  assertEquals(liveBytes, weightBytes + baseBytes);
  model.keepBase = false;
  assertEquals(memoryUsage().liveBytes, weightBytes);
});
