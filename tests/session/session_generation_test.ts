import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Edit,
  edits,
  HookedSAETransformer as Model,
  HookError,
  type HookFunction,
  type HookSpec,
  memoryUsage,
  type Positions,
  SAE,
  type Tensor,
  TokenError,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { assertSameBits, differs, oneShotLogits, tinyModel, tinySae, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const CODES = "blocks.0.attn.hook_z.hook_sae_acts_post";

Deno.test("SessionGeneration chooses each token from the logits of one run over the whole text, whatever edits come and go", () => {
  const random = uniform(9);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  const points = [
    CODES,
    "blocks.0.hook_resid_pre",
    "blocks.1.mlp.hook_post",
    "blocks.1.attn.hook_v",
    "blocks.0.attn.hook_pattern",
    "blocks.1.attn.hook_attn_scores",
  ];
  const positions: Positions[] = [
    "generated",
    "all",
    3,
    -1,
    { from: 5 },
    { token: 5 },
    [0, 4],
    8,
    [2, 11],
    { from: 7, to: 9 },
  ];
  // Behind the prompt nothing is frozen, and patched only what is named by number.
  const isRange = (pos: Positions) => typeof pos === "object" && "to" in pos;
  const isBehind = (pos: Positions) =>
    isRange(pos) || [pos].flat().some((one) => (one as number) > 6);
  const makers: ((pos: Positions) => Edit)[] = [
    (pos) => edits.ablate({ pos, feature: 2 }),
    (pos) => edits.scale({ pos, by: 1.5 }),
    (pos) => edits.add({ pos, value: 0.3 }),
    (pos) =>
      edits.patch({ pos: isRange(pos) ? 8 : pos, from: [[7, 7, 7, 2, 0, 1, 3, 4, 5, 6, 9, 8]] }),
    (pos) => edits.freeze({ pos: isBehind(pos) ? 3 : pos }),
    (pos) => edits.meanAblate({ pos, feature: [1, 3] }),
    (pos) => edits.meanAblate({ pos: isBehind(pos) ? -2 : pos, over: "texts" }),
  ];
  const path = edits.pathPatch({
    edit: edits.ablate({ feature: 1, pos: "all" }),
    to: { at: "blocks.1.hook_q_input", head: 1 },
  });
  let rewound = 0;
  for (let round = 0; round < 8; round++) {
    using model = tinyModel({ nCtx: 16 });
    using sae = tinySae("blocks.0.attn.hook_z");
    sae.useErrorTerm = true;
    const session = model.session(TOKENS, { saes: sae });
    using text = session.generate({ stopAtEos: false, doSample: true, seed: round });
    for (let step = 0; step < 10; step++) {
      if (random() < 0.1) session.edit(CODES, path);
      else if (random() < 0.5) session.edit(pick(points), pick(makers)(pick(positions)));
      else if (random() < 0.4) session.undo(1 + Math.floor(random() * 2));
      else if (random() < 0.3) session.off();
      const whole = text.tokens;
      const before = oneShotLogits(model, session, whole);
      const { logits, newTokens, rewoundTo } = text.step();
      assertSameBits(
        logits,
        before,
        `round ${round}, step ${step}: ${session.describe().join("; ")}`,
      );
      assertEquals(text.tokens.at(":", -1).toArray(), newTokens);
      rewound += rewoundTo === undefined ? 0 : 1;
    }
  }
  assert(rewound > 10, `${rewound} rewinds`);
});

Deno.test("SessionGeneration computes again from the first position that a changed edit concerns", () => {
  using model = tinyModel();
  const session = model.session(TOKENS);
  using text = session.generate({ stopAtEos: false });
  const rewoundBy = (change: () => void) => {
    change();
    return text.step().rewoundTo;
  };
  const at = "blocks.0.hook_mlp_out";
  assertEquals(rewoundBy(() => {}), undefined);
  assertEquals(rewoundBy(() => session.edit(at, edits.ablate({ pos: 4 }))), 4);
  assertEquals(rewoundBy(() => session.edit(at, edits.scale({ by: 2, pos: "generated" }))), 6);
  assertEquals(rewoundBy(() => session.undo()), 6);
  assertEquals(rewoundBy(() => session.edit(at, edits.ablate({ pos: { from: 40 } }))), undefined);
  assertEquals(rewoundBy(() => session.edit(at, (act) => act.mul(2))), 0);
  assertThrows(
    () => text.step(),
    TokenError,
    "Cannot go on after 12 tokens: the context holds 12.",
  );
  text.takeBack(2);
  assertEquals([text.nNew, text.tokens.shape], [4, [2, 10]]);
  text.takeBack(99);
  assertEquals(text.nNew, 0);
});

Deno.test("SessionGeneration writes the text of generate(), ends, and gives its memory back", async () => {
  using model = await Model.fromPretrained("ioi-tiny");
  const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const session = model.session(PROMPT, { saes: sae, useErrorTerm: true });
  const before = memoryUsage().liveBytes;
  {
    using text = session.generate();
    const steps = [];
    do steps.push(text.step()); while (!text.hasEnded);
    assertEquals(steps.map(({ newText }) => newText[0]), [" Mary", ".", "<|endoftext|>"]);
    assertEquals(steps.map(({ isLast }) => isLast), [false, false, true]);
    assertEquals(text.newText, [" Mary.<|endoftext|>"]);
    const whole = model.generate(PROMPT, { doSample: false, verbose: false, maxNewTokens: 20 });
    assertEquals(whole, PROMPT + " Mary.");
  }
  const drawn = (seed: number) => {
    using text = session.generate({ doSample: true, temperature: 1.2, seed });
    for (let step = 0; step < 8 && !text.hasEnded; step++) text.step();
    return text.newText[0];
  };
  assertEquals(drawn(3), drawn(3));
  assert(new Set([1, 2, 3, 4, 5].map(drawn)).size > 1);
  assertEquals(memoryUsage().liveBytes, before);
});

/** An edit behind the prompt of six tokens, and what one would do by hand to the whole text's activation. */
type Later = readonly [at: string, edit: Edit, byHand: HookFunction];

const RESID = "blocks.1.hook_resid_pre";
const SOURCE = [Array.from({ length: 16 }, (_, i) => (7 * i + 3) % 20)];

/** Edits a value's positions, as far as they are there. */
const eachOf =
  (positions: number[], change: (act: Tensor, pos: number) => void): HookFunction => (act) =>
    positions.filter((pos) => pos < act.shape[1]).forEach((pos) => change(act, pos));

function laterEdits(model: Model): Later[] {
  const there = model.runWithCache(SOURCE, { namesFilter: RESID })[1].get(RESID).at(0);
  return [
    [RESID, edits.ablate({ pos: 9 }), eachOf([9], (act, pos) => act.set([":", pos], 0))],
    [
      CODES,
      edits.add({ pos: [2, 8, 12], feature: 3, value: 4 }),
      eachOf([2, 8, 12], (act, pos) => act.set([":", pos, 3], act.at(":", pos, 3).add(4))),
    ],
    [
      RESID,
      edits.scale({ pos: { from: 8, to: 10 }, by: 3 }),
      eachOf([8, 9], (act, pos) => act.set([":", pos], act.at(":", pos).mul(3))),
    ],
    [
      RESID,
      edits.patch({ pos: 9, from: SOURCE }),
      eachOf([9], (act, pos) => act.set([":", pos], there.at(pos))),
    ],
    [
      RESID,
      edits.patch({ pos: [3, 9], from: SOURCE, fromPos: [0, 1] }),
      eachOf([3, 9], (act, pos) => act.set([":", pos], there.at(pos === 3 ? 0 : 1))),
    ],
    [
      "blocks.1.attn.hook_attn_scores",
      edits.cutEdge({ from: 7, to: [8, 9, 10] }),
      (act) => {
        const queries = [8, 9, 10].filter((pos) => pos < act.shape[2]);
        queries.forEach((pos) => act.set([":", ":", pos, 7], -Infinity));
      },
    ],
  ];
}

Deno.test("an edit at a position behind the prompt waits until generation comes there", () => {
  using model = tinyModel({ nCtx: 16 });
  using sae = tinySae("blocks.0.attn.hook_z");
  const spliced = { saes: sae, useErrorTerm: true };
  for (const [at, edit, byHand] of laterEdits(model)) {
    const session = model.session(TOKENS, spliced);
    session.edit(at, edit);
    using text = session.generate({ stopAtEos: false });
    let isDifferent = false;
    for (let length = 6; length < 14; length++) {
      const whole = text.tokens;
      const wanted = model.runWithHooksWithSaes(whole, { ...spliced, fwdHooks: [[at, byHand]] });
      const { logits } = text.step();
      const what = `${session.describe()[0]}, after ${length} tokens`;
      assertSameBits(logits, wanted.at(":", -1), what);
      isDifferent ||= differs(logits, model.runWithSaes(whole, spliced).at(":", -1));
    }
    assert(isDifferent, session.describe()[0]);
  }
});

Deno.test("a path that begins behind the prompt, or reaches there, is found again as the text grows", () => {
  const paths: [string, Edit][] = [
    [
      CODES,
      edits.pathPatch({ edit: edits.ablate({ pos: 9 }), to: { at: "blocks.1.hook_q_input" } }),
    ],
    // Keys and values carry it on from the prompt to what follows.
    [
      "blocks.0.attn.hook_v",
      edits.pathPatch({ edit: edits.ablate({ pos: 2 }), to: { at: "blocks.1.hook_v_input" } }),
    ],
  ];
  using model = tinyModel({ nCtx: 16 });
  using sae = tinySae("blocks.0.attn.hook_z");
  const spliced = { saes: sae, useErrorTerm: true };
  for (const [i, [at, edit]] of paths.entries()) {
    const session = model.session(TOKENS, spliced);
    session.edit(at, edit);
    using text = session.generate({ stopAtEos: false });
    for (let length = 6; length < 14; length++) {
      const whole = text.tokens;
      const wanted = oneShotLogits(model, session, whole);
      const { logits } = text.step();
      assertSameBits(logits, wanted, `path ${i}, after ${length} tokens`);
      // The end of a path at another position has no effect, so that all of it is seen in the last logits.
      const isTouched = i === 1 || length > 9;
      const isDifferent = differs(logits, model.runWithSaes(whole, spliced).at(":", -1));
      assertEquals(isDifferent, isTouched && (i === 1 || length === 10), `path ${i}, ${length}`);
    }
  }
});

Deno.test("generate() fires an edit when it comes to its position, and runs refuse it", () => {
  using model = tinyModel({ nCtx: 16 });
  const generated = (edit: Edit) =>
    model.generate(TOKENS, {
      maxNewTokens: 8,
      doSample: false,
      verbose: false,
      stopAtEos: false,
      fwdHooks: [[RESID, edit]],
      returnType: "tokens",
      outputLogits: true,
    }) as unknown as { sequences: Tensor; logits: Tensor[] };
  const edited = generated(edits.ablate({ pos: 9 }));
  edited.logits.forEach((logits, i) => {
    const whole = edited.sequences.at(":", `:${6 + i}`);
    const fwdHooks: HookSpec[] = 6 + i > 9 ? [[RESID, edits.ablate({ pos: 9 })]] : [];
    assertSameBits(logits, model.runWithHooks(whole, { fwdHooks }).at(":", -1), `step ${i}`);
  });
  assertThrows(
    () => model.runWithHooks(TOKENS, { fwdHooks: [[RESID, edits.ablate({ pos: 9 })]] }),
    RangeError,
    "Cannot edit position 9: the prompt has 6 positions.",
  );
  assertThrows(
    () => generated(edits.ablate({ pos: 16 })),
    RangeError,
    "Cannot edit position 16: the prompt has 6 positions, and the context holds 16.",
  );
  const session = model.session(TOKENS);
  assertThrows(
    () => session.edit(RESID, edits.ablate({ pos: 16 })),
    RangeError,
    "Cannot edit position 16: the prompt has 6 positions, and the context holds 16.",
  );
  assertThrows(
    () => session.edit(RESID, edits.freeze({ pos: 9 })),
    RangeError,
    "Cannot edit position 9: the prompt has 6 positions.",
  );
  assertThrows(
    () => session.edit(RESID, edits.patch({ pos: { from: 7, to: 9 }, from: SOURCE })),
    TokenError,
    "Cannot edit @7:9: no position of the prompt is meant. Its tokens: 3 1 4 1 5 9",
  );
  assertThrows(
    () => session.edit(RESID, edits.patch({ pos: 9, from: [SOURCE[0].slice(0, 5)] })),
    RangeError,
    "Cannot patch from position 9: the source has 5 positions. Say which with fromPos.",
  );
  assertEquals(session.edits, []);
  session.edit(RESID, edits.ablate({ pos: 9 }));
  assertSameBits(session.run().logits, session.base().logits);
  assertEquals(session.explain().idle.map(({ reason }) => reason), ["it waits for generated text"]);
  assertEquals(session.explain().rows, 0);
});

Deno.test("attention that is frozen or patched keeps the prompt's keys while the text grows", () => {
  using model = tinyModel({ nCtx: 16 });
  const [upstream, at] = ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_pattern"];
  const scale = edits.scale({ pos: 2, by: 3 });
  const OTHER = [[7, 7, 7, 2, 0, 1], [1, 2, 3, 4, 5, 6]];
  const patternOn = (tokens: number[][]) =>
    model.runWithCache(tokens, { namesFilter: at })[1].get(at);
  const mean = patternOn(TOKENS).mean(0, { keepdim: true }).expand([2, 2, 6, 6]);
  const placed: [Edit, Tensor][] = [
    [edits.freeze(), patternOn(TOKENS)],
    [edits.patch({ from: OTHER }), patternOn(OTHER)],
    [edits.meanAblate({ over: "texts" }), mean],
  ];
  for (const [edit, value] of placed) {
    const session = model.session(TOKENS);
    session.edit(upstream, scale);
    session.edit(at, edit);
    using text = session.generate({ stopAtEos: false });
    for (let length = 6; length < 10; length++) {
      const whole = text.tokens;
      const byHand: HookFunction = (act) => act.set([":", ":", ":6", ":6"], value);
      const fwdHooks: HookSpec[] = [[upstream, scale], [at, byHand]];
      const wanted = model.runWithHooks(whole, { fwdHooks }).at(":", -1);
      assertSameBits(text.step().logits, wanted, `${session.describe()[1]}, ${length}`);
      // Another edit has all of it computed again: the prompt's queries then see keys behind them.
      session.edit(upstream, edits.scale({ pos: 0, by: 1 }));
    }
  }
  assertThrows(
    () =>
      model.runWithHooks(TOKENS, {
        fwdHooks: [[at, edits.patch({ from: [[3, 1]], pos: 5, fromPos: 1 })]],
      }),
    HookError,
    `Cannot pass "${at}": hook 1 threw: Cannot patch "${at}" at query 5 from 2 keys: the query sees key 2.`,
  );
});

Deno.test("a hook on turned keys sees those of the cache too, from the first on", () => {
  const { changes } = VARIANTS["rotary positions, shared keys and gates"];
  using model = tinyModel({ ...changes, nCtx: 16 });
  const at = "blocks.1.attn.hook_rot_k";
  const seen: number[][] = [];
  const halveThird: HookFunction = (act, hook) => {
    seen.push([hook.posOffset, act.shape[1]]);
    const third = 2 - hook.posOffset;
    act.set([":", third], act.at(":", third).mul(0.5));
  };
  const options = { maxNewTokens: 3, doSample: false, verbose: false, stopAtEos: false };
  const written = (hook: HookFunction | Edit) =>
    (model.generate(TOKENS, {
      ...options,
      fwdHooks: [[at, hook]],
      outputLogits: true,
    }) as unknown as {
      logits: Tensor[];
    }).logits;
  const byHand = written(halveThird);
  assertEquals(seen, [[0, 6], [0, 7], [0, 8]]);
  const byEdit = written(edits.scale({ pos: 2, by: 0.5 }));
  byHand.forEach((logits, i) => assertSameBits(logits, byEdit[i], `step ${i}`));
});
