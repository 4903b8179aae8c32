// What comes after the last block's attention is computed for the rows whose logits are read, with the bits of a run that computes it for
// all: one in which somebody looks at the end.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, HookedTransformerKeyValueCache, Tensor } from "../../mod.ts";
import { check, fc } from "../properties/_check.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

const END = "unembed.hook_in";
const looking = [[END, () => {}]] as const;

const KINDS = Object.entries({ "the plain model": { changes: {} }, ...VARIANTS });

/** Rows of two texts of six positions, read one after another. */
const readings = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom(":", 0, -1), fc.integer({ min: -6, max: 5 })),
    fc.tuple(fc.constantFrom(":", 1), fc.constantFrom(":", "1:", "::2", ":0")),
  ),
  { minLength: 1, maxLength: 4 },
);

for (const [what, { changes }] of KINDS) {
  Deno.test(`${what}: rows have the bits of all rows, in any order, on a base run and without`, async () => {
    using model = tinyModel(changes);
    const ablation = (pos: number) =>
      [["blocks.0.hook_resid_pre", (x: Tensor) => x.set([":", pos], 0.3)]] as const;
    await check(
      fc.property(
        readings,
        fc.integer({ min: 0, max: 5 }),
        fc.boolean(),
        (all, pos, keepsBase) => {
          model.keepBase = false;
          const expected = model.runWithHooks(TOKENS, { fwdHooks: [...ablation(pos), ...looking] });
          model.keepBase = keepsBase;
          const plain = model.forward(TOKENS);
          const logits = model.runWithHooks(TOKENS, { fwdHooks: ablation(pos) });
          for (const index of all) {
            assertSameBits(logits.at(...index), expected.at(...index), JSON.stringify(index));
            plain.at(...index).data();
          }
          model.keepBase = false;
          const whole = model.runWithHooks(TOKENS, { fwdHooks: looking });
          assertSameBits(plain, whole);
        },
      ),
    );
  });

  Deno.test(`${what}: gradients through rows have the bits of those through all rows`, () => {
    using model = tinyModel(changes);
    const watch = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_z"];
    const gradients = (end: readonly (readonly [string, () => void])[]) => {
      using _hooks = model.hooks({ fwdHooks: end });
      const [logits, cache] = model.runWithCache(TOKENS, { namesFilter: watch, watch });
      // One row, then others with it: each is finished once.
      const first = logits.at(":", 3, 5).sum();
      const later = logits.at(0, "2:", 7).mul(Tensor.from([1, -2, 3, 0.5])).sum();
      first.add(later).backward();
      return watch.map((name) => cache.get(name).grad);
    };
    const [rows, all] = [gradients([]), gradients(looking)];
    rows.forEach((gradient, i) => {
      assert(gradient && all[i] && gradient.abs().sum().item() > 0, watch[i]);
      assertSameBits(gradient, all[i], watch[i]);
    });
  });
}

/** What finishing a row of the tiny model costs: the attention's output and the MLP. */
const ROW = 16 * 16 + 2 * 16 * 24;

Deno.test("Rows cost nothing until they are read, each once; who reads twice has the rest", () => {
  using model = tinyModel();
  const logits = model.forward(TOKENS);
  const { ran } = model;
  assertEquals(ran.stages.slice(-4), ["1.attn_out", "1.mlp_in", "1.mlp_out", "unembed"]);
  assertEquals(ran.rows, 10 * 12);
  const cost = (read: () => unknown, nLogits: number) => {
    const before = ran.multiplyAdds;
    read();
    return (ran.multiplyAdds - before - nLogits * 16) / ROW;
  };
  assertEquals(cost(() => logits.at(":", -1), 0), 0);
  assertEquals(cost(() => logits.at(":", -1).data(), 2 * 20), 2);
  assertEquals(cost(() => logits.at(":", -1).data(), 0), 0);
  assertEquals(cost(() => logits.at(0, 2).data(), 20), 10);
  assertEquals(cost(() => logits.at(1, 3).data(), 20), 0);
  // Another run takes them over.
  model.forward(TOKENS).at(0, 4).data();
  assertEquals(model.ran.multiplyAdds, 16 * 20);
});

Deno.test("Rows that were read of the base run are finished at once in the runs that stand on it", () => {
  using model = tinyModel();
  const costs = (pos: number) => {
    const fwdHooks = [["blocks.1.attn.hook_z", (z: Tensor) => z.set([":", pos], 0.2)]] as const;
    const logits = model.runWithHooks(TOKENS, { fwdHooks });
    const before = model.ran.multiplyAdds;
    logits.at(":", -1).data();
    return [before / ROW, (model.ran.multiplyAdds - before - 2 * 20 * 16) / ROW];
  };
  model.forward(TOKENS).at(":", 5).data();
  assertEquals(costs(5), [2, 0]);
  // What nobody reads isn't finished.
  assertEquals(costs(2), [0, -2 * 20 * 16 / ROW]);
  model.keepBase = false;
  model.keepBase = true;
  assertEquals(costs(5), [0, 2]);
});

Deno.test("A run whose end somebody looks at, hooks or splices over computes all of its rows", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.hook_mlp_out");
  model.keepBase = false;
  const full = 10 * 12;
  const costs = (run: () => unknown) => {
    run();
    return model.ran.multiplyAdds;
  };
  const plain = costs(() => model.forward(TOKENS));
  const late = [
    "attn.hook_result",
    "hook_attn_out",
    "hook_resid_mid",
    "hook_mlp_in",
    "ln2.hook_scale",
    "mlp.hook_pre",
    "mlp.hook_post",
    "hook_mlp_out",
    "hook_resid_post",
  ].map((name) => `blocks.1.${name}`).concat("ln_final.hook_normalized", END);
  for (const name of late) {
    let fired = 0;
    const fwdHooks = [[name, () => void fired++]] as const;
    assertEquals(costs(() => model.runWithHooks(TOKENS, { fwdHooks })), plain + 12 * ROW, name);
    assertEquals([fired, model.ran.rows], [1, full], name);
  }
  for (const name of ["hook_resid_pre", "attn.hook_z", "attn.hook_pattern", "ln1.hook_scale"]) {
    const fwdHooks = [[`blocks.1.${name}`, () => {}]] as const;
    assertEquals(costs(() => model.runWithHooks(TOKENS, { fwdHooks })), plain, name);
  }
  const spliced = model.runWithSaes(TOKENS, { saes: sae });
  assert(model.ran.multiplyAdds > plain + 12 * ROW);
  assert(differs(spliced, model.forward(TOKENS)));
});

Deno.test("A run at the end stands on a base run that was never finished", () => {
  using model = tinyModel();
  const hooks = (value: number) =>
    ["hook_resid_mid", "hook_mlp_out", "hook_resid_post"].map((name) =>
      [`blocks.1.${name}`, (x: Tensor) => x.set([0, 2], value)] as const
    );
  for (const [i, hook] of hooks(0.5).entries()) {
    model.keepBase = false;
    const expected = model.runWithHooks(TOKENS, { fwdHooks: [hook] });
    model.keepBase = true;
    model.forward(TOKENS);
    assertSameBits(model.runWithHooks(TOKENS, { fwdHooks: [hook] }), expected, hook[0]);
    assertEquals(model.ran.rows, [3, 1, 1][i], hook[0]);
  }
});

Deno.test("A text behind a cache, a residual stream and a last block with an SAE are finished by rows", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.attn.hook_z");
  const behind = (fwdHooks: readonly (readonly [string, () => void])[]) => {
    using _hooks = model.hooks({ fwdHooks });
    const pastKvCache = HookedTransformerKeyValueCache.initCache(model.cfg, 2);
    model.forward(TOKENS.map((text) => text.slice(0, 2)), { pastKvCache });
    return model.forward(TOKENS.map((text) => text.slice(2)), { pastKvCache });
  };
  assertSameBits(behind([]).at(":", -1), behind(looking).at(":", -1));
  const resid = Tensor.randn([2, 6, 16], { seed: 3 });
  const from = (fwdHooks: readonly (readonly [string, () => void])[], startAtLayer: number) =>
    model.runWithHooks(resid, { fwdHooks, startAtLayer });
  for (const layer of [0, 1, 2]) {
    assertSameBits(from([], layer).at(0, 3), from(looking, layer).at(0, 3), `from ${layer}`);
  }
  const spliced = (fwdHooks: readonly (readonly [string, () => void])[]) =>
    model.runWithHooksWithSaes(TOKENS, { saes: sae, fwdHooks });
  const rows = spliced([]);
  assertSameBits(rows.at(":", 4), spliced(looking).at(":", 4));
  assert(differs(rows.at(":", 4), model.forward(TOKENS).at(":", 4)));
});

Deno.test("Rows that a sweep's metric takes can be read afterwards; others say why not", () => {
  const model = tinyModel();
  const at = "blocks.0.hook_resid_pre";
  const over = { pos: [1, 2] };
  const run = (pos: number) =>
    model.runWithHooks(TOKENS, { fwdHooks: [[at, (x) => x.set([":", pos], 0)]] });
  const [taken, all]: Tensor[][] = [[], []];
  const metric = (logits: Tensor) => {
    taken.push(logits.at(":", 4));
    all.push(logits);
    return logits.at(":", -1, 3);
  };
  model.sweep(TOKENS, { at, over, metric, budgetBytes: 20_000 });
  over.pos.forEach((pos, i) => {
    const expected = run(pos);
    assertSameBits(all[i + 1].at(":", 5), expected.at(":", 5));
    assertThrows(() => all[i + 1].at(":", 3).data(), ConfigError, "keep a copy");
  });
  model[Symbol.dispose]();
  using again = tinyModel();
  over.pos.forEach((pos, i) => {
    const hook = [at, (x: Tensor) => x.set([":", pos], 0)] as const;
    const expected = again.runWithHooks(TOKENS, { fwdHooks: [hook] });
    assertSameBits(taken[i + 1], expected.at(":", 4), "after the model has gone");
  });
});
