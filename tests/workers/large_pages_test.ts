// Memory in large pages, where a program may ask for them; without the permission nothing is asked.

import { assertEquals } from "@std/assert";
import { runScript } from "./_script.ts";

/** Asks for them, and says whether the memory is as it was. */
const ASK = `
  import { preferLargePages } from "~/src/workers/large_pages.ts";
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  console.log(preferLargePages(memory), new Uint8Array(memory.buffer).every((byte) => byte === 0));
`;

/** Asks for them without much ado, and says whether the system took it. */
const ASK_PLAINLY = `
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  try {
    const parameters = ["pointer", "usize", "i32"];
    const library = Deno.dlopen("libc.so.6", { madvise: { parameters, result: "i32" } });
    const at = Deno.UnsafePointer.of(new Uint8Array(memory.buffer));
    console.log(Deno.build.os === "linux" && library.symbols.madvise(at, 65536n, 14) === 0);
  } catch {
    console.log(false);
  }
`;

Deno.test("large pages are asked for where foreign functions may be called, and nowhere else", async () => {
  assertEquals(await runScript(ASK), "false true");
  assertEquals(await runScript(ASK, "--allow-ffi=./nothing"), "false true");
  const takesIt = await runScript(ASK_PLAINLY, "--allow-ffi");
  assertEquals(await runScript(ASK, "--allow-ffi"), `${takesIt} true`);
});
