/** Saves figures as the names of its arguments say, and reads back what was drawn: prints how many marks each .svg has, and how a .png decodes. */
import { chromium } from "npm:playwright-core@1.65.1";
import { bar, imshow, line, scatter } from "../../src/plot/express.ts";
import { CHROMIUM_FLAGS, findChromium } from "../../src/plot/chromium.ts";
import type { Figure } from "../../src/plot/figure.ts";

const FIGURES: Readonly<Record<string, () => Figure>> = {
  map: () => imshow([[0, 1, 2], [3, 4, 5]], { title: "Waves < & >" }),
  bars: () => bar(["a", "b", "c"], [1, -2, 3], { errorY: [0.1, 0.2, 0.3] }),
  points: () => scatter([1, 2, 3, 4], [4, 3, 2, 1]),
  lines: () => line([[1, 2, 3], [3, 2, 1]]),
};

/** Counts what is drawn in an SVG document. A browser's parser of XML refuses what isn't well-formed. */
const READ_SVG = `(text) => {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const count = (selector) => root.querySelectorAll(selector).length;
  return {
    root: root.localName,
    errors: count("parsererror"),
    size: [root.getAttribute("width"), root.getAttribute("height")],
    titles: [...root.querySelectorAll(".gtitle")].map((title) => title.textContent),
    maps: count(".heatmaplayer image"),
    bars: count(".barlayer .point path"),
    errorBars: count(".errorbar path"),
    points: count(".scatterlayer path.point"),
    lines: count(".scatterlayer path.js-line"),
  };
}`;

/** Decodes a picture, and gives its size and the colours of its most frequent pixels but white. */
const READ_PNG = `async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1]).map(([pixel]) => pixel >>> 0);
  const colours = ranked.slice(0, 8).filter((pixel) => pixel !== 0xffffffff);
  return { size: [image.width, image.height], nColours: colours.length };
}`;

const read: Record<string, unknown> = {};
const sizes = { width: 300, height: 200 };
await using browser = await chromium.launch({
  executablePath: await findChromium(),
  args: CHROMIUM_FLAGS,
});
const page = await browser.newPage();
for (const path of Deno.args) {
  const [, name, format] = /(\w+)\.(svg|png)$/.exec(path)!;
  await FIGURES[name]().save(path, sizes);
  const bytes = await Deno.readFile(path);
  read[`${name}.${format}`] = format === "svg"
    ? await page.evaluate(`(${READ_SVG})(${JSON.stringify(new TextDecoder().decode(bytes))})`)
    : await page.evaluate(`(${READ_PNG})("data:image/png;base64,${bytes.toBase64()}")`);
}
console.log(JSON.stringify(read));
