import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/core/errors.ts";
import { readTokenizer } from "../../src/session/read_tokenizer.ts";
import { bytePairTokenizer } from "../../src/tokenizer/byte_pairs.ts";
import { openSource } from "../../src/weights/open_source.ts";
import { toTokens } from "../../src/tokenizer/tokens.ts";
import { tokenizerOf } from "./_tokenizers.ts";

const FOLDER = new URL("../fixtures/gpt2/model/", import.meta.url);
const NAMES = ["vocab.json", "merges.txt", "tokenizer_config.json"];
const GPT2 = new Map(
  await Promise.all(
    NAMES.map(async (name) => [name, await Deno.readFile(new URL(name, FOLDER))] as const),
  ),
);
const TEXTS = [
  "When Mary and John went to the shops, Mary gave the bag to",
  " then 1994 -- they'd walked!\n\nthe end",
  "naïve café 😀 ok<|endoftext|>the",
  "",
  "<pad>a",
];

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

Deno.test("readTokenizer() reads vocab.json and merges.txt where there is no tokenizer.json", async () => {
  const tokenizer = await readTokenizer(openSource(GPT2));
  const wanted = await tokenizerOf("tests/fixtures/gpt2/model");
  for (const text of TEXTS) {
    const ids = wanted.encode(text);
    assertEquals(tokenizer?.encode(text), ids, text);
    assertEquals(tokenizer?.decode(ids), wanted.decode(ids), text);
  }
  assertEquals(tokenizer?.specialTokenIds, wanted.specialTokenIds);
  assertEquals(tokenizer?.prependsBos, true);
});

// OPT's repositories are laid out so: special tokens of their own, the end token in front of every text.
Deno.test("readTokenizer() takes the special tokens that the files declare, and adds those that the vocabulary lacks", async () => {
  const files = new Map(GPT2);
  files.set("tokenizer_config.json", json({ bos_token: { content: "</s>" }, add_bos_token: true }));
  files.set(
    "special_tokens_map.json",
    json({ bos_token: "</s>", eos_token: "</s>", unk_token: "</s>", pad_token: "<pad>" }),
  );
  files.set("added_tokens.json", json({ "<mask>": 305 }));
  const tokenizer = (await readTokenizer(openSource(files)))!;
  const { bosTokenId, eosTokenId, padTokenId, vocabSize } = tokenizer;
  assertEquals([bosTokenId, eosTokenId, padTokenId, vocabSize], [306, 306, 307, 308]);
  assertEquals(tokenizer.encode("<pad>the<mask>"), [
    306,
    307,
    ...tokenizer.encode("the").slice(1),
    305,
  ]);
  assertEquals(toTokens(tokenizer, "the", { prependBos: false }).ids[0], [
    ...tokenizer.encode("the").slice(1),
  ]);
  assertEquals(tokenizer.decode([306, 307, 305], { skipSpecialTokens: true }), "<mask>");
  // GPT-2's end token is text like any other then, as in transformers.
  assertEquals(tokenizer.encode("<|endoftext|>").length > 10, true);
});

Deno.test("readTokenizer() gives none where there are no files of one", async () => {
  assertEquals(await readTokenizer(openSource(new Map([["vocab.json", json({})]]))), undefined);
});

Deno.test("bytePairTokenizer() refuses files that aren't what they should be", () => {
  const refused = (changed: Partial<Parameters<typeof bytePairTokenizer>[0]>, message: string) => {
    const files = { vocab: { a: 0, b: 1, ab: 2 }, merges: "#version: 0.2\na b\n", ...changed };
    assertEquals(assertThrows(() => bytePairTokenizer(files), ConfigError).message, message);
  };
  refused({ vocab: ["a"] }, 'Cannot read "vocab.json": expected an object of token ids by token');
  refused(
    { vocab: { a: 0.5 } },
    'Cannot read "vocab.json": expected an object of token ids by token',
  );
  refused(
    { addedTokens: { a: "0" } },
    'Cannot read "added_tokens.json": expected an object of token ids by token',
  );
  refused(
    { merges: "a b\na b c\n" },
    'Cannot read "merges.txt": its pair 1 is "a b c", wanted two parts',
  );
});
