// Invariant 2, for edits as data: whatever kinds of edits come and go at whatever points and positions, every token is chosen from the bits
// of one run over the text as it stands, under the edits as they stand.

import { assert, assertEquals } from "@std/assert";
import { type Edit, edits, memoryUsage, type Positions, type Session } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { assertSameBits, oneShotLogits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";
import { type Variant, VARIANTS } from "../session/_variants.ts";

type Random = ReturnType<typeof uniform>;

const KINDS: readonly Variant[] = [{ changes: {} }, ...Object.values(VARIANTS)];

const N_CTX = 20;
const N_PROMPT = TOKENS[0].length;
/** A source with as many positions as any text comes to. */
const SOURCE = [Array.from({ length: N_CTX }, (_, i) => (7 * i + 3) % 20)];

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)];

/** Positions of the prompt and behind it, some of which move as the text grows. */
function randomPositions(random: Random): Positions {
  const there = below(random, N_PROMPT);
  const later = N_PROMPT + below(random, 12);
  return pick<Positions>(random, [
    "all",
    "generated",
    there,
    there - N_PROMPT,
    later,
    [there, later],
    { from: below(random, 12) },
    { from: 3, to: 3 + below(random, 10) },
    { token: 5 },
    { token: below(random, 20), nth: -1 },
  ]);
}

/** Edits of every kind. */
function randomEdit(random: Random, points: readonly string[]): Edit {
  const pos = randomPositions(random);
  const made: (() => Edit)[] = [
    () => edits.ablate({ pos }),
    () => edits.ablate({ pos, when: { above: 0.2 } }),
    () => edits.scale({ pos, by: 1.5 }),
    () => edits.add({ pos, value: 0.25 }),
    () => edits.clamp({ pos, max: 0.3 }),
    () => edits.set({ pos, value: 0.1, feature: 1 }),
    () => edits.patch({ pos, from: SOURCE }),
    () => edits.freeze({ pos }),
    () => edits.meanAblate({ pos }),
    () => edits.meanAblate({ pos, over: "texts" }),
    () => edits.cutEdge({ from: pos, to: randomPositions(random) }),
    () =>
      edits.pathPatch({
        edit: edits.ablate({ pos }),
        to: { at: pick(random, points), pos: randomPositions(random) },
        through: pick(random, [[], ["mlp"], ["attn"], ["attn", "mlp"]] as const),
      }),
  ];
  return pick(random, made)();
}

/** What a function gives, or the message of what it throws. */
function attempt<T>(body: () => T): { value?: T; message?: string } {
  try {
    return { value: body() };
  } catch (error) {
    return { message: (error as Error).message };
  }
}

/** Changes the stack in some way. What can't be added at a point is refused, and leaves the stack as it was. */
function change(random: Random, session: Session, points: readonly string[]): boolean {
  const act = random();
  if (act < 0.6) {
    const before = session.edits.length;
    const { message } = attempt(() =>
      session.edit(pick(random, points), randomEdit(random, points))
    );
    assertEquals(session.edits.length, message === undefined ? before + 1 : before);
    return message === undefined;
  }
  if (act < 0.7) session.undo(1 + below(random, 2));
  else if (act < 0.75) session.off();
  else if (act < 0.8) session.on();
  return true;
}

Deno.test("text that is generated under edits of every kind has the bits of one run over it", () => {
  const random = uniform(17);
  const before = memoryUsage().liveBytes;
  let [nSteps, nEdited, nRefused] = [0, 0, 0];
  for (let round = 0; round < 2 * KINDS.length; round++) {
    const { changes, never } = KINDS[round % KINDS.length];
    using model = tinyModel({ ...changes, nCtx: N_CTX });
    using sae = tinySae("blocks.0.attn.hook_z");
    sae.useErrorTerm = random() < 0.6;
    const session = model.session(random() < 0.5 ? TOKENS : [TOKENS[0]], {
      saes: random() < 0.6 ? sae : [],
    });
    const points = session.within(() => [...model.hookDict.keys()])
      .filter((name) => !never?.test(name) && !name.endsWith("hook_scale"));
    using text = session.generate({ stopAtEos: false, doSample: true, seed: round });
    for (let step = 0; step < 10; step++) {
      if (!change(random, session, points)) nRefused++;
      if (random() < 0.1) text.takeBack(1 + below(random, 3));
      const what = () => `round ${round}, step ${step}: ${session.describe().join("; ")}`;
      const whole = text.tokens;
      const wanted = attempt(() => oneShotLogits(model, session, whole));
      const found = attempt(() => text.step().logits);
      assertEquals(found.message, wanted.message, what());
      if (!found.value || !wanted.value) {
        session.undo();
        continue;
      }
      assertSameBits(found.value, wanted.value, what());
      nSteps++;
      nEdited += session.edits.some(({ isOn }) => isOn) ? 1 : 0;
    }
  }
  assert(nEdited > nSteps / 2 && nRefused < nSteps / 2, `${nEdited}, ${nRefused} of ${nSteps}`);
  assertEquals(memoryUsage().liveBytes, before);
});
