// Invariant 2: a run that stands on a base run has the bits of a full run, whatever hooks, splices, masks and watches it has.

import { assert, assertEquals } from "@std/assert";
import { Tensor } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { tinyModel } from "../session/_models.ts";
import { VARIANTS } from "../session/_variants.ts";
import {
  below,
  bits,
  pick,
  randomHooks,
  randomModel,
  randomSaes,
  randomTokens,
} from "./_random_runs.ts";

Deno.test("a resumed run has the bits of a full run, over random models, hooks, splices and masks", () => {
  const random = uniform(7);
  let resumed = 0;
  for (let round = 0; round < 60; round++) {
    using model = randomModel(random, round);
    const saes = randomSaes(random, model, 100 * round);
    const { tokens, attentionMask } = randomTokens(random);
    model.setUseSplitQkvInput(random() < 0.3);
    const observed = [
      "blocks.2.hook_resid_post",
      `blocks.${below(random, 3)}.attn.hook_pattern`,
      `blocks.${below(random, 3)}.mlp.hook_post`,
    ];
    model.keepBase = true;
    model.runWithSaes(tokens, { saes, attentionMask });
    for (let run = 0; run < 6; run++) {
      const fwdHooks = randomHooks(random, model, saes);
      const compute = () => {
        using _saes = model.saes(saes);
        using _hooks = model.hooks({ fwdHooks });
        const [logits, cache] = model.runWithCache(tokens, {
          attentionMask,
          namesFilter: observed,
        });
        return {
          logits: bits(logits as Tensor),
          cache: observed.map((name) => bits(cache.get(name))),
        };
      };
      model.keepBase = true;
      const fast = compute();
      resumed += model.ran.stages.length < 14 ? 1 : 0;
      model.keepBase = false;
      const full = compute();
      assertEquals(model.ran.stages.length, 14);
      const where = `round ${round}, run ${run}: ${fwdHooks.map(([name]) => name)}`;
      assertEquals(fast, full, where);
      model.keepBase = true;
      model.runWithSaes(tokens, { saes, attentionMask });
    }
    for (const sae of saes) sae[Symbol.dispose]();
  }
  assert(resumed > 60, `only ${resumed} runs skipped a stage`);
});

for (const [kind, { changes, never }] of Object.entries(VARIANTS)) {
  Deno.test(`a resumed run has the bits of a full run: ${kind}`, () => {
    const random = uniform(19);
    const isSeen = /hook_(resid_post|pattern|rot_k|q|pos_embed)$|_post\.hook_normalized$/;
    let resumed = 0;
    for (let round = 0; round < 12; round++) {
      using model = tinyModel({ ...changes, dVocab: 23 });
      const { tokens, attentionMask } = randomTokens(random);
      model.setUseSplitQkvInput(random() < 0.3);
      const fwdHooks = randomHooks(random, model, [], never);
      const names = [...model.hookDict.keys()].filter((name) => !never?.test(name));
      const observed = names.filter((name) => isSeen.test(name)).slice(0, 4);
      const compute = () => {
        using _hooks = model.hooks({ fwdHooks });
        const options = { attentionMask, namesFilter: observed };
        const [logits, cache] = model.runWithCache(tokens, options);
        return [bits(logits), ...observed.map((name) => bits(cache.get(name)))];
      };
      model.forward(tokens, { attentionMask });
      const fast = compute();
      const { length } = model.ran.stages;
      model.keepBase = false;
      assertEquals(fast, compute(), `round ${round}: ${fwdHooks.map(([name]) => name)}`);
      resumed += length < model.ran.stages.length ? 1 : 0;
    }
    assert(resumed > 3, `only ${resumed} runs skipped a stage`);
  });
}

Deno.test("a watched run on a base run has the gradients' bits of a full run", () => {
  const random = uniform(11);
  for (let round = 0; round < 20; round++) {
    using model = randomModel(random, round);
    const saes = randomSaes(random, model, 100 * round);
    const { tokens, attentionMask } = randomTokens(random);
    const point = pick(random, [
      "blocks.1.attn.hook_z",
      "blocks.1.hook_resid_mid",
      "blocks.2.mlp.hook_pre",
    ]);
    const fwdHooks = randomHooks(random, model, saes);
    const compute = () => {
      let gradient: Tensor | undefined;
      using _saes = model.saes(saes);
      using _hooks = model.hooks({
        fwdHooks,
        bwdHooks: [[point, (grad) => {
          gradient = grad.detach();
        }]],
      });
      const logits = model.forward(tokens, { attentionMask });
      logits.at(":", -1).sum().backward();
      return [bits(logits), bits(gradient!)];
    };
    model.runWithSaes(tokens, { saes, attentionMask });
    const fast = compute();
    model.keepBase = false;
    assertEquals(fast, compute(), `round ${round}: ${point}, ${fwdHooks.map(([name]) => name)}`);
  }
});

Deno.test("a run computes the rows that its hook changed, and nothing when it changed none", () => {
  using model = randomModel(uniform(3), 3);
  const tokens = Tensor.from([[1, 2, 3, 4], [5, 6, 7, 8]], undefined, "int32");
  model.forward(tokens);
  assertEquals(model.ran.resumedFrom, null);
  model.runWithHooks(tokens, {
    fwdHooks: [["blocks.1.hook_mlp_out", (act) => act.set([1, 2], 0)]],
  });
  assertEquals(model.ran.stages, ["2.attn_in", "2.attn_out", "2.mlp_in", "2.mlp_out", "unembed"]);
  assertEquals(model.ran.rows, 1 + 4 * 2);
  assertEquals(model.ran.resumedFrom, "2.attn_in");
  model.runWithHooks(tokens, { fwdHooks: [["blocks.1.hook_mlp_out", (act) => act.clone()]] });
  assertEquals(model.ran.stages, []);
});
