/**
 * Makes what other runtimes run.
 *
 *   deno task dist [npm] [edge] [playground] [--out <folder>] [--no-types]
 *
 * `npm` is the package for Node, Bun, browsers and workerd, `edge` the edge example for workerd and Node,
 * `playground` a page to be served as static files; all of them unless said.
 * `--out` names the folder that they go to, `dist` unless said; `--no-types` leaves the package's types out.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { endBundling } from "./dist/bundle.ts";
import { makeEdge } from "./dist/edge.ts";
import { ROOT } from "./dist/files.ts";
import { makePackage } from "./dist/npm.ts";
import { makePlayground } from "./dist/playground.ts";

const { values: { out, types }, positionals } = parseArgs({
  args: Deno.args,
  options: {
    out: { type: "string", default: join(ROOT, "dist") },
    types: { type: "boolean", default: true },
  },
  allowNegative: true,
  allowPositionals: true,
});

/** What can be made, by name. */
const MAKERS: Readonly<Record<string, () => Promise<void>>> = {
  npm: () => makePackage(join(out, "npm"), { hasTypes: types }),
  edge: () => makeEdge(join(out, "edge")),
  playground: () => makePlayground(join(out, "playground")),
};

const unknown = positionals.find((name) => !Object.hasOwn(MAKERS, name));
if (unknown !== undefined) {
  console.error(`Cannot make "${unknown}": expected ${Object.keys(MAKERS).join(" or ")}`);
  Deno.exit(1);
}
try {
  const wanted = positionals.length > 0 ? positionals : Object.keys(MAKERS);
  for (const name of wanted) await MAKERS[name]();
} finally {
  await endBundling();
}
