/**
 * Loads the model of a folder and prints, in bytes, the most memory that the process had before and after, and what the weights take.
 * The arguments are the folder and whether the weights are processed.
 */

import { HookedTransformer, memoryUsage, Tensor } from "../../mod.ts";

function peak(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const [folder, how] = Deno.args;
// The module is there once the first tensor is.
Tensor.zeros([1]);
const before = peak();
const model = how === "processed"
  ? await HookedTransformer.fromPretrained(folder)
  : await HookedTransformer.fromPretrainedNoProcessing(folder);
const { weightBytes } = memoryUsage();
console.log(JSON.stringify({ before, after: peak(), weightBytes, layers: model.cfg.nLayers }));
