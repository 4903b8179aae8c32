// Invariant 9: import by URL works with no permission but the import's own.

import { assertEquals } from "@std/assert";
import { serveFiles } from "../../tools/serve_files.ts";

const ROOT = new URL("../../", import.meta.url);
async function run(source: string, flags: readonly string[]): Promise<string> {
  const program = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(program, source);
    const args = [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-lock",
      ...flags,
      program,
    ];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(decoder.decode(stderr));
    return decoder.decode(stdout).trim();
  } finally {
    await Deno.remove(program);
  }
}

Deno.test("mod.ts runs by URL with no permission but the import's, and loads the embedded model from there", async () => {
  await using server = serveFiles(ROOT);
  const host = `127.0.0.1:${server.addr.port}`;
  const sum = `
    import { Tensor } from "http://${host}/mod.ts";
    console.log(JSON.stringify(Tensor.from([[1, 2], [3, 4]]).matmul(Tensor.ones([2, 1])).toArray()));
  `;
  assertEquals(await run(sum, [`--reload=http://${host}`, `--allow-import=${host}`]), "[[3],[7]]");
  const model = `
    import { HookedTransformer } from "http://${host}/mod.ts";
    const model = await HookedTransformer.fromPretrained();
    const logits = model.forward("When John and Mary went to the shops, John gave the bag to");
    console.log(model.toString(logits.at(0, -1).argmax().item()).trim());
  `;
  assertEquals(await run(model, [`--allow-import=${host}`, `--allow-net=${host}`]), "Mary");
  const onTwo = `
    import { coreInfo, HookedTransformer } from "http://${host}/mod.ts";
    const model = await HookedTransformer.fromPretrained("ioi-tiny", { threads: 2 });
    console.log(JSON.stringify(coreInfo()));
  `;
  assertEquals(
    await run(onTwo, [`--allow-import=${host}`, `--allow-net=${host}`]),
    '{"variant":"threads","threads":2}',
  );
});
