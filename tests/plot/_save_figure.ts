/** Draws a small heat map into the files that its arguments name. */
import { imshow } from "../../src/plot/express.ts";

const figure = imshow([[0, 1, 2], [3, 4, 5]], { title: "Waves" });
for (const path of Deno.args) await figure.save(path, { width: 300, height: 200, scale: 1 });
