/**
 * What notebooks import as `utils`: short names of activations and the language-modelling measures.
 *
 * @module
 */

export { getActName } from "../hooks/act_name.ts";
export { compositionScores } from "./circuits.ts";
export { lmAccuracy, lmCrossEntropyLoss } from "./loss.ts";
export { sampleLogits } from "./sampling.ts";
