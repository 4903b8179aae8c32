// Invariant 2 for sessions: after any edits, undos, redos, switches and forks the logits have the bits of a fresh session with the same
// stack, and the core's memory is back where it was.

import { assert, assertEquals } from "@std/assert";
import {
  type Edit,
  edits,
  type HookedSAE,
  type HookedSAETransformer,
  memoryUsage,
  type Positions,
  type Session,
  type SessionState,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

type Random = ReturnType<typeof uniform>;

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)];

const OTHER = [[7, 7, 7, 2, 0, 1], [1, 2, 3, 4, 5, 6]];
const N_OPERATIONS = 1000;

/** Points by what their cells are: [batch, pos, cells], the same by head, or attention. */
const FLAT = [
  "blocks.0.hook_resid_pre",
  "blocks.0.attn.hook_z.hook_sae_acts_post",
  "blocks.0.mlp.hook_post",
  "blocks.1.hook_resid_mid",
  "blocks.1.hook_mlp_out.hook_sae_acts_post",
  "blocks.1.hook_mlp_out.hook_sae_error",
];
const BY_HEAD = ["blocks.0.attn.hook_v", "blocks.1.attn.hook_z", "blocks.1.hook_q_input"];
const ATTENTION = ["blocks.0.attn.hook_attn_scores", "blocks.1.attn.hook_pattern"];

function randomPositions(random: Random): Positions {
  return pick<Positions>(random, [
    "all",
    below(random, 6),
    -1 - below(random, 6),
    [below(random, 6), below(random, 6)],
    { from: below(random, 6) },
    { token: pick(random, [5, 1]) },
  ]);
}

/** An edit of some kind with some cells. */
function randomEdit(random: Random, isByHead: boolean): Edit {
  const cells = {
    pos: randomPositions(random),
    ...(random() < 0.5 && { feature: below(random, 8) }),
    ...(isByHead && random() < 0.5 && { head: below(random, 2) }),
    ...(random() < 0.2 && { text: below(random, 2) }),
    ...(random() < 0.2 && { when: pick(random, ["live", { above: 0.1 }] as const) }),
  };
  return pick(random, [
    () => edits.ablate(cells),
    () => edits.scale({ ...cells, by: random() * 4 - 2 }),
    () => edits.set({ ...cells, value: random() }),
    () => edits.add({ ...cells, value: random() }),
    () => edits.clamp({ ...cells, max: random() }),
    () => edits.meanAblate(cells),
    () => edits.patch({ ...cells, from: OTHER }),
    () => edits.freeze(cells),
  ])();
}

function randomStep(random: Random): [at: string, edit: Edit] {
  const kind = random();
  if (kind < 0.1) {
    const [from, to] = [below(random, 6), { from: below(random, 6) }];
    return [pick(random, ATTENTION), edits.cutEdge({ from, to, head: below(random, 2) })];
  }
  if (kind < 0.15) {
    const to = { at: "blocks.1.hook_v_input", head: below(random, 2) };
    return [FLAT[1], edits.pathPatch({ edit: edits.ablate({ pos: below(random, 6) }), to })];
  }
  const isByHead = kind < 0.45;
  return [pick(random, isByHead ? BY_HEAD : FLAT), randomEdit(random, isByHead)];
}

function begin(model: HookedSAETransformer, saes: HookedSAE[]): Session {
  return model.session(TOKENS, { saes });
}

/** The logits of a fresh session with the same stack, by whole runs. */
function fresh(model: HookedSAETransformer, saes: HookedSAE[], { edits }: SessionState) {
  model.keepBase = false;
  const session = begin(model, saes);
  for (const { at, edit, isOn } of edits) {
    const id = session.edit(at, edit);
    if (!isOn) session.off(id);
  }
  const logits = session.run().logits.clone();
  model.keepBase = true;
  return logits;
}

/** One operation on one of the sessions; those that there are now. */
function operate(random: Random, sessions: Session[]): Session[] {
  const session = pick(random, sessions);
  const ids = session.edits.map(({ id }) => id);
  const kind = random();
  if (kind < 0.35 && ids.length < 6) session.edit(...randomStep(random));
  else if (kind < 0.5) session.undo(1 + below(random, 3));
  else if (kind < 0.6) session.redo(1 + below(random, 2));
  else if (kind < 0.68 && ids.length > 0) session.off(pick(random, ids));
  else if (kind < 0.76) session.on();
  else if (kind < 0.84 && ids.length > 0) session.remove(pick(random, ids));
  else if (kind < 0.92) return [...sessions.slice(-3), session.fork()];
  else session.run();
  return sessions;
}

Deno.test("a thousand operations on sessions keep the bits and give the memory back", () => {
  const random = uniform(5);
  using model = tinyModel();
  using z = tinySae("blocks.0.attn.hook_z");
  using mlp = tinySae("blocks.1.hook_mlp_out", { seed: 2 });
  [z, mlp].forEach((sae) => sae.useErrorTerm = true);
  const saes = [z, mlp];
  let sessions = [begin(model, saes)];
  sessions[0].run();
  model.keepBase = false;
  const baseline = memoryUsage().liveBytes;
  model.keepBase = true;
  let compared = 0;
  for (let step = 0; step < N_OPERATIONS; step++) {
    sessions = operate(random, sessions);
    if (step % 4 !== 0) continue;
    const { state } = pick(random, sessions);
    const session = sessions.find((one) => one.state === state)!;
    const what = `step ${step}: ${session.describe().join("; ")}`;
    assertSameBits(session.run().logits, fresh(model, saes, state), what);
    compared += state.edits.length > 0 ? 1 : 0;
  }
  assert(compared > 100, `only ${compared} comparisons had edits`);
  for (const session of sessions) session.undo(N_OPERATIONS);
  const unedited = fresh(model, saes, sessions[0].state);
  for (const session of sessions) assertSameBits(session.run().logits, unedited, "undone");
  model.keepBase = false;
  assertEquals(memoryUsage().liveBytes, baseline);
});
