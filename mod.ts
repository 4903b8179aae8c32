/**
 * Splicer: mechanistic interpretability without Python. A hooked transformer into which sparse autoencoders are spliced, with
 * TransformerLens' and SAELens' names, shapes and numbers, on any CPU that runs Deno.
 *
 * @example
 * ```ts
 * import { HookedSAETransformer, SAE } from "@splicer/splicer";
 *
 * const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
 * const logits = model.runWithHooksWithSaes("When John and Mary went to the shops, John gave the bag to", {
 *   saes: sae,
 *   fwdHooks: [["blocks.1.attn.hook_z.hook_sae_acts_post", (acts) => acts.set([":", 10, 517], 0)]],
 * });
 * console.log(model.toString(logits.at(0, -1).argmax().item()));
 * ```
 *
 * @module
 */

export * from "./src/core/errors.ts";
export type { Dtype, TypedArray } from "./src/core/dtype.ts";
export { noGrad } from "./src/core/gradients.ts";
export { type MemoryUsage, memoryUsage, setMemoryLimit } from "./src/core/memory.ts";
export { Tensor } from "./src/core/tensor.ts";
export { HookPoint } from "./src/hooks/hook_point.ts";
export type { HookFunction, HookSpec, PointSelector } from "./src/hooks/hook_registry.ts";
export { HookedModule } from "./src/hooks/hooked_root.ts";
export { ActivationCache } from "./src/hooks/activation_cache.ts";
export { HookedTransformer } from "./src/session/hooked_transformer.ts";
export { HookedSAETransformer } from "./src/session/hooked_sae_transformer.ts";
export { HookedSAE, HookedSAE as SAE } from "./src/sae/hooked_sae.ts";
export * as utils from "./src/session/utils.ts";
export * from "./src/plot/express.ts";
export { htmlPage, type PageOptions, type PageSection, type PageTable } from "./src/plot/html.ts";
export { progress, type ProgressOptions } from "./src/plot/progress.ts";
