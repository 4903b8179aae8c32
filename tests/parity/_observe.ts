/** Runs models as users do, and names what comes out as the references do. */

import {
  type ActivationCache,
  type HookedSAETransformer,
  type HookedTransformer,
  Tensor,
} from "../../mod.ts";
import type { HookSpec } from "../../src/hooks/hook_registry.ts";
import type { ForwardOptions } from "../../src/session/options.ts";
import type { SaeOptions } from "../../src/session/hooked_sae_transformer.ts";
import type { TokenPairs } from "../_fixtures.ts";
import type { ToleranceRule } from "./_compare.ts";

/** Tensors by the names that a reference file gives them. */
export type Named = Map<string, Tensor>;

/** One comparison with a reference. */
export interface ParityCase {
  /** The fixture and what of it. */
  readonly name: string;
  /** The references' own tolerances unless said. */
  readonly tolerance?: ToleranceRule;
  /** Computes, and reads what it should be. */
  run(): Promise<{ got: Named; want: Named }>;
}

/** Token ids as a tensor [batch, pos]. */
export function tokenTensor(tokens: readonly (readonly number[])[]): Tensor {
  return Tensor.from(tokens, undefined, "int32");
}

/** The logit of each prompt's answer minus that of the wrong one after the last token, [batch]. */
export function perPrompt(logits: Tensor, { answer_tokens, wrong_tokens }: TokenPairs): Tensor {
  const last = logits.at(":", -1);
  const of = (ids: readonly number[]) =>
    last.gather(1, Tensor.from(ids, [ids.length, 1], "int32")).squeeze(1);
  return of(answer_tokens).sub(of(wrong_tokens));
}

/** Puts a prefix before every name. */
export function prefixed(prefix: string, entries: Iterable<[string, Tensor]>): [string, Tensor][] {
  return [...entries].map(([name, value]) => [`${prefix}${name}`, value]);
}

/** Those of a file's tensors whose names pass, without the prefix. */
export function under(prefix: string, tensors: Named): Named {
  const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(inside.map(([name, value]) => [name.slice(prefix.length), value]));
}

/** Copies of values that are computed or read only when somebody looks, which their model may not live to see. */
export function kept(entries: Iterable<[string, Tensor]>): Named {
  return new Map([...entries].map(([name, value]) => [name, value.detach()]));
}

/** Logits and activations: `cache/<hook>` as they fire, then `logits`. */
export function shown([logits, cache]: [Tensor, ActivationCache]): Named {
  return kept([...prefixed("cache/", cache), ["logits", logits]]);
}

/** A backward hook that keeps what each point's gradient is; of several calls at one point the last. */
function keepingHooks(points: readonly string[] | undefined, grads: Named): HookSpec[] {
  const keep = (grad: Tensor, { name }: { name: string }) => {
    grads.set(`grad/${name}`, grad.clone());
  };
  return points ? points.map((point): HookSpec => [point, keep]) : [[() => true, keep]];
}

/** What gradients are asked for. */
export interface GradientRequest {
  readonly metric: TokenPairs;
  /** Exact names; every point that predicates reach unless said. */
  readonly points?: readonly string[];
}

/** `metric`, and `grad/<hook>` as backward hooks see them, in the order in which they fire. */
export function gradients(
  model: HookedTransformer,
  tokens: Tensor,
  { metric, points }: GradientRequest,
  options: ForwardOptions = {},
): Named {
  const grads: Named = new Map();
  const bwdHooks = keepingHooks(points, grads);
  using _hooks = model.hooks({ bwdHooks });
  const value = perPrompt(model.forward(tokens, { ...options, returnType: "logits" }), metric)
    .mean();
  value.backward();
  return new Map([["metric", value], ...grads]);
}

/** The same with SAEs spliced in. */
export function gradientsWithSaes(
  model: HookedSAETransformer,
  tokens: Tensor,
  { metric, points }: GradientRequest,
  options: SaeOptions,
): Named {
  const grads: Named = new Map();
  // Predicates bind at each run, so they reach the SAEs' points too.
  using _hooks = model.hooks({ bwdHooks: keepingHooks(points, grads) });
  const value = perPrompt(model.runWithSaes(tokens, options), metric).mean();
  value.backward();
  return new Map([["metric", value], ...grads]);
}

/**
 * Adds what the references lack: TransformerLens' error node has no gradient. Ours is added to the output, so it has the output's.
 *
 * @param at Turns the output's gradient into the error's, where the two differ.
 */
export function withErrorGradients(want: Named, at = (grad: Tensor) => grad): Named {
  const outputs = [...want].filter(([name]) => /^grad\/.*\.hook_sae_output$/.test(name));
  const errors = outputs.map((
    [name, grad],
  ): [string, Tensor] => [name.replace("_output", "_error"), at(grad)]);
  return new Map([...want, ...errors]);
}

/**
 * The gradients that TransformerLens caches at `ln1`: it runs once for each of query, key and value input there, and the cache keeps
 * the last backward call, which is the query's. With split inputs ours runs three times as well, on a copy a head.
 */
export function queryNormGradients(
  model: HookedTransformer,
  tokens: Tensor,
  request: GradientRequest,
): Named {
  const points = [...model.hookDict.keys()].filter((name) => name.includes(".ln1."));
  model.setUseSplitQkvInput(true);
  try {
    const split = gradients(model, tokens, { ...request, points });
    return new Map([...under("grad/", split)].map(([name, grad]) => [`grad/${name}`, grad.sum(2)]));
  } finally {
    model.setUseSplitQkvInput(false);
  }
}
