/** Runs the model beside the page, so that the page never waits for it. */
import type { Message, Methods, Question } from "./protocol.ts";

/** A worker's own global names, which the page's types don't know. */
interface WorkerScope {
  postMessage(message: Message): void;
  onmessage: ((event: { data: Question }) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;

/** The library is imported once messages are heard: its module compiles meanwhile, and none may be lost. */
async function load() {
  const { Study } = await import("./study.ts");
  return await Study.load((loaded, total) => scope.postMessage({ loaded, total }));
}

const loading = load();

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
