/** Generation as server-sent events. */
import type { GenerationStep } from "../../mod.ts";
import { codesOf, type LiveFeatures, liveFeatures, type NextToken, nextTokens } from "./answer.ts";
import { Failure } from "./failure.ts";
import { LIMITS } from "./limits.ts";
import type { StreamQuery } from "./query.ts";
import type { Study } from "./study.ts";

/** A generated token, and what led to it. */
export interface Token {
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

/** A generation under way. */
interface Generation {
  readonly study: Study;
  readonly query: StreamQuery;
  readonly steps: AsyncGenerator<GenerationStep>;
  /** When it must have ended, in milliseconds since 1970. */
  readonly deadline: number;
  /** Positions whose features were told. */
  told: number;
}

function begin(study: Study, query: StreamQuery): Generation {
  const { tokens, saes, edits, newTokens } = query;
  const steps = study.model.generateStream([tokens], {
    maxNewTokens: newTokens,
    doSample: false,
    saes: saes.map(({ sae }) => sae),
    useErrorTerm: true,
    fwdHooks: edits,
    namesFilter: saes.map(codesOf),
  });
  return { study, query, steps, deadline: Date.now() + LIMITS.streamMs, told: 0 };
}

function tokenOf(generation: Generation, { logits, newTokens, cache }: GenerationStep): Token {
  const { study, query: { saes, top }, told } = generation;
  const next = nextTokens(study, logits.at(0), top);
  const id = newTokens.at(0, 0).item();
  const token = study.model.toString(id);
  const features = liveFeatures(saes, cache, top, told);
  generation.told = cache.size === 0 ? 0 : [...cache.values()][0].shape[1];
  return { token, id, next, features };
}

/** Why no step follows a step; undefined where one does. */
function endOf({ study, deadline }: Generation, step: GenerationStep): End | undefined {
  if (step.isLast) {
    const isEnd = step.newTokens.at(0, 0).item() === study.model.tokenizer?.eosTokenId;
    return isEnd ? "eos" : "length";
  }
  return Date.now() > deadline ? "time" : undefined;
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
export async function stream(
  study: Study,
  query: StreamQuery,
): Promise<ReadableStream<Uint8Array>> {
  if (nStreams >= LIMITS.streams) {
    const message = `${nStreams} generations are under way, which is the most`;
    throw new Failure(503, "busy", message, { headers: { "retry-after": "1" } });
  }
  const generation = begin(study, query);
  const { steps } = generation;
  nStreams++;
  let isOpen = true;
  const leave = async () => {
    if (isOpen) nStreams--;
    isOpen = false;
    await steps.return(undefined);
  };
  let first: IteratorResult<GenerationStep> | undefined;
  try {
    first = await steps.next();
  } catch (error) {
    await leave();
    throw error;
  }
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value } = first ?? await steps.next();
        first = undefined;
        controller.enqueue(event("token", tokenOf(generation, value)));
        const reason = endOf(generation, value);
        if (reason === undefined) return;
        controller.enqueue(event("end", { reason }));
      } catch (error) {
        const { name, message } = error as Error;
        controller.enqueue(event("error", { code: name, message }));
      }
      await leave();
      controller.close();
    },
    cancel: leave,
  }, { highWaterMark: 0 });
}
