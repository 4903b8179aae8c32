/**
 * What the library knows of a family of checkpoints: a row of data a family.
 *
 * @module
 */

import type { WeightArray } from "../../weights/state_dict.ts";
import type { ConfigInput, HookedTransformerConfig } from "../config.ts";

/** A checkpoint's `config.json`. */
export type HuggingFaceConfig = Readonly<Record<string, unknown>>;

/** Where a field of the configuration stands in `config.json`. */
export interface ConfigField {
  /** The field that the key gives. */
  readonly field: keyof HookedTransformerConfig;
  /** What transformers takes when the key is missing or null; `undefined` leaves it to the configuration's own default. */
  readonly default: unknown;
  /** Another name of the key. */
  readonly alias?: string;
}

/** A `config.json` as readers see it: each finding that they report refuses it. */
export interface ConfigSource {
  readonly json: HuggingFaceConfig;
  /** A whole number of at least 1. */
  readonly count: (key: string, usual: number) => number;
  /** Any other number above 0. */
  readonly positive: (key: string, usual: number) => number;
  readonly flag: (key: string, usual: boolean) => boolean;
  /** Reports what is wrong. */
  readonly refuse: (finding: string) => void;
}

/** Reads fields that several keys give together. */
export interface ConfigReader {
  /** The keys that it reads. */
  readonly keys: readonly string[];
  /** Gives the fields; `fields` are those that have keys of their own. */
  readonly read: (source: ConfigSource, fields: ConfigInput) => Partial<ConfigInput>;
}

/** How one tensor of a checkpoint becomes parameters. */
export interface TensorRule {
  /** The tensor's name in the checkpoint, without the optional prefix. */
  readonly from: string;
  /** The layer that it belongs to, if to any. */
  readonly layer?: number;
  /** The shape that it must have there. */
  readonly shape: readonly number[];
  /** Gives the parameters that it becomes, in TransformerLens' names and layouts. */
  readonly to: (tensor: WeightArray) => readonly (readonly [string, WeightArray])[];
}

/** A checkpoint, as far as its configuration tells. */
export interface CheckpointShape {
  readonly cfg: HookedTransformerConfig;
  readonly json: HuggingFaceConfig;
  /** Whether the unembedding is the embedding. */
  readonly isTied: boolean;
}

/** A family of checkpoints. */
export interface Architecture {
  /** `model_type` in `config.json`. */
  readonly modelType: string;
  /** Gives the part of `config.json` that describes the language model, where that isn't all of it; `undefined` for another family's. */
  readonly languageModel?: (json: HuggingFaceConfig) => HuggingFaceConfig | undefined;
  /** The keys of `config.json` that give sizes and switches. */
  readonly fields: Readonly<Record<string, ConfigField>>;
  /** What several keys give together. */
  readonly readers?: readonly ConfigReader[];
  /** What holds for the whole family. */
  readonly always: Partial<ConfigInput>;
  /** Keys that would change what the model computes, by the only value that is understood. */
  readonly fixedKeys: Readonly<Record<string, unknown>>;
  /** Keys that must say the same as another key. */
  readonly twinKeys: Readonly<Record<string, string>>;
  /** Keys that change nothing in what the model computes. */
  readonly harmlessKeys: readonly string[];
  /** Whether the unembedding is the embedding where `tie_word_embeddings` is missing. */
  readonly isTiedByDefault: boolean;
  /** What tensor names may have in front of them; the longest that fits counts. */
  readonly prefixes: readonly string[];
  /** The tensors that a checkpoint of this configuration has. Biases that none gives are zero. */
  readonly tensorRules: (shape: CheckpointShape) => readonly TensorRule[];
  /** Tensors that may be there and aren't needed, such as attention masks saved as buffers. */
  readonly buffers: RegExp;
  /** The unembedding's own tensor, which is passed over where it is tied. */
  readonly unembedding: string;
}
