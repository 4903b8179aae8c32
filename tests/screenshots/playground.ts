/** A picture of the playground with a feature switched off. */
import type { Browser } from "npm:playwright-core@1.65.1";
import { serveFiles } from "../../tools/serve_files.ts";

const SIZE = { width: 1280, height: 860 };

/** Whether the page shows what its address says. */
const IS_SETTLED = "document.documentElement.dataset.shown === location.hash.slice(1)";

/** How long the page may take to settle, looked at this often, in milliseconds. */
const [PATIENCE_MS, LOOK_MS] = [30_000, 50];

/** Builds the playground, switches a feature off and takes a picture of the window. */
export async function takePlayground(browser: Browser, path: string): Promise<void> {
  const out = await Deno.makeTempDir({ prefix: "splicer_screenshots_" });
  try {
    const dist = new URL("../../tools/dist.ts", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", dist, "playground", "--out", out],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    await using server = serveFiles(new URL(`file://${out}/playground/`));
    const page = await browser.newPage({ viewport: SIZE });
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    const settled = async () => {
      for (let waited = 0; !await page.evaluate<boolean>(IS_SETTLED); waited += LOOK_MS) {
        if (waited > PATIENCE_MS) throw new Error("The playground doesn't settle.");
        await page.waitForTimeout(LOOK_MS);
      }
    };
    await settled();
    await page.locator('td[data-sae="blocks.1.hook_z"][data-feature="969"][data-pos="10"]').click();
    await settled();
    await page.locator("#ablate").click();
    await settled();
    await page.screenshot({ path });
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}
