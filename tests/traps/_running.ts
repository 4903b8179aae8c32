/** Running, generating and reading weights (TransformerLens' HookedTransformer.py, weight_processing.py and ActivationCache.py). */

import { assert, assertEquals } from "@std/assert";
import {
  computeHeadAttentionSimilarityScore,
  HookedTransformer,
  HookedTransformerKeyValueCache,
  Tensor,
} from "../../mod.ts";
import { fixtureUrl, readTensors } from "../_fixtures.ts";
import { assertSameBits, differs, tinyModel, TOKENS } from "../session/_models.ts";
import type { Trap } from "./_trap.ts";

const GREEDY = { doSample: false, stopAtEos: false } as const;
/** Sums of a few hundred products in float32. */
const NEAR = { atol: 1e-5, rtol: 1e-5 };

/** The texts that a loop of whole runs gives. */
function byHand(
  model: HookedTransformer,
  prompt: readonly (readonly number[])[],
  length: number,
): number[][] {
  let rows = prompt.map((row) => [...row]);
  while (rows[0].length < length) {
    const next: number[] = model.forward(rows).at(":", -1).argmax(-1).toArray();
    rows = rows.map((row, i) => [...row, next[i]]);
  }
  return rows;
}

/** The traps of running. */
export const RUNNING_TRAPS: readonly Trap[] = [
  {
    upstream: "the loss of right-padded texts counts the pads",
    here: "so it does here, where nobody says what is a pad; an attention mask leaves them out",
    async show() {
      using model = await HookedTransformer.fromPretrained(fixtureUrl("gpt2/model"));
      const texts = ["The dog", "The dog then walked to the shops"];
      const wanted = model.forward(texts[1], { returnType: "loss", lossPerToken: true });
      const ids = model.toTokens(texts);
      assert(differs(
        model.forward(texts, { returnType: "loss" }),
        model.forward(texts[1], { returnType: "loss" }),
      ));
      const lengths = texts.map((text) => model.toTokens(text).shape[1]);
      const attentionMask = Tensor.from(
        lengths.map((length) => Array.from({ length: ids.shape[1] }, (_, i) => i < length ? 1 : 0)),
        undefined,
        "int32",
      );
      const masked = model.forward(ids, { attentionMask, returnType: "loss", lossPerToken: true });
      assertSameBits(masked.at(1), wanted.at(0));
      assertEquals(masked.at(0, `${lengths[0] - 1}:`).any().item(), 0);
      const pairs = lengths[0] + lengths[1] - 2;
      const mean = model.forward(ids, { attentionMask, returnType: "loss" }).item();
      assert(Math.abs(mean - masked.sum().item() / pairs) < 1e-5);
    },
  },
  {
    upstream: "a run with a key and value cache needs a tokenizer or a mask",
    here: "tokens are tokens: without a mask none is a pad, and pieces have the bits of the whole",
    show() {
      using model = tinyModel();
      const whole = model.forward(TOKENS).clone();
      const pastKvCache = HookedTransformerKeyValueCache.initCache(model.cfg, 2);
      const [first, rest] = [[0, 4], [4, 6]].map(([from, to]) =>
        TOKENS.map((row) => row.slice(from, to))
      );
      assertSameBits(model.forward(first, { pastKvCache }), whole.at(":", ":4"));
      assertSameBits(model.forward(rest, { pastKvCache }), whole.at(":", "4:"));
    },
  },
  {
    upstream:
      "without a tokenizer, cached generation with learned positions runs at wrong positions",
    here: "a step stands where its token stands: cached, uncached and a loop of whole runs agree",
    show() {
      using model = tinyModel();
      const wanted = byHand(model, TOKENS, 11);
      for (const usePastKvCache of [true, false]) {
        const options = { ...GREEDY, maxNewTokens: 5, usePastKvCache };
        const tokens = model.generate(Tensor.from(TOKENS, undefined, "int32"), options);
        assertEquals(tokens.toArray(), wanted);
      }
    },
  },
  {
    upstream: "hook_embed never fires while generating, and hook_pos_embed has odd shapes",
    here: "every point fires at every step with that step's positions",
    show() {
      using model = tinyModel();
      const shapes: Record<string, (readonly number[])[]> = { hook_embed: [], hook_pos_embed: [] };
      model.generate(Tensor.from(TOKENS, undefined, "int32"), {
        ...GREEDY,
        maxNewTokens: 3,
        fwdHooks: Object.keys(shapes).map((name) =>
          [name, ({ shape }) => void shapes[name].push(shape)] as const
        ),
      });
      const steps = [[2, 6, 16], [2, 1, 16], [2, 1, 16]];
      assertEquals(shapes, { hook_embed: steps, hook_pos_embed: steps });
    },
  },
  {
    upstream: "hooks by absolute position raise in cached steps, which have one position",
    here:
      "hook.posOffset says where a step begins, so that a hook can tell the position that it means",
    show() {
      using model = tinyModel();
      const options = { ...GREEDY, maxNewTokens: 4 };
      const prompt = Tensor.from(TOKENS, undefined, "int32");
      const written = [7, 2].map((posWritten) =>
        model.generate(prompt, {
          ...options,
          fwdHooks: [["blocks.0.hook_mlp_out", (x, { posOffset }) => {
            const at = posWritten - posOffset;
            if (at >= 0 && at < x.shape[1]) x.set([":", at], 3);
          }]],
        })
      );
      const rows = [7, 2].map((pos, i) => {
        using _hooks = model.hooks({
          fwdHooks: [["blocks.0.hook_mlp_out", (x) => {
            if (x.shape[1] > pos) x.set([":", pos], 3);
          }]],
        });
        return [byHand(model, TOKENS, 10), written[i].toArray()];
      });
      for (const [wanted, got] of rows) assertEquals(got, wanted);
    },
  },
  {
    upstream:
      "folding with final_rms centres W_U, whose input isn't centred, and so changes the model",
    here: "processing keeps what a model computes: the log-probabilities are those of the raw one",
    async show() {
      const url = fixtureUrl("toy/solu_ln_final_rms");
      using processed = await HookedTransformer.fromPretrained(url);
      using raw = await HookedTransformer.fromPretrainedNoProcessing(url);
      const [a, b] = [processed, raw].map((model) => model.forward(TOKENS).logSoftmax(-1));
      assert(a.allClose(b, { atol: 1e-4, rtol: 1e-5 }));
      const { logits } = Object.fromEntries(
        await readTensors("toy/solu_ln_final_rms", "processed.safetensors"),
      );
      const { tokens } = Object.fromEntries(
        await readTensors("toy/solu_ln_final_rms", "raw.safetensors"),
      );
      const theirs = logits.logSoftmax(-1);
      assert(!processed.forward(tokens).logSoftmax(-1).allClose(theirs, { atol: 0.1 }));
    },
  },
  {
    upstream: "folding an RMS norm into a square W_in without a gate scales its wrong axis",
    here: "a norm's weight belongs to dModel, however wide the MLP is",
    show() {
      using raw = tinyModel({ normalizationType: "RMS", dMlp: 16 });
      using processed = tinyModel({ normalizationType: "RMS", dMlp: 16 });
      const stateDict = new Map(
        [...raw.stateDict()].map(([name, { shape }]) =>
          [name, { shape, data: raw.stateDict().get(name)!.data() as Float32Array }] as const
        ),
      );
      processed.loadAndProcessStateDict(stateDict);
      const [a, b] = [processed, raw].map((model) => model.forward(TOKENS).logSoftmax(-1));
      assert(a.allClose(b, NEAR));
    },
  },
  {
    upstream: "projections before an MLP are taken with ln1's scale",
    here: "a projection is that of the full result, whichever norm comes next",
    show() {
      using model = tinyModel({ normalizationType: "LNPre" });
      const [, cache] = model.runWithCache(TOKENS);
      const direction = Tensor.randn([16], { seed: 3 });
      const options = { mlpInput: true, applyLn: true };
      const full = cache.getFullResidDecomposition(1, options);
      const projected = cache.getFullResidDecomposition(1, {
        ...options,
        projectOutputOnto: direction,
      });
      assert(projected.allClose(full.matmul(direction), NEAR));
    },
  },
  {
    upstream: "a shortformer's positions count among what the residual stream is made of",
    here: "they go into queries and keys alone, so the parts sum to the stream without them",
    show() {
      using model = tinyModel({ positionalEmbeddingType: "shortformer" });
      const [, cache] = model.runWithCache(TOKENS);
      const [parts, labels] = cache.decomposeResid(-1, { returnLabels: true });
      assert(!labels.includes("pos_embed"));
      assert(parts.sum(0).allClose(cache.get("resid_post", 1), NEAR));
    },
  },
  {
    upstream: "head detection by absolute error rounds to thousandths",
    here: "so it does here, as published scores have it; by products nothing is rounded",
    show() {
      const attention = Tensor.from([[1, 0, 0], [0.3333, 0.6667, 0], [0.2, 0.3, 0.5]]);
      const pattern = Tensor.from([[0, 0, 0], [1, 0, 0], [0, 1, 0]]);
      const score = (errorMeasure: "abs" | "mul") =>
        computeHeadAttentionSimilarityScore(attention, pattern, { errorMeasure }).item();
      assertEquals(score("abs"), Math.fround(1 - 1.244));
      assert(Math.abs(score("mul") - 0.6333 / 3) < 1e-6);
    },
  },
];
