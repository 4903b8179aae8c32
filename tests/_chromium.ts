import { findChromium } from "../src/plot/chromium.ts";

/** What a page looked like once its figures were drawn. */
export interface OpenedPage {
  /** How many figures are drawn of how many, as in `"7/7"`. */
  figuresDrawn: string;
  /** Errors of scripts and of the console. */
  consoleErrors: string[];
  /** Addresses that the page asked for, beside itself. */
  requests: string[];
  /** How much wider the page is than its window, in pixels. */
  overflow: number;
  /** How many colours each figure's picture has; an empty place has one. */
  coloursPerFigure: number[];
}

/** How a page is opened. */
export interface OpenOptions {
  /** Width of the window, in pixels. */
  width?: number;
  colorScheme?: "light" | "dark";
}

/** Why tests that need a Chromium are left out, or undefined where there is one. */
export const noChromium: string | undefined = await findChromium() === undefined
  ? "no Chromium in the usual places or in CHROMIUM_PATH"
  : undefined;

/** How long a program that drives a Chromium may take. */
const PATIENCE_MS = 90_000;

/** How often one that doesn't end is started. */
const ATTEMPTS = 2;

/**
 * Runs a program that drives a Chromium. It gets every permission, which tests themselves don't have: playwright looks around in
 * `/proc` when it is loaded, and Deno asks for all of them there.
 *
 * @param program A module of the tests.
 * @param args What it is told.
 * @returns What it prints.
 * @throws {Error} If it fails, with what it says, or if it doesn't end, tried twice.
 */
export async function runWithChromium(program: URL, args: readonly string[]): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const timeout = AbortSignal.timeout(PATIENCE_MS);
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", program.href, ...args],
      signal: timeout,
    }).output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout);
    // On a busy machine a Chromium now and then stops answering for good; a page that fails says so at once.
    if (timeout.aborted && attempt < ATTEMPTS) continue;
    const what = timeout.aborted ? `didn't end within ${PATIENCE_MS / 1000} s` : "failed";
    throw new Error(`${program.pathname} ${what}:\n${decoder.decode(stderr)}`);
  }
}

/**
 * Opens a local page in a Chromium and waits until its figures are drawn.
 *
 * @param path Where the page is.
 * @param options Window and colour scheme.
 */
export async function openPage(path: string, options: OpenOptions = {}): Promise<OpenedPage> {
  const program = new URL("./_open_page.ts", import.meta.url);
  return JSON.parse(await runWithChromium(program, [path, JSON.stringify(options)]));
}
