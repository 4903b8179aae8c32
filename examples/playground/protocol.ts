/** What the page asks of the worker that runs the model, and what it answers. */
import type { PageState } from "./state.ts";

/** An SAE that the page shows. */
export interface SaeInfo {
  readonly id: string;
  readonly name: string;
  readonly dSae: number;
}

/** The model, once it is loaded. */
export interface ModelInfo {
  readonly saes: readonly SaeInfo[];
  readonly nLayers: number;
  readonly nHeads: number;
  /** Tokens that a prompt may have. */
  readonly nCtx: number;
}

/** A token that may come next, without and with the edits. */
export interface NextToken {
  readonly token: string;
  readonly before: number;
  readonly after: number;
}

/** A feature over the tokens. */
export interface FeatureRow {
  readonly feature: number;
  /** Its strength at each position, without and with the edits. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The live features of one SAE, the strongest first. */
export interface SaeView {
  readonly id: string;
  readonly rows: readonly FeatureRow[];
  /** The largest strength without edits. */
  readonly most: number;
}

/** Everything that one run shows. */
export interface PageView {
  readonly tokens: readonly string[];
  readonly next: readonly NextToken[];
  readonly answers: readonly [string, string];
  /** The first answer's logit minus the second's, without and with the edits. */
  readonly difference: { readonly before: number; readonly after: number };
  readonly saes: readonly SaeView[];
  /** What the run with edits computed, of how much a whole run does. */
  readonly cost: { readonly rows: number; readonly of: number };
}

/** Patterns of a layer's heads [head][query][key], without and with the edits. */
export interface AttentionView {
  readonly tokens: readonly string[];
  readonly heads: readonly { readonly before: number[][]; readonly after: number[][] }[];
}

/** A feature's part in the logit difference: its strength times the gradient. */
export interface Attribution {
  readonly sae: string;
  readonly feature: number;
  readonly pos: number;
  readonly value: number;
}

/** Where the logit difference comes from. */
export interface AttributionView {
  readonly tokens: readonly string[];
  /** The features with the largest parts. */
  readonly features: readonly Attribution[];
  /** The sum over all features of an SAE at a position [sae][pos]. */
  readonly sums: readonly (readonly number[])[];
}

/** What a feature writes, if nothing stood between it and the logits. */
export interface FeatureInfo {
  readonly raises: readonly string[];
  readonly lowers: readonly string[];
}

/** What the worker does, by name. */
export interface Methods {
  load(): ModelInfo;
  run(state: PageState): PageView;
  attention(state: PageState, layer: number): AttentionView;
  attribution(state: PageState): AttributionView;
  feature(sae: string, feature: number): FeatureInfo;
}

/** A question to the worker. */
export interface Question<M extends keyof Methods = keyof Methods> {
  readonly id: number;
  readonly method: M;
  readonly args: Parameters<Methods[M]>;
}

/** What the worker says: that it hears, how far loading is, or the answer to a question. */
export type Message =
  | { readonly isReady: true }
  | { readonly loaded: number; readonly total: number }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };
