import { assertEquals, assertThrows } from "@std/assert";
import {
  attentionMask,
  getTokenPosition,
  toSingleStrToken,
  toSingleToken,
  toString,
  toStrTokens,
  toTokens,
} from "../../src/tokenizer/tokens.ts";
import { TokenError } from "../../src/core/errors.ts";
import { letterTokenizer, tokenizerOf } from "./_tokenizers.ts";

/** What TransformerLens gives for the gpt2 fixture's tokenizer. */
interface TokenizerRefs {
  strings: string[];
  to_tokens: Record<string, Record<string, number[][]>>;
  to_str_tokens: Record<string, string[]>;
  batch: Record<string, number[][]>;
  to_string: [number[][], string[]];
  single_token: Record<string, number>;
}

const FIXTURES = new URL("../fixtures/", import.meta.url);
const REFS: TokenizerRefs = JSON.parse(
  Deno.readTextFileSync(new URL("gpt2/tokenizer_refs.json", FIXTURES)),
);
const GPT2 = await tokenizerOf("tests/fixtures/gpt2/model");
const IOI = await tokenizerOf("models/ioi-tiny/model");

function assertTokenError(run: () => unknown, message: string) {
  assertEquals(assertThrows(run, TokenError).message, message);
}

Deno.test("toTokens() gives TransformerLens' tokens with and without BOS", () => {
  for (const text of REFS.strings) {
    const wanted = REFS.to_tokens[text];
    assertEquals(toTokens(GPT2, text).ids, wanted.default);
    assertEquals(toTokens(GPT2, text, { prependBos: true }).ids, wanted.prepend_bos_true);
    assertEquals(toTokens(GPT2, text, { prependBos: false }).ids, wanted.prepend_bos_false);
  }
});

Deno.test("toTokens() pads as TransformerLens does, on either side", () => {
  const prompts = REFS.strings.slice(0, 3);
  for (const paddingSide of ["left", "right"] as const) {
    for (const prependBos of [true, false]) {
      const { ids, mask } = toTokens(GPT2, prompts, { paddingSide, prependBos });
      assertEquals(ids, REFS.batch[`padding_${paddingSide}_prepend_bos_${prependBos}`]);
      const lengths = prompts.map((text) => toTokens(GPT2, text, { prependBos }).ids[0].length);
      assertEquals(mask.map((row) => row.filter((real) => real === 1).length), lengths);
      assertEquals(mask.map((row) => row.indexOf(1)), [
        0,
        paddingSide === "left" ? ids[0].length - lengths[1] : 0,
        0,
      ]);
    }
  }
});

Deno.test("toTokens() gives the reference's tokens for the embedded model's prompts", () => {
  const { prompts } = JSON.parse(
    Deno.readTextFileSync(new URL("ioi-tiny/seed_workload.json", FIXTURES)),
  );
  assertEquals(
    toTokens(IOI, prompts).ids,
    readInts("ioi-tiny/seed_workload.safetensors", "tokens"),
  );
});

Deno.test("toTokens() puts the BOS in front of the text where the tokenizer doesn't", async () => {
  const special = ["<|endoftext|>", "[PAD]"];
  const tokenizer = await letterTokenizer({ special, config: { pad_token: "[PAD]" } });
  assertEquals(toTokens(tokenizer, ["abc", ""]), {
    ids: [[0, 2, 3, 4], [0, 1, 1, 1]],
    mask: [[1, 1, 1, 1], [1, 0, 0, 0]],
  });
  assertEquals(toTokens(tokenizer, ["abc", "a"], { prependBos: false, paddingSide: "left" }), {
    ids: [[2, 3, 4], [1, 1, 2]],
    mask: [[1, 1, 1], [0, 0, 1]],
  });
});

Deno.test("toTokens() cuts long prompts to the context, unless told not to", () => {
  const [text] = REFS.strings;
  const [whole] = toTokens(GPT2, text).ids;
  assertEquals(toTokens(GPT2, text, { nCtx: 25, truncate: false }).ids, [whole]);
  assertEquals(toTokens(GPT2, text, { nCtx: 4 }).ids, [whole.slice(0, 4)]);
  assertEquals(
    toTokens(GPT2, text, { nCtx: 4, prependBos: false }).ids,
    [whole.slice(1, 5)],
  );
  assertEquals(toTokens(GPT2, text, { nCtx: 4, truncate: false }).ids, [whole]);
  assertEquals(toStrTokens(GPT2, text, { nCtx: 4 }), REFS.to_str_tokens[text].slice(0, 4));
  assertTokenError(
    () => toTokens(GPT2, ["The dog", text], { nCtx: 24, forRun: true }),
    'Cannot fit prompt 1 ("When Mary and John went to the shops, Ma...") into the context: ' +
      "it has 25 tokens, the context 24; toTokens() cuts it",
  );
});

Deno.test("toTokens() refuses no prompts at all, and empty ones that are about to be run", () => {
  assertTokenError(
    () => toTokens(GPT2, []),
    "Cannot tokenize an empty list of prompts: wanted at least one",
  );
  assertEquals(toTokens(GPT2, "", { prependBos: false }), { ids: [[]], mask: [[]] });
  assertEquals(toTokens(GPT2, "", { forRun: true }).ids, [[0]]);
  assertTokenError(
    () => toTokens(GPT2, ["The dog", ""], { prependBos: false, forRun: true }),
    'Cannot run prompt 1 (""): it has no tokens, wanted at least one; prependBos: true gives it a BOS',
  );
});

Deno.test("toTokens() says what a tokenizer without special tokens can't do", async () => {
  const tokenizer = await letterTokenizer();
  assertEquals(toTokens(tokenizer, ["ab", "cd"], { prependBos: false }).ids, [[0, 1], [2, 3]]);
  assertTokenError(
    () => toTokens(tokenizer, "ab"),
    'Cannot prepend a BOS to "ab": the tokenizer has neither a BOS nor an end token; ' +
      "use prependBos: false",
  );
  assertTokenError(
    () => toTokens(tokenizer, ["ab", "c"], { prependBos: false }),
    "Cannot pad 2 prompts to 2 tokens: the tokenizer has neither a padding nor an end token; " +
      "pass prompts of equal length",
  );
});

Deno.test("toString() decodes a token, a row and rows", () => {
  const [tokens, wanted] = REFS.to_string;
  assertEquals(toString(GPT2, tokens), wanted);
  assertEquals(toString(GPT2, tokens[0]), wanted[0]);
  assertEquals(toString(GPT2, 259), " the");
  assertEquals(toString(GPT2, []), "");
});

Deno.test("toStrTokens() decodes each token by itself, as TransformerLens does", () => {
  for (const text of REFS.strings) {
    const wanted = REFS.to_str_tokens[text];
    assertEquals(toStrTokens(GPT2, text), wanted);
    assertEquals(toStrTokens(GPT2, text, { prependBos: false }), wanted.slice(1));
    const { ids } = toTokens(GPT2, text);
    assertEquals(toStrTokens(GPT2, ids[0]), wanted);
    assertEquals(toStrTokens(GPT2, ids), wanted);
  }
  assertEquals(
    toStrTokens(GPT2, REFS.strings),
    REFS.strings.map((text) => REFS.to_str_tokens[text]),
  );
  assertEquals(toStrTokens(GPT2, [[52, 258], [71, 259]]), [["T", "he"], ["g", " the"]]);
});

Deno.test("toSingleToken() gives the id of a text that is one token", () => {
  for (const [text, id] of Object.entries(REFS.single_token)) {
    assertEquals(toSingleToken(GPT2, text), id);
    assertEquals(toSingleStrToken(GPT2, id), text);
  }
});

Deno.test("toSingleToken() shows the tokens of any other text, and a variant that is one", () => {
  assertTokenError(
    () => toSingleToken(GPT2, " Foobar"),
    '" Foobar" is 6 tokens [" ", "F", "o", "o", "b", "ar"], expected one',
  );
  assertTokenError(
    () => toSingleToken(GPT2, "the"),
    '"the" is 2 tokens ["t", "he"], expected one; " the" is one',
  );
  assertTokenError(() => toSingleToken(GPT2, ""), '"" is 0 tokens [], expected one');
});

Deno.test("toSingleStrToken() refuses an id that the vocabulary hasn't", () => {
  assertTokenError(
    () => toSingleStrToken(GPT2, 300),
    "Cannot decode token 300: it isn't in the vocabulary, whose ids are integers from 0 to 299",
  );
});

Deno.test("getTokenPosition() finds the first or last place of a token", () => {
  const [text] = REFS.strings;
  const { ids } = toTokens(GPT2, text);
  assertEquals(getTokenPosition(GPT2, " the", text), 10);
  assertEquals(getTokenPosition(GPT2, " the", text, "last"), 20);
  assertEquals(getTokenPosition(GPT2, 259, ids), 10);
  assertEquals(getTokenPosition(GPT2, " the", ids[0], "last"), 20);
  assertEquals(getTokenPosition(GPT2, " the", text, "first", { prependBos: false }), 9);
});

Deno.test("getTokenPosition() says that a token doesn't occur, or that there are several rows", () => {
  assertTokenError(
    () => getTokenPosition(GPT2, " the", "The dog"),
    'Cannot find the token " the" (id 259): it doesn\'t occur in "<|endoftext|>The dog"',
  );
  assertTokenError(
    () => getTokenPosition(GPT2, 259, [[1, 2], [3, 4]]),
    "Cannot look for a token in 2 rows at once: wanted a prompt or a single row",
  );
});

Deno.test("attentionMask() takes pads on their side for padding, and the last left one for a shared BOS", () => {
  const left = [[0, 0, 0, 5, 0], [0, 5, 6, 7, 8], [5, 6, 7, 8, 9], [0, 0, 0, 0, 0]];
  assertEquals(attentionMask(GPT2, left, { paddingSide: "left" }), [
    [0, 0, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0, 1],
  ]);
  assertEquals(attentionMask(GPT2, left, { paddingSide: "left", prependBos: false }), [
    [0, 0, 0, 1, 1],
    [0, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0, 0],
  ]);
  const right = [[0, 5, 0, 6, 0], [5, 6, 7, 8, 9], [0, 0, 0, 0, 0]];
  assertEquals(attentionMask(GPT2, right), [
    [1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 0],
  ]);
});

Deno.test("attentionMask() leaves a BOS alone that no padding shares, and marks nothing without a pad", async () => {
  const special = ["<s>", "<pad>"];
  const config = { bos_token: "<s>", pad_token: "<pad>" };
  const tokenizer = await letterTokenizer({ special, config });
  const { ids, mask } = toTokens(tokenizer, ["abc", "a", ""], { paddingSide: "left" });
  assertEquals(attentionMask(tokenizer, ids, { paddingSide: "left" }), mask);
  const noPad = await letterTokenizer();
  assertEquals(attentionMask(noPad, [[0, 0, 1]], { prependBos: false }), [[1, 1, 1]]);
});

Deno.test("attentionMask() finds the padding of toTokens() again", () => {
  for (const paddingSide of ["left", "right"] as const) {
    for (const prependBos of [true, false]) {
      const options = { paddingSide, prependBos };
      const { ids, mask } = toTokens(GPT2, REFS.strings, options);
      assertEquals(attentionMask(GPT2, ids, options), mask);
    }
  }
});

/** Reads an int32 matrix from a safetensors fixture. */
function readInts(file: string, name: string): number[][] {
  const bytes = Deno.readFileSync(new URL(file, FIXTURES));
  const view = new DataView(bytes.buffer);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const { shape: [rows, columns], data_offsets: [begin] } = header[name];
  const at = (row: number, column: number) =>
    view.getInt32(8 + headerLength + begin + 4 * (row * columns + column), true);
  return Array.from(
    { length: rows },
    (_, row) => Array.from({ length: columns }, (_, column) => at(row, column)),
  );
}
