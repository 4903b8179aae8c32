/**
 * Loading models: from the embedded one, a folder, a URL, or memory.
 *
 * @module
 */

import {
  ConfigError,
  nearestNames,
  requireKnownOptions,
  requireOneOf,
  UnknownPointError,
  WeightFileError,
} from "../core/errors.ts";
import { DEVICE_OPTIONS } from "../core/python_names.ts";
import type { HookedTransformerConfig } from "../model/config.ts";
import {
  type CheckpointParameters,
  configFromHuggingFace,
  parametersFromHuggingFace,
} from "../model/architectures/hugging_face.ts";
import {
  findNamedModel,
  modelNames,
  type NamedModel,
} from "../model/architectures/named_models.ts";
import { type ModelWeights, streamedWeights } from "../model/weights.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import type { PaddingSide } from "../tokenizer/tokens.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { embeddedFolder } from "../weights/embedded.ts";
import { openSource, type SourceLocation } from "../weights/open_source.ts";
import { openRepository, type RepositoryOptions } from "../weights/repository.ts";
import { processedConfig, type ProcessingOptions } from "../weights/process.ts";
import type { Source, SourceOptions } from "../weights/source.ts";
import { requireRoom } from "./memory_limit.ts";
import { processedParts } from "./processed_parts.ts";
import { readTokenizer } from "./read_tokenizer.ts";
import type { HeldDtype } from "../weights/weight_view.ts";
import type { Threads } from "./threads.ts";

/** Options of `fromPretrained`. */
export interface LoadOptions extends ProcessingOptions, RepositoryOptions {
  /** On how many threads the core works; `"auto"` unless said. */
  threads?: Threads;
  /**
   * The budget of the core's memory in bytes, for all that it holds, from when the model is loaded on: as `setMemoryLimit` sets it. What
   * doesn't fit is refused before anything is allocated; a model that can't fit, before its weights are read.
   */
  memoryLimit?: number;
  /** Keeps only the first layers. */
  firstNLayers?: number;
  /** Shortens the context, in positions. */
  nCtx?: number;
  /** Whether prompts get a BOS token unless said otherwise. */
  defaultPrependBos?: boolean;
  /** The side on which shorter prompts are padded unless said otherwise. */
  defaultPaddingSide?: PaddingSide;
  /** A tokenizer to use instead of the model's own. */
  tokenizer?: Tokenizer;
  /**
   * How matrices are held; arithmetic is float32, with the bits of matrices widened beforehand, and vectors are always float32. `"auto"`,
   * unless said: what processing changes is float32, all else is as it is stored. A format of 16 bits rounds once what isn't in it
   * already: after processing. `"int8"` rounds to 255 steps, as wide in each column as its largest number asks, all matrices but
   * embeddings that aren't tied to the unembedding; {@linkcode measurePrecision} tells what that does to a model.
   */
  dtype?: "auto" | HeldDtype;
}

const LOAD_OPTIONS: ReadonlySet<string> = new Set<keyof LoadOptions>([
  "foldLn",
  "centerWritingWeights",
  "centerUnembed",
  "foldValueBiases",
  "refactorFactoredAttnMatrices",
  "threads",
  "memoryLimit",
  "firstNLayers",
  "nCtx",
  "defaultPrependBos",
  "defaultPaddingSide",
  "tokenizer",
  "dtype",
  "revision",
  "endpoint",
  "token",
  "cacheDir",
  "signal",
  "onProgress",
]);

/**
 * Checks that there are no other options.
 *
 * @throws {ConfigError} If there is one; the message says what was meant.
 */
export function checkLoadOptions(options: LoadOptions): void {
  requireKnownOptions("Cannot load a model", options, LOAD_OPTIONS, {
    ...DEVICE_OPTIONS,
    hfModel: "Give the model's folder or files as the first argument.",
    checkpointIndex: "A checkpoint is a `revision` of the repository here.",
    checkpointValue: "A checkpoint is a `revision` of the repository here.",
    torchDtype: 'It is "dtype".',
  });
}

/** A model's files already in memory. */
export interface ModelFiles {
  /** `config.json`, parsed. */
  config: unknown;
  /** `model.safetensors` as bytes, or files by name: a checkpoint's shards and index, or torch's. */
  weights: Uint8Array | ReadonlyMap<string, Uint8Array>;
  /** A tokenizer, or `tokenizer.json` parsed or as text. */
  tokenizer?: Tokenizer | string | Record<string, unknown>;
}

/** A model as it was read, its weights in the core. */
export interface LoadedModel {
  readonly cfg: HookedTransformerConfig;
  readonly parts: { readonly weights: ModelWeights };
  readonly tokenizer: Tokenizer | undefined;
}

/** The embedded models by name. */
const EMBEDDED: Readonly<Record<string, SourceLocation>> = {
  "ioi-tiny": embeddedFolder("ioi-tiny/model"),
};

function isLocation(name: string): boolean {
  return /^(file:|[a-z][a-z0-9+.-]+:\/\/|\.{0,2}[\\/]|[a-z]:[\\/])/i.test(name) ||
    /[\\/]/.test(name);
}

/** Opens the files of a model that goes by a name, a path or an address. */
async function open(
  name: string,
  named: NamedModel | undefined,
  options: LoadOptions,
): Promise<Source> {
  if (Object.hasOwn(EMBEDDED, name)) return openSource(EMBEDDED[name], options);
  if (named) {
    requireLoadable(name, named);
    // Of a part of the layers, only the part of the files is read that holds them.
    const cacheDir = options.firstNLayers === undefined
      ? options.cacheDir
      : options.cacheDir ?? null;
    return await openRepository(named.name, { ...options, cacheDir });
  }
  if (REPOSITORY.test(name) && !await isFolder(name)) return await openRepository(name, options);
  if (isLocation(name)) return openSource(name, options);
  const near = nearestNames(name, [...Object.keys(EMBEDDED), ...modelNames()]);
  throw new UnknownPointError(
    `There is no model "${name}". The nearest are ${
      near.map((known) => `"${known}"`).join(", ")
    }. For a model in a folder, give its path ("./${name}") or URL.`,
  );
}

/** The id of a repository of the hub, which looks like a path of two parts. */
const REPOSITORY = /^[\w][\w.-]*\/[\w.-]+$/;

/** Whether a path of two parts is a folder that is here. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return await openSource(path).has("config.json");
  } catch {
    return false;
  }
}

/** Throws for a model that has a name and can't be loaded by it. */
function requireLoadable(given: string, { name, family, isSupported, isHosted }: NamedModel): void {
  const which = given === name ? `"${name}"` : `"${given}", which is ${name}`;
  if (!isSupported) {
    throw new ConfigError(
      `Cannot load ${which}: models of the family ${family} aren't supported.`,
    );
  }
  if (!isHosted) {
    throw new WeightFileError(
      `Cannot load ${which}: no hub has it. Give the path or URL of a folder with its files.`,
    );
  }
}

function asTokenizer(given: NonNullable<ModelFiles["tokenizer"]>): Promise<Tokenizer> | Tokenizer {
  if (typeof given === "object" && "encode" in given) return given as Tokenizer;
  return loadTokenizer({ tokenizerJson: given });
}

function openFiles({ config, weights }: ModelFiles, options: SourceOptions): Source {
  const files = weights instanceof Uint8Array
    ? new Map([["model.safetensors", weights]])
    : new Map(weights);
  files.set("config.json", new TextEncoder().encode(JSON.stringify(config)));
  return openSource(files, options);
}

/**
 * Reads and processes a model.
 *
 * @param model `"ioi-tiny"`, a directory's path, a `file:` or `http(s):` URL of a directory in Hugging Face layout, or files in memory.
 * @param coreChosen Settles when the core is there that weights may be moved to.
 * @throws {UnknownPointError} If it is a name that isn't known.
 * @throws {ConfigError} If the configuration is malformed, unknown or contradictory, or the model's family isn't supported.
 * @throws {WeightFileError} If files or tensors are missing or malformed.
 * @throws {MemoryBudgetError} If its weights can't fit the budget.
 */
export async function loadModel(
  model: string | URL | ModelFiles,
  options: LoadOptions,
  coreChosen: Promise<unknown>,
): Promise<LoadedModel> {
  const isEmbedded = typeof model === "string" && Object.hasOwn(EMBEDDED, model);
  const named = typeof model === "string" && !isEmbedded ? findNamedModel(model) : undefined;
  const inMemory = typeof model === "object" && "config" in model ? model : undefined;
  const source = inMemory
    ? openFiles(inMemory, options)
    : typeof model === "string"
    ? await open(model, named, options)
    : openSource(model as URL, options);
  const { firstNLayers, nCtx = named?.nCtx, defaultPrependBos, tokenizer } = options;
  const modelName = typeof model === "string"
    ? model.replace(/[\\/]+$/, "").split(/[\\/]/).at(-1)
    : undefined;
  if (!await source.has("config.json")) {
    throw new WeightFileError(
      `Cannot load a model from ${source.base}: there is no "config.json". ` +
        "Expected a folder in Hugging Face's layout, with config.json, weights and tokenizer.json.",
    );
  }
  const [json, own] = await Promise.all([
    source.readJson("config.json"),
    tokenizer ??
      (inMemory?.tokenizer
        ? asTokenizer(inMemory.tokenizer)
        : readTokenizer(source, { areSound: isEmbedded })),
  ]);
  const read = configFromHuggingFace(json, { modelName, firstNLayers, nCtx, defaultPrependBos });
  // TransformerLens' own models name a repository for it.
  const given = own ??
    (named && read.tokenizerName
      ? await readTokenizer(
        await openRepository(read.tokenizerName, { ...options, revision: "main" }),
      )
      : undefined);
  requireRoom(read, options.dtype === "int8");
  const checkpoint = parametersFromHuggingFace(json, read, await openCheckpoint(source));
  await coreChosen;
  return { ...await loadWeights(read, checkpoint, options), tokenizer: given };
}

/** Whether any step of processing is taken. */
function isProcessed(options: ProcessingOptions): boolean {
  const { foldLn = true, centerWritingWeights = true, centerUnembed = true } = options;
  const { foldValueBiases = true, refactorFactoredAttnMatrices = false } = options;
  return foldLn || centerWritingWeights || centerUnembed || foldValueBiases ||
    refactorFactoredAttnMatrices;
}

async function loadWeights(
  read: HookedTransformerConfig,
  checkpoint: CheckpointParameters,
  options: LoadOptions,
): Promise<Pick<LoadedModel, "cfg" | "parts">> {
  const { dtype = "auto" } = options;
  requireOneOf("Cannot load with the dtype", dtype, [
    "auto",
    "float32",
    "float16",
    "bfloat16",
    "int8",
  ]);
  const held = dtype === "auto" ? undefined : dtype;
  if (!isProcessed(options)) {
    const weights = await streamedWeights(read, checkpoint.stream(), held);
    return { cfg: { ...read, dtype: held ?? checkpoint.dtype }, parts: { weights } };
  }
  const cfg = processedConfig(read, options);
  const processed = processedParts(read, checkpoint.readParts(), options);
  const weights = await streamedWeights(cfg, processed, held);
  return { cfg: { ...cfg, dtype: held ?? "float32" }, parts: { weights } };
}

/** Options of which the weights, or what is made of prompts, depend; those that can be named in a file. */
const OF_WEIGHTS: readonly (keyof LoadOptions)[] = [
  "foldLn",
  "centerWritingWeights",
  "centerUnembed",
  "foldValueBiases",
  "refactorFactoredAttnMatrices",
  "revision",
  "firstNLayers",
  "dtype",
  "nCtx",
  "defaultPrependBos",
  "defaultPaddingSide",
];

/** Where a model is loaded from, so that a file can name it; `undefined` for files in memory. */
export function loadOrigin(
  model: string | URL | ModelFiles,
  options: LoadOptions,
): Record<string, unknown> | undefined {
  if (typeof model === "object" && "config" in model) return undefined;
  const named = OF_WEIGHTS.map((name): [string, unknown] => [name, options[name]]);
  return { model: String(model), ...Object.fromEntries(named) };
}
