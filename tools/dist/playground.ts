/** The playground: static files for any web server. */
import { join } from "node:path";
import { packageFolder } from "../npm/package_folder.ts";
import { bundle } from "./bundle.ts";
import { copyAssets, copyFiles, emptyFolder, ROOT } from "./files.ts";
import { TARGETS } from "./targets.ts";

const SOURCE = "examples/playground";

/** The build of plotly.js for figures with x and y axes; the library's figures use the same one. */
const PLOTLY = {
  name: "plotly.js-cartesian-dist-min",
  version: "4.1.1",
  file: "plotly-cartesian.min.js",
};

/**
 * Makes the playground.
 *
 * @param out Its folder, which is emptied first.
 */
export async function makePlayground(out: string): Promise<void> {
  await emptyFolder(out);
  for (const name of ["main", "worker"]) {
    await bundle({
      entry: `${SOURCE}/${name}.ts`,
      target: TARGETS.browser,
      out: join(out, `${name}.js`),
      isMinified: true,
    });
  }
  await copyFiles(join(ROOT, SOURCE), out, ["index.html", "style.css"]);
  await copyAssets(out);
  const plotly = await packageFolder(PLOTLY.name, PLOTLY.version);
  await Deno.copyFile(join(plotly, PLOTLY.file), join(out, "plotly.js"));
}
