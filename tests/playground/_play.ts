/** Plays with the page at the address of the first argument in a Chromium, and prints what it showed, step by step. */
import { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";
import { CHROMIUM_FLAGS, findChromium } from "../../src/plot/chromium.ts";
import type { Played, Showing } from "./playground_test.ts";

const [address] = Deno.args;
const problems: string[] = [];

async function open(
  browser: Browser,
  url: string,
  options: { width: number; colorScheme: "light" | "dark" },
): Promise<Page> {
  const { width, colorScheme } = options;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`${request.url()} failed`));
  await page.goto(url);
  await settled(page);
  return page;
}

/** Waits until a condition holds on the page; its policy forbids the page to evaluate one by itself. */
async function until(page: Page, condition: string): Promise<void> {
  for (let tries = 0; !await page.evaluate<boolean>(condition); tries++) {
    if (tries > 1200) throw new Error(`This never held: ${condition}`);
    await page.waitForTimeout(25);
  }
}

/** Waits until the page shows what its address says. */
const settled = (page: Page) =>
  until(page, "document.documentElement.dataset.shown === location.hash.slice(1)");

/** The page's numbers as it holds them, not as it rounds them. */
async function showing(page: Page): Promise<Showing> {
  await settled(page);
  return await page.evaluate<Showing>(`({
    difference: Number(document.getElementById("logit-difference").dataset.value),
    next: [...document.querySelectorAll("#next tr")].map((row) => [
      row.dataset.token,
      Number(row.querySelector("[data-value]").dataset.value),
    ]),
    edits: document.querySelectorAll("#edits li").length,
    chosen: document.querySelector("#inspector h2")?.firstChild.textContent ?? null,
    notice: document.getElementById("notice").textContent,
  })`);
}

const cell = (page: Page, sae: string, feature: number, pos: number) =>
  page.locator(`td[data-sae="${sae}"][data-feature="${feature}"][data-pos="${pos}"]`);

/** Drags a slider's thumb to a part of its length, and gives the differences that were seen on the way. */
async function drag(page: Page, id: string, part: number): Promise<number[]> {
  const box = await page.locator(`#${id}`).boundingBox();
  if (box === null) throw new Error(`There is no slider ${id}`);
  const at = (part: number) => [box.x + box.width * part, box.y + box.height / 2] as const;
  const start = await page.locator(`#${id}`).evaluate((input: unknown) => {
    const { valueAsNumber, min, max } = input as Record<string, number>;
    return (valueAsNumber - Number(min)) / (Number(max) - Number(min));
  });
  const seen: number[] = [];
  await page.mouse.move(...at(start));
  await page.mouse.down();
  for (const share of [0.3, 0.6, 1]) {
    const shown = await page.locator("html").getAttribute("data-shown");
    await page.mouse.move(...at(start + (part - start) * share));
    await until(page, `document.documentElement.dataset.shown !== ${JSON.stringify(shown)}`);
    seen.push(Number(await page.locator("#logit-difference").getAttribute("data-value")));
  }
  await page.mouse.up();
  return seen;
}

/** The largest change of a head's attention that is drawn. */
const CHANGES = `Math.max(
  ...[...document.querySelector(".heads").data].flatMap(({ z }) => z.flat()).map(Math.abs),
)`;

/** Goes on to the next thing that takes the keyboard until it is one of a kind, as someone without a mouse does. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (
      await page.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`)
    ) {
      return;
    }
  }
  throw new Error(`The keyboard doesn't reach ${selector}`);
}

/** A whole visit without a mouse: a prompt, a feature, its ablation, a slider, undoing all of it. */
async function playByKeyboard(browser: Browser): Promise<Showing[]> {
  const page = await open(browser, address, { width: 1280, colorScheme: "dark" });
  const seen = [await showing(page)];
  const note = async () => void seen.push(await showing(page));
  await tabTo(page, "textarea");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("The capital of");
  // Someone thinks in mid-sentence: what is there is shown, and stays one step to undo.
  const typed = await page.locator("html").getAttribute("data-shown");
  await until(page, `document.documentElement.dataset.shown !== ${JSON.stringify(typed)}`);
  await page.keyboard.type(" France is");
  await page.keyboard.press("Enter");
  await note();
  await tabTo(page, "td[role=gridcell]");
  const isLive = `!document.activeElement.title.endsWith(": 0.00")`;
  do await page.keyboard.press("ArrowRight"); while (!await page.evaluate<boolean>(isLive));
  await page.keyboard.press("a");
  await note();
  await tabTo(page, "#slider-add");
  await page.keyboard.press("End");
  await note();
  for (let step = 0; step < 3; step++) await page.keyboard.press("Control+z");
  await note();
  await page.context().close();
  return seen;
}

async function play(browser: Browser): Promise<Played> {
  const page = await open(browser, address, { width: 1280, colorScheme: "light" });
  const first = await showing(page);

  await page.fill("#prompt", "The capital of France is");
  await page.press("#prompt", "Enter");
  const typed = await showing(page);
  await page.getByRole("button", { name: "Indirect object" }).click();
  const example = await showing(page);

  await cell(page, "blocks.1.hook_z", 969, 10).click();
  const chosen = await showing(page);
  await page.locator("#ablate").click();
  const ablated = await showing(page);
  await page.locator("#undo").click();
  const undone = await showing(page);
  await page.locator("#redo").click();
  const redone = await showing(page);
  await page.keyboard.press("Control+z");
  const undoneByKey = await showing(page);

  const dragged = await drag(page, "slider-add", 0.9);
  const steered = await showing(page);
  await page.locator("#undo").click();
  const unsteered = await showing(page);
  await page.locator("#redo").click();
  await page.getByLabel("all tokens").check();
  await page.locator("#slider-scale").focus();
  await page.keyboard.press("Home");
  const scaled = await showing(page);

  await cell(page, "blocks.1.hook_z", 401, 9).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  const walked = await page.locator(":focus").evaluate((element: unknown) => {
    const { sae, feature, pos } = (element as { dataset: Record<string, string> }).dataset;
    return `${sae}:${feature}@${pos}`;
  });
  await page.keyboard.press("a");
  const ablatedByKey = await showing(page);

  await page.locator(".figures").scrollIntoViewIfNeeded();
  await page.locator(".bars .point path").first().click({ force: true });
  const fromBar = await showing(page);
  await page.locator("#tab-attribution").focus();
  await page.keyboard.press("ArrowRight");
  await page.locator(".heads .heatmaplayer image").nth(3).waitFor({ state: "attached" });
  const nHeads = await page.locator(".heads .heatmaplayer image").count();
  await page.getByLabel("layer 3").check();
  await page.getByLabel("only what the edits change").check();
  await until(page, `${CHANGES} < 1`);
  const attentionChange = await page.evaluate<number>(CHANGES);
  await page.evaluate("scrollTo(0, document.body.scrollHeight)");
  const deskOverFigures = await page.evaluate<number>(`
    document.querySelector(".side").getBoundingClientRect().bottom -
      document.querySelector(".figures").getBoundingClientRect().top`);

  await page.locator("#share").click();
  const url = await page.evaluate<string>("navigator.clipboard.readText()");
  const other = await open(browser, url, { width: 1280, colorScheme: "light" });
  const shared = await showing(other);
  await other.locator("#edits .remove").first().click();
  const oneLess = await showing(other);
  await other.locator("#clear").click();
  const cleared = await showing(other);
  await other.context().close();

  const answers = page.getByLabel("The second answer");
  await answers.fill("Rose");
  await answers.press("Enter");
  const answered = await showing(page);
  await answers.fill("nonsense");
  await answers.press("Enter");
  const refused = await showing(page);
  await page.fill("#prompt", "word ".repeat(200));
  await page.press("#prompt", "Enter");
  const tooLong = await showing(page);
  await page.context().close();

  // A long text beside the column at its right.
  const long = `${address}#${new URLSearchParams({ prompt: "The dog and the cat ".repeat(10) })}`;
  const wide = await open(browser, long, { width: 1000, colorScheme: "light" });
  const overlap = await wide.evaluate<number>(`
    document.getElementById("features").getBoundingClientRect().right -
      document.getElementById("next").getBoundingClientRect().left`);
  await wide.context().close();

  const overflows: number[] = [];
  for (const width of [320, 700]) {
    const narrow = await open(browser, url, { width, colorScheme: "dark" });
    await cell(narrow, "blocks.1.hook_z", 969, 10).click();
    await narrow.locator(".figures").scrollIntoViewIfNeeded();
    await narrow.locator(".sums .heatmaplayer image").waitFor({ state: "attached" });
    overflows.push(
      await narrow.evaluate<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      ),
    );
    await narrow.context().close();
  }
  return {
    first,
    typed,
    example,
    chosen,
    ablated,
    undone,
    redone,
    undoneByKey,
    dragged,
    steered,
    unsteered,
    scaled,
    walked,
    ablatedByKey,
    fromBar,
    nHeads,
    attentionChange,
    deskOverFigures,
    oneLess,
    cleared,
    byKeyboard: await playByKeyboard(browser),
    shared,
    answered,
    refused,
    tooLong,
    overlap,
    overflows,
    problems,
  };
}

await using browser = await chromium.launch({
  executablePath: await findChromium(),
  args: CHROMIUM_FLAGS,
});
console.log(JSON.stringify(await play(browser)));
