// Invariant 2: generated text, streamed or not, has at every step the bits of one run over the text as it stands, whatever was edited
// and taken back on the way.

import { assert, assertEquals } from "@std/assert";
import {
  type ActivationCache,
  HookedSAE,
  type HookedSAETransformer,
  type HookFunction,
  memoryUsage,
  Tensor,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { GenerationRun } from "../../src/session/generation_run.ts";
import { executionOf } from "../../src/session/hooked_transformer.ts";
import { cacheRequest } from "../../src/session/plan.ts";
import { assertSameBits, tinyModel, tinySae } from "../session/_models.ts";
import { type Variant, VARIANTS } from "../session/_variants.ts";

type Random = ReturnType<typeof uniform>;

/** The kinds of models. */
const KINDS: readonly Variant[] = [
  { changes: {} },
  { changes: { normalizationType: "LNPre" } },
  ...Object.values(VARIANTS),
];

const N_CTX = 24;
const CODES = "blocks.0.attn.hook_z.hook_sae_acts_post";

/** An SAE of the first layer's z, now and then one that looks at the positions before. */
function randomSae(random: Random, seed: number): HookedSAE {
  const at = { hookName: "blocks.0.attn.hook_z", seed };
  if (random() < 0.7) return tinySae(at.hookName, { seed });
  const kind = { architecture: "temporal", nHeads: 2, bottleneckFactor: 4 } as const;
  return new HookedSAE({ ...at, ...kind, dIn: 16, dSae: 24, reshapeActivations: "hook_z" });
}

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)];

function assertSameCache(actual: ActivationCache, expected: ActivationCache, what: string): void {
  assertEquals([...actual.keys()], [...expected.keys()], what);
  for (const [name, value] of actual) {
    assertSameBits(value, expected.get(name), `${what}, "${name}"`);
  }
}

/** A hook that scales the positions from one on. */
function scalingFrom(position: number, factor: number): HookFunction {
  return (act, hook) => {
    const from = Math.max(0, position - hook.posOffset);
    if (from < act.shape[1]) {
      act.set([":", `${from}:`], act.at(":", `${from}:`).mul(factor));
    }
  };
}

function prompts(random: Random, batch: number, nPos: number) {
  const ids = Int32Array.from({ length: batch * nPos }, () => below(random, 20));
  const side = pick(random, ["none", "left", "right"]);
  const mask = new Uint8Array(batch * nPos).fill(1);
  for (let text = 0; text < batch; text++) {
    const nPads = side === "none" ? 0 : below(random, nPos);
    const from = text * nPos + (side === "left" ? 0 : nPos - nPads);
    mask.fill(0, from, from + nPads);
  }
  return { ids, mask };
}

/** One run over a run's text, with what is attached now. */
function whole(model: HookedSAETransformer, run: GenerationRun, prompt: Uint8Array) {
  const { batch, length, tokens } = run;
  const nPos = prompt.length / batch;
  const attentionMask = Array.from(
    { length: batch },
    (_, text) => Array.from({ length }, (_, pos) => pos < nPos ? prompt[text * nPos + pos] : 1),
  );
  model.keepBase = false;
  const [logits, cache] = model.runWithCache(Tensor.from(tokens, [batch, length]), {
    attentionMask,
  });
  const rows = attentionMask.map((flags, text) => {
    const last = flags.lastIndexOf(1);
    return logits.at(text, last < 0 ? length - 1 : last);
  });
  return { logits: Tensor.stack(rows), cache };
}

Deno.test("a text that is written, edited, rewound and cut has the bits of one run over it", () => {
  const random = uniform(41);
  const before = memoryUsage().liveBytes;
  let rewound = 0;
  for (let round = 0; round < 4 * KINDS.length; round++) {
    const { changes, never } = KINDS[round % KINDS.length];
    using model = tinyModel({ ...changes, nCtx: N_CTX });
    using sae = randomSae(random, round);
    if (random() < 0.5) model.addSae(sae, { useErrorTerm: random() < 0.5 });
    const editable = [
      "hook_embed",
      "blocks.0.attn.hook_v",
      "blocks.1.hook_resid_pre",
      "blocks.1.hook_mlp_out",
      ...model.actsToSaes.size > 0 ? [CODES] : [],
    ].filter((name) => model.hookDict.has(name) && !never?.test(name));
    const [batch, nPos] = [1 + below(random, 3), 1 + below(random, 6)];
    const { ids, mask } = prompts(random, batch, nPos);
    using run = new GenerationRun(executionOf(model), { batch, nPos, tokens: ids, mask }, {
      usePastKvCache: random() < 0.8,
      capacity: pick(random, [nPos, N_CTX]),
      cache: cacheRequest(undefined, false),
    });
    for (let step = 0; step < 12; step++) {
      const what = `round ${round}, step ${step}`;
      const logits = Tensor.from(run.logits(), [batch, 20]);
      const wanted = whole(model, run, mask);
      assertSameBits(logits, wanted.logits, what);
      if (random() < 0.5) assertSameCache(run.activations(model), wanted.cache, what);
      assertEquals(run.computed, run.length);
      const act = random();
      if (act < 0.15 && run.length > nPos) {
        run.truncate(nPos + below(random, run.length - nPos));
      } else if (act < 0.4) {
        // The past changes: what comes before the edit's first position stays.
        const position = below(random, run.length);
        model.addHook(pick(random, editable), scalingFrom(position, 0.5 + random()));
        run.rewind(position);
        rewound++;
      } else if (act < 0.5) {
        model.resetHooks();
        run.rewind(0);
      }
      for (let n = below(random, 4); n > 0 && run.length < N_CTX; n--) {
        run.append(Int32Array.from({ length: batch }, () => below(random, 20)));
      }
    }
  }
  assert(rewound > 50, `only ${rewound} times`);
  assertEquals(memoryUsage().liveBytes, before);
});

Deno.test("a step that throws leaves the text to be gone on with", () => {
  using model = tinyModel();
  const prompt = { batch: 1, nPos: 3, tokens: Int32Array.of(1, 2, 3), mask: undefined };
  using run = new GenerationRun(executionOf(model), prompt, {
    cache: cacheRequest(undefined, false),
  });
  run.logits();
  run.append([4]);
  const calls = { fail: true };
  model.addHook("blocks.1.hook_attn_out", () => {
    if (calls.fail) throw new RangeError("stop");
  });
  let failed = false;
  try {
    run.logits();
  } catch {
    failed = true;
  }
  assertEquals([failed, run.length, run.computed], [true, 4, 3]);
  assertEquals(run.activations(model).get("resid_pre", 0).shape, [1, 3, 16]);
  calls.fail = false;
  const wanted = whole(model, run, Uint8Array.of(1, 1, 1));
  assertSameBits(Tensor.from(run.logits(), [1, 20]), wanted.logits);
  assertSameCache(run.activations(model), wanted.cache, "after the failure");
});

Deno.test("streamed and one-shot generation choose the same tokens, with and without the cache of keys and values", async () => {
  const random = uniform(43);
  for (let round = 0; round < 8; round++) {
    using model = tinyModel({ nCtx: N_CTX });
    using sae = randomSae(random, round);
    const [batch, nPos] = [1 + below(random, 3), 1 + below(random, 6)];
    const { ids } = prompts(random, batch, nPos);
    const tokens = Tensor.from(ids, [batch, nPos]);
    const options = {
      maxNewTokens: 10,
      seed: round,
      stopAtEos: false,
      temperature: 1.5,
      saes: sae,
      useErrorTerm: random() < 0.5,
      fwdHooks: [[CODES, scalingFrom(below(random, nPos + 5), 2)]] as const,
    };
    const [text, cache] = model.generate(tokens, { ...options, returnCache: true });
    const uncached = model.generate(tokens, { ...options, usePastKvCache: false });
    assertEquals(text.toArray(), uncached.toArray());
    let nSteps = 0;
    for await (const step of model.generateStream(tokens, { ...options, returnCache: true })) {
      nSteps++;
      assertEquals(step.tokens.toArray(), text.at(":", `:${nPos + nSteps}`).toArray());
      using _saes = model.saes(sae, options);
      using _hooks = model.hooks({ fwdHooks: options.fwdHooks });
      model.keepBase = false;
      const before = step.tokens.at(":", ":-1");
      const [logits, wanted] = model.runWithCache(before);
      assertSameBits(step.logits, logits.at(":", -1), `round ${round}, step ${nSteps}`);
      assertSameCache(step.cache, wanted, `round ${round}, step ${nSteps}`);
    }
    assertEquals(nSteps, 10);
    using _saes = model.saes(sae, options);
    using _hooks = model.hooks({ fwdHooks: options.fwdHooks });
    assertSameCache(cache, model.runWithCache(text)[1], `round ${round}, the whole text`);
  }
});
