/** Runs the demo as its users do: as a program. */

const DEMO = new URL("../../examples/ioi.ts", import.meta.url);

/** What the demo wrote to its terminal, and how it ended. */
export interface DemoOutput {
  code: number;
  out: string;
  err: string;
}

/**
 * Runs the demo with no permission but to read, and to write where it is told.
 *
 * @param args Arguments of the demo.
 * @param folder Where it may write; nowhere unless said.
 */
export async function runDemo(args: readonly string[], folder?: string): Promise<DemoOutput> {
  const permissions = ["--allow-read", ...folder === undefined ? [] : [`--allow-write=${folder}`]];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, DEMO.href, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}
