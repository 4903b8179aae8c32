import { assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  edits,
  HookedSAE,
  HookedSAETransformer,
  HookError,
  ShapeError,
  type SweepAxes,
  type SweepCell,
  type SweepDataEdit,
  type SweepHook,
  type SweepOptions,
  Tensor,
  UnknownPointError,
} from "../../mod.ts";
import { assertSameBits } from "./_models.ts";

const TOKENS = Tensor.from(
  [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]],
  undefined,
  "int32",
);
const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";

function setUp(useErrorTerm: boolean) {
  const model = new HookedSAETransformer({
    nLayers: 3,
    dModel: 12,
    nHeads: 3,
    dHead: 4,
    nCtx: 8,
    dVocab: 31,
    dMlp: 20,
    actFn: "gelu_new",
    initializerRange: 0.5,
    seed: 5,
  });
  const sae = new HookedSAE({
    hookName: "blocks.1.attn.hook_z",
    reshapeActivations: "hook_z",
    dIn: 12,
    dSae: 17,
    useErrorTerm,
    seed: 6,
  });
  return { model, sae };
}

const diff = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4));
const bits = (tensor: Tensor) => new Uint32Array(tensor.data().buffer);

function write(
  edit: "ablate" | number | { scale: number },
  act: Tensor,
  index: (string | number)[],
) {
  if (edit === "ablate") act.set(index, 0);
  else if (typeof edit === "number") act.set(index, edit);
  else act.set(index, act.at(...index).mul(edit.scale));
}

for (const useErrorTerm of [false, true]) {
  for (const edit of ["ablate", 1.5, { scale: 2 }] as const) {
    Deno.test(`sweep() has the bits of a loop, error term ${useErrorTerm}, ${JSON.stringify(edit)}`, () => {
      const { model, sae } = setUp(useErrorTerm);
      const over = { pos: [1, -1], feature: [0, 3, 8, 16] };
      const seen: number[] = [];
      const swept = model.sweep(TOKENS, {
        saes: sae,
        at: CODES,
        over,
        edit,
        metric: diff,
        budgetBytes: 20_000,
        onProgress: ({ done, total }) => seen.push(done, total),
      });
      assertEquals(swept.shape, [2, 4, 3]);
      assertEquals(seen.slice(-2), [8, 8]);
      model.keepBase = false;
      const looped = over.pos.map((pos) =>
        Tensor.stack(over.feature.map((feature) =>
          diff(model.runWithHooksWithSaes(TOKENS, {
            saes: sae,
            fwdHooks: [[CODES, (act) => write(edit, act, [":", pos, feature])]],
          }))
        ))
      );
      assertEquals(bits(swept), bits(Tensor.stack(looped)));
    });
  }
}

Deno.test("sweep() over heads at every position, with a scalar metric", () => {
  const { model } = setUp(false);
  const metric = (logits: Tensor) => logits.at(":", -1, 7).mean();
  const at = "blocks.0.attn.hook_z";
  const swept = model.sweep(TOKENS, { at, over: { head: [0, 1, -1] }, metric });
  assertEquals(swept.shape, [3]);
  model.keepBase = false;
  const looped = [0, 1, 2].map((head) =>
    metric(model.runWithHooks(TOKENS, { fwdHooks: [[at, (z) => z.set([":", ":", head], 0)]] }))
  );
  assertEquals(bits(swept), bits(Tensor.stack(looped)));
});

Deno.test("sweep() runs the texts that an edit changes, and no others", () => {
  const { model, sae } = setUp(true);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
  const live = cache.get(CODES).at(":", 2).gt(0);
  const counts: number[] = live.sum(0).toArray();
  const feature = counts.findIndex((texts) => texts === 1 || texts === 2);
  const texts = counts[feature];
  model.sweep(TOKENS, {
    saes: sae,
    at: CODES,
    over: { pos: [2], feature: [feature] },
    metric: diff,
  });
  // The code's own row up to the last layer's keys and values; there three rows mix what they see, and the one that is read goes on.
  assertEquals(model.ran.resumedFrom, "1.attn_out");
  assertEquals(model.ran.stages.slice(0, 4), ["1.attn_out", "1.mlp_in", "1.mlp_out", "2.attn_in"]);
  assertEquals(model.ran.rows, texts * (4 * 1 + 3 + 3 * 1));
  const all = (logits: Tensor) => logits.at(":", ":", 3);
  model.sweep(TOKENS, {
    saes: sae,
    at: CODES,
    over: { pos: [2], feature: [feature] },
    metric: all,
  });
  assertEquals(model.ran.rows, texts * (4 * 1 + 4 * 3));
});

Deno.test("sweep() gives a metric any row, also one that it didn't read of the base run", () => {
  const { model } = setUp(false);
  const at = "blocks.1.hook_resid_pre";
  const over = { pos: [0, 2, 4] };
  const fickle = () => {
    let calls = 0;
    return (logits: Tensor) => {
      const rows = calls++ === 0 ? [4] : [1, 3, 4];
      return logits.at(":", rows, 5).sum(-1);
    };
  };
  const swept = model.sweep(TOKENS, { at, over, edit: 0.5, metric: fickle() });
  model.keepBase = false;
  const metric = fickle();
  metric(model.forward(TOKENS));
  const expected = over.pos.map((pos) =>
    metric(model.runWithHooks(TOKENS, { fwdHooks: [[at, (x) => x.set([":", pos], 0.5)]] })).detach()
  );
  assertSameBits(swept, Tensor.stack(expected));
});

const OTHER = Tensor.from(
  [[1, 2, 20, 4, 5], [6, 21, 8, 9, 10], [11, 12, 13, 22, 23]],
  undefined,
  "int32",
);

/** The same by a run of its own for each variant. */
function looped(
  model: HookedSAETransformer,
  variants: readonly (readonly [name: string, hook: (value: Tensor) => void])[],
): Tensor {
  model.keepBase = false;
  const results = variants.map((hook) =>
    diff(model.runWithHooks(TOKENS, { fwdHooks: [hook] })).detach()
  );
  model.keepBase = true;
  return Tensor.stack(results);
}

Deno.test("sweep() patches layers from another run, in chunks, with the bits of a loop", () => {
  const { model } = setUp(false);
  const [, clean] = model.runWithCache(OTHER);
  const over = { pos: [1, -1], layer: [2, 0], head: [0, 2] };
  const seen: number[] = [];
  const swept = model.sweep(TOKENS, {
    at: "v",
    over,
    edit: { patch: clean },
    metric: diff,
    budgetBytes: 20_000,
    onProgress: ({ done, total }) => seen.push(done, total),
  });
  assertEquals(swept.shape, [2, 2, 2, 3]);
  assertEquals(seen.slice(-2), [8, 8]);
  const variants = over.pos.flatMap((pos) =>
    over.layer.flatMap((layer) =>
      over.head.map((head) =>
        [
          `blocks.${layer}.attn.hook_v`,
          (v: Tensor) => v.set([":", pos, head], clean.get("v", layer).at(":", pos, head)),
        ] as const
      )
    )
  );
  assertSameBits(swept.reshape(8, 3), looped(model, variants));
});

Deno.test("sweep() patches from one text for all, and from a cache without a batch axis", () => {
  const { model } = setUp(false);
  const at = "blocks.1.hook_resid_mid";
  const [, clean] = model.runWithCache([[6, 21, 8, 9, 10]], { namesFilter: at });
  const sweep = (patch: typeof clean) =>
    model.sweep(TOKENS, { at, over: { pos: [0, 3] }, edit: { patch }, metric: diff });
  const expected = looped(
    model,
    [0, 3].map((pos) => [at, (act) => act.set([":", pos], clean.get(at).at(":", pos))] as const),
  );
  assertSameBits(sweep(clean), expected);
  assertSameBits(sweep(clean.toBatchless()), expected);
});

Deno.test("sweep() goes over entries of attention patterns, and over scores that are masked", () => {
  const { model } = setUp(false);
  const pattern = "blocks.1.attn.hook_pattern";
  const over = { head: [1, 2], dest: [2, 4], src: [0, 3] };
  const swept = model.sweep(TOKENS, { at: pattern, over, edit: 0.5, metric: diff });
  const variants = over.head.flatMap((head) =>
    over.dest.flatMap((dest) =>
      over.src.map((src) =>
        [pattern, (act: Tensor) => act.set([":", head, dest, src], 0.5)] as const
      )
    )
  );
  assertSameBits(swept.reshape(8, 3), looped(model, variants));
  const scores = "blocks.0.attn.hook_attn_scores";
  const ablated = model.sweep(TOKENS, { at: scores, over: { head: [0] }, metric: diff });
  assertSameBits(
    ablated,
    looped(model, [[scores, (act: Tensor) => act.set([":", 0], 0)]]),
  );
});

Deno.test("sweep() over a list of points, a function of the layer, and a list of cells", () => {
  const { model } = setUp(false);
  const points = ["hook_embed", "blocks.1.hook_q_input", "blocks.2.mlp.hook_post"];
  const swept = model.sweep(TOKENS, { at: points, over: { pos: [1] }, edit: 2, metric: diff });
  assertEquals(swept.shape, [3, 1, 3]);
  assertSameBits(
    swept.reshape(3, 3),
    looped(model, points.map((at) => [at, (act: Tensor) => act.set([":", 1], 2)] as const)),
  );
  const cells = [{ layer: 1, pos: 4 }, { layer: 0, pos: 0 }, { layer: -1, pos: 2 }];
  const at = (layer: number) => `blocks.${layer}.mlp.hook_pre`;
  assertSameBits(
    model.sweep(TOKENS, { at, over: cells, metric: diff }),
    looped(
      model,
      cells.map(({ layer, pos }) =>
        [at(layer < 0 ? 2 : layer), (act: Tensor) => act.set([":", pos], 0)] as const
      ),
    ),
  );
});

Deno.test("sweep() runs an edit of one's own, in place or returned, for each variant", () => {
  const { model, sae } = setUp(true);
  const edits: Record<string, SweepHook> = {
    inPlace: (act, { pos = 0 }) => act.set([[0, 2], pos], 1),
    returned: (act, { pos = 0 }) => act.mul(pos),
    nothing: () => {},
  };
  for (const [name, edit] of Object.entries(edits)) {
    for (const at of [CODES, "blocks.2.attn.hook_pattern"]) {
      const over = { pos: [0, 2] };
      const swept = model.sweep(TOKENS, { saes: sae, at, over, edit, metric: diff });
      using _sae = model.saes(sae);
      const variants = over.pos.map((pos) =>
        [at, (act: Tensor) => edit(act, { pos }) as void] as const
      );
      assertSameBits(swept, looped(model, variants), `${name} at ${at}`);
    }
  }
});

Deno.test("sweep() does an edit as data at each variant's cell", () => {
  const { model, sae } = setUp(true);
  const clean = model.runWithCache(OTHER)[1];
  const cases: readonly (readonly [string, SweepDataEdit, SweepAxes])[] = [
    [CODES, edits.clamp({ max: 0.1 }), { pos: [1, 3], feature: [0, 8] }],
    [CODES, edits.scale({ by: -1, when: "live" }), { pos: [2] }],
    [CODES, edits.meanAblate({ over: "texts" }), { feature: [3] }],
    ["blocks.1.attn.hook_q", edits.patch({ from: clean, pos: 2 }), { head: [0, -1] }],
    ["blocks.0.attn.hook_pattern", edits.ablate({ head: 1 }), { dest: [4], src: [1, 2] }],
  ];
  for (const [at, edit, over] of cases) {
    const swept = model.sweep(TOKENS, { saes: sae, at, over, edit, metric: diff });
    using _sae = model.saes(sae);
    const axes = Object.entries(over).reduce<SweepCell[]>(
      (so, [axis, values]) => so.flatMap((cell) => values.map((v) => ({ ...cell, [axis]: v }))),
      [{}],
    );
    const hooks = axes.map(({ dest, src, ...cell }) => ({
      ...edit,
      ...cell,
      ...(dest !== undefined && { pos: dest, feature: src }),
    }));
    model.keepBase = false;
    const expected = hooks.map((hook) =>
      diff(model.runWithHooks(TOKENS, { fwdHooks: [[at, hook]] })).detach()
    );
    model.keepBase = true;
    assertSameBits(swept.reshape(-1, 3), Tensor.stack(expected), `${edit.kind} at ${at}`);
  }
  assertThrows(
    () =>
      model.sweep(TOKENS, {
        at: "blocks.0.attn.hook_z",
        over: { pos: [1] },
        edit: edits.ablate({ pos: 2 }),
        metric: diff,
      }),
    ConfigError,
    'Cannot sweep the edit "ablate" over "pos": it says which already.',
  );
  assertThrows(
    () =>
      model.sweep(TOKENS, {
        at: "blocks.0.attn.hook_pattern",
        over: { head: [1] },
        edit: edits.cutEdge({ from: 1, to: 2 }),
        metric: diff,
      }),
    ConfigError,
    'Cannot sweep the edit "cutEdge" over "from": it cuts edges, not cells.',
  );
});

Deno.test("sweep() refuses what it can't do", () => {
  const { model } = setUp(false);
  const at = "blocks.0.attn.hook_z";
  const refuses = (
    options: Partial<SweepOptions>,
    error: new () => Error,
    message: string,
  ) =>
    assertThrows(
      () => model.sweep(TOKENS, { at, over: {}, metric: diff, ...options }),
      error,
      message,
    );
  refuses(
    { over: { text: [1] } as SweepAxes },
    ConfigError,
    'Cannot sweep over "text": expected "layer", "pos", "feature", "head", "dest", "src".',
  );
  refuses(
    { over: { layer: [1] } },
    ConfigError,
    `Cannot sweep over layers at "${at}", which is one point: give its short name ("z"), or a function of the layer.`,
  );
  refuses(
    { at: "z", over: { layer: [3] } },
    RangeError,
    "Cannot sweep over layer 3: there are 3.",
  );
  refuses(
    { at: (layer) => `blocks.${layer}.attn.hook_z` },
    ConfigError,
    "Cannot sweep at a function of the layer without layers: name them in `over`, e.g. `layer: [0, 1]`.",
  );
  refuses(
    { at: [at], over: { layer: [0] } },
    ConfigError,
    "Cannot sweep over a list of points and over layers: give one of them.",
  );
  refuses(
    { over: { dest: [1] } },
    ConfigError,
    `Cannot sweep over "dest" at "${at}": only attention scores and patterns have queries and keys.`,
  );
  refuses(
    { at: "blocks.0.attn.hook_pattern", over: { dest: [1], pos: [1] } },
    ConfigError,
    'Cannot sweep over "pos" and "dest" at "blocks.0.attn.hook_pattern": they are the same axis.',
  );
  refuses(
    { at: "blocks.0.hook_resid_pre", over: { head: [1] } },
    ConfigError,
    "Cannot sweep over heads of a value whose positions have shape [12].",
  );
  refuses(
    { at: "unembed.hook_out" },
    ConfigError,
    'Cannot sweep at "unembed.hook_out": nothing comes after it. Change the logits in the metric.',
  );
  refuses(
    { metric: () => 5 as unknown as Tensor },
    ConfigError,
    "Cannot sweep: the metric gave 5, expected a Tensor of shape [] or [batch].",
  );
  refuses(
    { edit: { patch: new Map<string, Tensor>() } },
    UnknownPointError,
    `Cannot patch "${at}": what it is patched from has no such value.`,
  );
  refuses(
    { edit: { patch: new Map([[at, Tensor.zeros([2, 5, 3, 4])]]) } },
    ShapeError,
    `Cannot patch "${at}" from a value of shape [2, 5, 3, 4]: expected [batch 3, pos 5, head 3, dHead 4], or batch 1.`,
  );
  refuses(
    { over: { head: [0] }, edit: { patch: new Map([[at, Tensor.zeros([3, 4, 3, 4])]]) } },
    ShapeError,
    `Cannot patch "${at}" from a value of shape [3, 4, 3, 4]: expected [batch 3, pos 5, head 3, dHead 4], or batch 1.`,
  );
  refuses(
    {
      at: "blocks.0.attn.hook_pattern",
      edit: { patch: new Map([["blocks.0.attn.hook_pattern", Tensor.zeros([3, 3, 5])]]) },
    },
    ShapeError,
    'Cannot patch "blocks.0.attn.hook_pattern" from a value of shape [3, 3, 5]: expected [batch 3, head 3, query 5, key 5], or batch 1.',
  );
  refuses(
    {
      over: { pos: [1] },
      edit: () => {
        throw new Error("no");
      },
    },
    HookError,
    `Cannot pass "${at}": hook 1 threw: no`,
  );
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [5] }, metric: diff }),
    RangeError,
    "Cannot sweep over position 5: there are 5.",
  );
  model.addHook(at, () => {});
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [1] }, metric: diff }),
    ConfigError,
    "Cannot sweep while hooks are in place: call resetHooks() first, or loop over runWithHooks().",
  );
  model.resetHooks();
  const stopped = AbortSignal.abort(new Error("stop"));
  assertThrows(
    () => model.sweep(TOKENS, { at, over: { pos: [1] }, metric: diff, signal: stopped }),
    Error,
    "stop",
  );
});

Deno.test("Rows that a metric keeps outlive the sweep", () => {
  const { model } = setUp(false);
  const kept: Tensor[] = [];
  const metric = (logits: Tensor) => {
    kept.push(logits.at(":", -1));
    return diff(logits);
  };
  const at = "blocks.0.hook_resid_pre";
  const swept = model.sweep(TOKENS, { at, over: { pos: [1, 2] }, metric, budgetBytes: 20_000 });
  // The first one is the base run's.
  const fromKept = kept.slice(1).map((rows) => rows.at(":", 3).sub(rows.at(":", 4)));
  assertSameBits(Tensor.stack(fromKept), swept);
});
