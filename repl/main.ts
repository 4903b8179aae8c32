/**
 * The interactive program: Node's REPL with the library, the embedded model and its SAEs in scope.
 *
 * @module
 */
import { exit, stdin, stdout } from "node:process";
import { Recoverable, type REPLEval, start } from "node:repl";
import * as splicer from "../mod.ts";
import { Evaluator, UnfinishedError } from "./evaluator.ts";
import { pacedInput, takeTurns } from "./turns.ts";

const GREETING =
  `Splicer: model is ioi-tiny, saes are those of its attention layers, and all exports are in scope.
Try  model.toStrTokens("When John and Mary")  or  model.runWithSaes("When John", { saes: saes[1] }).shape`;

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

/** Shows a value as Deno's own console does. */
function shown(value: unknown): string {
  return Deno.inspect(value, { colors: stdout.isTTY && !Deno.noColor });
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
  const pending = () => evaluation.done;
  const common = { prompt: "splicer> ", eval: evaluation.run, writer: shown, useGlobal: true };
  const server = stdin.isTTY
    ? start(common)
    : start({ ...common, input: pacedInput(stdin, pending), output: stdout, terminal: false });
  if (stdin.isTTY) takeTurns(server, pending);
  // A closed REPL would still hand over the line after `.exit`.
  server.on("exit", () => exit(0));
}

await main();
