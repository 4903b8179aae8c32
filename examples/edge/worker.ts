/**
 * A service for the edge: next tokens, live features and the effect of edits over the embedded model.
 *
 *   deno serve --allow-read=models --port 8000 examples/edge/worker.ts
 */
import { ConfigError, HookError, MemoryBudgetError, memoryUsage, ShapeError } from "../../mod.ts";
import { answer } from "./answer.ts";
import { readObject } from "./body.ts";
import { Failure } from "./failure.ts";
import { LIMITS } from "./limits.ts";
import { readQuery, readStreamQuery } from "./query.ts";
import { stream } from "./stream.ts";
import { SAE_IDS, study } from "./study.ts";

/** Errors of the library that a request can cause, with the status of the answer. */
const STATUSES: readonly [new (message: string) => Error, number][] = [
  [MemoryBudgetError, 503],
  [HookError, 422],
  [ConfigError, 422],
  [ShapeError, 422],
  // Points, tokens and positions that aren't there.
  [RangeError, 422],
];

async function run(request: Request): Promise<Response> {
  const body = await readObject(request);
  const loaded = await study();
  return Response.json(answer(loaded, readQuery(loaded, body)));
}

async function generate(request: Request): Promise<Response> {
  const body = await readObject(request);
  const loaded = await study();
  return new Response(await stream(loaded, readStreamQuery(loaded, body)), {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
  });
}

/** Says what the service is and how much memory the model takes. */
async function about(): Promise<Response> {
  const { model } = await study();
  const memory = memoryUsage();
  return Response.json({ model: model.cfg.modelName, saes: SAE_IDS, limits: LIMITS, memory });
}

/** What answers a request, by path and method. */
const ROUTES: Readonly<Record<string, Record<string, (request: Request) => Promise<Response>>>> = {
  "/": { GET: about },
  "/run": { POST: run },
  "/stream": { POST: generate },
};

/** What a client is told of an error; of those that no client can cause, only that there was one. */
function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  for (const [kind, status] of STATUSES) {
    if (error instanceof kind) return new Failure(status, error.name, error.message);
  }
  console.error(error);
  return new Failure(500, "internal", "The request failed for no fault of its own");
}

async function respond(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (!Object.hasOwn(ROUTES, pathname)) {
    const message = `There is nothing at ${pathname}, wanted ${Object.keys(ROUTES).join(", ")}`;
    throw new Failure(404, "not found", message);
  }
  const methods = ROUTES[pathname];
  if (!Object.hasOwn(methods, request.method)) {
    const allow = Object.keys(methods).join(", ");
    const message = `${request.method} does nothing at ${pathname}, wanted ${allow}`;
    throw new Failure(405, "wrong method", message, { headers: { allow } });
  }
  return await methods[request.method](request);
}

export default {
  async fetch(request: Request): Promise<Response> {
    try {
      return await respond(request);
    } catch (error) {
      const failure = failureOf(error);
      return Response.json(failure, { status: failure.status, headers: failure.headers });
    }
  },
};
