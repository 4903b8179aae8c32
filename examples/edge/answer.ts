/** What an answer holds: next tokens, live features, and what the edits changed. */
import type { ActivationCache, HookSpec, Tensor } from "../../mod.ts";
import type { Query } from "./query.ts";
import type { NamedSae, Study } from "./study.ts";

/** A token that may come next. */
export interface NextToken {
  readonly token: string;
  readonly id: number;
  readonly logit: number;
  readonly probability: number;
}

/** A feature that is active at a position. */
export interface LiveFeature {
  readonly feature: number;
  readonly pos: number;
  readonly value: number;
}

/** The strongest features of one SAE, over all positions. */
export interface LiveFeatures {
  readonly sae: string;
  /** The hook point of the codes, which edits name. */
  readonly at: string;
  readonly live: LiveFeature[];
}

/** The answer to a query. */
export interface Answer {
  /** The prompt's tokens as texts. */
  readonly tokens: string[];
  readonly next: NextToken[];
  readonly features: LiveFeatures[];
  /** The same with the edits, where there are some. */
  readonly edited?: {
    readonly next: NextToken[];
    readonly features: LiveFeatures[];
    /** Kullback-Leibler divergence of the next token's distribution from the unedited one, in nats. */
    readonly divergence: number;
    /** What the run with edits had to compute. */
    readonly rows: number;
    readonly resumedFrom: string | null;
  };
}

/** The point of an SAE's codes. */
export const codesOf = ({ sae }: NamedSae): string => `${sae.cfg.hookName}.hook_sae_acts_post`;

/**
 * Gives the likeliest next tokens.
 *
 * @param study The model, for its vocabulary.
 * @param logits Logits after the last position [vocab].
 * @param top How many.
 */
export function nextTokens({ model }: Study, logits: Tensor, top: number): NextToken[] {
  const [values, ids] = logits.topk(top);
  const probabilities = logits.softmax(-1).indexSelect(0, ids).data();
  return Array.from(ids.data(), (id, n) => ({
    token: model.toString(id),
    id,
    logit: values.at(n).item(),
    probability: probabilities[n],
  }));
}

/**
 * Gives the strongest live features of each SAE.
 *
 * @param saes The SAEs that were spliced.
 * @param cache The codes of the run, [1, pos, feature].
 * @param top How many of each.
 * @param from The first position that is looked at.
 */
export function liveFeatures(
  saes: readonly NamedSae[],
  cache: ActivationCache,
  top: number,
  from = 0,
): LiveFeatures[] {
  return saes.map(({ id, sae }) => {
    const at = codesOf({ id, sae });
    const codes = cache.get(at).at(0, `${from}:`);
    const [values, places] = codes.flatten().topk(top);
    const live = Array.from(places.data(), (place, n) => ({
      feature: place % sae.cfg.dSae,
      pos: from + Math.floor(place / sae.cfg.dSae),
      value: values.at(n).item(),
    }));
    return { sae: id, at, live: live.filter(({ value }) => value > 0) };
  });
}

/**
 * Runs a query.
 *
 * @throws {UnknownPointError} If an edit names a point that isn't there.
 * @throws {HookError} If an edit names cells that aren't there.
 */
export function answer(study: Study, { tokens, saes, edits, top }: Query): Answer {
  const { model } = study;
  using _saes = model.saes(saes.map(({ sae }) => sae), { useErrorTerm: true });
  const run = (fwdHooks: readonly HookSpec[]) => {
    using _hooks = model.hooks({ fwdHooks });
    const [logits, cache] = model.runWithCache([tokens], {
      namesFilter: saes.map(codesOf),
      logitsAt: -1,
    });
    const last = logits.at(0, -1);
    const { rows, resumedFrom } = model.ran;
    const features = liveFeatures(saes, cache, top);
    return { last, features, next: nextTokens(study, last, top), rows, resumedFrom };
  };
  const { last, features, next } = run([]);
  const common = { tokens: model.toStrTokens(tokens), next, features };
  if (edits.length === 0) return common;
  const { last: lastEdited, ...edited } = run(edits);
  const logP = lastEdited.logSoftmax(-1);
  const divergence = logP.exp().mul(logP.sub(last.logSoftmax(-1))).sum().item();
  return { ...common, edited: { ...edited, divergence } };
}
