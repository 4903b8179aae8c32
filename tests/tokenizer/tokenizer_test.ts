import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { ConfigError, TokenError } from "../../src/core/errors.ts";
import { letterTokenizer, letterTokenizerFiles, tokenizerOf } from "./_tokenizers.ts";

const GPT2 = "tests/fixtures/gpt2/model";

Deno.test("loadTokenizer() gives the special tokens that TransformerLens gives", async () => {
  const refs = JSON.parse(
    await Deno.readTextFile(new URL("../fixtures/gpt2/tokenizer_refs.json", import.meta.url)),
  );
  const tokenizer = await tokenizerOf(GPT2);
  assertEquals(tokenizer.bosTokenId, refs.specials.bos_token_id);
  assertEquals(tokenizer.eosTokenId, refs.specials.eos_token_id);
  assertEquals(tokenizer.padTokenId, refs.specials.pad_token_id);
  assertEquals(tokenizer.unkTokenId, 0);
  assertEquals(tokenizer.prependsBos, refs.tokenizer_prepends_bos);
  assertEquals(tokenizer.decode([tokenizer.bosTokenId ?? -1]), refs.specials.bos_token);
  assertEquals(tokenizer.specialTokenIds, [0]);
  assertEquals(tokenizer.vocabSize, 300);
});

Deno.test("loadTokenizer() takes <|endoftext|> for the end and the BOS where none is named", async () => {
  const tokenizer = await letterTokenizer({ special: ["<|endoftext|>"] });
  assertEquals(tokenizer.eosTokenId, 0);
  assertEquals(tokenizer.bosTokenId, 0);
  assertEquals(tokenizer.padTokenId, 0);
  assertEquals(tokenizer.unkTokenId, null);
  assert(!tokenizer.prependsBos);
  assertEquals(tokenizer.encode("ab"), [1, 2]);
});

Deno.test("loadTokenizer() has no special tokens where the files have none", async () => {
  const tokenizer = await letterTokenizer();
  assertEquals(tokenizer.bosTokenId, null);
  assertEquals(tokenizer.eosTokenId, null);
  assertEquals(tokenizer.padTokenId, null);
  assertEquals(tokenizer.specialTokenIds, []);
  assertEquals(tokenizer.vocabSize, 5);
});

Deno.test("loadTokenizer() makes use of a BOS that the files name without using it", async () => {
  const tokenizer = await letterTokenizer({
    special: ["<s>", "</s>", "<pad>", "<sep>"],
    config: {
      bos_token: { content: "<s>", special: true },
      eos_token: "</s>",
      add_bos_token: false,
    },
    specialTokensMap: { pad_token: "<pad>", sep_token: { content: "<sep>" }, eos_token: "<s>" },
  });
  assertEquals(tokenizer.bosTokenId, 0);
  assertEquals(tokenizer.eosTokenId, 1);
  assertEquals(tokenizer.padTokenId, 2);
  assertEquals(tokenizer.specialTokenIds, [0, 1, 2, 3]);
  assert(tokenizer.prependsBos);
  assertEquals(tokenizer.encode("ab"), [0, 4, 5]);
  assertEquals(tokenizer.encode(""), [0]);
});

Deno.test("loadTokenizer() doesn't take an end token behind the text for a BOS", async () => {
  const tokenizer = await letterTokenizer({
    special: ["</s>"],
    config: { eos_token: "</s>" },
    after: "</s>",
  });
  assert(!tokenizer.prependsBos);
  assertEquals(tokenizer.encode("ab"), [1, 2, 0]);
});

Deno.test("loadTokenizer() adds no second BOS to the one that the post-processor puts", async () => {
  const tokenizer = await letterTokenizer({
    special: ["<s>"],
    config: { bos_token: "<s>" },
    before: "<s>",
  });
  assert(tokenizer.prependsBos);
  assertEquals(tokenizer.encode("ab"), [0, 1, 2]);
});

Deno.test("decode() gives the empty text for no tokens", async () => {
  assertEquals((await tokenizerOf(GPT2)).decode([]), "");
});

Deno.test("decode() leaves spaces as they are, and special tokens out if asked", async () => {
  const tokenizer = await tokenizerOf(GPT2);
  const text = "the shops , they 'd n't . Mary !";
  const ids = tokenizer.encode(text);
  assertEquals(tokenizer.decode(ids), `<|endoftext|>${text}`);
  assertEquals(tokenizer.decode(ids, { skipSpecialTokens: true }), text);
  assertEquals(tokenizer.decode([0], { skipSpecialTokens: true }), "");
});

Deno.test("decode() replaces each of the bytes in a row that aren't text together, as Python does", async () => {
  const tokenizer = await tokenizerOf("tests/fixtures/tokenizer/llama2_style");
  const ids = (...tokens: string[]) => tokens.map((token) => tokenizer.tokenToId(token)!);
  assertEquals(tokenizer.decode(ids("<0xC3>", "<0xA9>")), "\u00e9");
  assertEquals(tokenizer.decode(ids("<0x41>", "<0x42>")), "AB");
  assertEquals(tokenizer.decode(ids("<0xC3>", "<0x41>")), "\ufffd\ufffd");
  assertEquals(tokenizer.decode(ids("t", "<0x41>", "<0xA9>", "h", "<0x41>")), "t\ufffd\ufffdhA");
});

Deno.test("decode() refuses ids that the vocabulary hasn't", async () => {
  const tokenizer = await tokenizerOf(GPT2);
  for (const id of [300, -1, 1.5, NaN]) {
    const error = assertThrows(() => tokenizer.decode([1, id, 400]), TokenError);
    assertEquals(
      error.message,
      `Cannot decode token ${id}: it isn't in the vocabulary, whose ids are integers from 0 to 299`,
    );
  }
});

Deno.test("encode() refuses a text that the vocabulary can't express", async () => {
  const files = letterTokenizerFiles();
  const model = { type: "WordPiece", continuing_subword_prefix: "", vocab: { a: 0, b: 1 } };
  const tokenizer = await loadTokenizer({ tokenizerJson: { ...files.tokenizerJson, model } });
  assertEquals(tokenizer.encode("ab"), [0, 1]);
  const error = assertThrows(() => tokenizer.encode("abz"), TokenError);
  assertEquals(
    error.message,
    'Cannot encode "abz": a piece of it isn\'t in the vocabulary, which has no unknown token either',
  );
});

Deno.test("tokenToId() and idToToken() speak the vocabulary's spelling", async () => {
  const tokenizer = await tokenizerOf(GPT2);
  assertEquals(tokenizer.tokenToId("\u0120the"), 259);
  assertEquals(tokenizer.idToToken(259), "\u0120the");
  assertEquals(tokenizer.tokenToId(" the"), undefined);
  assertEquals(tokenizer.idToToken(300), undefined);
});

Deno.test("loadTokenizer() refuses files that aren't JSON objects", async () => {
  const notJson = await assertRejects(() => loadTokenizer({ tokenizerJson: "{" }), ConfigError);
  assertEquals(notJson.message, 'Cannot read "tokenizer.json": it isn\'t valid JSON');
  assert(notJson.cause instanceof SyntaxError);
  const noObject = await assertRejects(
    () => loadTokenizer({ ...letterTokenizerFiles(), tokenizerConfig: "[1]" }),
    ConfigError,
  );
  assertEquals(
    noObject.message,
    'Cannot read "tokenizer_config.json": it holds [1], wanted an object',
  );
});

Deno.test("loadTokenizer() refuses a tokenizer of an unknown kind, with the cause", async () => {
  const files = letterTokenizerFiles();
  const tokenizerJson = { ...files.tokenizerJson, decoder: { type: "Morse" } };
  const error = await assertRejects(() => loadTokenizer({ tokenizerJson }), ConfigError);
  assertEquals(
    error.message,
    'Cannot make a tokenizer from "tokenizer.json": Unknown Decoder type: Morse',
  );
  assert(error.cause instanceof Error);
});

Deno.test("loadTokenizer() refuses ids that no vocabulary has", async () => {
  const { tokenizerJson } = letterTokenizerFiles({ special: ["<s>"] });
  const [token] = tokenizerJson.added_tokens;
  for (const id of [1e9, -1, 0.5, "1", null]) {
    const wrong = [
      [{ ...tokenizerJson, added_tokens: [{ ...token, id }] }, "<s>"],
      [{ ...tokenizerJson, model: { ...tokenizerJson.model, vocab: { a: 1, b: id } } }, "b"],
    ] as const;
    for (const [json, name] of wrong) {
      const error = await assertRejects(() => loadTokenizer({ tokenizerJson: json }), ConfigError);
      assertEquals(
        error.message,
        `Cannot make a tokenizer from "tokenizer.json": the id of "${name}" is ${
          JSON.stringify(id)
        }, wanted a whole number from 0 to 4194303`,
      );
    }
  }
});

Deno.test("loadTokenizer() refuses a special token that the vocabulary hasn't", async () => {
  const error = await assertRejects(
    () => letterTokenizer({ special: ["<s>"], config: { bos_token: "<bos>" } }),
    ConfigError,
  );
  assertEquals(
    error.message,
    'Cannot use "<bos>" as bos_token: "tokenizer_config.json" or "special_tokens_map.json" ' +
      'names it, but "tokenizer.json" has no such token',
  );
});
