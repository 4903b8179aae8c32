/**
 * Workers, as far as a pool needs them, in every runtime that has some.
 *
 * @module
 */

import { type Beginning, nodeProgram, type Report, webProgram } from "./program.ts";

/** A worker of some runtime. */
export interface Hand {
  /** Ends it, in the middle of whatever it does: for one that hasn't joined. */
  end(): void;
}

/** What a worker tells about itself. */
export interface Listener {
  /** It has said something. */
  onReport(report: Report): void;
  /** It is gone, or never came. */
  onEnd(reason: string): void;
}

/** Starts a worker. Once it has joined, it keeps no process alive. */
export type Hire = (beginning: Beginning, listener: Listener) => Hand;

type NodeWorkers = typeof import("node:worker_threads");

function hireInNode({ Worker }: NodeWorkers): Hire {
  return (beginning, { onReport, onEnd }) => {
    const worker = new Worker(nodeProgram(), { eval: true });
    worker.on("message", (report: Report) => {
      // A process waits for its workers to start, and for nothing of them afterwards.
      worker.unref();
      onReport(report);
    });
    worker.on("error", (error) => onEnd(String(error)));
    worker.on("exit", () => onEnd("it ended"));
    worker.postMessage(beginning);
    return { end: () => void worker.terminate() };
  };
}

function hireInBrowser(): Hire {
  return (beginning, { onReport, onEnd }) => {
    const url = URL.createObjectURL(new Blob([webProgram()], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    const end = (reason: string) => {
      worker.terminate();
      URL.revokeObjectURL(url);
      onEnd(reason);
    };
    worker.onmessage = ({ data }) => onReport(data);
    worker.onerror = (event) => {
      event.preventDefault();
      end(event.message ?? "its script was refused");
    };
    worker.postMessage(beginning);
    return { end: () => end("it was let go") };
  };
}

/**
 * Finds out how workers are started here.
 *
 * @throws {Error} If there is no way.
 */
export async function findHire(): Promise<Hire> {
  // Where both are there, Node's workers let the process end.
  const nodeWorkers = await import("node:worker_threads").catch(() => undefined);
  if (nodeWorkers?.Worker) return hireInNode(nodeWorkers);
  if (typeof Worker === "undefined") throw new Error("this runtime has no workers");
  return hireInBrowser();
}
