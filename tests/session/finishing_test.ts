// What comes after the last block's attention is computed for the rows whose logits are read, with the bits of a run that computes it for
// all: one in which somebody looks at the end.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedTransformerKeyValueCache,
  memoryUsage,
  setMemoryLimit,
  Tensor,
} from "../../mod.ts";
import type { ConfigInput } from "../../src/model/config.ts";
import { check, fc } from "../properties/_check.ts";
import { assertSameBits, differs, tinyModel as tinier, tinySae, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

/** Enough tokens that few of them are read alone. */
const D_VOCAB = 80;

const tinyModel = (changes: Partial<ConfigInput> = {}) => tinier({ dVocab: D_VOCAB, ...changes });

const END = "unembed.hook_in";
const looking = [[END, () => {}]] as const;

const KINDS = Object.entries({ "the plain model": { changes: {} }, ...VARIANTS });

/** Rows of two texts of six positions, read one after another. */
const readings = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom(":", 0, -1), fc.integer({ min: -6, max: 5 })),
    fc.tuple(fc.constantFrom(":", 1), fc.constantFrom(":", "1:", "::2", ":0")),
    fc.tuple(fc.constantFrom(0, -1), fc.integer({ min: -6, max: 5 }), fc.nat(D_VOCAB - 1)),
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
          const { stages, rows } = model.ran;
          const plain = model.forward(TOKENS);
          const logits = model.runWithHooks(TOKENS, { fwdHooks: ablation(pos) });
          if (!keepsBase) assertEquals([model.ran.stages, model.ran.rows], [stages, rows]);
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
  assertEquals(cost(() => logits.at(":", -1).data(), 2 * D_VOCAB), 2);
  assertEquals(cost(() => logits.at(":", -1).data(), 0), 0);
  assertEquals(cost(() => logits.at(0, 2, 7).data(), 1), 10);
  assertEquals(cost(() => logits.at(1, 3).data(), D_VOCAB), 0);
  // Another run takes them over.
  model.forward(TOKENS).at(0, 4).data();
  assertEquals(model.ran.multiplyAdds, 16 * D_VOCAB);
});

Deno.test("Rows that were read of the base run are finished at once in the runs that stand on it", () => {
  using model = tinyModel();
  const costs = (pos: number) => {
    const fwdHooks = [["blocks.1.attn.hook_z", (z: Tensor) => z.set([":", pos], 0.2)]] as const;
    const logits = model.runWithHooks(TOKENS, { fwdHooks });
    const before = model.ran.multiplyAdds;
    logits.at(":", -1).data();
    return [before / ROW, (model.ran.multiplyAdds - before - 2 * D_VOCAB * 16) / ROW];
  };
  model.forward(TOKENS).at(":", 5).data();
  assertEquals(costs(5), [2, 0]);
  // What nobody reads isn't finished.
  assertEquals(costs(2), [0, -2 * D_VOCAB * 16 / ROW]);
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

Deno.test("What another run with an SAE computes again for a base run isn't taken for the base's", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.attn.hook_z");
  const sweep = { at: "blocks.1.hook_resid_pre", over: { pos: [5] } };
  const runs = () => [
    model.runWithHooks(TOKENS, { fwdHooks: looking }),
    model.sweep(TOKENS, { ...sweep, metric: (logits) => logits.at(0, 3).sum() }),
  ];
  model.forward(TOKENS);
  const namesFilter = "blocks.1.attn.hook_pattern";
  model.runWithCacheWithSaes(TOKENS, { saes: sae, namesFilter });
  const after = runs();
  model.keepBase = false;
  model.keepBase = true;
  runs().forEach((expected, i) => assertSameBits(after[i], expected));
});

Deno.test("Where there is no memory for all rows that are left, those that are read have to do", () => {
  const model = tinyModel({ dMlp: 4000, nCtx: 512 });
  const tokens = [Array.from({ length: 500 }, (_, i) => i % D_VOCAB)];
  const expected = model.runWithHooks(tokens, { fwdHooks: looking }).at(0, "3:6").clone();
  model.keepBase = false;
  const logits = model.forward(tokens);
  const kept = logits.at(0, "4:6");
  logits.at(0, 100).data();
  try {
    setMemoryLimit(memoryUsage().liveBytes + 200_000);
    assertSameBits(logits.at(0, 3), expected.at(0));
    model[Symbol.dispose]();
  } finally {
    setMemoryLimit(Infinity);
  }
  assertSameBits(kept, expected.at("1:"), "after the model has gone");
});

Deno.test("A reading of nothing has its place on the tape", () => {
  using model = tinyModel();
  const fired: string[] = [];
  const points = ["blocks.1.attn.hook_z", "blocks.1.attn.hook_q", "blocks.0.hook_resid_pre"];
  using _hooks = model.hooks({
    bwdHooks: points.map((name) => [name, () => void fired.push(name)] as const),
  });
  model.forward(TOKENS).at(":", ":0").sum().backward();
  assertEquals(fired, points);
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

Deno.test("What a sweep's metric takes of other rows than it did before is read with the chunk", () => {
  const at = "blocks.0.hook_resid_pre";
  const over = { pos: [1, 2] };
  const metrics: ((logits: Tensor, base: Tensor) => readonly [kept: Tensor, value: Tensor])[] = [
    (logits) => {
      const rows = logits.at(":", [3, 4]);
      return [rows, rows.at(":", 1, 7)];
    },
    (logits, base) => {
      const rows = logits.at(":", base === logits ? 3 : 4);
      return [rows, rows.at(":", 7)];
    },
    (logits, base) => [logits.at(":", base === logits ? 3 : 4), logits.at(":", 0, 7)],
    (logits, base) => {
      const rows = logits.at(":", base === logits ? -1 : 3);
      if (base !== logits) base.at(":", 3).data();
      return [rows, logits.at(":", -1).sum()];
    },
  ];
  metrics.forEach((taking, i) => {
    const model = tinyModel();
    const kept: Tensor[] = [];
    let base: Tensor | undefined;
    const metric = (logits: Tensor) => {
      base ??= logits;
      const [rows, value] = taking(logits, base);
      kept.push(rows);
      return value;
    };
    model.sweep(TOKENS, { at, over, metric });
    const expected = over.pos.map((pos) => {
      const hook = [at, (x: Tensor) => x.set([":", pos], 0)] as const;
      const logits = model.runWithHooks(TOKENS, { fwdHooks: [hook] });
      return taking(logits, model.forward(TOKENS))[0].clone();
    });
    model[Symbol.dispose]();
    expected.forEach((rows, variant) => assertSameBits(kept[variant + 1], rows, `metric ${i}`));
  });
});
