import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url).href;

/**
 * Overwrites the core's memory, the surest way to have it trap, and goes on as a program would.
 *
 * @param threads How many share the work.
 * @param from Where to begin: what lies below 2 MiB holds the locks that threads wait at, which no trap of a thread's own touches.
 */
const program = (threads: number, from: number) => `
  import { coreInfo, HookedTransformer, Tensor } from "${ROOT}mod.ts";
  import { coreMemory } from "${ROOT}src/core/engine.ts";
  const cfg = { nLayers: 1, dModel: 8, nCtx: 4, dVocab: 5, nHeads: 2, dHead: 4, actFn: "relu" };
  const model = await HookedTransformer.fromPretrained("ioi-tiny", { threads: ${threads} });
  if (coreInfo().threads !== ${threads}) throw new Error("There are other threads.");
  new Uint8Array(coreMemory().buffer).fill(255, ${from});
  const said = [];
  for (const use of [
    () => model.forward([[1, 2]]),
    () => Tensor.ones([2]).sum(),
    () => new HookedTransformer(cfg),
    () => model[Symbol.dispose](),
  ]) {
    try {
      use();
      said.push("fine");
    } catch (error) {
      said.push([error.name, error.message.replace(/[(].*[)]/, "(why)"), error.cause.constructor.name]);
    }
  }
  console.log(JSON.stringify(said));
`;

for (const [threads, from] of [[1, 0], [2, 2 ** 21]]) {
  Deno.test(`a core of ${threads} thread(s) that trapped says so from then on, and those who clean up can`, async () => {
    const path = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(path, program(threads, from));
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-prompt", "--allow-read=models", path],
        cwd: fileURLToPath(ROOT),
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(text(stderr), "");
      const error = [
        "CoreError",
        "The core has stopped (why). What was in its memory is lost, models and SAEs too: load them in a new process or page.",
        "RuntimeError",
      ];
      assertEquals(JSON.parse(text(stdout)), [error, error, error, "fine"]);
    } finally {
      await Deno.remove(path);
    }
  });
}
