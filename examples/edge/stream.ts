/** Generation as server-sent events. */
import { HookedTransformerKeyValueCache } from "../../mod.ts";
import { codesOf, type LiveFeatures, liveFeatures, type NextToken, nextTokens } from "./answer.ts";
import { hookOf } from "./edits.ts";
import { Failure } from "./failure.ts";
import { LIMITS } from "./limits.ts";
import type { StreamQuery } from "./query.ts";
import type { Study } from "./study.ts";

/** A generated token, and what led to it. */
export interface Step {
  /** The token, the likeliest one. */
  readonly token: string;
  readonly id: number;
  /** The likeliest tokens, this one first. */
  readonly next: NextToken[];
  /** Live features at the positions that were computed: the prompt's at first, then the one before the token. */
  readonly features: LiveFeatures[];
}

/** Why generation ended. */
export type End = "length" | "eos" | "time";

/**
 * Generates greedily, under the query's edits, whose positions are those of the whole text.
 *
 * @returns Why it ended.
 */
export function* generate(study: Study, query: StreamQuery): Generator<Step, End> {
  const { model } = study;
  const { tokens, newTokens } = query;
  using past = HookedTransformerKeyValueCache.initCache(model.cfg, 1);
  const started = Date.now();
  let piece = tokens;
  for (let made = 0; made < newTokens; made++) {
    if (Date.now() - started > LIMITS.streamMs) return "time";
    const step = runPiece(study, query, piece, past, made === 0 ? 0 : tokens.length + made - 1);
    yield step;
    if (step.id === model.tokenizer?.eosTokenId) return "eos";
    piece = [step.id];
  }
  return "length";
}

/** Runs the model on what is new, and chooses the next token. */
function runPiece(
  study: Study,
  { saes, edits, top }: StreamQuery,
  piece: readonly number[],
  pastKvCache: HookedTransformerKeyValueCache,
  posOffset: number,
): Step {
  const { model } = study;
  using _saes = model.saes(saes.map(({ sae }) => sae), { useErrorTerm: true });
  using _hooks = model.hooks({ fwdHooks: edits.map(hookOf) });
  const [logits, cache] = model.runWithCache([[...piece]], {
    namesFilter: saes.map(codesOf),
    logitsAt: -1,
    pastKvCache,
  });
  const next = nextTokens(study, logits.at(0, -1), top);
  const { token, id } = next[0];
  return { token, id, next, features: liveFeatures(saes, cache, top, posOffset) };
}

let nStreams = 0;

const event = (name: string, data: unknown) =>
  new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);

/**
 * Streams a generation: a `token` event for each token, and an `end` event with the reason. A token is computed when the client
 * has taken the one before; the first is there before the stream is, so that what is wrong with a query is no event.
 *
 * @throws {Failure} If too many generations are under way.
 * @throws {UnknownPointError} If an edit names a point that isn't there.
 * @throws {HookError} If an edit names cells that aren't there.
 */
export function stream(study: Study, query: StreamQuery): ReadableStream<Uint8Array> {
  if (nStreams >= LIMITS.streams) {
    const message = `${nStreams} generations are under way, which is the most`;
    throw new Failure(503, "busy", message, { headers: { "retry-after": "1" } });
  }
  const steps = generate(study, query);
  let step = steps.next();
  nStreams++;
  return new ReadableStream({
    pull(controller) {
      try {
        if (!step.done) {
          controller.enqueue(event("token", step.value));
          step = steps.next();
          return;
        }
        controller.enqueue(event("end", { reason: step.value }));
      } catch (error) {
        const { name, message } = error as Error;
        controller.enqueue(event("error", { code: name, message }));
      }
      nStreams--;
      controller.close();
    },
    cancel() {
      nStreams--;
      steps.return("time");
    },
  }, { highWaterMark: 0 });
}
