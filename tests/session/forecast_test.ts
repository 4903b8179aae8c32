import { assert, assertEquals } from "@std/assert";
import { type Edit, edits, type HookedSAE, HookedSAETransformer, SAE } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { tinyModel, tinySae, TOKENS } from "./_models.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";

/** What a run of the session computed of which somebody looks at the end, before anything was unembedded. */
function ran(model: HookedSAETransformer, session: ReturnType<HookedSAETransformer["session"]>) {
  const { stages, rows, multiplyAdds } = session.within(() => {
    const { tokens, attentionMask } = session;
    model.runWithCache(tokens, { attentionMask, namesFilter: "unembed.hook_in" });
    return { ...model.ran };
  });
  return { stages, rows, multiplyAdds };
}

function foreseen(session: ReturnType<HookedSAETransformer["session"]>) {
  const { stages, rows, multiplyAdds } = session.explain();
  return { stages, rows, multiplyAdds };
}

Deno.test("Session.explain foresees the stages, rows and multiply-adds of edits that change all they touch", () => {
  const random = uniform(12);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  let checked = 0;
  for (let round = 0; round < 60; round++) {
    const isRotary = random() < 0.3;
    using model = tinyModel({
      attnOnly: random() < 0.2,
      normalizationType: pick(["LN", "LNPre", "RMS"]),
      ...(isRotary && { positionalEmbeddingType: "rotary", rotaryDim: 8 }),
      ...(random() < 0.3 && { nKeyValueHeads: 1 }),
      ...(random() < 0.3 && { gatedMlp: true }),
      ...(random() < 0.3 && { parallelAttnMlp: true }),
    });
    const withError = random() < 0.5;
    using sae = tinySae("blocks.0.attn.hook_z");
    sae.useErrorTerm = withError;
    const saes: HookedSAE[] = random() < 0.7 ? [sae] : [];
    const session = model.session(TOKENS, { saes });
    model.runWithSaes(TOKENS, { saes });
    const wanted = ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "v_input"]
      .map((name) => `hook_${name}`)
      .concat(["q", "k", "v", "z", "pattern"].map((name) => `attn.hook_${name}`))
      .concat(["mlp.hook_pre", "mlp.hook_post", "ln1.hook_scale"])
      .flatMap((name) => [0, 1].map((layer) => `blocks.${layer}.${name}`));
    const points = wanted.filter((name) =>
      model.hookDict.has(name) && !(model.cfg.attnOnly && /mlp|resid_mid/.test(name))
    );
    const inside = saes.length > 0
      ? ["acts_post", "input", "output", "recons"].map((part) =>
        `blocks.0.attn.hook_z.hook_sae_${part}`
      )
      : [];
    for (let edit = 0; edit < 1 + Math.floor(random() * 2); edit++) {
      // Not the first position: it attends to itself alone, whatever its query and key are.
      const pos = pick([3, { from: 2 }, -1, { from: 1 }, [1, 4]] as const);
      const made: Edit = edits.add({ pos, value: 0.7, ...(random() < 0.3 && { text: 1 }) });
      session.edit(pick([...points, ...inside, "hook_embed", "unembed.hook_in"]), made);
    }
    assertEquals(foreseen(session), ran(model, session), session.describe().join("; "));
    checked++;
  }
  assertEquals(checked, 60);
});

Deno.test("Session.explain is never below what a run computes, and computes nothing itself", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const session = model.session(PROMPT, { saes: sae, useErrorTerm: true });
  session.run();
  const before = { ...model.ran };
  const at = "blocks.1.attn.hook_z.hook_sae_acts_post";
  const foreseen = session.explain(at, edits.ablate({ feature: 969, pos: 10 }));
  assertEquals({ ...model.ran }, before);
  assertEquals(session.edits, []);
  assertEquals([foreseen.stages[0], foreseen.stages.at(-1), foreseen.rows], [
    "1.attn_out",
    "unembed",
    44,
  ]);
  // Rows of the residual stream alone are 44 of 128 numbers.
  assert(foreseen.bytes > 44 * 128 * 4);
  session.edit(at, edits.ablate({ feature: 3 }));
  const { rows } = session.run().ran;
  assert(
    rows < session.explain().rows,
    "a feature that is active nowhere costs nothing in the end",
  );
});

Deno.test("Session.explain says which edits won't fire, and what runs first", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.0.attn.hook_z");
  const session = model.session(TOKENS, { saes: sae });
  session.edit("blocks.0.hook_mlp_out", edits.ablate({ pos: "generated" }));
  session.edit("blocks.0.hook_mlp_out", edits.ablate({ pos: { from: 9 } }));
  assertEquals(session.explain().idle, [
    {
      at: "blocks.0.hook_mlp_out",
      edit: "ablate in generated text",
      reason: "it waits for generated text",
    },
    {
      at: "blocks.0.hook_mlp_out",
      edit: "ablate @9 on",
      reason: "it waits for generated text",
    },
  ]);
  assertEquals(session.explain().stages, []);
  const error = session.explain("blocks.0.attn.hook_z.hook_sae_error", edits.ablate());
  assertEquals(error.idle.at(-1)?.reason, "it is spliced in without the error term");
  const patch = session.explain(
    "blocks.1.hook_resid_pre",
    edits.patch({ from: [[1, 2, 3, 4, 5, 6]], pos: 2 }),
  );
  assertEquals(patch.otherRuns, 1);
  const path = session.explain(
    "blocks.0.attn.hook_z",
    edits.pathPatch({
      edit: edits.ablate({ pos: [2, 3] }),
      to: { at: "blocks.1.hook_q_input", pos: 3 },
    }),
  );
  assertEquals([path.otherRuns, path.stages[0], path.rows], [2, "1.attn_out", 4 * 2]);
  const spread = session.explain(
    "blocks.0.attn.hook_v",
    edits.pathPatch({ edit: edits.ablate({ pos: 2 }), to: { at: "blocks.1.hook_mlp_in" } }),
  );
  // Keys and values carry it on: four of six positions, in two stages.
  assertEquals([spread.stages[0], spread.rows], ["1.mlp_out", 2 * 2 * 4]);
  const code = session.explain("blocks.1.hook_mlp_out", () => {});
  assertEquals([code.stages, code.rows], [["unembed"], 12]);
});
