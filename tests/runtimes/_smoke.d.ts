import type * as Splicer from "../../mod.ts";

/** What every runtime must do alike, in numbers. */
export interface SmokeResult {
  /** What computed. */
  core: Splicer.CoreInfo;
  /** The likeliest next token. */
  next: string;
  /** Logits after the last token [vocab]. */
  logits: number[];
  /** The right answer's logit minus the wrong one's. */
  difference: number;
  /** The strongest features at a position, and how strong they are. */
  features: number[];
  strengths: number[];
  /** The difference without the strongest feature. */
  ablated: number;
  /** What that run computed. */
  rows: number;
  resumedFrom: string;
  /** The difference's gradient at those features. */
  gradient: number[];
}

/** Runs the suite; every number comes out as JSON can hold it exactly. */
export function smoke(splicer: typeof Splicer, threads?: Splicer.Threads): Promise<SmokeResult>;
