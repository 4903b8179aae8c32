import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("tools/serve.ts serves a folder, isolated as threads in a page want it", async () => {
  const args = ["run", "--quiet", "--allow-read", "--allow-net=127.0.0.1", "tools/serve.ts"];
  const server = new Deno.Command(Deno.execPath(), {
    args: [...args, "docs", "--port", "0"],
    cwd: ROOT,
    stdout: "piped",
  }).spawn();
  try {
    const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await reader.read();
    const [address] = value.split(" ");
    const response = await fetch(`${address}tour.md`);
    assertEquals(await response.text(), await Deno.readTextFile(`${ROOT}docs/tour.md`));
    assertEquals(response.headers.get("cross-origin-embedder-policy"), "require-corp");
    await reader.cancel();
  } finally {
    server.kill();
    await server.status;
  }
});
