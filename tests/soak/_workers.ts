/** Has workers of the core's pool die. */

import { Worker } from "node:worker_threads";
import { pick, type Random } from "../invariants/_random_runs.ts";

const hired = new Set<Worker>();

/** Takes note of every worker that is hired from now on. */
export function watchWorkers(): void {
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (
    this: Worker,
    ...message: Parameters<typeof postMessage>
  ) {
    hired.add(this);
    this.on("exit", () => hired.delete(this));
    postMessage.apply(this, message);
  };
}

/** Ends a worker in the middle of whatever it does; none where there are none. */
export async function killWorker(random: Random): Promise<void> {
  if (hired.size > 0) await pick(random, [...hired]).terminate();
}
