/** Tokenizers in the styles of LLaMA 2 and 3, and GPT-2's: what TransformerLens makes of texts with them. */

import { Tensor } from "../../mod.ts";
import { toString, toStrTokens, toTokens } from "../../src/tokenizer/tokens.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { fixtureIndex, readJson } from "../_fixtures.ts";
import { tokenizerOf } from "../tokenizer/_tokenizers.ts";
import { EXACT } from "./_compare.ts";
import type { Named, ParityCase } from "./_observe.ts";

type Ids = readonly (readonly number[])[];

/** What `tokenizer_refs.json` says; what GPT-2's lacks isn't compared there. */
interface TokenizerRefs {
  readonly vocab_size?: number;
  readonly tokenizer_prepends_bos: boolean;
  readonly specials: Readonly<Record<`${"bos" | "eos" | "pad"}_token_id`, number>>;
  readonly strings: readonly string[];
  /** By text and way: ids [1, pos]. */
  readonly to_tokens: Readonly<Record<string, Readonly<Record<string, Ids>>>>;
  /** Of each text with a BOS. */
  readonly to_str_tokens: Readonly<Record<string, readonly string[]>>;
  /** What each text's tokens with a BOS decode to, or (GPT-2) rows of ids and their texts. */
  readonly to_string: Readonly<Record<string, string>> | readonly [Ids, readonly string[]];
  /** By way: ids [3, pos] of the first three texts. */
  readonly batch: Readonly<Record<string, Ids>>;
}

/** The options that the names of references stand for. */
const PREPEND_BOS: Readonly<Record<string, boolean | undefined>> = {
  default: undefined,
  prepend_bos_true: true,
  prepend_bos_false: false,
};

/** Texts as numbers, which are compared one by one: UTF-16 units, and -1 behind each text. */
function textTensor(texts: readonly string[]): Tensor {
  const units = texts.flatMap((text) => [...text.split("").map((unit) => unit.charCodeAt(0)), -1]);
  return Tensor.from(Int32Array.from(units));
}

function idTensor(ids: Ids): Tensor {
  return Tensor.from(ids, undefined, "int32");
}

/** What the references hold, as tensors. */
function wanted(refs: TokenizerRefs): Named {
  const { bos_token_id, eos_token_id, pad_token_id } = refs.specials;
  const want: Named = new Map([
    ["specials", idTensor([[bos_token_id, eos_token_id, pad_token_id]])],
    ["prepends_bos", Tensor.from(refs.tokenizer_prepends_bos)],
  ]);
  if (refs.vocab_size !== undefined) want.set("vocab_size", idTensor([[refs.vocab_size]]));
  for (const [text, ways] of Object.entries(refs.to_tokens)) {
    for (const [way, ids] of Object.entries(ways)) {
      want.set(`to_tokens ${way} ${JSON.stringify(text)}`, idTensor(ids));
    }
  }
  for (const [text, pieces] of Object.entries(refs.to_str_tokens)) {
    want.set(`to_str_tokens ${JSON.stringify(text)}`, textTensor(pieces));
  }
  const strings = Array.isArray(refs.to_string)
    ? { [refs.strings[0]]: refs.to_string[1][0] }
    : refs.to_string as Readonly<Record<string, string>>;
  for (const [text, decoded] of Object.entries(strings)) {
    want.set(`to_string ${JSON.stringify(text)}`, textTensor([decoded]));
  }
  for (const [way, ids] of Object.entries(refs.batch)) want.set(`batch ${way}`, idTensor(ids));
  return want;
}

/** The same of our tokenizer. */
function observed(tokenizer: Tokenizer, { strings }: TokenizerRefs): Named {
  const { bosTokenId, eosTokenId, padTokenId, vocabSize, prependsBos } = tokenizer;
  const got: Named = new Map([
    ["specials", idTensor([[bosTokenId, eosTokenId, padTokenId].map((id) => id ?? -1)])],
    ["prepends_bos", Tensor.from(prependsBos)],
    ["vocab_size", idTensor([[vocabSize]])],
  ]);
  for (const text of strings) {
    const quoted = JSON.stringify(text);
    for (const [way, prependBos] of Object.entries(PREPEND_BOS)) {
      got.set(
        `to_tokens ${way} ${quoted}`,
        idTensor(toTokens(tokenizer, text, { prependBos }).ids),
      );
    }
    got.set(`to_str_tokens ${quoted}`, textTensor(toStrTokens(tokenizer, text)));
    const [ids] = toTokens(tokenizer, text).ids;
    got.set(`to_string ${quoted}`, textTensor([toString(tokenizer, ids)]));
  }
  for (const paddingSide of ["right", "left"] as const) {
    for (const prependBos of [true, false]) {
      const { ids } = toTokens(tokenizer, strings.slice(0, 3), { paddingSide, prependBos });
      got.set(`batch padding_${paddingSide}_prepend_bos_${prependBos}`, idTensor(ids));
    }
  }
  return got;
}

function tokenizerCase(folder: string, files: string): ParityCase {
  return {
    name: `${folder}/tokenizer_refs`,
    tolerance: EXACT,
    async run() {
      const refs = await readJson<TokenizerRefs>(folder, "tokenizer_refs.json");
      const tokenizer = await tokenizerOf(`tests/fixtures/${files}`);
      return { got: observed(tokenizer, refs), want: wanted(refs) };
    },
  };
}

/** The cases of the tokenizers. */
export const TOKENIZER_CASES: readonly ParityCase[] = [
  tokenizerCase("gpt2", "gpt2/model"),
  ...fixtureIndex().filter(({ kind }) => kind === "tokenizer")
    .map(({ folder }) => tokenizerCase(folder, folder)),
];
