/**
 * What the library knows of a family of checkpoints: a row of data a family.
 *
 * @module
 */

import type { StateDict, WeightArray } from "../../weights/state_dict.ts";
import type { ConfigInput, HookedTransformerConfig } from "../config.ts";

/** A checkpoint's `config.json`. */
export type HuggingFaceConfig = Readonly<Record<string, unknown>>;

/** Where a field of the configuration stands in `config.json`. */
export interface ConfigField {
  /** The field that the key gives. */
  readonly field: keyof HookedTransformerConfig;
  /** What transformers takes when the key is missing or null; `undefined` leaves it to the configuration's own default. */
  readonly default: unknown;
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

/** A family of checkpoints in Hugging Face layout. */
export interface Architecture {
  /** `model_type` in `config.json`. */
  readonly modelType: string;
  /** The keys of `config.json` that give sizes and switches. */
  readonly fields: Readonly<Record<string, ConfigField>>;
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
  /** What tensor names may have in front of them. */
  readonly prefix: string;
  /** The tensors that a checkpoint of this configuration has. */
  readonly tensorRules: (cfg: HookedTransformerConfig, isTied: boolean) => readonly TensorRule[];
  /** Tensors that may be there and aren't needed, such as attention masks saved as buffers. */
  readonly buffers: RegExp;
  /** The unembedding's own tensor, which is passed over where it is tied. */
  readonly unembedding: string;
  /** Parameters that no tensor gives. */
  readonly constants: (cfg: HookedTransformerConfig) => StateDict;
}
