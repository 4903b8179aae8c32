import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Edit,
  edits,
  type HookedSAETransformer,
  HookedSAETransformer as Model,
  memoryUsage,
  type Positions,
  SAE,
  type Session,
  Tensor,
  TokenError,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { GenerationRun } from "../../src/session/generation_run.ts";
import { executionOf } from "../../src/session/hooked_transformer.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "./_models.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const CODES = "blocks.0.attn.hook_z.hook_sae_acts_post";

/** The logits behind a text in one run over all of it, under the session's edits. */
function oneShot(model: HookedSAETransformer, session: Session, text: Tensor): Tensor {
  const [batch, nPrompt] = session.tokens.shape;
  const rows: number[][] = text.toArray();
  using run = new GenerationRun(executionOf(model), {
    batch,
    nPos: nPrompt,
    tokens: Int32Array.from(rows.flatMap((row) => row.slice(0, nPrompt))),
    mask: undefined,
    embeds: undefined,
  }, { usePastKvCache: false });
  for (let pos = nPrompt; pos < rows[0].length; pos++) run.append(rows.map((row) => row[pos]));
  const logits = session.within(() => run.logits());
  return Tensor.from(logits, [batch, logits.length / batch]);
}

Deno.test("SessionGeneration chooses each token from the logits of one run over the whole text, whatever edits come and go", () => {
  const random = uniform(9);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  const points = [
    CODES,
    "blocks.0.hook_resid_pre",
    "blocks.1.mlp.hook_post",
    "blocks.1.attn.hook_v",
  ];
  const positions: Positions[] = ["generated", "all", 3, -1, { from: 5 }, { token: 5 }, [0, 4]];
  const makers: ((pos: Positions) => Edit)[] = [
    (pos) => edits.ablate({ pos, feature: 2 }),
    (pos) => edits.scale({ pos, by: 1.5 }),
    (pos) => edits.add({ pos, value: 0.3 }),
    (pos) => edits.patch({ pos, from: [[7, 7, 7, 2, 0, 1]] }),
    (pos) => edits.freeze({ pos }),
    (pos) => edits.meanAblate({ pos, feature: [1, 3] }),
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
      const before = oneShot(model, session, whole);
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
