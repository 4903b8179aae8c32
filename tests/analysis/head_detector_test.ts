import { assert, assertEquals } from "@std/assert";
import {
  computeHeadAttentionSimilarityScore,
  ConfigError,
  detectHead,
  getDuplicateTokenHeadDetectionPattern,
  getInductionHeadDetectionPattern,
  getPreviousTokenHeadDetectionPattern,
  HEAD_NAMES,
  type HeadName,
  ShapeError,
  Tensor,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { tinyModel } from "../session/_models.ts";
import { readReference, referenceModel } from "./_reference.ts";

/** Shares of attention are near one; the reference's are rounded to seven places. */
const NEAR = { atol: 2e-6, rtol: 0 };

/** A thousandth more or less, where a mean lies between two of them. */
const THOUSANDTH = { atol: 1.001e-3, rtol: 0 };

Deno.test("detectHead() scores heads as TransformerLens does", async () => {
  const { detectHead: expected, prompt } = await readReference();
  using model = await referenceModel();
  const spelt = (flag: boolean) => (flag ? "True" : "False");
  for (const name of HEAD_NAMES) {
    for (const errorMeasure of ["mul", "abs"] as const) {
      for (const excludeBos of [false, true]) {
        for (const excludeCurrentToken of [false, true]) {
          const options = { errorMeasure, excludeBos, excludeCurrentToken };
          const scores = detectHead(model, prompt, name, options);
          const key = `${name} ${errorMeasure} ${spelt(excludeBos)} ${spelt(excludeCurrentToken)}`;
          const want = Tensor.from(expected[key]);
          const near = errorMeasure === "mul" ? NEAR : THOUSANDTH;
          assert(scores.allClose(want, near), `${key}: ${scores.toArray()}`);
        }
      }
    }
  }
  const several = detectHead(model, [prompt, "Mary and Mary and John"], "duplicate_token_head");
  assert(several.allClose(Tensor.from(expected.list), NEAR));
  for (const heads of [[[0, 1], [2, 3]], { 0: [1], 2: [3] }] as const) {
    const some = detectHead(model, prompt, "previous_token_head", { heads });
    assert(some.allClose(Tensor.from(expected.heads), NEAR));
  }
});

Deno.test("detectHead() takes a pattern of one's own, and a cache, which stays as it is", async () => {
  const { prompt } = await readReference();
  using model = await referenceModel();
  const tokens = model.toTokens(prompt);
  const pattern = getPreviousTokenHeadDetectionPattern(tokens);
  const [, cache] = model.runWithCache(tokens);
  const before = cache.get("pattern", 1).clone();
  const named = detectHead(model, prompt, "previous_token_head", { excludeBos: true });
  for (const given of [cache, cache.toBatchless(), undefined]) {
    const scores = detectHead(model, tokens, pattern, { cache: given, excludeBos: true });
    assertEquals(scores.toArray(), named.toArray());
  }
  assertEquals(cache.get("pattern", 1).toArray(), before.toArray());
  const doubled = detectHead(model, prompt, pattern.mul(2), { excludeBos: true });
  assert(doubled.allClose(named.mul(2), NEAR));
});

Deno.test("Detection patterns", () => {
  const tokens = Tensor.from([[5, 6, 5, 7, 5, 6]], undefined, "int32");
  assertEquals(getPreviousTokenHeadDetectionPattern(tokens.at(0, ":3")).toArray(), [
    [0, 0, 0],
    [1, 0, 0],
    [0, 1, 0],
  ]);
  assertEquals(getDuplicateTokenHeadDetectionPattern(tokens).toArray(), [
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [1, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [1, 0, 1, 0, 0, 0],
    [0, 1, 0, 0, 0, 0],
  ]);
  assertEquals(getInductionHeadDetectionPattern(tokens).toArray(), [
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [0, 1, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [0, 1, 0, 1, 0, 0],
    [0, 0, 1, 0, 0, 0],
  ]);
});

Deno.test("computeHeadAttentionSimilarityScore() is perfect for the pattern itself", () => {
  const pattern = Tensor.from([[1, 0, 0], [0.5, 0.5, 0], [0, 0.25, 0.75]]);
  const score = (options: Parameters<typeof computeHeadAttentionSimilarityScore>[2]) =>
    computeHeadAttentionSimilarityScore(pattern, pattern, options).item();
  assertEquals(score({ errorMeasure: "abs" }), 1);
  const half = Tensor.from([[1, 0, 0], [1, 0, 0], [0, 0, 0]]);
  assertEquals(computeHeadAttentionSimilarityScore(pattern, half).item(), 0.5);
  const own = { excludeBos: true, excludeCurrentToken: true };
  assertEquals(computeHeadAttentionSimilarityScore(pattern, half, own).item(), 0);
});

Deno.test("detectHead() refuses what it can't compare", () => {
  using model = tinyModel();
  const tokens = Tensor.from([3, 1, 4], undefined, "int32");
  assertError(
    () => detectHead(model, tokens, "name_mover_head" as HeadName),
    ConfigError,
    'Cannot detect "name_mover_head": expected a pattern, or one of "previous_token_head", "duplicate_token_head", "induction_head".',
  );
  const refuses = (pattern: Tensor, message: string) =>
    assertError(() => detectHead(model, tokens, pattern), ShapeError, message);
  refuses(
    Tensor.zeros([4, 4]),
    "Cannot detect a pattern of shape [4, 4]: expected a lower triangular one, [query 3, key 3].",
  );
  refuses(
    Tensor.ones([3, 3]),
    "Cannot detect a pattern of shape [3, 3]: expected a lower triangular one, [query 3, key 3].",
  );
  assertError(
    () => detectHead(model, tokens.at(":1"), "previous_token_head"),
    ShapeError,
    "Cannot detect heads on 1 tokens: expected 2 to 12, the model's context.",
  );
  assertError(
    () => detectHead(model, tokens, "previous_token_head", { heads: [[0, 2]] }),
    RangeError,
    "There is no head 0.2: the model has 2 layers of 2 heads.",
  );
  const [, cache] = model.runWithCache([[3, 1, 4], [1, 5, 9]]);
  assertError(
    () => detectHead(model, tokens, "previous_token_head", { cache }),
    ShapeError,
    "Cannot detect heads by patterns of 2 texts: expected one, or a list of prompts.",
  );
  assertError(
    () => detectHead(model, ["a", "b"], "previous_token_head", { cache }),
    ConfigError,
    "Cannot detect heads on several prompts by one cache: leave it out.",
  );
});
