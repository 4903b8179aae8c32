/** What a program wrote, and how it left. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a program to its end, without colours.
 *
 * @param program Its path.
 * @param args What it is told.
 * @param options Its folder, what it finds on standard input, and variables of its environment.
 */
export async function runToEnd(
  program: string,
  args: readonly string[],
  { cwd, input = "", env = {} }: { cwd?: string; input?: string; env?: Record<string, string> } =
    {},
): Promise<Outcome> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}
