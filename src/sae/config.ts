/**
 * The configuration of an SAE: what SAELens' `cfg.json` says.
 *
 * @module
 */

/** How activations are scaled before they are encoded, by SAELens' names. */
export type SaeNormalization =
  | "none"
  | "expected_average_only_in"
  | "constant_norm_rescale"
  | "layer_norm"
  | "covariance_whitening"
  | "constant_scalar_rescale";

/** Whether the head axis of `hook_z` is flattened before encoding. */
export type SaeReshape = "none" | "hook_z";

/** The kinds of SAE that can be read, by SAELens' names. */
export type SaeArchitecture =
  | "standard"
  | "gated"
  | "jumprelu"
  | "topk"
  | "abstopk"
  | "matching_pursuit"
  | "temporal"
  | "transcoder"
  | "skip_transcoder"
  | "jumprelu_transcoder"
  | "jumprelu_skip_transcoder";

/** What is known of where an SAE comes from and belongs to. */
export interface SaeMetadata {
  /** Hook point whose value is encoded. */
  readonly hookName: string;
  /** Hook point whose value is replaced, where it isn't the one encoded. */
  readonly hookNameOut?: string;
  /** Head that was trained on alone. */
  readonly hookHeadIndex?: number;
  /** The model's name where it was trained. */
  readonly modelName?: string;
  /** Whether prompts began with a BOS in training. */
  readonly prependBos?: boolean;
  /** Most positions seen in training. */
  readonly contextSize?: number;
  /** How the model was loaded for training, in TransformerLens' own words. */
  readonly modelFromPretrainedKwargs?: Readonly<Record<string, unknown>>;
  /** Everything else that the file says, its names in camelCase and its values as they are. */
  readonly [name: string]: unknown;
}

/** The configuration of an SAE, checked. */
export interface SaeConfig {
  /** Kind of SAE. */
  readonly architecture: SaeArchitecture;
  /** Width of the activations that are encoded. */
  readonly dIn: number;
  /** Number of features. */
  readonly dSae: number;
  /** Width of what is decoded; transcoders only, elsewhere it is `dIn`. */
  readonly dOut?: number;
  /** Storage in which the SAE was trained (`"float32"`, `"bfloat16"`, ...). */
  readonly dtype: string;
  /** Whether `b_dec` is subtracted before encoding. */
  readonly applyBDecToInput: boolean;
  /** How activations are scaled before encoding. */
  readonly normalizeActivations: SaeNormalization;
  /** Whether the head axis is flattened before encoding. */
  readonly reshapeActivations: SaeReshape;
  /** Most features alive at a position; topk and abstopk only. */
  readonly k?: number;
  /** Whether codes are scaled by the norms of the decoder's rows; topk and abstopk only. */
  readonly rescaleActsByDecoderNorm?: boolean;
  /** Length of a residual that is left alone; 0 for none. Matching pursuit only, like the next two. */
  readonly residualThreshold?: number;
  /** Most steps; `dIn` unless said. */
  readonly maxIterations?: number;
  /** Whether a feature chosen again ends the pursuit. */
  readonly stopOnDuplicateSupport?: boolean;
  /** Attention heads; temporal only, like all that follow. */
  readonly nHeads?: number;
  /** Attention layers. */
  readonly nAttnLayers?: number;
  /** How much narrower than the codes queries and keys are. */
  readonly bottleneckFactor?: number;
  /** How the novel codes are chosen. */
  readonly saeDiffType?: "topk" | "relu";
  /** Most novel features alive at a position; all unless said. */
  readonly kvalTopk?: number;
  /** Whether the encoder is the decoder transposed. */
  readonly tiedWeights?: boolean;
  /** What activations are multiplied by under `constant_scalar_rescale`. */
  readonly activationNormalizationFactor?: number;
  /** Hook point whose value is encoded (the metadata's). */
  readonly hookName: string;
  /** Hook point whose value is replaced, where it isn't the one encoded (the metadata's). */
  readonly hookNameOut?: string;
  /** Where the SAE comes from and belongs to. */
  readonly metadata: SaeMetadata;
}

/** What a new SAE takes: widths and hook name, and whatever differs from SAELens' defaults. */
export type SaeConfigOptions =
  & Pick<SaeConfig, "dIn" | "dSae" | "hookName">
  & Partial<Omit<SaeConfig, "metadata">>
  & { metadata?: Partial<SaeMetadata> };
