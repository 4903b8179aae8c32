/** Opens the page of its first argument in a Chromium, with the options of its second, and prints what it saw as JSON. */
import { chromium } from "npm:playwright-core@1.65.1";
import { CHROMIUM_FLAGS, findChromium } from "../src/plot/chromium.ts";
import type { OpenedPage, OpenOptions } from "./_chromium.ts";

/** A script that counts the colours of a .png, given as base64. */
const COUNT_COLOURS = `async (base64) => {
  const image = new Image();
  image.src = "data:image/png;base64," + base64;
  await image.decode();
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size;
}`;

async function openPage(path: string, options: OpenOptions): Promise<OpenedPage> {
  const { width = 1000, colorScheme = "light" } = options;
  const address = new URL(path, `file://${Deno.cwd()}/`).href;
  await using browser = await chromium.launch({
    executablePath: await findChromium(),
    args: CHROMIUM_FLAGS,
  });
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  const consoleErrors: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => consoleErrors.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  const isDone = "document.documentElement.dataset.done === 'true'";
  await page.goto(address);
  await page.waitForFunction(isDone);
  // A window as high as the page, from the start: a resize after drawing would draw once more.
  const pageHeight = await page.evaluate<number>("document.documentElement.scrollHeight");
  await page.setViewportSize({ width, height: pageHeight });
  await page.reload();
  await page.waitForFunction(isDone);
  const coloursPerFigure: number[] = [];
  for (const place of await page.locator(".plot").all()) {
    const base64 = (await place.screenshot()).toString("base64");
    coloursPerFigure.push(await page.evaluate<number>(`(${COUNT_COLOURS})("${base64}")`));
  }
  return {
    figuresDrawn: await page.evaluate<string>("document.documentElement.dataset.figures"),
    consoleErrors: [...new Set(consoleErrors)],
    requests: requests.filter((url) => url !== address && !url.startsWith("data:")),
    overflow: await page.evaluate<number>(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    ),
    coloursPerFigure,
  };
}

const [path, options] = Deno.args;
console.log(JSON.stringify(await openPage(path, JSON.parse(options))));
