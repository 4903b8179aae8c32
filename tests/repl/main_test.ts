import { assertEquals } from "@std/assert";

const MAIN = new URL("../../repl/main.ts", import.meta.url);

/** Pipes lines into the program and gives what it writes. */
async function pipe(lines: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", MAIN.href],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("\n")));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

const GREETING = [
  "Splicer: model is ioi-tiny, saes are those of its attention layers, and all exports are in scope.",
  'Try  model.toStrTokens("When John and Mary")  or  model.runWithSaes("When John", { saes: saes[1] }).shape',
];

Deno.test("repl answers piped lines in order and leaves with code 0 at their end", async () => {
  const { code, out, err } = await pipe([
    'model.toString(model.forward("When John and Mary went to the shops, John gave the bag to").at(0, -1).argmax().item())',
    "model.runWithCacheWithSaes(\"When John and\", { saes })[1].get(saes[3].cfg.hookName + '.hook_sae_acts_post').shape",
  ]);
  assertEquals(out.split("\n"), [
    ...GREETING,
    'splicer> " Mary"',
    "splicer> [ 1, 4, 1024 ]",
    "splicer> ",
  ]);
  assertEquals({ code, err }, { code: 0, err: "" });
});

Deno.test("repl runs TypeScript with top-level await over several lines, and goes on after errors", async () => {
  const { code, out } = await pipe([
    "const slow: number = await new Promise((done) => setTimeout(() => done(6), 50));",
    "const slow: number[] = [",
    "  slow * 7,",
    "];",
    "slow",
    "{ sum: Tensor.from([1, 2]).sum().item() }",
    "{ let n = 1; n + 1 }",
    'throw "no"',
    "1 +* 2",
    "null",
    "undefined",
    "-0",
    ".exit",
    "this line comes too late",
  ]);
  assertEquals(out.split("\n").slice(GREETING.length), [
    "splicer> undefined",
    "splicer> | | undefined",
    "splicer> [ 42 ]",
    "splicer> { sum: 3 }",
    "splicer> 2",
    'splicer> Uncaught "no"',
    "splicer> Uncaught SyntaxError: Unexpected token '*'",
    "splicer> null",
    "splicer> undefined",
    "splicer> -0",
    "splicer> ",
  ]);
  assertEquals(code, 0);
});
