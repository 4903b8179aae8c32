// What a person gets wrong, and what is said then: what came, what was expected, what to do.

import { assertEquals } from "@std/assert";
import { type Mistake, MISTAKES, withWorkbench } from "./_mistakes.ts";

/** Makes a mistake, and gives what is said: the error's class and message. */
async function saidOf({ make }: Mistake, bench: Parameters<Mistake["make"]>[0]): Promise<string> {
  try {
    await make(bench);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // What changes from one run to the next.
    return `${error.name}: ${error.message}`.replaceAll(bench.folder, "FOLDER")
      .replace(/\d+ are in use/, "N are in use");
  }
  return "nothing";
}

Deno.test("each of a person's mistakes is told what came, what was expected and what to do", async () => {
  await withWorkbench(async (bench) => {
    for (const mistake of MISTAKES) {
      assertEquals(await saidOf(mistake, bench), mistake.says, mistake.what);
      // The model is as it was.
      bench.model.releaseTapes();
      assertEquals([bench.model.listHooks(), bench.model.actsToSaes.size], [[], 0], mistake.what);
    }
  });
});
