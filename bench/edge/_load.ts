/** Load on a server of the edge example: clients that ask at the same time, and check every answer. */

/** A request, and the answer that it must get. */
export interface LoadCase {
  /** The body of a `POST /run`. */
  readonly body: string;
  /** The answer's text. */
  readonly answer: string;
}

/** What came of it. */
export interface LoadResult {
  /** Milliseconds of each request, in the order of their ends. */
  readonly times: number[];
  /** Requests that got no answer. */
  lost: number;
  /** Requests that got another answer. */
  wrong: number;
  /** Milliseconds from the first request to the last answer. */
  ms: number;
}

const PROMPT = "When John and Mary went to the shops, John gave the bag to";

/** Requests of every kind: prompts, SAEs, and edits of several layers and positions. */
const BODIES = [
  { prompt: PROMPT },
  { prompt: "Once there was a", top: 20 },
  { prompt: PROMPT, saes: ["blocks.1.hook_z"], top: 10 },
  { prompt: PROMPT, saes: ["blocks.0.hook_z", "blocks.1.hook_z", "blocks.2.hook_z"] },
  { prompt: "Tom and Ann", saes: ["blocks.2.hook_resid_pre.topk"], top: 3 },
  ...[969, 401, 468].map((feature) => ({
    prompt: PROMPT,
    saes: ["blocks.1.hook_z"],
    edits: [{
      at: "blocks.1.attn.hook_z.hook_sae_acts_post",
      kind: "ablate",
      feature,
      pos: [9, 10, 14],
    }],
  })),
  {
    prompt: PROMPT,
    edits: [{ at: "blocks.0.hook_resid_pre", kind: "scale", by: 0.5, pos: 3 }],
  },
].map((body) => JSON.stringify(body));

/**
 * Asks each request once, alone; the answers are those that all later ones must get.
 *
 * @throws {Error} If a server refuses one.
 */
export async function loadCases(url: string): Promise<LoadCase[]> {
  const cases: LoadCase[] = [];
  for (const body of BODIES) cases.push({ body, answer: await ask(url, body) });
  return cases;
}

/** A run resumes from the last one where it can; what was computed is no part of the answer. */
function essence(text: string): string {
  return JSON.stringify(
    JSON.parse(text, (key, value) => ["rows", "resumedFrom"].includes(key) ? undefined : value),
  );
}

async function ask(url: string, body: string): Promise<string> {
  const response = await fetch(`${url}run`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return essence(text);
}

/**
 * Sends requests from clients that each wait for an answer before they ask again.
 *
 * @param url The server.
 * @param cases The requests, which take turns.
 * @param size How many requests, from how many clients.
 */
export async function load(
  url: string,
  cases: readonly LoadCase[],
  { clients, requests }: { clients: number; requests: number },
): Promise<LoadResult> {
  const result: LoadResult = { times: [], lost: 0, wrong: 0, ms: 0 };
  const started = performance.now();
  let next = 0;
  const client = async () => {
    while (next < requests) {
      const { body, answer } = cases[next++ % cases.length];
      const asked = performance.now();
      try {
        if (await ask(url, body) !== answer) result.wrong++;
        result.times.push(performance.now() - asked);
      } catch {
        result.lost++;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  result.ms = performance.now() - started;
  return result;
}

/** Gives the value below which a part of the numbers lies. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
