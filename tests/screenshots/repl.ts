/** A picture of the interactive program, as a terminal shows it. */
import type { Browser } from "npm:playwright-core@1.65.1";
import { Terminal } from "../repl/_terminal.ts";
import { terminalHtml } from "./terminal_html.ts";

/** What is typed: where the answer comes from, and what the model says without it. */
const LINES = [
  "sweep 3.z @-1",
  "plot pattern 3.3",
  "cut 3.3 @-1 from @10",
  "features 1.z @10 6",
  "plot tokens 1.z.sae 969",
];

/** Room for all that is shown. */
const SIZE = { columns: 100, rows: 100 };

/** Types the lines into the program and takes a picture of the terminal. */
export async function takeRepl(browser: Browser, path: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_screenshots_" });
  try {
    await using terminal = await Terminal.open(folder, SIZE);
    for (const line of LINES) await terminal.addLine(line);
    const page = await browser.newPage();
    await page.setContent(terminalHtml(await terminal.colouredScreen()));
    await page.locator("pre").screenshot({ path });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
