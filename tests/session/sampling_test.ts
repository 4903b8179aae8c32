import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, ShapeError, Tensor, TokenError, utils } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import type { SamplingOptions } from "../../src/session/sampling.ts";

const { sampleLogits } = utils;

/** The probabilities of TransformerLens' `sample_logits`, in plain loops. */
function reference(
  logits: readonly number[],
  tokens: readonly number[],
  { topK, topP, temperature = 1, freqPenalty = 0, repetitionPenalty = 1 }: SamplingOptions,
): number[] {
  const seen = new Set(tokens);
  const repeated = logits.map((x, i) =>
    !seen.has(i) ? x : x > 0 ? x / repetitionPenalty : x * repetitionPenalty
  );
  const counted = repeated.map((x, i) =>
    x / temperature - freqPenalty * tokens.filter((id) => id === i).length
  );
  const softmax = (x: readonly number[]) => {
    const e = x.map((x) => Math.exp(x - Math.max(...counted)));
    const sum = e.reduce((a, b) => a + b);
    return e.map((e) => e / sum);
  };
  const order = counted.map((_, i) => i).sort((a, b) => counted[b] - counted[a]);
  let kept = counted;
  if (topK !== undefined) {
    const least = counted[order[Math.min(topK, order.length) - 1]];
    kept = counted.map((x) => x < least ? -Infinity : x);
  } else if (topP !== undefined) {
    const all = softmax(counted);
    let before = 0;
    const removed = new Set<number>();
    for (const id of order) {
      if (before > topP) removed.add(id);
      before += all[id];
    }
    kept = counted.map((x, i) => removed.has(i) ? -Infinity : x);
  }
  return softmax(kept);
}

const LOGITS = [1.5, -0.5, 2, 0.25, 2, -1, 0, 0.75];
const TOKENS = [2, 0, 2, 5];

/** How often each token comes in many draws from the same logits. */
function frequencies(options: SamplingOptions, n: number): number[] {
  const rows = Tensor.from(Float32Array.from({ length: n * 8 }, (_, i) => LOGITS[i % 8]), [n, 8]);
  const tokens = Tensor.from(Int32Array.from({ length: n * 4 }, (_, i) => TOKENS[i % 4]), [n, 4]);
  const ids = sampleLogits(rows, { ...options, tokens, seed: 100 }).data();
  return LOGITS.map((_, id) => ids.filter((drawn) => drawn === id).length / n);
}

const CASES: readonly SamplingOptions[] = [
  {},
  { temperature: 0.5 },
  { temperature: 2.5, freqPenalty: 0.7 },
  { repetitionPenalty: 1.8 },
  { topK: 1 },
  { topK: 2 },
  { topK: 4, temperature: 0.7 },
  { topK: 100 },
  { topP: 0.3 },
  { topP: 0.65 },
  { topP: 0.9, temperature: 1.3, repetitionPenalty: 1.2, freqPenalty: 0.3 },
  { topP: 1 },
  { topK: 3, topP: 0.1 },
];

for (const options of CASES) {
  Deno.test(`sampleLogits() draws as TransformerLens' rules say: ${JSON.stringify(options)}`, () => {
    const n = 5000;
    const wanted = reference(LOGITS, TOKENS, options);
    frequencies(options, n).forEach((got, id) => {
      // Five standard deviations of a share of n draws; the seed is fixed.
      const allowed = 5 * Math.sqrt(wanted[id] * (1 - wanted[id]) / n);
      assert(Math.abs(got - wanted[id]) <= allowed, `token ${id}: ${got}, wanted ${wanted[id]}`);
    });
  });
}

Deno.test("sampleLogits() with topP goes through large vocabularies, however even they are", () => {
  const dVocab = 3000;
  for (const sharpness of [0, 0.5, 3]) {
    const random = uniform(5);
    const logits = Array.from({ length: dVocab }, () => sharpness * (random() - 0.5));
    // Equal logits: those of the lowest ids are kept, as many as it takes.
    const sorted = logits.map((_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
    const weights = logits.map(Math.exp);
    const total = weights.reduce((a, b) => a + b);
    let reached = 0;
    const end = sorted.findIndex((id) => (reached += weights[id] / total) > 0.4);
    const allowed = new Set(sorted.slice(0, end + 2));
    const rows = Tensor.from(
      Float32Array.from({ length: 200 * dVocab }, (_, i) => logits[i % dVocab]),
      [200, dVocab],
    );
    const ids = sampleLogits(rows, { topP: 0.4, seed: 9 }).data();
    assert(ids.every((id) => allowed.has(id)), `sharpness ${sharpness}`);
    assert(new Set(ids).size > 100);
  }
});

Deno.test("sampleLogits() at temperature 0 takes the most likely after the penalty on repetition", () => {
  const rows = Tensor.from([[1, 3, 2.9], [0, -1, -2]]);
  assertEquals(sampleLogits(rows, { temperature: 0, topK: 1 }).toArray(), [1, 0]);
  const tokens = Tensor.from([[1], [2]], undefined, "int32");
  assertEquals(
    sampleLogits(rows, { temperature: 0, repetitionPenalty: 1.1, tokens }).toArray(),
    [2, 0],
  );
});

Deno.test("the same seed draws the same tokens, and a row what it draws alone", () => {
  const rows = Tensor.randn([6, 50], { seed: 4 });
  const [a, b, c] = [7, 7, 8].map((seed) => sampleLogits(rows, { seed }).toArray());
  assertEquals(a, b);
  assert(a.join() !== c.join());
  const alone = [0, 1, 2, 3, 4, 5].map((row) =>
    sampleLogits(rows.at([row]), { seed: 7 + row }).item()
  );
  assertEquals(a, alone);
  assertEquals(rows.data(), Tensor.randn([6, 50], { seed: 4 }).data());
});

Deno.test("tokens that can't come never do", () => {
  const rows = Tensor.full([500, 3], -Infinity);
  rows.set([":", 1], -2);
  rows.set([":", 2], -2);
  const ids = new Set(sampleLogits(rows, { seed: 1 }).data());
  assertEquals([...ids].sort(), [1, 2]);
});

Deno.test("sampleLogits() refuses what it can't sample from", () => {
  const rows = Tensor.zeros([2, 3]);
  assertThrows(
    () => sampleLogits(Tensor.zeros([3])),
    ShapeError,
    "Cannot sample from logits of shape [3]: expected [batch, dVocab].",
  );
  assertThrows(
    () => sampleLogits(rows, { tokens: Tensor.zeros([1, 4], "int32") }),
    ShapeError,
    "Cannot sample with tokens of shape [1, 4]: expected [batch 2, pos].",
  );
  assertThrows(
    () => sampleLogits(rows, { freqPenalty: 1 }),
    ConfigError,
    "Cannot sample with a freqPenalty: pass the tokens so far as `tokens`.",
  );
  for (
    const [name, value, wanted] of [
      ["topK", 0, "a whole number above 0"],
      ["topP", 1.5, "a number above 0, at most 1"],
      ["temperature", -1, "a number of at least 0"],
      ["repetitionPenalty", 0, "a number above 0"],
      ["freqPenalty", NaN, "a finite number"],
    ]
  ) {
    assertThrows(
      () => sampleLogits(rows, { [name]: value }),
      ConfigError,
      `Cannot sample with ${name} ${value}: expected ${wanted}.`,
    );
  }
  const refused =
    "Cannot choose a token: the logits hold NaN or infinity, or nothing larger than -inf.";
  const nothing = Tensor.full([1, 3], -Infinity);
  for (const options of [{}, { topK: 2 }, { topP: 0.5 }, { temperature: 0.5 }]) {
    for (const bad of [NaN, Infinity]) {
      for (const place of [0, 2]) {
        const spoilt = Tensor.zeros([2, 3]);
        spoilt.set([1, place], bad);
        assertThrows(() => sampleLogits(spoilt, options), TokenError, refused);
      }
    }
    assertThrows(() => sampleLogits(nothing, options), TokenError, refused);
  }
  assertThrows(() => sampleLogits(nothing, { temperature: 0 }), TokenError, refused);
});
