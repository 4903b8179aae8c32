/**
 * Tokenizers of repositories that have no `tokenizer.json`: byte pairs in the files that GPT-2 was published with.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";

/** The files of a tokenizer in GPT-2's layout. */
export interface BytePairFiles {
  /** `vocab.json`: ids by token. */
  readonly vocab: unknown;
  /** `merges.txt`: a version, then a pair a line, the first to be merged first. */
  readonly merges: string;
  /** `added_tokens.json`: ids by token of those that text isn't split into. */
  readonly addedTokens?: unknown;
  /** `tokenizer_config.json`. */
  readonly config?: unknown;
  /** `special_tokens_map.json`. */
  readonly specialTokensMap?: unknown;
}

/** The keys of special tokens. */
const SPECIAL_KEYS = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token"];

/** What the first three of them are where no file says it. */
const DEFAULT_SPECIAL = "<|endoftext|>";

function idsOf(value: unknown, file: string): Record<string, number> {
  const isIds = typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((id) => Number.isSafeInteger(id) && id >= 0);
  if (isIds) return value as Record<string, number>;
  throw new ConfigError(`Cannot read "${file}": expected an object of token ids by token`);
}

function pairsOf(merges: string): string[][] {
  const lines = merges.split("\n").filter((line, i) =>
    line !== "" && !(i === 0 && line.startsWith("#version"))
  );
  return lines.map((line, i) => {
    const pair = line.replace(/\r$/, "").split(" ");
    if (pair.length === 2) return pair;
    throw new ConfigError(
      `Cannot read "merges.txt": its pair ${i} is ${JSON.stringify(line)}, wanted two parts`,
    );
  });
}

/** The texts of the special tokens that files declare, those of the first file before those of the next, by key. */
function declaredIn(...files: readonly unknown[]): Map<string, string> {
  const declared = new Map<string, string>();
  const records = files.filter((file) => typeof file === "object" && file !== null);
  for (const key of SPECIAL_KEYS) {
    for (const record of records as Record<string, unknown>[]) {
      const value = record[key];
      const content = typeof value === "object" && value !== null && "content" in value
        ? value.content
        : value;
      if (typeof content === "string" && !declared.has(key)) declared.set(key, content);
    }
  }
  return declared;
}

/**
 * Makes `tokenizer.json` of such files, as transformers' converter of GPT-2's tokenizers does.
 *
 * @throws {ConfigError} If a file isn't what it should be.
 */
export function bytePairTokenizer(files: BytePairFiles): Record<string, unknown> {
  const vocab = idsOf(files.vocab, "vocab.json");
  const added = idsOf(files.addedTokens ?? {}, "added_tokens.json");
  const declared = declaredIn(files.config, files.specialTokensMap);
  const isAssumed = SPECIAL_KEYS.slice(0, 3).some((key) => !declared.has(key)) &&
    Object.hasOwn(vocab, DEFAULT_SPECIAL);
  const known: Record<string, number> = { ...vocab, ...added };
  let next = 1 + Object.values(known).reduce((most, id) => Math.max(most, id), -1);
  const token = (content: string, special: boolean) => {
    if (!Object.hasOwn(known, content)) known[content] = next++;
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: !special };
    return { id: known[content], content, ...plain, special };
  };
  const special = new Set([...declared.values(), ...isAssumed ? [DEFAULT_SPECIAL] : []]);
  const others = Object.keys(added).filter((content) => !special.has(content));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      ...[...special].map((content) => token(content, true)),
      ...others.map((content) => token(content, false)),
    ].sort((a, b) => a.id - b.id),
    normalizer: null,
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: prefixesSpace(files.config),
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: {
      type: "ByteLevel",
      add_prefix_space: true,
      trim_offsets: false,
      use_regex: true,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: pairsOf(files.merges),
    },
  };
}

function prefixesSpace(config: unknown): boolean {
  return typeof config === "object" && config !== null && "add_prefix_space" in config &&
    config.add_prefix_space === true;
}
