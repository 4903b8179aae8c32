/**
 * Reads a model's tokenizer from wherever its files are.
 *
 * @module
 */

import { bytePairTokenizer } from "../tokenizer/byte_pairs.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Source } from "../weights/source.ts";

/**
 * Reads the tokenizer of a folder: `tokenizer.json`, or byte pairs in GPT-2's layout (OPT's repositories have no other).
 *
 * @param source The folder.
 * @param options `areSound` says that its files are known to be: the tokenizer is then made when it is first used.
 * @returns The tokenizer, or `undefined` where there is none.
 * @throws {ConfigError} If a file isn't what it should be.
 */
export async function readTokenizer(
  source: Source,
  options: { areSound?: boolean } = {},
): Promise<Tokenizer | undefined> {
  const optional = async (name: string) =>
    await source.has(name) ? await source.readJson(name) : undefined;
  const readBytePairs = async () => {
    const [vocab, merges] = ["vocab.json", "merges.txt"];
    if (!await source.has(vocab) || !await source.has(merges)) return undefined;
    return bytePairTokenizer({
      vocab: await source.readJson(vocab),
      merges: await source.readText(merges),
      addedTokens: await optional("added_tokens.json"),
      config: await optional("tokenizer_config.json"),
      specialTokensMap: await optional("special_tokens_map.json"),
    });
  };
  const tokenizerJson = await source.has("tokenizer.json")
    ? await source.readText("tokenizer.json")
    : await readBytePairs();
  if (tokenizerJson === undefined) return undefined;
  const text = async (name: string) =>
    await source.has(name) ? await source.readText(name) : undefined;
  const [tokenizerConfig, specialTokensMap] = await Promise.all([
    text("tokenizer_config.json"),
    text("special_tokens_map.json"),
  ]);
  return await loadTokenizer({ tokenizerJson, tokenizerConfig, specialTokensMap }, options);
}
