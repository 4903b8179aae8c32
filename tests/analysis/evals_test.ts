import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { ConfigError, evals, ShapeError, Tensor, TokenError } from "../../mod.ts";
import { PythonRandom } from "../../src/analysis/python_random.ts";
import { assertError } from "../core/_tensors.ts";
import { tinyModel } from "../session/_models.ts";
import { readReference, referenceModel } from "./_reference.ts";

/** Logits of about twenty in float32, averaged. */
const LOGIT = 1e-4;

Deno.test("PythonRandom draws what Python draws", () => {
  const random = new PythonRandom(42);
  const times = <T>(n: number, draw: () => T) => Array.from({ length: n }, draw);
  const below = (n: number) => Array.from({ length: n }, (_, i) => i);
  // random.seed(42), then choices and samples in this order, in Python 3.11.
  assertEquals(times(10, () => random.choice([0, 1])), [0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
  assertEquals(times(10, () => random.choice(below(7))), [0, 0, 1, 1, 4, 4, 0, 4, 1, 5]);
  assertEquals(times(5, () => random.sample(below(5), 2)), [
    [4, 3],
    [1, 3],
    [4, 2],
    [0, 1],
    [3, 2],
  ]);
  assertEquals(times(5, () => random.sample(below(40), 2)), [
    [17, 9],
    [13, 21],
    [6, 5],
    [24, 6],
    [22, 38],
  ]);
});

Deno.test("IOIDataset and ioiEval() give TransformerLens' sentences and numbers", async () => {
  const { ioi, ioiSymmetric } = await readReference();
  using model = await referenceModel();
  const names = ["John", "Mary", "Tom", "Anna", "Paul"];
  const cases = [
    [ioi, { numSamples: 24, seed: 42 }],
    [ioiSymmetric, { numSamples: 24, seed: 7, symmetric: true, names }],
  ] as const;
  for (const [expected, options] of cases) {
    const dataset = new evals.IOIDataset(model.tokenizer!, options);
    assertEquals(dataset.length, 24);
    assertEquals(dataset.samples.slice(0, 6).map(({ text }) => text), [...expected.texts]);
    const result = evals.ioiEval(model, { dataset, batchSize: 5 });
    assertAlmostEquals(result["Logit Difference"], expected["Logit Difference"], LOGIT);
    assertEquals(result.Accuracy, expected.Accuracy);
  }
  assertEquals(
    evals.ioiEval(model, { numSamples: 4, symmetric: true }).Accuracy,
    evals.ioiEval(model, {
      dataset: new evals.IOIDataset(model.tokenizer!, { numSamples: 4, symmetric: true }),
    }).Accuracy,
  );
});

Deno.test("IOIDataset gives tokens, and refuses what isn't there", async () => {
  using model = await referenceModel();
  const tokenizer = model.tokenizer!;
  const options = { templates: ["[B] met [A]"], names: ["Tom", "Anna"], nouns: {}, numSamples: 2 };
  const dataset = new evals.IOIDataset(tokenizer, options);
  const { text, IO, S } = dataset.samples[0];
  assertEquals(text, `${S.slice(1)} met${IO}`);
  const first = dataset.at(0);
  // This tokenizer puts the BOS token in front by itself: there is to be one, of the names none.
  assertEquals(first.prompt.toArray(), tokenizer.encode(text));
  assertEquals(first.prompt.at(0).item(), tokenizer.bosTokenId);
  assertEquals(
    [first.IO, first.S].map((ids) => ids.toArray()),
    [IO, S].map((name) => [model.toSingleToken(name)]),
  );
  assertEquals([...dataset].length, 2);
  const bare = new evals.IOIDataset(tokenizer, { ...options, prependBos: false });
  assertEquals(bare.at(0).prompt.size, first.prompt.size - 1);
  assertError(() => dataset.at(2), RangeError, "There is no sample 2: the dataset has 2.");
  assertError(
    () => new evals.IOIDataset(tokenizer, { names: ["Tom"] }),
    ConfigError,
    "Cannot draw sentences of 2 templates and 1 names: expected a template and two names or more.",
  );
  const same = { prompt: Tensor.from([1, 2], undefined, "int32"), IO: first.IO, S: first.IO };
  assertError(
    () => evals.ioiEval(model, { dataset: [same] }),
    ShapeError,
    "Cannot tell two names apart: the tokens of one begin the other's.",
  );
  using nameless = tinyModel();
  assertError(
    () => evals.ioiEval(nameless),
    TokenError,
    "Cannot draw sentences: the model has no tokenizer. Pass one, or a dataset.",
  );
});

Deno.test("sanityCheck() is the loss on TransformerLens' paragraph", async () => {
  const { sanityCheck } = await readReference();
  using model = await referenceModel();
  assertAlmostEquals(evals.sanityCheck(model).item(), sanityCheck, LOGIT);
});

Deno.test("inductionLoss() is the loss over the repetition, by any batch", async () => {
  using model = await referenceModel();
  const loss = evals.inductionLoss(model, { subseqLen: 20, batchSize: 3, seed: 5 });
  assertEquals([...loss.shape], []);
  const again = evals.inductionLoss(model, { subseqLen: 20, batchSize: 3, seed: 5 });
  assertEquals(again.item(), loss.item());
  const other = evals.inductionLoss(model, { subseqLen: 20, batchSize: 3, seed: 6 });
  assert(other.item() !== loss.item());
  // A model that puts nothing on any token is as good as guessing.
  using blind = tinyModel({ nCtx: 16 });
  const zeros = new Map(
    [...blind.stateDict()].map(([name, { shape }]) =>
      [name, { shape, data: new Float32Array(shape.reduce((n, m) => n * m, 1)) }] as const
    ),
  );
  blind.loadAndProcessStateDict(new Map(zeros), {
    foldLn: false,
    centerWritingWeights: false,
    centerUnembed: false,
    foldValueBiases: false,
  });
  assertAlmostEquals(
    evals.inductionLoss(blind, { prependBos: false }).item(),
    Math.log(20),
    1e-6,
  );
  assertError(
    () => evals.inductionLoss(blind, { prependBos: false, subseqLen: 9 }),
    ConfigError,
    "Cannot repeat 9 tokens: expected a whole number from 3 to 8, half of the context.",
  );
  assertError(
    () => evals.inductionLoss(blind, { prependBos: true }),
    TokenError,
    "Cannot begin sequences with a BOS token: there is no tokenizer that has one. Pass prependBos: false.",
  );
});
