import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { PtyProgram } from "../../bench/repl/_pty.ts";
import { runProgram } from "./_program.ts";
import { serveFiles } from "../../tools/serve_files.ts";

Deno.test("repl answers piped lines in order and leaves with code 0 at their end", async () => {
  const { code, out, err } = await runProgram([], [
    'model.toString(model.forward("When John and Mary went to the shops, John gave the bag to").at(0, -1).argmax().item())',
    "model.runWithCacheWithSaes(\"When John and\", { saes: saes[3] })[1].get(saes[3].cfg.hookName + '.hook_sae_acts_post').shape",
  ]);
  assertEquals({ out, code, err }, { out: '" Mary"\n[ 1, 4, 1024 ]\n', code: 0, err: "" });
});

Deno.test("repl runs TypeScript with top-level await over several lines, goes on after errors and tells of them", async () => {
  const { code, out, err } = await runProgram([], [
    "const slow: number = await new Promise((done) => setTimeout(() => done(6), 50));",
    "const slow: number[] = [",
    "  slow * 7,",
    "];",
    "slow",
    "{ sum: Tensor.from([1, 2]).sum().item() }",
    "{ let n = 1; n + 1 }",
    'throw "no"',
    "1 +* 2",
    "// a comment",
    "# another",
    "null",
    "undefined",
    "-0",
    "_ === 0",
    "quit",
    "this line comes too late",
  ]);
  assertEquals(out.split("\n"), ["[ 42 ]", "{ sum: 3 }", "2", "null", "-0", "true", ""]);
  assertEquals(err.split("\n"), ['Uncaught "no"', "SyntaxError: Unexpected token '*'", ""]);
  assertEquals(code, 1);
});

Deno.test("repl --eval stops at the first line that fails", async () => {
  const { code, out, err } = await runProgram(["--eval", "1 + 1", "--eval", "nope", "--eval", "3"]);
  assertEquals({ out, code, err }, {
    out: "2\n",
    err: "ReferenceError: nope is not defined\n",
    code: 1,
  });
});

Deno.test("repl --json writes one object a line, errors too", async () => {
  const { code, out, err } = await runProgram(["--json"], [
    "Tensor.from([1, 2])",
    "ablate 9.z",
    "",
    "undo",
  ]);
  const [value, error, undone, ...rest] = out.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(value, {
    ok: true,
    command: "code",
    value: { dtype: "float32", shape: [2], data: [1, 2] },
  });
  assertEquals(error, {
    ok: false,
    command: "ablate",
    error: {
      name: "CommandError",
      message: 'There is no hook point "9.z". Did you mean 0.z, 1.z, 2.z?',
    },
  });
  assertEquals(undone.undone, 0);
  assertEquals({ rest, err, code }, { rest: [], err: "", code: 1 });
});

Deno.test("repl explains its options, and refuses what it doesn't know with code 2", async () => {
  const help = await runProgram(["--help"]);
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "--eval LINE");
  const wrong = await runProgram(["--modle", "x"]);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.err, /^Unknown option '--modle'/);
  const missing = await runProgram(["--model", "nope-tiny", "--eval", "top"]);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.err, "UnknownPointError: There is no");
});

Deno.test("repl takes another prompt and other SAEs from its options", async () => {
  const { out, code } = await runProgram([
    "--json",
    "--prompt",
    "When Tom and Rose went home, Rose gave the book to",
    "--sae",
    "ioi-tiny-resid/blocks.2.hook_resid_pre.topk",
    "--eval",
    "saes",
    "--eval",
    "metric",
  ]);
  const [saes, metric] = out.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(saes.saes.map((sae: { name: string; isOn: boolean }) => [sae.name, sae.isOn]), [
    ["2.resid_pre", true],
  ]);
  assertEquals(metric.metric, 'log p " Tom"');
  assertEquals(code, 0);
});

Deno.test("repl runs from a URL", async () => {
  await using server = serveFiles(new URL("../..", import.meta.url));
  const { out, code, err } = await runProgram(["--eval", "top 1"], [], {
    main: `http://127.0.0.1:${server.addr.port}/repl/main.ts`,
  });
  assertEquals({ code, err }, { code: 0, err: "" });
  assert(out.includes('" Mary"'));
});

Deno.test("a terminal that says it has no columns is taken for one of a usual width", async () => {
  const main = fileURLToPath(new URL("../../repl/main.ts", import.meta.url));
  const command = `'${Deno.execPath()}' run --quiet -A '${main}'`;
  // util-linux' script leaves the size of its pseudo-terminal at zero where it has no terminal itself.
  await using program = new PtyProgram(command, { NO_COLOR: "1", SPLICER_HISTORY: "" });
  await program.until("splicer> ");
  await program.type("top");
  await program.until("top");
  await program.type("\r");
  assertMatch(await program.until("splicer> "), /" Mary" +\d+\.\d+ %/);
});
