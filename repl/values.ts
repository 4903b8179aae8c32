/** Activations and gradients of a session's run. */
import { GradientError, type Session, type Tensor } from "../mod.ts";
import { metricFunction } from "../src/session/metric.ts";
import { CommandError } from "./errors.ts";

/** The values that points have under the session's edits. */
export function valuesOf(session: Session, names: readonly string[]): Map<string, Tensor> {
  const { tokens, attentionMask } = session;
  const [, cache] = session.within((model) =>
    model.runWithCache(tokens, { attentionMask, namesFilter: names })
  );
  return new Map(cache.entries());
}

/** What the metric's sum changes with, at points that it depends on, and the values of all. */
export interface Gradients {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/**
 * Walks back from the sum of the session's metric.
 *
 * @throws {CommandError} If there is no metric.
 */
export function gradientsOf(session: Session, names: readonly string[]): Gradients {
  const { metric, tokens, attentionMask, model } = session;
  if (metric === undefined) throw new CommandError("There is no metric to walk back from.");
  const values = new Map<string, Tensor>();
  const gradients = new Map<string, Tensor>();
  const measure = metricFunction(
    metric,
    (text) => model.toSingleToken(text),
    tokens.shape[0],
  );
  session.within(() => {
    using _hooks = model.hooks({
      fwdHooks: names.map((name) => [name, (act) => void values.set(name, act.detach())]),
      bwdHooks: names.map((name) => [name, (grad) => void gradients.set(name, grad.detach())]),
    });
    const measured = measure(model.forward(tokens, { attentionMask })).sum();
    try {
      measured.backward();
    } catch (error) {
      // Edits may have cut the metric off from all of the points: then there are no gradients.
      if (!(error instanceof GradientError)) throw error;
    }
  });
  return { values, gradients };
}
