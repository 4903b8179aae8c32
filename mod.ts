/**
 * Splicer: mechanistic interpretability without Python. A hooked transformer into which sparse autoencoders are spliced, with
 * TransformerLens' and SAELens' names, shapes and numbers, on any CPU that runs Deno.
 *
 * @example
 * ```ts
 * import { HookedSAETransformer, SAE } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
 * const logits = model.runWithHooksWithSaes("When John and Mary went to the shops, John gave the bag to", {
 *   saes: sae,
 *   fwdHooks: [["blocks.1.attn.hook_z.hook_sae_acts_post", (acts) => acts.set([":", 10, 517], 0)]],
 * });
 * assertEquals(model.toString(logits.at(0, -1).argmax().item()), " Mary");
 * ```
 *
 * @module
 */

export * from "./src/core/errors.ts";
export type { Dtype, TypedArray } from "./src/core/dtype.ts";
export { type BackwardOptions, noGrad } from "./src/core/gradients.ts";
export { type CoreInfo, coreInfo, type Variant } from "./src/core/engine.ts";
export { type MemoryUsage, memoryUsage, setMemoryLimit } from "./src/core/memory.ts";
export { type ComplexTensor, FactoredMatrix } from "./src/core/factored_matrix.ts";
export { Slice, type SliceInput } from "./src/core/slice.ts";
export {
  type Index,
  type Nested,
  type Operand,
  type ReduceOptions,
  Tensor,
} from "./src/core/tensor.ts";

export {
  type AblateEdit,
  type Activity,
  type AddEdit,
  type ClampEdit,
  type CutEdgeEdit,
  type Edit,
  type EditCells,
  type EditFields,
  type EditOfKind,
  edits,
  type EditSource,
  type EditValue,
  type FreezeEdit,
  type MeanAblateEdit,
  type PatchEdit,
  type PathEnd,
  type PathPatchEdit,
  type Places,
  type ScaleEdit,
  type SetEdit,
} from "./src/hooks/edits.ts";
export type {
  PositionPredicate,
  PositionRange,
  Positions,
  TokenPositions,
} from "./src/hooks/edit_positions.ts";
export type { CachingHooks, CachingOptions } from "./src/hooks/caching_hooks.ts";
export type { StoredJson } from "./src/hooks/edit_json.ts";
export { type AddHookOptions, HookPoint } from "./src/hooks/hook_point.ts";
export type {
  Direction,
  HookEntry,
  HookFunction,
  HookSpec,
  PointSelector,
  RemovalOptions,
} from "./src/hooks/hook_registry.ts";
export {
  HookedModule,
  HookedRoot,
  type HookScopeOptions,
  type ResetOptions,
} from "./src/hooks/hooked_root.ts";
export type { NameDict } from "./src/hooks/name_dict.ts";
export { ActivationCache } from "./src/hooks/activation_cache.ts";
export type { CachedModel } from "./src/hooks/cached_model.ts";
export type {
  AccumulatedResidOptions,
  DecomposeResidOptions,
  FullDecompositionOptions,
  HeadResultsOptions,
  LnOptions,
  LogitAttrsOptions,
  NeuronResultsOptions,
  Stacked,
  StackNeuronOptions,
  StackOptions,
} from "./src/hooks/cache_options.ts";

export type {
  ActivationName,
  ConfigInput,
  HookedTransformerConfig,
  NormalizationType,
} from "./src/model/config.ts";
export {
  HookedTransformerKeyValueCache,
  HookedTransformerKeyValueCache as TransformerLensKeyValueCache,
  type KeyValueEntry,
} from "./src/model/kv_cache.ts";
export type { DecodeOptions, Tokenizer } from "./src/tokenizer/tokenizer.ts";
export type { PaddingSide } from "./src/tokenizer/tokens.ts";
export type { ListedFolder, SourceLocation } from "./src/weights/open_source.ts";
export type { ProcessingOptions } from "./src/weights/process.ts";
export type { ReadProgress, SourceOptions } from "./src/weights/source.ts";
export type { Origin } from "./src/weights/origin.ts";
export type { StateDict, WeightArray } from "./src/weights/state_dict.ts";
export type { HeldDtype, WeightDtype } from "./src/weights/weight_view.ts";

export { HookedTransformer, type ModelParts } from "./src/session/hooked_transformer.ts";
export {
  type GenerationSaeOptions,
  HookedSAETransformer,
  type SaeOptions,
  type Saes,
} from "./src/session/hooked_sae_transformer.ts";
export type { GenerationStep } from "./src/session/generate.ts";
export type {
  Generated,
  GeneratedAs,
  GeneratedText,
  GenerateOptions,
  GenerateOutput,
  GenerateReturnType,
  GenerateStreamOptions,
  TokensWithLogits,
} from "./src/session/generation_options.ts";
export type { SamplingOptions } from "./src/session/sampling.ts";
export type { InputOptions, ModelInput, TextOptions } from "./src/session/input.ts";
export type { LoadOptions, ModelFiles } from "./src/session/load.ts";
export type { Threads } from "./src/session/threads.ts";
export type {
  CacheOptions,
  ForwardOptions,
  ForwardOutput,
  LogitsAndLoss,
  NamesFilter,
  OutputOf,
  OutputOfType,
  ReturnType,
  RunWithHooksOptions,
} from "./src/session/options.ts";
export type { CacheSize } from "./src/session/cache_size.ts";
export type { CompositionMode } from "./src/session/circuits.ts";
export type { RunCost } from "./src/session/run.ts";
export type { ProcessingDifference } from "./src/session/sae_processing.ts";
export type { ErrorGrad } from "./src/session/splice.ts";
export type { SweepAxes, SweepOptions } from "./src/session/sweep.ts";
export type {
  CellEdit,
  SweepCell,
  SweepDataEdit,
  SweepEdit,
  SweepHook,
  SweepSource,
} from "./src/session/sweep_edit.ts";
export {
  type LogitDiffMetric,
  type Metric,
  type MetricOptions,
  metrics,
  type MetricSpec,
  type TokenMetric,
  type TokenName,
} from "./src/session/metric.ts";
export {
  Session,
  type SessionOptions,
  type SessionParts,
  type SessionRun,
  type SessionSplices,
} from "./src/session/session.ts";
export type { Forecast, IdleEdit } from "./src/session/forecast.ts";
export type {
  DiffOptions,
  SessionDiff,
  TextDiff,
  TokenChange,
  TokenStanding,
} from "./src/session/session_diff.ts";
export type {
  ExpectedResult,
  ReplayResult,
  SessionJson,
  SessionLoadOptions,
  StoredSplicing,
  StoredWeights,
} from "./src/session/session_json.ts";
export {
  SessionGeneration,
  type SessionGenerationOptions,
  type SessionGenerationStep,
} from "./src/session/session_generation.ts";
export type { SessionEdit, SessionState } from "./src/session/session_state.ts";
export type { AttachOptions, SpliceableModule } from "./src/session/spliced_module.ts";
export { getOfficialModelName } from "./src/model/architectures/named_models.ts";
export type { BlockView } from "./src/session/weight_views.ts";
export * as patching from "./src/analysis/patching.ts";
export * as utils from "./src/analysis/utils.ts";
export * as attribution from "./src/analysis/attribution.ts";
export * as evals from "./src/analysis/evals.ts";
export {
  measurePrecision,
  type PrecisionOptions,
  type PrecisionReport,
} from "./src/analysis/precision.ts";
export {
  computeHeadAttentionSimilarityScore,
  detectHead,
  type DetectHeadOptions,
  type ErrorMeasure,
  getDuplicateTokenHeadDetectionPattern,
  getInductionHeadDetectionPattern,
  getPreviousTokenHeadDetectionPattern,
  HEAD_NAMES,
  type HeadName,
  type HeadSelection,
  type SimilarityOptions,
} from "./src/analysis/head_detector.ts";
export { type SingularVectorType, SVDInterpreter } from "./src/analysis/svd_interpreter.ts";

export { HookedSAE, HookedSAE as SAE, type HookedSaeOptions } from "./src/sae/hooked_sae.ts";
export type {
  SaeArchitecture,
  SaeConfig,
  SaeConfigOptions,
  SaeMetadata,
  SaeNormalization,
  SaeReshape,
} from "./src/sae/config.ts";
export type { SaeFormatName } from "./src/sae/formats/registry.ts";
export type { SaeLoadOptions, SaeReleaseOptions } from "./src/sae/load.ts";
export type { SaeOverrides } from "./src/sae/read.ts";
export { releaseNames as saeReleaseNames } from "./src/sae/releases.ts";
export type { RepositoryOptions } from "./src/weights/repository.ts";

export * from "./src/plot/express.ts";
export { htmlPage, type PageOptions, type PageSection, type PageTable } from "./src/plot/html.ts";
export { progress, type ProgressOptions, type Screen } from "./src/plot/progress.ts";
