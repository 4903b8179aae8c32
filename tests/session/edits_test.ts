import { assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  type Edit,
  edits,
  HookedSAETransformer,
  HookError,
  type HookFunction,
  type HookSpec,
  Tensor,
  TokenError,
  UnknownPointError,
} from "../../mod.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "./_models.ts";

const CODES = "blocks.0.attn.hook_z.hook_sae_acts_post";
const Z = "blocks.1.attn.hook_z";
const SCORES = "blocks.1.attn.hook_attn_scores";
const PATTERN = "blocks.1.attn.hook_pattern";
const RESID = "blocks.1.hook_resid_pre";
const MLP = "blocks.0.mlp.hook_post";
const OTHER = [[7, 7, 7, 2, 0, 1], [1, 2, 3, 4, 5, 6]];
const VECTOR = Tensor.randn([16], { seed: 4 });

/** Runs with the codes of an SAE in reach, once on a base run and once from scratch. */
function runsOf(fwdHooks: HookSpec[]): { resumed: Tensor; full: Tensor } {
  using model = tinyModel();
  using sae = tinySae("blocks.0.attn.hook_z");
  const options = { saes: sae, useErrorTerm: true, fwdHooks };
  model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: true });
  const resumed = model.runWithHooksWithSaes(TOKENS, options).clone();
  model.keepBase = false;
  return { resumed, full: model.runWithHooksWithSaes(TOKENS, options).clone() };
}

/** What a point has on an input, without hooks. */
function valueOn(tokens: number[][], name: string): Tensor {
  using model = tinyModel();
  using sae = tinySae("blocks.0.attn.hook_z");
  const options = { saes: sae, useErrorTerm: true, namesFilter: name };
  return model.runWithCacheWithSaes(tokens, options)[1].get(name);
}

/** An edit, and the hook that one would write by hand. */
type Twin = readonly [what: string, at: string, edit: Edit, hook: HookFunction];

const TWINS: readonly Twin[] = [
  ["ablate all", Z, edits.ablate(), (act) => act.set(["..."], 0)],
  [
    "ablate a feature",
    CODES,
    edits.ablate({ feature: 3, pos: 2 }),
    (act) => act.set([":", 2, 3], 0),
  ],
  ["ablate from the end", CODES, edits.ablate({ pos: -2 }), (act) => act.set([":", 4], 0)],
  [
    "ablate features at positions",
    CODES,
    edits.ablate({ feature: [1, 7, 9], pos: [0, 3] }),
    (act) => {
      act.set([":", 0, [1, 7, 9]], 0);
      act.set([":", 3, [1, 7, 9]], 0);
    },
  ],
  [
    "ablate in a text",
    CODES,
    edits.ablate({ text: 1, pos: { from: 3 } }),
    (act) => act.set([1, "3:"], 0),
  ],
  ["ablate up to", CODES, edits.ablate({ pos: { to: -4 } }), (act) => act.set([":", ":2"], 0)],
  ["ablate every 5", MLP, edits.ablate({ pos: { token: 5 } }), (act) => {
    act.set([0, 4], 0);
    act.set([1, [2, 4]], 0);
  }],
  [
    "ablate the first and last 5",
    MLP,
    edits.ablate({
      pos: [{ token: 5, nth: 0 }, { token: 5, nth: -1 }],
    }),
    (act) => {
      act.set([0, 4], 0);
      act.set([1, [2, 4]], 0);
    },
  ],
  [
    "ablate live codes",
    CODES,
    edits.ablate({ pos: 1, when: "live" }),
    (act) => act.set([":", 1], 0),
  ],
  [
    "scale where another feature is active",
    CODES,
    edits.scale({
      by: 3,
      when: { feature: 5, above: 0 },
    }),
    (act) => act.where(act.at(":", ":", 5).gt(0).not().unsqueeze(-1).expand(act.shape), act.mul(3)),
  ],
  [
    "scale between bounds",
    MLP,
    edits.scale({ by: -2, when: { above: 0.1, below: 1 } }),
    (act) => Tensor.where(act.gt(0.1).and(act.lt(1)), act.mul(-2), act),
  ],
  [
    "scale a head",
    Z,
    edits.scale({ head: 1, by: 0.5 }),
    (act) => act.set([":", ":", 1], act.at(":", ":", 1).mul(0.5)),
  ],
  [
    "scale cells of heads",
    Z,
    edits.scale({ head: [0, 1], feature: [2, 5], pos: [1, 4], by: 7 }),
    (act) => {
      for (const pos of [1, 4]) {
        for (const head of [0, 1]) {
          act.set([":", pos, head, [2, 5]], act.at(":", pos, head, [2, 5]).mul(7));
        }
      }
    },
  ],
  [
    "set a number",
    CODES,
    edits.set({ feature: -1, value: 2.5, pos: 0 }),
    (act) => act.set([":", 0, 39], 2.5),
  ],
  ["set a vector", RESID, edits.set({ value: VECTOR, pos: [1, 5] }), (act) => {
    act.set([":", 1], VECTOR);
    act.set([":", 5], VECTOR);
  }],
  [
    "set a list at a head",
    Z,
    edits.set({ head: 0, pos: 3, value: [1, 2, 3, 4, 5, 6, 7, 8] }),
    (act) => act.set([":", 3, 0], Tensor.from([1, 2, 3, 4, 5, 6, 7, 8])),
  ],
  ["clamp above", CODES, edits.clamp({ max: 0.2 }), (act) => act.clamp(-Infinity, 0.2)],
  [
    "clamp both",
    MLP,
    edits.clamp({ min: 0, max: 0.2, pos: { from: 1, to: 3 } }),
    (act) => act.set([":", "1:3"], act.at(":", "1:3").clamp(0, 0.2)),
  ],
  [
    "add a number",
    CODES,
    edits.add({ feature: 4, value: 1.5, pos: "all" }),
    (act) => act.set([":", ":", 4], act.at(":", ":", 4).add(1.5)),
  ],
  [
    "steer",
    RESID,
    edits.steer({ value: VECTOR, pos: { from: 2 } }),
    (act) => act.set([":", "2:"], act.at(":", "2:").add(VECTOR)),
  ],
  [
    "mean over positions",
    CODES,
    edits.meanAblate({ pos: 4 }),
    (act) => act.set([":", 4], valueOn(TOKENS, CODES).reshape(12, 40).mean(0)),
  ],
  [
    "mean of a feature of others",
    CODES,
    edits.meanAblate({ feature: [2, 3, 30], of: OTHER }),
    (act) =>
      act.set([":", ":", [2, 3, 30]], valueOn(OTHER, CODES).reshape(12, 40).mean(0).at([2, 3, 30])),
  ],
  ["mean over texts", Z, edits.meanAblate({ head: 1, over: "texts", pos: [0, 5] }), (act) => {
    const mean = valueOn(TOKENS, Z).mean(0);
    for (const pos of [0, 5]) act.set([":", pos, 1], mean.at(pos, 1));
  }],
  ["patch all", Z, edits.patch({ from: OTHER }), () => valueOn(OTHER, Z)],
  [
    "patch a head",
    Z,
    edits.patch({ from: OTHER, head: 1, pos: 4 }),
    (act) => act.set([":", 4, 1], valueOn(OTHER, Z).at(":", 4, 1)),
  ],
  ["patch from one text", RESID, edits.patch({ from: OTHER[0], pos: [2, 4] }), (act) => {
    const there = valueOn([OTHER[0]], RESID);
    for (const pos of [2, 4]) act.set([":", pos], there.at(0, pos));
  }],
  [
    "patch from elsewhere",
    RESID,
    edits.patch({ from: OTHER, pos: [2, 3], fromPos: [0, 5] }),
    (act) => {
      const there = valueOn(OTHER, RESID);
      act.set([":", 2], there.at(":", 0));
      act.set([":", 3], there.at(":", 5));
    },
  ],
  [
    "patch heads from one position",
    Z,
    edits.patch({ from: OTHER, pos: { from: 2 }, head: [0, 1], feature: [1, 5], fromPos: 3 }),
    (act) => {
      const there = valueOn(OTHER, Z);
      for (const pos of [2, 3, 4, 5]) {
        for (const head of [0, 1]) {
          act.set([":", pos, head, [1, 5]], there.at(":", 3, head, [1, 5]));
        }
      }
    },
  ],
  [
    "patch from the place of a token",
    RESID,
    edits.patch({
      from: OTHER,
      pos: 3,
      fromPos: { token: 2 },
    }),
    (act) => {
      const there = valueOn(OTHER, RESID);
      act.set([0, 3], there.at(0, 3));
      act.set([1, 3], there.at(1, 1));
    },
  ],
  [
    "patch a tensor",
    CODES,
    edits.patch({ from: valueOn(OTHER, CODES), feature: 8 }),
    (act) => act.set([":", ":", 8], valueOn(OTHER, CODES).at(":", ":", 8)),
  ],
  [
    "cut an edge",
    SCORES,
    edits.cutEdge({ head: 1, from: 2, to: -1 }),
    (act) => act.set([":", 1, 5, 2], -Infinity),
  ],
  ["cut edges to a token", SCORES, edits.cutEdge({ from: { token: 5 }, to: [4, 5] }), (act) => {
    act.set([0, ":", [4, 5], 4], -Infinity);
    for (const key of [2, 4]) act.set([1, ":", [4, 5], key], -Infinity);
  }],
  [
    "take attention away",
    PATTERN,
    edits.cutEdge({ from: [0, 1], to: { from: 3 }, text: 0 }),
    (act) => {
      act.set([0, ":", "3:", ":2"], 0);
    },
  ],
];

for (const [what, at, edit, hook] of TWINS) {
  Deno.test(`edits: ${what} equals the hook written by hand, resumed or not`, () => {
    const byEdit = runsOf([[at, edit]]);
    const byHand = runsOf([[at, hook]]);
    assertSameBits(byEdit.full, byHand.full, "from scratch");
    assertSameBits(byEdit.resumed, byHand.full, "on a base run");
    const plain = runsOf([]);
    assertEquals(differs(byEdit.full, plain.full), true, "the edit has an effect");
  });
}

Deno.test("edits.freeze undoes what edits before it did", () => {
  const upstream: HookSpec = [MLP, edits.ablate({ pos: 2 })];
  const frozen = runsOf([upstream, [RESID, edits.freeze()]]);
  assertSameBits(frozen.resumed, runsOf([]).full);
  assertSameBits(frozen.full, runsOf([]).full);
  const halfway = runsOf([upstream, [RESID, edits.freeze({ pos: 2, feature: [0, 3] })]]);
  const value = valueOn(TOKENS, RESID);
  const byHand = runsOf([upstream, [
    RESID,
    (act) => act.set([":", 2, [0, 3]], value.at(":", 2, [0, 3])),
  ]]);
  assertSameBits(halfway.resumed, byHand.full);
  assertEquals(differs(halfway.full, frozen.full), true);
});

Deno.test("edits.pathPatch equals the three runs of path patching by hand", () => {
  using model = tinyModel();
  const [sender, receiver] = ["blocks.0.attn.hook_z", "blocks.1.hook_v_input"];
  const ablate = edits.ablate({ head: 1, pos: 2 });
  const other: HookSpec = ["blocks.0.hook_resid_pre", edits.scale({ by: 1.5, pos: 1 })];
  const path = edits.pathPatch({ edit: ablate, to: { at: receiver, head: 0, pos: 2 } });
  const byEdit = model.runWithHooks(TOKENS, { fwdHooks: [other, [sender, path]] }).clone();

  model.keepBase = false;
  const held = "blocks.0.hook_mlp_out";
  const cached = (fwdHooks: HookSpec[], name: string) => {
    using _hooks = model.hooks({ fwdHooks });
    return model.runWithCache(TOKENS, { namesFilter: name })[1].get(name);
  };
  const mlp = cached([other], held);
  const reached = cached([other, [sender, ablate], [held, () => mlp]], receiver);
  const byHand = model.runWithHooks(TOKENS, {
    fwdHooks: [other, [receiver, (act) => act.set([":", 2, 0], reached.at(":", 2, 0))]],
  });
  assertSameBits(byEdit, byHand);
  const through = edits.pathPatch({ ...path, through: "mlp" });
  const reacting = model.runWithHooks(TOKENS, { fwdHooks: [other, [sender, through]] });
  assertEquals(differs(reacting, byHand), true);
});

Deno.test("edits chain with hooks in the order in which they are added", () => {
  const sum: HookFunction = (act) => act.add(1);
  const mixed = runsOf([[MLP, sum], [MLP, edits.scale({ by: 2 })], [MLP, sum]]);
  const byHand = runsOf([[MLP, (act) => act.add(1).mul(2).add(1)]]);
  assertSameBits(mixed.full, byHand.full);
});

Deno.test("an edit stays on a model, on a point and on an SAE until it is reset", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.0.attn.hook_z");
  const edit = edits.ablate({ feature: 3 });
  const wanted = model.runWithHooksWithSaes(TOKENS, { saes: sae, fwdHooks: [[CODES, edit]] })
    .clone();
  model.addSae(sae);
  model.addHook(CODES, edit);
  assertSameBits(model.forward(TOKENS), wanted);
  model.resetHooks();
  sae.hookSaeActsPost.addHook(edit);
  assertSameBits(model.forward(TOKENS), wanted);
  const x = Tensor.randn([1, 2, 2, 8]);
  assertSameBits(sae.encode(x).at("...", 3), Tensor.zeros([1, 2]));
  sae.resetHooks();
  model.addHook((name) => name === CODES, edit);
  assertSameBits(model.forward(TOKENS), wanted);
});

Deno.test("an edit costs the rows that it changes, and none when it changes nothing", () => {
  using model = tinyModel();
  model.forward(TOKENS);
  const ran = (at: string, edit: Edit) => {
    model.runWithHooks(TOKENS, { fwdHooks: [[at, edit]] });
    return { rows: model.ran.rows, from: model.ran.resumedFrom };
  };
  assertEquals(ran("blocks.0.hook_mlp_out", edits.ablate({ pos: -1, text: 0 })), {
    rows: 5,
    from: "1.attn_in",
  });
  assertEquals(ran("blocks.0.hook_mlp_out", edits.freeze()), { rows: 0, from: null });
});

Deno.test("positions by the text of a token, and by predicate", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const prompt = "When John and Mary went to the shops, John gave the bag to";
  const run = (edit: Edit) =>
    model.runWithHooks(prompt, { fwdHooks: [["blocks.1.hook_resid_pre", edit]] }).clone();
  const wanted = run(edits.ablate({ pos: [2, 10] }));
  assertSameBits(run(edits.ablate({ pos: { token: " John" } })), wanted);
  assertSameBits(run(edits.ablate({ pos: (token) => token === " John" })), wanted);
  assertSameBits(run(edits.ablate({ pos: { token: model.toSingleToken(" John") } })), wanted);
  assertThrows(
    () => run(edits.ablate({ pos: { token: " Bob" } })),
    TokenError,
    'Cannot edit at every " Bob": no position of the prompt is meant. Its tokens: "<|endoftext|>" "When" " John"',
  );
});

Deno.test("edits refuse what they can't be, with what was expected", () => {
  const wrong = [
    [
      () => edits.ablate({ feature: 1.5 }),
      "Cannot edit the feature 1.5: expected a whole number or a list of them.",
    ],
    [
      () => edits.ablate({ featur: 1 } as never),
      'Cannot make the edit "ablate" with the option "featur": there is none of this name. Did you mean "feature"?',
    ],
    [
      () => edits.ablate({ pos: "last" as never }),
      'Cannot edit the position "last": expected a number, "all", "generated", { from, to }, { token, nth }, a predicate, or a list of these.',
    ],
    [
      () => edits.ablate({ pos: { form: 3 } as never }),
      'Cannot choose positions with the option "form": there is none of this name. Did you mean "from"?',
    ],
    [() => edits.scale({} as never), "Cannot scale cells by undefined: expected a number."],
    [() => edits.clamp({ feature: 1 }), "Cannot clamp cells: expected min, max or both."],
    [
      () => edits.patch({ from: 5 as never }),
      "Cannot patch from 5: expected prompts, token ids, an activation or a cache.",
    ],
    [
      () => edits.ablate({ when: "active" as never }),
      'Cannot edit cells when "active": expected "live" or { feature, above, below }.',
    ],
  ] as const;
  for (const [make, message] of wrong) assertThrows(make, ConfigError, message);
});

Deno.test("an edit that doesn't fit its point is an error that says why", () => {
  using model = tinyModel();
  const run = (at: string, edit: Edit) => () =>
    model.runWithHooks(TOKENS, { fwdHooks: [[at, edit]] });
  const about = (name: string) => `Cannot pass "${name}": hook 1 threw: `;
  assertThrows(
    run(RESID, edits.ablate({ pos: 6 })),
    RangeError,
    "Cannot edit position 6: the prompt has 6 positions.",
  );
  assertThrows(
    run(RESID, edits.ablate({ feature: 16 })),
    HookError,
    about(RESID) + `Cannot edit feature 16 of "${RESID}": there are 16, from 0 to 15.`,
  );
  assertThrows(
    run(RESID, edits.ablate({ head: 0 })),
    HookError,
    about(RESID) + `Cannot edit head 0 of "${RESID}": it has no heads.`,
  );
  assertThrows(
    run(RESID, edits.set({ feature: 0, value: [1, 2] })),
    HookError,
    about(RESID) +
      `Cannot set cells of "${RESID}" to a value of shape [2]: a position has one cell here.`,
  );
  assertThrows(
    run(RESID, edits.cutEdge({ from: 0, to: 1 })),
    ConfigError,
    `Cannot cut attention at "${RESID}": expected a hook_attn_scores or a hook_pattern.`,
  );
  assertThrows(
    run(RESID, edits.patch({ from: [OTHER[0].slice(0, 3)] })),
    RangeError,
    "Cannot patch from position 3: the source has 3 positions. Say which with fromPos.",
  );
  assertThrows(
    run(RESID, edits.patch({ from: OTHER, pos: [1, 2, 3], fromPos: [0, 1] })),
    ConfigError,
    "Cannot patch 3 positions from 2: expected as many, or one.",
  );
  assertThrows(
    run(RESID, edits.pathPatch({ edit: edits.ablate(), to: { at: "blocks.1.hook_v_inputs" } })),
    UnknownPointError,
    'There is no hook point "blocks.1.hook_v_inputs".',
  );
  assertThrows(
    () => model.addHook(RESID, edits.ablate(), "bwd"),
    HookError,
    `Cannot add the edit "ablate" as a hook at "${RESID}": expected a function, as edits are of activations.`,
  );
});

Deno.test("an edit of norms of queries and keys, whose rows are positions and heads at once, is refused", () => {
  using model = tinyModel({ useQkNorm: true, normalizationType: "LNPre" });
  const at = "blocks.0.attn.q_norm.hook_normalized";
  assertThrows(
    () => model.session(TOKENS).edit(at, edits.ablate({ pos: 1 })),
    ConfigError,
    `Cannot edit cells of "${at}": its rows are positions and heads at once. A function can, or an edit of queries or keys.`,
  );
});

Deno.test("a path has no effect where its beginning doesn't reach: later edits count there", () => {
  using model = tinyModel();
  const at = "blocks.0.hook_mlp_out";
  const path = edits.pathPatch({
    edit: edits.ablate({ pos: 1 }),
    to: { at: "blocks.1.hook_resid_post" },
  });
  const last = (fwdHooks: HookSpec[]) =>
    model.runWithHooks(TOKENS, { fwdHooks }).at(":", -1).clone();
  const scale: HookSpec = [at, edits.scale({ pos: 4, by: 3 })];
  assertSameBits(last([[at, path], scale]), last([scale]));
});
