/** Serves the worker with Node, whose HTTP server knows nothing of requests and responses as the web has them. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { argv } from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers";
import worker from "./worker.ts";

function toRequest(message: IncomingMessage): Request {
  const { method = "GET", url = "/", headers } = message;
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: Readable.toWeb(message), duplex: "half" } : {};
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one])
  );
  return new Request(new URL(url, "http://localhost"), {
    method,
    headers: pairs,
    ...body,
  } as RequestInit);
}

async function send(response: Response, to: ServerResponse): Promise<void> {
  to.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) return void to.end();
  // A client that leaves ends the stream, and what computes it.
  await pipeline(Readable.fromWeb(response.body as never), to);
}

let turns = Promise.resolve();

/**
 * Waits for a turn of the event loop of its own. Node accepts one connection in a turn: while each turn answered every request that is
 * there, a new client would wait for as many turns as there are others.
 */
function ownTurn(): Promise<void> {
  turns = turns.then(() => new Promise((resolve) => setImmediate(resolve)));
  return turns;
}

const server = createServer(async (message, reply) => {
  try {
    await ownTurn();
    await send(await worker.fetch(toRequest(message)), reply);
  } catch {
    reply.destroy();
  }
});
server.listen(Number(argv[2] ?? 8000), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`Listening on http://127.0.0.1:${address?.port}/`);
});
