import { assert, assertEquals, assertThrows } from "@std/assert";
import { HookedSAETransformer, measurePrecision, SAE, ShapeError, Tensor } from "../../mod.ts";
import { tinyModel } from "../session/_models.ts";

const PROMPTS = [
  "When John and Mary went to the shops, John gave the bag to",
  "The capital of France is",
];

const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";

Deno.test("measurePrecision() finds nothing between a model and itself", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using saes = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const report = measurePrecision(model, model, PROMPTS, { saes });
  assertEquals(report, {
    nPositions: PROMPTS.reduce((n, prompt) => n + model.toTokens(prompt).shape[1], 0),
    maxLogitDifference: 0,
    rmsLogitDifference: 0,
    klDivergence: 0,
    sameTopToken: 1,
    flippedFeatures: { [CODES]: 0 },
  });
});

Deno.test("measurePrecision() tells what eight bits do to the embedded model, more than sixteen", async () => {
  using reference = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using saes = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const reports = [];
  for (const dtype of ["bfloat16", "int8"] as const) {
    using model = await HookedSAETransformer.fromPretrained("ioi-tiny", { dtype });
    reports.push(measurePrecision(model, reference, PROMPTS, { saes }));
  }
  const [half, byte] = reports;
  for (const { flippedFeatures, klDivergence, maxLogitDifference, rmsLogitDifference } of reports) {
    assert(0 < klDivergence && klDivergence < 0.01, `${klDivergence} nats`);
    assert(0 < rmsLogitDifference && rmsLogitDifference < maxLogitDifference);
    assert(flippedFeatures[CODES] < 0.2, `${flippedFeatures[CODES]} flipped`);
  }
  assert(half.rmsLogitDifference < byte.rmsLogitDifference);
  assert(byte.flippedFeatures[CODES] > 0);
  assert(byte.sameTopToken > 0.8);
});

Deno.test("measurePrecision() gives what its definitions give, for one text as for token ids", () => {
  using model = tinyModel();
  using other = tinyModel({ dtype: "int8" });
  const texts = [[3, 1, 4, 1, 5], [2, 7, 1, 8, 2]];
  const report = measurePrecision(other, model, texts);
  assertEquals(measurePrecision(other, model, Tensor.from(texts, undefined, "int32")), report);
  const rows = [other, model].map((model) =>
    model.forward(texts).flatten(0, 1).toArray() as number[][]
  );
  const centred = rows.map((rows) =>
    rows.map((row) => row.map((x) => x - row.reduce((a, b) => a + b) / row.length))
  );
  const differences = centred[0].flatMap((row, i) => row.map((x, j) => x - centred[1][i][j]));
  const rms = Math.hypot(...differences) / Math.sqrt(differences.length);
  const near = (a: number, b: number) => assert(Math.abs(a - b) < 1e-5 * Math.abs(b), `${a}, ${b}`);
  near(report.rmsLogitDifference, rms);
  near(report.maxLogitDifference, Math.max(...differences.map(Math.abs)));
  const chances = rows.map((rows) =>
    rows.map((row) => {
      const sum = row.reduce((sum, x) => sum + Math.exp(x), 0);
      return row.map((x) => Math.exp(x) / sum);
    })
  );
  const kl = chances[1].map((row, i) =>
    row.reduce((sum, p, j) => sum + p * Math.log(p / chances[0][i][j]), 0)
  );
  // Of small differences of logarithms in float32.
  assert(Math.abs(report.klDivergence - kl.reduce((a, b) => a + b) / 10) < 1e-6);
  const one = measurePrecision(other, model, texts[0]);
  assertEquals([one.nPositions, report.nPositions], [5, 10]);
});

Deno.test("measurePrecision() refuses models of other vocabularies, and no text", () => {
  using model = tinyModel();
  using other = tinyModel({ dVocab: 30 });
  assertThrows(() => measurePrecision(model, other, [[1]]), ShapeError, "20 and 30 logits");
  assertThrows(() => measurePrecision(model, model, []), ShapeError, "no text");
});

Deno.test("measurePrecision() records nothing for hooks that wait for gradients", () => {
  using model = tinyModel();
  model.addHook("blocks.0.hook_resid_pre", () => {}, "bwd");
  const { nPositions } = measurePrecision(model, model, Array.from({ length: 6 }, () => [1, 2, 3]));
  assertEquals(nPositions, 18);
});
