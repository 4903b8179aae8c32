/**
 * The Chromium that draws pictures of figures.
 *
 * @module
 */
import { ConfigError } from "../core/errors.ts";

/** A computed name keeps the package from being fetched by programs that draw no pictures; Deno alone knows `npm:`. */
const PLAYWRIGHT: string = "Deno" in globalThis ? "npm:playwright-core@1.65.1" : "playwright-core";

/** The part of playwright's page that drawing needs. */
interface Page {
  addScriptTag(script: { content: string }): Promise<unknown>;
  evaluate(script: string): Promise<unknown>;
}

/** The part of playwright's browser that drawing needs. */
export interface Browser extends AsyncDisposable {
  /** Opens an empty page. */
  newPage(): Promise<Page>;
}

interface PlaywrightModule {
  chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> };
}

/** Programs under the names that packages give them; the first that is there is taken. */
const USUAL_PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** Flags for a browser that only draws: no window, no graphics device, no traffic of its own. */
export const CHROMIUM_FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** Where a Chromium may be: where CHROMIUM_PATH says, else in the usual places. */
async function placesToLook(): Promise<{ places: string[]; areNamed: boolean }> {
  const { env } = await import("node:process");
  const named = env.CHROMIUM_PATH;
  return { places: named ? [named] : USUAL_PLACES, areNamed: Boolean(named) };
}

/**
 * Finds a Chromium: the one that CHROMIUM_PATH names, else one in the usual places.
 *
 * @returns Its path, or undefined if there is none.
 */
export async function findChromium(): Promise<string | undefined> {
  const { access } = await import("node:fs/promises");
  for (const path of (await placesToLook()).places) {
    if (await access(path).then(() => true, () => false)) return path;
  }
  return undefined;
}

/**
 * Starts a Chromium without a window.
 *
 * @param purpose What it is for, as messages say it: `save "plot.png"`.
 * @returns The browser, as playwright has it; the caller closes it.
 * @throws {ConfigError} If there is none, or it doesn't start.
 */
export async function launchChromium(purpose: string): Promise<Browser> {
  const executablePath = await findChromium();
  if (executablePath === undefined) {
    const { places, areNamed } = await placesToLook();
    throw new ConfigError(
      `Cannot ${purpose}: no Chromium at ${places.join(", ")}` +
        (areNamed ? ", where CHROMIUM_PATH points" : ", and CHROMIUM_PATH names none") +
        "; wanted one to draw with (an .html page needs none)",
    );
  }
  const { chromium }: PlaywrightModule = await import(PLAYWRIGHT);
  try {
    return await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  } catch (cause) {
    throw new ConfigError(`Cannot ${purpose}: ${executablePath} doesn't start`, { cause });
  }
}
