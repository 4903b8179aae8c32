/**
 * Serves a folder on loopback, to import `mod.ts` by URL or to look at the playground.
 *
 *     deno task serve [folder] [--port 8000]
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { serveFiles } from "./serve_files.ts";

/** What lets a page use threads. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const { values: { port }, positionals: [folder = "."] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { port: { type: "string", default: "8000" } },
});
const root = pathToFileURL(`${resolve(folder)}/`);
const server = serveFiles(root, () => {}, ISOLATED, Number(port));
console.log(`http://127.0.0.1:${server.addr.port}/ has ${resolve(folder)}; Ctrl+C ends it`);
