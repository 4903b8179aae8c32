/**
 * The tokenizer that the library works with, as an adapter over Hugging Face's tokenizers in JavaScript.
 *
 * @module
 */
import { ConfigError, TokenError } from "../core/errors.ts";
import { withReplacedBytes } from "./byte_fallback.ts";
import { madeOnUse } from "./made_on_use.ts";

/** What decoding leaves out. */
export interface DecodeOptions {
  /** Leaves out the tokens that `tokenizer.json` marks as special; false unless said. */
  skipSpecialTokens?: boolean;
}

/**
 * Turns text into token ids and back. Any object of this shape serves as a model's tokenizer.
 *
 * The ids are as TransformerLens 3.9's `set_tokenizer` leaves them: a missing end token is `<|endoftext|>` where the
 * vocabulary has it, a missing padding or beginning token is the end token.
 */
export interface Tokenizer {
  /** Id of the token that begins a text; null where there is none. */
  readonly bosTokenId: number | null;
  /** Id of the token that ends a text; null where there is none. */
  readonly eosTokenId: number | null;
  /** Id of the token that fills up short rows; null where there is none. */
  readonly padTokenId: number | null;
  /** Id of the token that stands for what the vocabulary can't express; null where there is none. */
  readonly unkTokenId: number | null;
  /** One more than the highest id. */
  readonly vocabSize: number;
  /** Whether `encode` puts a token (the BOS, as a rule) in front of every text. */
  readonly prependsBos: boolean;
  /** Ids that carry no text: beginning, end, padding and separator, each once. */
  readonly specialTokenIds: readonly number[];
  /**
   * Encodes one text.
   *
   * @param text The text, taken as it is.
   * @returns Its token ids, with the token in front if `prependsBos`.
   * @throws {TokenError} If a piece of the text has no token and there is no unknown token (a byte-pair vocabulary leaves
   * such a piece out instead, in Python as here).
   */
  encode(text: string): number[];
  /**
   * Decodes token ids without any cleaning up of spaces.
   *
   * @param ids Token ids; none give the empty text.
   * @param options Whether special tokens are left out.
   * @returns The text.
   * @throws {TokenError} If an id isn't in the vocabulary.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /**
   * Looks up the id of a token as the vocabulary spells it (`"\u0120the"` for `" the"` in GPT-2's).
   *
   * @param token Spelling in the vocabulary.
   * @returns The id, or undefined if there is no such token.
   */
  tokenToId(token: string): number | undefined;
  /**
   * Looks up how the vocabulary spells a token.
   *
   * @param id Token id.
   * @returns The spelling, or undefined if there is no such id.
   */
  idToToken(id: number): string | undefined;
}

/** The files of a tokenizer in Hugging Face layout: each as text or parsed already. */
export interface TokenizerFiles {
  /** `tokenizer.json`. */
  tokenizerJson: string | Record<string, unknown>;
  /** `tokenizer_config.json`. */
  tokenizerConfig?: string | Record<string, unknown>;
  /** `special_tokens_map.json`; fills in what `tokenizer_config.json` leaves out. */
  specialTokensMap?: string | Record<string, unknown>;
}

/** GPT-2's end of text, which TransformerLens assumes where nothing is declared (GPT-2's own files declare nothing). */
const DEFAULT_EOS = "<|endoftext|>";

/** More than any vocabulary has: the library makes a list as long as the largest id. */
const MOST_IDS = 2 ** 22;

/** Refuses ids that no vocabulary has. */
function requireIds({ model, added_tokens: added }: Record<string, unknown>): void {
  const vocab = isRecord(model) && isRecord(model.vocab) ? model.vocab : {};
  for (const token of Object.keys(vocab)) requireId(token, vocab[token]);
  for (const token of Array.isArray(added) ? added.filter(isRecord) : []) {
    requireId(token.content, token.id);
  }
}

function requireId(token: unknown, id: unknown): void {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS) return;
  throw new ConfigError(
    `Cannot make a tokenizer from "tokenizer.json": the id of ${JSON.stringify(token)} is ${
      JSON.stringify(id)
    }, wanted a whole number from 0 to ${MOST_IDS - 1}`,
  );
}

/** The part of the library's tokenizer that is used here. */
interface Backend {
  encode(text: string): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: false },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  /** The tokens by id. */
  readonly model: { readonly vocab: readonly string[] } | null;
}

/**
 * Makes a tokenizer from the files of a checkpoint.
 *
 * @param files `tokenizer.json` and, where the checkpoint has them, its two companions.
 * @param options `areSound` says that they are known to be: the tokenizer is then made when it is first used.
 * @returns The tokenizer.
 * @throws {ConfigError} If a file isn't a JSON object, describes a tokenizer of an unknown kind, or names a special token
 * that the vocabulary hasn't.
 */
export async function loadTokenizer(
  files: TokenizerFiles,
  { areSound = false }: { areSound?: boolean } = {},
): Promise<Tokenizer> {
  const { Tokenizer } = await import("npm:@huggingface/tokenizers@0.2.0");
  const make = () => makeTokenizer(Tokenizer, files);
  return areSound ? madeOnUse(make) : make();
}

function makeTokenizer(
  Library: new (json: Record<string, unknown>, config: Record<string, unknown>) => Backend,
  files: TokenizerFiles,
): Tokenizer {
  const json = parse(files.tokenizerJson, "tokenizer.json");
  const config = parse(files.tokenizerConfig ?? {}, "tokenizer_config.json");
  const map = parse(files.specialTokensMap ?? {}, "special_tokens_map.json");
  requireIds(json);
  try {
    const backend = new Library(json, config);
    // A decoder, or one of a sequence of them.
    const hasBytes = JSON.stringify(json.decoder ?? null).includes('"ByteFallback"');
    return new HuggingFaceTokenizer(backend, { ...map, ...withoutNulls(config) }, hasBytes);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    // Some of what is broken shows when the first texts are encoded.
    throw new ConfigError(`Cannot make a tokenizer from "tokenizer.json": ${messageOf(cause)}`, {
      cause,
    });
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** {@linkcode Tokenizer} over the library's. */
class HuggingFaceTokenizer implements Tokenizer {
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly padTokenId: number | null;
  readonly unkTokenId: number | null;
  readonly vocabSize: number;
  readonly prependsBos: boolean;
  readonly specialTokenIds: readonly number[];
  readonly #backend: Backend;
  /** What `encode` puts in front where the backend doesn't: a BOS that the files name without using it. */
  readonly #prefix: readonly number[];
  readonly #hasBytes: boolean;

  constructor(backend: Backend, config: Record<string, unknown>, hasBytes: boolean) {
    this.#backend = backend;
    this.#hasBytes = hasBytes;
    const declaredBos = declaredId(backend, config, "bos_token");
    this.eosTokenId = declaredId(backend, config, "eos_token") ??
      backend.token_to_id(DEFAULT_EOS) ?? null;
    this.bosTokenId = declaredBos ?? this.eosTokenId;
    this.padTokenId = declaredId(backend, config, "pad_token") ?? this.eosTokenId;
    this.unkTokenId = declaredId(backend, config, "unk_token");
    this.vocabSize = backend.model?.vocab.length ?? 0;

    // TransformerLens makes every tokenizer anew with `add_bos_token`, which works where a BOS is declared.
    const hasOwnPrefix = putsTokenInFront(backend);
    this.#prefix = !hasOwnPrefix && declaredBos !== null ? [declaredBos] : [];
    this.prependsBos = hasOwnPrefix || declaredBos !== null;

    const separator = declaredId(backend, config, "sep_token");
    const special = [this.bosTokenId, this.eosTokenId, this.padTokenId, separator];
    this.specialTokenIds = [...new Set(special.filter((id) => id !== null))];
  }

  encode(text: string): number[] {
    const { ids } = this.#attempt("encode", () => this.#backend.encode(text));
    // The library's types hide that a piece without a token has no id.
    if (!ids.every(Number.isInteger)) {
      throw new TokenError(
        `Cannot encode ${JSON.stringify(text)}: a piece of it isn't in the vocabulary, ` +
          `which has no unknown token either`,
      );
    }
    return [...this.#prefix, ...ids];
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    if (ids.length === 0) return "";
    const unknown = ids.find((id) => this.idToToken(id) === undefined);
    if (unknown !== undefined) {
      throw new TokenError(
        `Cannot decode token ${unknown}: it isn't in the vocabulary, ` +
          `whose ids are integers from 0 to ${this.vocabSize - 1}`,
      );
    }
    const vocabulary = {
      idToToken: (id: number) => this.idToToken(id),
      tokenToId: (token: string) => this.tokenToId(token),
    };
    const decoded = this.#hasBytes ? withReplacedBytes(ids, vocabulary) : [...ids];
    return this.#attempt("decode", () =>
      this.#backend.decode(decoded, {
        skip_special_tokens: options.skipSpecialTokens ?? false,
        clean_up_tokenization_spaces: false,
      }));
  }

  /** What the backend does with a text or ids; it finds out about some broken files only then. */
  #attempt<R>(what: string, attempt: () => R): R {
    try {
      return attempt();
    } catch (cause) {
      throw new TokenError(
        `Cannot ${what}: "tokenizer.json" is broken where it matters for this: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  tokenToId(token: string): number | undefined {
    return this.#backend.token_to_id(token);
  }

  idToToken(id: number): string | undefined {
    return this.#backend.id_to_token(id);
  }
}

/** Whether the backend itself begins every text with a token (an end token behind it is another matter). */
function putsTokenInFront(backend: Backend): boolean {
  const [first] = backend.encode("").ids;
  return first !== undefined && backend.encode("a").ids[0] === first;
}

/** The id of a special token that the configuration names, or null if it names none. */
function declaredId(
  backend: Backend,
  config: Record<string, unknown>,
  key: string,
): number | null {
  const value = config[key];
  if (value === undefined || value === null) return null;
  const content = isRecord(value) ? value.content : value;
  const id = typeof content === "string" ? backend.token_to_id(content) : undefined;
  if (id === undefined) {
    throw new ConfigError(
      `Cannot use ${JSON.stringify(value)} as ${key}: "tokenizer_config.json" or ` +
        `"special_tokens_map.json" names it, but "tokenizer.json" has no such token`,
    );
  }
  return id;
}

/** Parses a file's text, or takes what is parsed already, and wants an object. */
function parse(file: string | Record<string, unknown>, name: string): Record<string, unknown> {
  let value: unknown = file;
  if (typeof file === "string") {
    try {
      value = JSON.parse(file);
    } catch (cause) {
      throw new ConfigError(`Cannot read "${name}": it isn't valid JSON`, { cause });
    }
  }
  if (!isRecord(value)) {
    throw new ConfigError(
      `Cannot read "${name}": it holds ${JSON.stringify(value)}, wanted an object`,
    );
  }
  return value;
}

function withoutNulls(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
