// In Deno nothing that runs at a program's start asks for Node's modules: their stand-ins take longer to load than a small model.

import { assert, assertEquals } from "@std/assert";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { type Outcome, runToEnd } from "../_run.ts";

const LIBRARY = new URL("../../", import.meta.url);

/** Runs a program for which none of Node's modules can be had. */
async function runWithoutNode(source: string): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_start_" });
  try {
    const refused = `data:text/javascript,throw new Error("Node's module was wanted")`;
    const imports = Object.fromEntries(builtinModules.map((name) => [`node:${name}`, refused]));
    const [map, program] = [join(folder, "import_map.json"), join(folder, "program.ts")];
    await Deno.writeTextFile(map, JSON.stringify({ imports }));
    await Deno.writeTextFile(program, source.replaceAll("LIBRARY/", LIBRARY.href));
    return await runToEnd(Deno.execPath(), [
      ...["run", "--quiet", "--no-prompt", "--no-check", "--no-lock", "--no-config"],
      ...["--allow-read", `--import-map=${map}`, program],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a model and an SAE that come with the library, or are in a folder, need none of Node's modules", async () => {
  const program = `
    import { HookedSAETransformer, SAE } from "LIBRARY/mod.ts";
    for (const place of ["ioi-tiny", new URL("LIBRARY/models/ioi-tiny/model")]) {
      using model = await HookedSAETransformer.fromPretrained(place);
      using saes = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
      console.log(model.runWithSaes([[1, 2, 3]], { saes }).shape.join());
    }`;
  assertEquals(await runWithoutNode(program), {
    code: 0,
    out: "1,3,2048\n1,3,2048\n",
    err: "",
  });
});

Deno.test("a program for which Node's modules can't be had fails where it wants one", async () => {
  const { code, err } = await runWithoutNode(`await import("node:fs/promises");`);
  assertEquals(code, 1);
  assert(err.includes("Node's module was wanted"), err);
});
