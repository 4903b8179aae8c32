import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";

/** Loads the tokenizer of a directory of the repository. */
export async function tokenizerOf(directory: string): Promise<Tokenizer> {
  const base = new URL(`../../${directory}/`, import.meta.url);
  return await loadTokenizer({
    tokenizerJson: await Deno.readTextFile(new URL("tokenizer.json", base)),
    tokenizerConfig: await Deno.readTextFile(new URL("tokenizer_config.json", base)),
  });
}

/** What sets a tokenizer of single letters apart. */
export interface LetterTokenizerOptions {
  /** The special tokens, whose ids come before the letters' ids. */
  special?: string[];
  /** `tokenizer_config.json`. */
  config?: Record<string, unknown>;
  /** `special_tokens_map.json`. */
  specialTokensMap?: Record<string, unknown>;
  /** Special token that the post-processor puts in front. */
  before?: string;
  /** Special token that the post-processor puts at the end. */
  after?: string;
}

/** The files of a tokenizer whose tokens are the letters a to e. */
export function letterTokenizerFiles(options: LetterTokenizerOptions = {}) {
  const { special = [], before, after } = options;
  const idOf = new Map([...special, "a", "b", "c", "d", "e"].map((token, id) => [token, id]));
  const part = (token: string | undefined) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id: 0 } }];
  return {
    tokenizerJson: {
      version: "1.0",
      added_tokens: special.map((content, id) => ({ id, content, special: true })),
      normalizer: null,
      pre_tokenizer: null,
      post_processor: {
        type: "TemplateProcessing",
        single: [...part(before), { Sequence: { id: "A", type_id: 0 } }, ...part(after)],
        pair: [],
        special_tokens: Object.fromEntries(
          special.map((token, id) => [token, { id: token, ids: [id], tokens: [token] }]),
        ),
      },
      decoder: { type: "Fuse" },
      model: { type: "BPE", vocab: Object.fromEntries(idOf), merges: [] },
    },
    tokenizerConfig: options.config ?? {},
    specialTokensMap: options.specialTokensMap ?? {},
  };
}

/** A tokenizer whose tokens are the letters a to e. */
export async function letterTokenizer(options: LetterTokenizerOptions = {}): Promise<Tokenizer> {
  return await loadTokenizer(letterTokenizerFiles(options));
}
