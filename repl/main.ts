/**
 * The interactive program: Node's REPL with the library, the embedded model and its SAEs in scope.
 *
 * @module
 */
import { Recoverable, type REPLEval, type REPLServer, start } from "node:repl";
import * as splicer from "../mod.ts";
import { Evaluator, UnfinishedError } from "./evaluator.ts";

const GREETING =
  `Splicer: model is ioi-tiny, saes are those of its attention layers, and all exports are in scope.
Try  model.toStrTokens("When John and Mary")  or  model.runWithSaes("When John", { saes: saes[1] }).shape`;

const isTerminal = Deno.stdout.isTerminal();

/** What lines can name: everything public, a model, and its SAEs by layer. */
async function namesInScope(): Promise<Record<string, unknown>> {
  const model = await splicer.HookedSAETransformer.fromPretrained("ioi-tiny");
  const layers = Array.from({ length: model.cfg.nLayers }, (_, layer) => layer);
  const load = (layer: number) =>
    splicer.SAE.fromPretrained("ioi-tiny-hook-z", `blocks.${layer}.hook_z`);
  return { ...splicer, model, saes: await Promise.all(layers.map(load)) };
}

/** Runs what Node's REPL reads, and says when the last of it is done. */
class Evaluation {
  readonly #evaluator = new Evaluator();
  /** Settled once everything handed over so far has run and its value is shown. */
  done: Promise<void> = Promise.resolve();

  readonly run: REPLEval = (code, _context, _file, show) => {
    this.done = this.#evaluator.run(code).then(
      (value) => show(null, value),
      (error) => show(error instanceof UnfinishedError ? new Recoverable(error) : error, undefined),
    );
  };
}

/** Lets each line wait for the one before: Node's REPL hands over pasted and piped lines all at once. */
function takeTurns(server: REPLServer, evaluation: Evaluation): void {
  const [read] = server.rawListeners("line");
  server.off("line", read as (line: string) => void);
  let turn = Promise.resolve();
  server.on("line", (line) => {
    turn = turn.then(async () => {
      read.call(server, line);
      await evaluation.done;
    });
  });
}

/** Shows a value as Deno's own console does. */
function shown(value: unknown): string {
  return Deno.inspect(value, { colors: isTerminal && !Deno.noColor });
}

async function main(): Promise<void> {
  for (const [name, value] of Object.entries(await namesInScope())) {
    // Configurable, so that a line may declare the name anew.
    Object.defineProperty(globalThis, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  console.log(GREETING);
  const evaluation = new Evaluation();
  takeTurns(
    start({ prompt: "splicer> ", eval: evaluation.run, writer: shown, useGlobal: true }),
    evaluation,
  );
}

await main();
