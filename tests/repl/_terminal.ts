/** A terminal with the program in it: tmux types, and reads the screen as a user would. */

/** How long something may take to show, in milliseconds: generous, as the machine may be busy. */
const PATIENCE_MS = 60_000;

/** How often the screen is looked at. */
const LOOK_MS = 40;

/** How long a key gets before the next. */
const BETWEEN_TABS_MS = 400;

/** Whether there is a tmux to open terminals with. */
const hasTmux: boolean = await (async () => {
  try {
    const { success } = await new Deno.Command("tmux", { args: ["-V"], stdout: "null" }).output();
    return success;
  } catch {
    return false;
  }
})();

async function tmux(socket: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("tmux", {
    args: ["-L", socket, ...args],
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`tmux ${args[0]}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** How large a terminal is, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The program in a terminal. */
export class Terminal implements AsyncDisposable {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /**
   * Opens the interactive program.
   *
   * @param folder Where it runs, and keeps its history.
   */
  static async open(
    folder: string,
    { columns, rows }: TerminalSize = { columns: 110, rows: 200 },
  ): Promise<Terminal> {
    const main = new URL("../../repl/main.ts", import.meta.url).pathname;
    const socket = `splicer-${crypto.randomUUID()}`;
    const program = ["run", "--quiet", "-A", main].map((arg) => `'${arg}'`).join(" ");
    await tmux(
      socket,
      ...["new-session", "-d", "-x", `${columns}`, "-y", `${rows}`, "-c", folder],
      ...["-e", `SPLICER_HISTORY=${folder}/history`, "-e", "NO_COLOR="],
      `'${Deno.execPath()}' ${program}; echo "left with $?"; read -r _`,
    );
    const terminal = new Terminal(socket);
    await terminal.waitFor(/splicer>$/);
    return terminal;
  }

  /** What is on the screen, without the empty lines at its end. */
  async screen(): Promise<string> {
    const text = await tmux(this.#socket, "capture-pane", "-p", "-t", "0");
    return text.replace(/\n+$/, "").split("\n").map((line) => line.trimEnd()).join("\n");
  }

  /** The same with escape sequences for its colours. */
  async colouredScreen(): Promise<string> {
    const text = await tmux(this.#socket, "capture-pane", "-e", "-N", "-p", "-t", "0");
    return text.replace(/\s+$/, "");
  }

  /** All that was on the screen since it was opened or cleared, what has scrolled away included. */
  async transcript(): Promise<string> {
    const text = await tmux(this.#socket, "capture-pane", "-p", "-S", "-", "-t", "0");
    return text.replace(/\n+$/, "");
  }

  /** Types keys by their names in tmux: `Tab`, `Enter`, `C-c`, `Up`, or text. */
  async press(...keys: string[]): Promise<void> {
    await tmux(this.#socket, "send-keys", "-t", "0", ...keys);
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await tmux(this.#socket, "send-keys", "-t", "0", "-l", text);
  }

  /** Clears the screen, and waits until only the prompt is left. */
  async clear(): Promise<void> {
    await this.press("C-l");
    await this.waitFor(/^splicer[^\n]*>$/);
  }

  /**
   * Types a line, and waits until the prompt is back.
   *
   * @returns What the line wrote.
   */
  async enter(line: string): Promise<string> {
    await this.clear();
    await this.type(line);
    await this.press("Enter");
    const screen = await this.waitFor(
      /^splicer[^\n]*>[^\n]*\n(?:[^]*\n)?splicer[^\n]*>$|left with/,
    );
    return screen.split("\n").slice(1, -1).join("\n");
  }

  /**
   * Types text and presses Tab, again and again, until the screen looks like this: keys that come at once count as pasted, and a pasted
   * Tab completes nothing.
   */
  async complete(text: string, pattern: RegExp): Promise<void> {
    await this.type(text);
    for (let press = 0; press < PATIENCE_MS / BETWEEN_TABS_MS; press++) {
      await this.#look(BETWEEN_TABS_MS, /(?!)/);
      await this.press("Tab");
      if (await this.#look(BETWEEN_TABS_MS, pattern) !== undefined) return;
    }
    throw new Error(`${pattern} didn't come up. The screen:\n${await this.screen()}`);
  }

  /** Waits until the screen looks like this. */
  async waitFor(pattern: RegExp): Promise<string> {
    const screen = await this.#look(PATIENCE_MS, pattern);
    if (screen !== undefined) return screen;
    throw new Error(`${pattern} didn't come up. The screen:\n${await this.screen()}`);
  }

  /** Types a line below what is there, and waits until there is another prompt. */
  async addLine(line: string): Promise<void> {
    const count = (screen: string) => screen.match(/^splicer[^\n>]*>/gm)?.length ?? 0;
    const before = count(await this.screen());
    await this.type(line);
    await this.press("Enter");
    const isBack = (screen: string) => count(screen) > before && /\nsplicer[^\n>]*>$/.test(screen);
    if (await this.#look(PATIENCE_MS, { test: isBack }) !== undefined) return;
    throw new Error(`"${line}" doesn't end. The screen:\n${await this.screen()}`);
  }

  /** Looks for a while whether the screen looks like this. */
  async #look(ms: number, pattern: Pick<RegExp, "test">): Promise<string | undefined> {
    const until = Date.now() + ms;
    while (Date.now() < until) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await tmux(this.#socket, "kill-server");
  }
}

/** A test in a terminal; without tmux there is none. */
export function terminalTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({
    name: hasTmux ? name : `${name} (ignored: there is no tmux)`,
    ignore: !hasTmux,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "splicer_repl_" });
      try {
        await body(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
