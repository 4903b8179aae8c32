// Invariant 2, where something else is spliced in: a run that stands on what it shares with others has the bits of a run by itself.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  HookedModule,
  HookedSAE,
  HookPoint,
  type HookSpec,
  memoryUsage,
  setMemoryLimit,
  type Tensor,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { tinyModel, tinySae, TOKENS } from "../session/_models.ts";
import { VARIANTS } from "../session/_variants.ts";
import {
  below,
  bits,
  type Random,
  randomHooks,
  randomModel,
  randomSae,
  randomTokens,
  saeSites,
} from "./_random_runs.ts";

type Model = ReturnType<typeof randomModel>;
type Sae = ReturnType<typeof randomSae>;

const OBSERVED = [
  "blocks.0.attn.hook_pattern",
  "blocks.1.ln2.hook_normalized",
  "blocks.1.hook_resid_post",
  "blocks.2.mlp.hook_post",
];

/** An SAE for each place, and sets of some of them. */
function someSets(random: Random, model: Model, seed: number): { all: Sae[]; sets: Sae[][] } {
  const all = saeSites(model).map((site, i) => randomSae(random, site, seed + i));
  const sets = Array.from({ length: 8 }, () => all.filter(() => random() < 0.5));
  return { all, sets };
}

/** The ways of running with SAEs: plainly, with a cache of some points or of all, in a sweep, with hooks, and with gradients. */
const WAYS: Record<
  string,
  (
    model: Model,
    saes: Sae[],
    input: ReturnType<typeof randomTokens>,
    random: Random,
  ) => () => unknown
> = {
  plain: (model, saes, { tokens, attentionMask }) => () =>
    bits(model.runWithSaes(tokens, { saes, attentionMask }) as Tensor),
  "some points": (model, saes, { tokens, attentionMask }) => () => {
    const options = { saes, attentionMask, namesFilter: OBSERVED };
    const [logits, cache] = model.runWithCacheWithSaes(tokens, options);
    return [bits(logits as Tensor), OBSERVED.map((name) => bits(cache.get(name)))];
  },
  "all points": (model, saes, { tokens, attentionMask }) => () => {
    const [logits, cache] = model.runWithCacheWithSaes(tokens, { saes, attentionMask });
    return [bits(logits as Tensor), [...cache].map(([name, value]) => [name, bits(value)])];
  },
  sweep: (model, saes, { tokens, attentionMask }) => () => {
    const at = "blocks.1.hook_resid_mid";
    const metric = (logits: Tensor) => logits.at(":", -1);
    const over = { pos: [0, -1], feature: [0, 3] };
    return bits(model.sweep(tokens, { saes, attentionMask, at, over, edit: "ablate", metric }));
  },
  hooks: (model, saes, { tokens, attentionMask }, random) => {
    const fwdHooks = randomHooks(random, model, saes);
    return () => {
      using _saes = model.saes(saes);
      return bits(model.runWithHooks(tokens, { fwdHooks, attentionMask }) as Tensor);
    };
  },
  gradients: (model, saes, { tokens, attentionMask }, random) => {
    const fwdHooks = randomHooks(random, model, saes);
    const point = `blocks.${below(random, 3)}.hook_resid_mid`;
    return () => {
      const seen: unknown[] = [];
      using _saes = model.saes(saes);
      using _hooks = model.hooks({
        fwdHooks,
        bwdHooks: [[point, (gradient) => void seen.push(bits(gradient.detach()))]],
      });
      const logits = model.forward(tokens, { attentionMask });
      logits.at(":", -1).sum().backward();
      return [bits(logits), seen];
    };
  },
};

Deno.test("runs with ever other SAEs have the bits of runs by themselves", () => {
  const random = uniform(23);
  const ways = Object.keys(WAYS);
  let forked = 0;
  for (let round = 0; round < 25; round++) {
    using model = randomModel(random, round);
    const { all, sets } = someSets(random, model, 100 * round);
    const input = randomTokens(random);
    model.setUseSplitQkvInput(random() < 0.2);
    const runs = sets.map((saes) => {
      const way = ways[below(random, ways.length)];
      return { way, saes, run: WAYS[way](model, saes, input, random) };
    });
    const fast = runs.map(({ run }) => {
      const result = run();
      forked += model.ran.stages.length < 14 ? 1 : 0;
      return result;
    });
    const { liveBytes, weightBytes, baseBytes } = memoryUsage();
    assertEquals(liveBytes, weightBytes + baseBytes);
    runs.forEach(({ way, saes, run }, i) => {
      model.keepBase = false;
      const where = `round ${round}, run ${i}, ${way}: ${saes.map(({ cfg }) => cfg.hookName)}`;
      assertEquals(fast[i], run(), where);
    });
    for (const sae of all) sae[Symbol.dispose]();
  }
  assert(forked > 100, `only ${forked} runs skipped a stage`);
});

/** Halves what is above zero. */
class Halving extends HookedModule {
  cfg = { hookName: "blocks.0.hook_resid_post" };
  hookMid = new HookPoint("hook_mid");

  forward(x: Tensor): Tensor {
    return this.hookMid.apply(x.relu()).mul(0.5);
  }
}

Deno.test("runs with ever other transcoders and modules have the bits of runs by themselves", () => {
  const random = uniform(31);
  let forked = 0;
  for (let round = 0; round < 15; round++) {
    using model = randomModel(random, round);
    const { dModel: dIn } = model.cfg;
    const transcoder = (layer: number, architecture: "transcoder" | "skip_transcoder") =>
      new HookedSAE({
        architecture,
        hookName: `blocks.${layer}.mlp.hook_in`,
        hookNameOut: `blocks.${layer}.hook_mlp_out`,
        dIn,
        dOut: dIn,
        dSae: 20,
        useErrorTerm: random() < 0.5,
        seed: round,
      });
    const all = [
      transcoder(0, "transcoder"),
      transcoder(1, "transcoder"),
      transcoder(2, "skip_transcoder"),
      randomSae(random, saeSites(model)[2], round),
    ];
    const modules = [...all, new Halving()];
    const { tokens } = randomTokens(random);
    const runs = Array.from({ length: 8 }, () => {
      const spliced = modules.filter(() => random() < 0.5);
      const fwdHooks: HookSpec[] = random() < 0.5 ? [] : [["blocks.1.hook_resid_mid", (act) => {
        act.set([0, 1], 0.5);
      }]];
      return () => {
        using _modules = model.saes(spliced);
        using _hooks = model.hooks({ fwdHooks });
        const [logits, cache] = model.runWithCache(tokens);
        return [bits(logits), [...cache].map(([name, value]) => [name, bits(value)])];
      };
    });
    const fast = runs.map((run) => {
      const result = run();
      forked += model.ran.stages.length < 14 ? 1 : 0;
      return result;
    });
    runs.forEach((run, i) => {
      model.keepBase = false;
      assertEquals(fast[i], run(), `round ${round}, run ${i}`);
    });
    for (const sae of all) sae[Symbol.dispose]();
  }
  assert(forked > 40, `only ${forked} runs skipped a stage`);
});

Deno.test("a run with another SAE begins where it is spliced in, on values of any set before", () => {
  const random = uniform(5);
  using model = randomModel(random, 5);
  const { tokens } = randomTokens(random);
  const [first, , , last] = saeSites(model).map((site, i) => randomSae(random, site, i));
  model.runWithSaes(tokens, { saes: first });
  model.runWithSaes(tokens, { saes: last });
  assertEquals(model.ran.resumedFrom, "0.attn_out");
  model.runWithSaes(tokens, { saes: [first, last] });
  assertEquals(model.ran.stages, ["unembed"]);
  model.runWithSaes(tokens, { saes: first });
  assertEquals(model.ran.stages, []);
  // A run that throws leaves what others stand on.
  assertThrows(() =>
    model.runWithHooksWithSaes(tokens, {
      saes: last,
      fwdHooks: [["blocks.1.hook_mlp_out", () => {
        throw new RangeError("stop");
      }]],
    })
  );
  model.runWithSaes(tokens, { saes: first });
  assertEquals(model.ran.stages, []);
  model.keepBase = false;
  assertEquals(memoryUsage().baseBytes, 0);
});

Deno.test("under a memory limit the values of the last run alone are kept", () => {
  const random = uniform(6);
  using model = randomModel(random, 6);
  const { tokens } = randomTokens(random);
  const sae = randomSae(random, saeSites(model)[3], 1);
  setMemoryLimit(2 ** 28);
  try {
    model.forward(tokens);
    model.runWithSaes(tokens, { saes: sae });
    assertEquals(model.ran.resumedFrom, null);
  } finally {
    setMemoryLimit(Infinity);
  }
});

Deno.test("a run without what was spliced in at any point has the bits of a run by itself", () => {
  const random = uniform(9);
  const { tokens } = randomTokens(random);
  for (const set of ["setUseAttnResult", "setUseSplitQkvInput", "setUseAttnIn"] as const) {
    using alone = randomModel(uniform(9), 9);
    using other = randomModel(uniform(9), 9);
    alone.keepBase = false;
    for (const model of [alone, other]) model[set](true);
    const of = (model: Model) => {
      const logits = bits(model.forward(tokens));
      const [, cache] = model.runWithCache(tokens);
      return [logits, [...cache].map(([name, value]) => [name, bits(value)])];
    };
    const expected = of(alone);
    for (const hookName of alone.hookDict.keys()) {
      if (/^blocks\.[12]\./.test(hookName) || hookName === "unembed.hook_out") continue;
      const saes = { cfg: { hookName }, forward: (x: Tensor) => x.mul(1.5) };
      other.runWithSaes(tokens, { saes });
      assertEquals(of(other), expected, `${set}, ${hookName}`);
    }
  }
});

for (const what of ["a shortformer with norms", "halves side by side"]) {
  Deno.test(`${what}: runs on what is spliced in at any point have the bits of runs by themselves`, () => {
    const { changes } = VARIANTS[what];
    using model = tinyModel(changes);
    for (const set of ["setUseAttnResult", "setUseSplitQkvInput", "setUseAttnIn"] as const) {
      model[set](true);
      for (const hookName of model.hookDict.keys()) {
        if (hookName.startsWith("blocks.1.") || hookName === "unembed.hook_out") continue;
        const saes = { cfg: { hookName }, forward: (x: Tensor) => x.mul(1.5) };
        const runs: (() => Tensor | Tensor[])[] = [
          () => {
            const [logits, cache] = model.runWithCacheWithSaes(TOKENS, { saes });
            return [logits as Tensor, ...cache.values()];
          },
          () => {
            const fwdHooks: HookSpec[] = [["blocks.1.hook_q_input", (input) => {
              input.set([1], 0.5);
            }], ["blocks.1.hook_resid_pre", (resid) => resid.set([0, 3], 0.25)]];
            return model.runWithHooksWithSaes(TOKENS, { saes, fwdHooks }) as Tensor;
          },
          () => {
            const metric = (logits: Tensor) => logits.at(":", "2:", 4).sum(-1);
            return model.sweep(TOKENS, {
              saes,
              at: "blocks.1.hook_attn_out",
              over: { pos: [2] },
              metric,
            });
          },
          () => model.runWithSaes(TOKENS, { saes }) as Tensor,
        ];
        const results = [true, false].map((isKept) => {
          model.keepBase = isKept;
          return runs.map((run) => [run()].flat().map(bits));
        });
        assertEquals(results[0], results[1], `${set}, ${hookName}`);
      }
      model[set](false);
    }
  });
}

Deno.test("a run stands on what it shares with one whose SAE is gone, and few such runs are kept", () => {
  const expected = tinyModel();
  for (const hookName of ["blocks.0.hook_attn_out", "blocks.0.hook_resid_mid"]) {
    for (const name of expected.hookDict.keys()) {
      using model = tinyModel();
      const sae = tinySae(hookName);
      model.runWithSaes(TOKENS, { saes: sae });
      sae[Symbol.dispose]();
      const [, cache] = model.runWithCache(TOKENS, { namesFilter: name });
      const [, wanted] = expected.runWithCache(TOKENS, { namesFilter: name });
      assertEquals(bits(cache.get(name)), bits(wanted.get(name)), name);
    }
  }
  const { baseBytes } = memoryUsage();
  for (let i = 0; i < 40; i++) {
    const saes = {
      cfg: { hookName: "blocks.1.hook_resid_post" },
      forward: (x: Tensor) => x.mul(i / 10),
    };
    expected.runWithSaes(TOKENS, { saes });
  }
  assert(memoryUsage().baseBytes < 2 * baseBytes + 2 ** 15);
  expected[Symbol.dispose]();
});
