import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ConfigError,
  edits,
  HookedModule,
  HookedSAETransformer,
  HookPoint,
  metrics,
  SAE,
  Session,
  type SessionJson,
  Tensor,
  TokenError,
  UnknownPointError,
} from "../../mod.ts";
import { assertSameBits, bits, differs, tinyModel, TOKENS } from "./_models.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";
const METRIC = metrics.logitDiff([" Mary", " John"]);

async function embedded() {
  const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const session = model.session(PROMPT, { saes: sae, useErrorTerm: true, metric: METRIC });
  return { model, sae, session, [Symbol.dispose]: () => model[Symbol.dispose]() };
}

Deno.test("Session.run gives logits, metric, cache and cost of the stack", async () => {
  using all = await embedded();
  const { model, sae, session } = all;
  const base = model.runWithSaes(PROMPT, { saes: sae, useErrorTerm: true });
  assertSameBits(session.run().logits, base);
  const id = session.edit(CODES, edits.ablate({ pos: 10 }));
  assertEquals(id, 1);
  const byHand = model.runWithHooksWithSaes(PROMPT, {
    saes: sae,
    useErrorTerm: true,
    fwdHooks: [[CODES, (codes) => codes.set([":", 10], 0)]],
  });
  const run = session.run();
  assertSameBits(run.logits, byHand);
  const [mary, john] = [" Mary", " John"].map((name) => model.toSingleToken(name));
  assertEquals(
    run.metric?.toArray(),
    [byHand.at(0, -1, mary).sub(byHand.at(0, -1, john)).item()],
  );
  assertEquals(run.ran.resumedFrom, "1.attn_out");
  assertEquals(run.cache.get(CODES).at(0, 10).any().item(), 0);
  assertEquals(run.cache.get(CODES).at(0, 9).any().item(), 1);
  assertEquals(model.actsToSaes.size, 0);
  assertEquals(model.listHooks(), []);
  assert(session.run() === run, "a stack that has been run is known");
});

Deno.test("Session undoes, redoes, switches, removes and forks", () => {
  using model = tinyModel();
  const session = model.session(TOKENS);
  const start = session.state;
  const first = session.edit("blocks.0.hook_mlp_out", edits.ablate({ pos: 2 }));
  const one = session.state;
  session.edit("blocks.1.hook_mlp_out", (act) => act.mul(2));
  assertEquals(session.edits.map(({ id, isOn }) => [id, isOn]), [[1, true], [2, true]]);
  assertEquals([session.nUndo, session.nRedo], [2, 0]);
  assertEquals(session.undo(), 1);
  assert(session.state === one);
  const fork = session.fork();
  assertEquals(session.undo(5), 1);
  assert(session.state === start);
  assertEquals(session.redo(), 1);
  assertEquals(session.redo(5), 1);
  assertEquals(session.redo(), 0);
  session.off(first);
  assertEquals(session.edits.map(({ isOn }) => isOn), [false, true]);
  session.on();
  session.remove(2);
  assertEquals(session.edits.map(({ id }) => id), [1]);
  assertEquals(session.edit("blocks.1.hook_mlp_out", edits.ablate()), 3);
  assertEquals(session.nRedo, 0);
  assertEquals(fork.edits, one.edits);
  assertEquals(fork.undo(), 1);
  assertSameBits(fork.run().logits, session.base().logits);
  assertEquals(session.describe(), [
    "1. blocks.0.hook_mlp_out: ablate @2",
    "3. blocks.1.hook_mlp_out: ablate everything",
  ]);
});

Deno.test("Session keeps its stack when an edit can't be", async () => {
  using all = await embedded();
  const { session, model } = all;
  session.edit(CODES, edits.ablate({ pos: 10 }));
  const { state } = session;
  assertThrows(
    () => session.edit(CODES, edits.ablate({ pos: { token: " Bob" } })),
    TokenError,
    'Cannot edit at every " Bob": no position of the prompt is meant.',
  );
  assertThrows(
    () => session.edit(CODES.replace("post", "posts"), edits.ablate()),
    UnknownPointError,
    `Did you mean "${CODES}"`,
  );
  assertThrows(
    () => session.edit(CODES, { feature: 3 } as never),
    ConfigError,
    "Cannot add an object: expected an edit or a function.",
  );
  assertThrows(() => session.off(7), ConfigError, "There is no edit 7: 1.");
  assert(session.state === state);
  assertEquals(model.listHooks(), []);
  assertEquals(model.actsToSaes.size, 0);
});

Deno.test("Session runs a stack of functions each time, and known stacks anew after the weights changed", () => {
  using model = tinyModel();
  const session = model.session(TOKENS);
  let scale = 2;
  session.edit("blocks.0.hook_mlp_out", (act) => act.mul(scale));
  const before = session.run().logits.clone();
  scale = 3;
  assert(differs(session.run().logits, before));
  const base = session.base().logits.clone();
  assert(session.base().logits === session.base().logits);
  model.addHook("blocks.1.hook_mlp_out", edits.ablate());
  assert(differs(session.base().logits, base), "hooks of the model's own count");
  model.resetHooks();
  const stateDict = new Map(
    [...model.stateDict()].map(([name, tensor]) => [
      name,
      { shape: tensor.shape, data: tensor.mul(1.5).data() as Float32Array },
    ]),
  );
  model.loadAndProcessStateDict(stateDict, { foldLn: false });
  assert(differs(session.base().logits, base));
});

Deno.test("Session.diff compares the next tokens and the metric", async () => {
  using all = await embedded();
  const { session, model } = all;
  session.edit(
    "blocks.2.hook_resid_pre",
    edits.patch({ from: PROMPT.replace("John gave", "Mary gave"), pos: 10 }),
  );
  const { texts: [{ tokens, divergence }], metric } = session.diff(undefined, { k: 3 });
  const probs = [session.run(), session.base()].map(({ logits }) => {
    const exps = Array.from(logits.at(0, -1).data(), (logit) => Math.exp(logit));
    const sum = exps.reduce((sum, exp) => sum + exp, 0);
    return exps.map((exp) => exp / sum);
  });
  assertEquals(tokens.map(({ token }) => token), [" John", "John", " Sid", " Mary"]);
  for (const { id, now, before } of tokens) {
    assertAlmostEquals(now.prob, probs[0][id], 1e-12);
    assertAlmostEquals(before.prob, probs[1][id], 1e-12);
    assertEquals(now.rank, probs[0].filter((prob) => prob > probs[0][id]).length);
  }
  const byHand = probs[1].reduce((sum, p, id) => sum + p * Math.log(p / probs[0][id]), 0);
  assertAlmostEquals(divergence, byHand, 1e-9);
  assertEquals(metric?.now, session.run().metric?.toArray());
  assertEquals(metric?.before, session.base().metric?.toArray());
  const fork = session.fork();
  fork.undo();
  assertEquals(session.diff(fork), session.diff());
  assertThrows(
    () => session.diff(model.session("When John")),
    ConfigError,
    "Cannot compare prompts of [1, 15] tokens with [1, 3].",
  );
});

Deno.test("metrics: as data they equal what one would write, for one text and for several", async () => {
  using all = await embedded();
  const { model } = all;
  const prompts = [PROMPT, "When Tom and Rose went to the shops, Tom gave the bag to"];
  const logits = model.forward(prompts);
  const id = (text: string) => model.toSingleToken(text);
  const measured = (metric: typeof METRIC | ReturnType<typeof metrics.logit>) =>
    model.session(prompts, { metric }).run().metric?.toArray();
  const at = (text: number, token: string, pos = -1) => logits.at(text, pos, id(token)).item();
  const diff = (text: number, right: string, wrong: string) =>
    logits.at(text, -1, id(right)).sub(logits.at(text, -1, id(wrong))).item();
  assertEquals(measured(metrics.logitDiff([[" Mary", " John"], [" Rose", " Tom"]])), [
    diff(0, " Mary", " John"),
    diff(1, " Rose", " Tom"),
  ]);
  assertEquals(measured(METRIC), [diff(0, " Mary", " John"), diff(1, " Mary", " John")]);
  assertEquals(measured(metrics.logit([id(" Mary"), " Rose"], { pos: 3 })), [
    at(0, " Mary", 3),
    at(1, " Rose", 3),
  ]);
  const logProbs = logits.at(":", -1).logSoftmax(-1);
  assertEquals(measured(metrics.logProb(" Mary")), logProbs.at(":", id(" Mary")).toArray());
  const wrong = [
    [
      () => measured(metrics.logit([" a", " b", " c"])),
      "Cannot measure 2 texts with 3 answers: expected one, or one for each.",
    ],
    [
      () => metrics.logitDiff([" Mary"] as never),
      "Cannot measure a logitDiff of an array: expected pairs of tokens, [[right, wrong], …].",
    ],
    [
      () => model.session(PROMPT, { metric: { kind: "loss" } as never }),
      'Cannot measure "loss": expected "logitDiff", "logit", "logProb".',
    ],
    [
      () => model.session(PROMPT, { metrics: METRIC } as never),
      'Cannot start a session with the option "metrics": there is none of this name.',
    ],
  ] as const;
  for (const [measure, message] of wrong) assertThrows(measure, ConfigError, message);
});

Deno.test("a stored session comes back in another process, with the same bits", async () => {
  using all = await embedded();
  const { session } = all;
  session.edit(CODES, edits.scale({ feature: [3, 517], by: 2, pos: { token: " John" } }));
  session.off(session.edit("blocks.3.hook_mlp_out", edits.ablate()));
  session.edit("blocks.2.hook_resid_pre", edits.add({ value: Tensor.randn([128]), pos: -1 }));
  const json: SessionJson = JSON.parse(JSON.stringify(session));
  assertEquals(json.model.from?.model, "ioi-tiny");
  assertEquals(json.saes[0].from, { release: "ioi-tiny-hook-z", id: "blocks.1.hook_z" });
  assertEquals(json.prompts, [PROMPT]);
  const code = `
    import { Session } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const stored = JSON.parse(Deno.args[0]);
    const { session, ...result } = await Session.replay(stored);
    console.log(JSON.stringify({ ...result, describe: session.describe(), again: session }));
  `;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, code);
    const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-lock", "--allow-read", file, JSON.stringify(json)],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const { again, describe, ...result } = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(again, json);
    assertEquals(describe, session.describe());
    assertEquals(result, {
      expected: json.expected,
      found: json.expected,
      isSameBits: true,
      isSameModule: true,
      difference: 0,
      isClose: true,
    });
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("Session.load takes up where the stored session was, with a way back", async () => {
  using all = await embedded();
  const { session, model, sae } = all;
  session.edit(CODES, edits.ablate({ feature: 517 }));
  session.edit(CODES, edits.ablate({ pos: -1 }));
  const loaded = await Session.load(JSON.stringify(session), { model, saes: sae });
  assertEquals(loaded.edits, session.edits);
  assertSameBits(loaded.run().logits, session.run().logits);
  assertEquals(loaded.undo(), 1);
  session.undo();
  assertSameBits(loaded.run().logits, session.run().logits);
  assertEquals(loaded.edit(CODES, edits.ablate()), 3);
});

Deno.test("Session.replay tells bits from tolerance", async () => {
  using all = await embedded();
  const { session, model, sae } = all;
  const json = session.toJSON();
  const [[id, logit], ...rest] = json.expected.top[0];
  const replay = async (offset: number) => {
    const top = [[[id, logit + offset] as const, ...rest]];
    const expected = { ...json.expected, logits: "other", module: "other", top };
    const { session: _, expected: __, found: ___, ...result } = await Session.replay(
      { ...json, expected },
      { model, saes: sae },
    );
    return { ...result, difference: Math.round(result.difference * 1e4) / 1e4 };
  };
  const other = { isSameBits: false, isSameModule: false };
  assertEquals(await replay(0.001), { ...other, difference: 0.001, isClose: true });
  assertEquals(await replay(0.1), { ...other, difference: 0.1, isClose: false });
});

Deno.test("Session.load refuses what isn't a session, and other weights", async () => {
  using all = await embedded();
  const { session, model, sae } = all;
  const json = session.toJSON();
  using other = tinyModel();
  const wrong: [unknown, { model?: HookedSAETransformer; saes?: SAE[] }, string][] = [
    ["{", {}, "Cannot load the session: it isn't JSON."],
    [
      { format: "x" },
      {},
      'Cannot load an object as a session: expected { format: "splicer session", … }.',
    ],
    [{ ...json, version: 2 }, {}, "Cannot load a session of version 2: this reads version 1."],
    [
      { ...json, edit: [] },
      {},
      'Cannot load a session with the option "edit": there is none of this name. Did you mean "edits"?',
    ],
    [
      { ...json, tokens: 5 },
      {},
      'Cannot load the session with 5 as "tokens": expected rows of token ids.',
    ],
    [
      { ...json, saes: undefined },
      {},
      'Cannot load the session: "saes" is missing, expected a list of { hookName, from, fingerprint }.',
    ],
    [
      { ...json, edits: [{ id: 1, edit: { kind: "ablate" } }] },
      {},
      'Cannot load the session with an array as "edits": expected a list of { id, at, edit }.',
    ],
    [json, { model: other }, `expected ${json.model.fingerprint}.`],
    [json, { model, saes: [] }, "Cannot load the session with 0 SAEs: it was stored with 1."],
    [
      json,
      { model, saes: [new SAE({ ...sae.cfg, hookName: sae.cfg.hookName } as never)] },
      `Cannot load the session: the SAE at "${sae.cfg.hookName}" has the fingerprint `,
    ],
    [
      { ...json, model: { ...json.model, from: undefined } },
      {},
      'Cannot load the session: its model "ioi-tiny" was made in memory. Pass { model }.',
    ],
    [
      { ...json, edits: [{ id: 1, at: CODES, edit: { kind: "abalte" } }] },
      { model, saes: [sae] },
      "Cannot read an object as an edit: expected { kind, … }.",
    ],
  ];
  for (const [stored, options, message] of wrong) {
    await assertRejects(() => Session.load(stored, options), ConfigError, message);
  }
});

Deno.test("Session.toJSON refuses code, and hooks that would be missing", () => {
  using model = tinyModel();
  const session = model.session(TOKENS);
  session.edit("blocks.0.hook_mlp_out", () => {});
  assertThrows(
    () => session.toJSON(),
    ConfigError,
    "Cannot store edit 1: it is code, expected one of `edits`.",
  );
  session.undo();
  model.addHook("blocks.0.hook_mlp_out", () => {});
  assertThrows(
    () => session.toJSON(),
    ConfigError,
    "Cannot store the session: the model has hooks or SAEs of its own, which would be missing.",
  );
  model.resetHooks();
  const measured = model.session(TOKENS, { metric: (logits) => logits.at(":", -1, 0) });
  assertThrows(
    () => measured.toJSON(),
    ConfigError,
    "Cannot store the session: its metric is a function, expected one of `metrics`.",
  );
  class Doubling extends HookedModule {
    cfg = { hookName: "blocks.0.hook_mlp_out" };
    hookMid = new HookPoint("hook_mid");
    forward(x: Tensor): Tensor {
      return this.hookMid.apply(x.mul(2));
    }
  }
  const custom = model.session(TOKENS, { saes: new Doubling() });
  custom.edit("blocks.0.hook_mlp_out.hook_mid", edits.ablate());
  assert(bits(custom.run().logits).length > 0);
  assertThrows(
    () => custom.toJSON(),
    ConfigError,
    'Cannot store the session: what is spliced in at "blocks.0.hook_mlp_out" is code, expected an SAE.',
  );
});

Deno.test("A session of a model whose weights are held in fewer bits loads it so again", async () => {
  for (const dtype of ["int8", "bfloat16"] as const) {
    using model = await HookedSAETransformer.fromPretrained("ioi-tiny", { dtype });
    const json = JSON.stringify(model.session(PROMPT).toJSON());
    const { session, isSameBits } = await Session.replay(json);
    assert(isSameBits);
    assertEquals(session.model.cfg.dtype, dtype);
    session.model[Symbol.dispose]();
  }
});
