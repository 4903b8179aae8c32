/** The edge example for the runtimes that don't read TypeScript. */
import { join } from "node:path";
import { workerdConfig } from "../npm/workerd.ts";
import { bundle } from "./bundle.ts";
import { copyAssets, emptyFolder, filesBelow } from "./files.ts";
import { TARGETS } from "./targets.ts";

/** workerd imports the weights, and the one module that runs there. */
const isImported = (file: string) => file.endsWith(".safetensors") || file === "splicer_bg.wasm";

/**
 * Makes the edge example: `workerd/` with a configuration of workerd, and `node/` with a server of its own.
 *
 * @param out Their folder, which is emptied first.
 */
export async function makeEdge(out: string): Promise<void> {
  await emptyFolder(out);
  const workerd = join(out, "workerd");
  await bundle({
    entry: "examples/edge/worker.ts",
    target: TARGETS.workerd,
    out: join(workerd, "worker.js"),
  });
  await copyAssets(workerd, isImported);
  const others = filesBelow(workerd).filter((file) => file !== "worker.js");
  await Deno.writeTextFile(
    join(workerd, "workerd.capnp"),
    workerdConfig(["worker.js", ...others], "127.0.0.1:8000"),
  );

  const node = join(out, "node");
  await bundle({
    entry: "examples/edge/node.ts",
    target: TARGETS.node,
    out: join(node, "server.mjs"),
  });
  await copyAssets(node);
}
