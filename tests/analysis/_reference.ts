/** Numbers that TransformerLens gives on the embedded model. */

import { HookedTransformer } from "../../mod.ts";

interface IOINumbers {
  readonly texts: readonly string[];
  readonly "Logit Difference": number;
  readonly Accuracy: number;
}

/** What the file holds. */
export interface Reference {
  readonly prompt: string;
  /** By kind of head, measure, and whether BOS and the current token are left out (`True`, `False`). */
  readonly detectHead: Readonly<Record<string, number[][]>>;
  readonly ioi: IOINumbers;
  readonly ioiSymmetric: IOINumbers;
  /** The logit of " Mary" minus that of " John", by the later head, from one head. */
  readonly directPath:
    & { readonly corrupted: string; readonly source: readonly [number, number] }
    & Readonly<Record<"q" | "k" | "v", number[][]>>;
  readonly sanityCheck: number;
  readonly testPrompt: readonly string[];
  /** Of layer 1, head 2: the largest absolute logit of each vector, and the sum of all. */
  readonly singularVectors: Readonly<
    Record<"OV" | "w_in" | "w_out", { largest: number[]; sums: number[] }>
  >;
}

/** Reads the numbers. */
export async function readReference(): Promise<Reference> {
  return JSON.parse(await Deno.readTextFile(new URL("./reference.json", import.meta.url)));
}

/** Loads the model that they are of. */
export function referenceModel(): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrained("ioi-tiny");
}
