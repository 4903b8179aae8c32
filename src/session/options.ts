/**
 * The options and results of running a model.
 *
 * @module
 */

import { ConfigError, described, requireKnownOptions, requireOneOf } from "../core/errors.ts";
import type { Index, Tensor } from "../core/tensor.ts";
import type { PointSelector } from "../hooks/hook_registry.ts";
import type { HookScopeOptions } from "../hooks/hooked_root.ts";
import { HookedTransformerKeyValueCache } from "../model/kv_cache.ts";
import type { InputOptions } from "./input.ts";

/** What a forward pass gives: logits, a loss, both, or nothing. */
export type ReturnType = "logits" | "loss" | "both" | null;

/** Options of a forward pass. */
export interface ForwardOptions extends InputOptions {
  /** What to give back; logits unless said. */
  returnType?: ReturnType;
  /** Gives the loss of each token [batch, pos - 1] instead of the mean. */
  lossPerToken?: boolean;
  /** The block to stop before; gives the residual stream there. Negative counts from the end. */
  stopAtLayer?: number;
  /** Positions to unembed, `"all"` unless said; the logits keep their rank. */
  logitsAt?: "all" | number | readonly number[];
  /**
   * Points from which gradients are recorded, by name or by predicate. `"params"` asks for those of the parameters too, the model's and
   * those of SAEs that are spliced in: after `backward()` they are `model.W_E.grad`, `model.blocks[0].attn.W_Q.grad`, `sae.W_dec.grad`.
   * Each backward pass adds to them, until `model.zeroGrad()`. Such a run computes all rows, and all logits.
   */
  watch?: PointSelector | readonly PointSelector[];
  /** The keys and values of what came before; the run sees them, computes the input's positions alone, and adds its own. */
  pastKvCache?: HookedTransformerKeyValueCache;
}

const FORWARD_OPTIONS: ReadonlySet<string> = new Set<keyof ForwardOptions>([
  "returnType",
  "lossPerToken",
  "prependBos",
  "paddingSide",
  "startAtLayer",
  "stopAtLayer",
  "tokens",
  "attentionMask",
  "logitsAt",
  "watch",
  "pastKvCache",
]);

/** Options that belong to another method, which people give to this one, or spell differently there. */
const ELSEWHERE: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    runWithHooks: ["fwdHooks", "bwdHooks", "resetHooksEnd", "clearContexts"],
    runWithCache: ["namesFilter", "inclBwd", "removeBatchDim", "posSlice"],
    runWithSaes: ["saes", "useErrorTerm", "errorGrad", "excludeSpecialTokens", "resetSaesEnd"],
    generate: ["maxNewTokens", "temperature", "topK", "topP"],
  }).flatMap(([method, names]) =>
    names.map((name) => [name, `"${name}" is an option of ${method}().`])
  ),
);

/** Checks a bound of the blocks to run. */
function requireLayer(name: string, layer: number | undefined): void {
  if (layer === undefined || Number.isInteger(layer)) return;
  throw new ConfigError(`Cannot run with ${name} ${described(layer)}: expected a whole number.`);
}

/**
 * Checks the options of a forward pass that no type could.
 *
 * @throws {ConfigError} If there is no option of a name, or its value isn't one of those that there are.
 */
export function checkForwardOptions(options: ForwardOptions): void {
  requireKnownOptions("Cannot run", options, FORWARD_OPTIONS, ELSEWHERE);
  const { returnType = "logits", startAtLayer, stopAtLayer, pastKvCache } = options;
  requireOneOf("Cannot run with the returnType", returnType, ["logits", "loss", "both", null]);
  requireLayer("startAtLayer", startAtLayer);
  requireLayer("stopAtLayer", stopAtLayer);
  if (pastKvCache === undefined || pastKvCache instanceof HookedTransformerKeyValueCache) return;
  throw new ConfigError(
    `Cannot run with ${
      described(pastKvCache)
    } as pastKvCache: expected one made by HookedTransformerKeyValueCache.initCache(model.cfg, batch).`,
  );
}

/**
 * The positions whose logits are wanted; `undefined` for all.
 *
 * @throws {ConfigError} If one isn't a whole number.
 * @throws {RangeError} If there is no such position.
 */
export function wantedPositions(
  logitsAt: ForwardOptions["logitsAt"],
  nPos: number,
): number[] | undefined {
  if (logitsAt === undefined || logitsAt === "all") return undefined;
  const positions = [logitsAt].flat();
  for (const pos of positions) {
    const wanted = `expected "all", or whole numbers from ${-nPos} to ${nPos - 1}`;
    if (!Number.isInteger(pos)) {
      throw new ConfigError(`Cannot unembed position ${described(pos)}: ${wanted}.`);
    }
    if (pos < -nPos || pos >= nPos) {
      throw new RangeError(`Cannot unembed position ${pos} of ${nPos}: ${wanted}.`);
    }
  }
  return positions;
}

/** What to cache: everything, names, or those that a predicate chooses. */
export type NamesFilter = PointSelector | readonly string[] | null;

/** Options of `runWithCache`. */
export interface CacheOptions extends ForwardOptions {
  /** What to cache; everything unless said. */
  namesFilter?: NamesFilter;
  /** Runs `backward()` on the output, which must be a loss, and caches gradients as `name_grad`. */
  inclBwd?: boolean;
  /** Drops the batch axis of a single text. */
  removeBatchDim?: boolean;
  /** Caches these positions alone; the axis stays. */
  posSlice?: Index;
}

/** Options of `runWithHooks`. */
export type RunWithHooksOptions = ForwardOptions & HookScopeOptions;

/** A forward pass' result by return type: logits, a loss, both as a pair, or nothing. */
export type ForwardOutput = Tensor | LogitsAndLoss | null;

/** Logits and loss, as a pair and by name. */
export type LogitsAndLoss = [logits: Tensor, loss: Tensor] & { logits: Tensor; loss: Tensor };

/** What a return type stands for. */
export type OutputOfType<R> = [R] extends ["logits" | "loss" | undefined] ? Tensor
  : [R] extends [null] ? null
  : [R] extends ["both"] ? LogitsAndLoss
  : ForwardOutput;

/** What a forward pass gives under these options: a tensor unless `returnType` says otherwise. */
export type OutputOf<O> = O extends { stopAtLayer: number } ? Tensor
  : O extends { returnType?: infer R } ? OutputOfType<"returnType" extends keyof O ? R : "logits">
  : Tensor;
