/** The worker that runs the model, as promises. */
import type { Message, Methods, Question } from "./protocol.ts";

/** What waits for an answer. */
interface Pending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** Asks the worker. */
export class Engine {
  readonly #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  readonly #pending = new Map<number, Pending>();
  /** Questions that wait until the worker hears; undefined when it does. */
  #waiting: Question[] | undefined = [];
  #lastId = 0;

  /**
   * Starts the worker.
   *
   * @param onProgress Is told how far loading is, from 0 to 1.
   */
  constructor(onProgress: (part: number) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if ("isReady" in data) return this.#send();
      if ("loaded" in data) return onProgress(data.loaded / data.total);
      const pending = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      if ("error" in data) pending?.reject(new Error(data.error));
      else pending?.resolve(data.value);
    };
    this.#worker.onerror = ({ message }) => {
      const reason = new Error(`The model stopped: ${message || "its worker didn't start"}`);
      for (const { reject } of this.#pending.values()) reject(reason);
      this.#pending.clear();
    };
  }

  /** Asks one question. */
  ask<M extends keyof Methods>(
    method: M,
    ...args: Parameters<Methods[M]>
  ): Promise<ReturnType<Methods[M]>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
      const question: Question = { id, method, args };
      if (this.#waiting) this.#waiting.push(question);
      else this.#worker.postMessage(question);
    });
  }

  #send(): void {
    for (const question of this.#waiting ?? []) this.#worker.postMessage(question);
    this.#waiting = undefined;
  }
}

/**
 * Makes a task that is asked for more often than it can be done: while one run is under way only the last request waits.
 *
 * @param task The task; it deals with its own errors.
 */
export function latestOnly<A extends unknown[]>(
  task: (...args: A) => Promise<void>,
): (...args: A) => void {
  let isBusy = false;
  let waiting: A | undefined;
  const go = async (...args: A) => {
    isBusy = true;
    await task(...args);
    isBusy = false;
    const next = waiting;
    waiting = undefined;
    if (next) go(...next);
  };
  return (...args) => {
    if (isBusy) waiting = args;
    else go(...args);
  };
}
