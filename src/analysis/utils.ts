/**
 * What notebooks import as `utils`: names of activations, measures of language modelling, looks at tensors and prompts.
 *
 * @module
 */

export * from "../session/utils.ts";
export { getCorner, isLowerTriangular, isSquare, removeBatchDim } from "../core/matrix.ts";
export { Slice } from "../core/slice.ts";
export {
  type LogitRow,
  logitsToDf,
  type PredictedToken,
  type PromptTest,
  testPrompt,
  type TestPromptOptions,
} from "./test_prompt.ts";
