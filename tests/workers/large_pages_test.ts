// Memory in large pages, where a program may ask for them; without the permission nothing is asked.

import { assertEquals } from "@std/assert";
import { runDeno } from "../runtimes/_package.ts";

const MODULE = new URL("../../src/workers/large_pages.ts", import.meta.url);

/** What a program with these permissions prints. */
async function printed(program: string, ...permissions: string[]): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, program);
    return (await runDeno(["run", "--quiet", "--no-prompt", ...permissions, path])).trim();
  } finally {
    await Deno.remove(path);
  }
}

/** Asks for them, and says whether the memory is as it was. */
const ASK = `
  import { preferLargePages } from "${MODULE}";
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  console.log(preferLargePages(memory), new Uint8Array(memory.buffer).every((byte) => byte === 0));
`;

/** Whether the system has them: only who may do everything may read that. */
const LOOK = `
  try {
    const setting = Deno.readTextFileSync("/sys/kernel/mm/transparent_hugepage/enabled");
    Deno.dlopen("libc.so.6", {}).close();
    console.log(!setting.includes("[never]"));
  } catch {
    console.log(false);
  }
`;

Deno.test("large pages are asked for where foreign functions may be called, and nowhere else", async () => {
  assertEquals(await printed(ASK), "false true");
  assertEquals(await printed(ASK, "--allow-ffi=./nothing"), "false true");
  const hasThem = await printed(LOOK, "--allow-all");
  assertEquals(await printed(ASK, "--allow-ffi"), `${hasThem} true`);
});
