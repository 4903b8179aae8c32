/** Runs a target's cases in a worker, and notices when one doesn't end. */

import type { FuzzReport, FuzzRequest } from "./_worker.ts";

/** A case takes a millisecond or less; one that takes this long doesn't end. */
const HANG_MS = 60_000;

/** What stands for the case while the worker is being compiled. */
const NOT_STARTED = -1;

/** How often is looked whether the worker goes on. */
const LOOK_MS = 1_000;

/** What came of a target's cases. */
export type FuzzResult = FuzzReport | { readonly hungAt: number };

/** Which of a target's cases to run. */
export type FuzzOptions = Omit<FuzzRequest, "progress">;

/** Runs cases of a target. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const progress = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const at = new Int32Array(progress);
  Atomics.store(at, 0, NOT_STARTED);
  const worker = new Worker(new URL("./_worker.ts", import.meta.url), { type: "module" });
  let look: ReturnType<typeof setInterval> | undefined;
  try {
    return await new Promise<FuzzResult>((resolve, reject) => {
      let [seen, since] = [NOT_STARTED, performance.now()];
      look = setInterval(() => {
        const now = Atomics.load(at, 0);
        if (now !== seen || now === NOT_STARTED) [seen, since] = [now, performance.now()];
        else if (performance.now() - since > HANG_MS) resolve({ hungAt: now });
      }, LOOK_MS);
      worker.onmessage = ({ data }: MessageEvent<FuzzReport>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`The worker ended at case ${Atomics.load(at, 0)}: ${event.message}`));
      };
      worker.postMessage({ ...options, progress } satisfies FuzzRequest);
    });
  } finally {
    clearInterval(look);
    worker.terminate();
  }
}

/** Says what went wrong, with the command that shows it again; `undefined` when nothing did. */
export function problemOf({ target, seed }: FuzzOptions, result: FuzzResult): string | undefined {
  const again = (index: number) =>
    `deno task fuzz --target "${target}" --seed ${seed} --case ${index}`;
  if ("hungAt" in result) {
    return `case ${result.hungAt} of ${target} doesn't end: ${again(result.hungAt)}`;
  }
  if (result.failures.length === 0) return undefined;
  return result.failures.map(({ index, reason }) =>
    `case ${index} of ${target} ends in no typed error: ${again(index)}\n${reason}`
  ).join("\n");
}
