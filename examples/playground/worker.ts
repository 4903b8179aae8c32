/** Runs the model beside the page, so that the page never waits for it. */
import type { Message, Methods, Question } from "./protocol.ts";
import { Study } from "./study.ts";

/** A worker's own global names, which the page's types don't know. */
interface WorkerScope {
  postMessage(message: Message): void;
  onmessage: ((event: { data: Question }) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;

const loading = Study.load((loaded, total) => scope.postMessage({ loaded, total }));

async function answer({ method, args }: Question): Promise<unknown> {
  const study = await loading;
  if (method === "load") return study.info;
  const ask = study[method] as (...args: unknown[]) => ReturnType<Methods[typeof method]>;
  return ask(...args);
}

scope.onmessage = async ({ data }) => {
  const { id } = data;
  try {
    scope.postMessage({ id, value: await answer(data) });
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};

// The library's module was compiled before this line; what was asked in the meantime would be lost.
scope.postMessage({ isReady: true });
