import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { ConfigError, ShapeError, Tensor, utils } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { readReference, referenceModel } from "./_reference.ts";

Deno.test("testPrompt() prints what TransformerLens prints, and gives it as data", async () => {
  const { testPrompt: expected, prompt } = await readReference();
  using model = await referenceModel();
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  const test = utils.testPrompt(prompt, "Mary", model, { topK: 3, print });
  utils.testPrompt(prompt, ["Mary", "John"], model, { topK: 2, print });
  const longer = utils.testPrompt("When John and Mary went", "to the shops", model, {
    topK: 1,
    print,
  });
  utils.testPrompt(prompt, " Mary", model, {
    printDetails: false,
    prependSpaceToAnswer: false,
    print,
  });
  assertEquals(lines, [...expected]);
  const [{ answers: [mary], top }] = test.steps;
  assertEquals([mary.token, mary.rank, top.length], [" Mary", 0, 3]);
  assertEquals(top[0], mary);
  assertEquals(test.promptTokens.slice(0, 3), ["<|endoftext|>", "When", " John"]);
  assertEquals(test.answerTokens, [[" Mary"]]);
  assertEquals(longer.steps.map(({ answers }) => answers[0].rank), [0, 0, 19]);
  assertError(
    () => utils.testPrompt(prompt, [], model, { print }),
    ConfigError,
    "Cannot test a prompt without an answer: expected one or more.",
  );
});

Deno.test("logitsToDf() lists tokens, the likeliest first", () => {
  const logits = Tensor.from([0, 2, -1, 2]);
  const rows = utils.logitsToDf(logits, { topK: 3 });
  assertEquals(rows.map(({ tokenIndex }) => tokenIndex), [1, 3, 0]);
  assertEquals(rows.map(({ logit }) => logit), [2, 2, 0]);
  const total = 2 * Math.exp(2) + 1 + Math.exp(-1);
  assertAlmostEquals(rows[0].probability, Math.exp(2) / total, 1e-7);
  assertAlmostEquals(rows[2].logProb, -Math.log(total), 1e-6);
  assert(!("tokenString" in rows[0]));
  const tokenizer = { decode: ([id]: readonly number[]) => "abcd"[id] };
  assertEquals(
    utils.logitsToDf(logits, { tokenizer }).map(({ tokenString }) => tokenString),
    ["b", "d", "a", "c"],
  );
  assertError(
    () => utils.logitsToDf(Tensor.zeros([2, 4])),
    ShapeError,
    "Cannot list logits of shape [2, 4]: expected [dVocab], one position.",
  );
});

Deno.test("utils look at corners, batches and triangles", () => {
  const t = Tensor.arange(24).reshape(1, 4, 6);
  assertEquals(utils.getCorner(t, 2).toArray(), [[[0, 1], [6, 7]]]);
  assertEquals([...utils.removeBatchDim(t).shape], [4, 6]);
  assertError(
    () => utils.removeBatchDim(Tensor.zeros([2, 3])),
    ShapeError,
    "Cannot remove the batch axis of shape [2, 3]: expected [1, ...].",
  );
  const lower = Tensor.from([[1, 0], [2, 3]]);
  assertEquals(
    [lower, lower.transpose(), Tensor.zeros([2, 3])].map(utils.isLowerTriangular),
    [true, false, false],
  );
  assertEquals([utils.isSquare(lower), utils.isSquare(t)], [true, false]);
});
