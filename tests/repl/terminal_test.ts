import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_program.ts";
import { Terminal, terminalTest } from "./_terminal.ts";

terminalTest(
  "repl opens with the model, the prompt's positions and what to try",
  async (folder) => {
    await using terminal = await Terminal.open(folder);
    const screen = await terminal.screen();
    assertStringIncludes(
      screen,
      "ioi-tiny: 4 layers, 4 heads, dModel 128; SAEs at 0.z 1.z 2.z 3.z",
    );
    assertStringIncludes(screen, "10:·John 11:·gave");
    assertStringIncludes(screen, 'metric " Mary" − " John"');
    assertMatch(screen, /\nsplicer>$/);
  },
);

terminalTest("repl edits, undoes to the start and leaves", async (folder) => {
  await using terminal = await Terminal.open(folder);
  const before = await terminal.enter("top");
  assertMatch(before, /" Mary" +99\.96 %/);
  const ablated = await terminal.enter("ablate 1.z.sae 969 @10");
  assertStringIncludes(ablated, "[1] 1.z.sae ablate feature 969 @10");
  assertMatch(
    ablated,
    /" Mary" − " John" {2}19\.17 \(−4\.09\) {3}ran 1\.attn_out → unembed: 44 rows/,
  );
  await terminal.enter("scale 2.z h1 by 3");
  assertMatch(
    await terminal.enter("list"),
    /\[1\] +1\.z\.sae +ablate[^]*\[2\] +2\.z +scale head 1 by 3/,
  );
  const undone = await terminal.enter("undo 99");
  assertStringIncludes(undone, "undid 2 of 2 steps");
  assertMatch(undone, /" Mary" − " John" {2}23\.26 /);
  await terminal.type("quit");
  await terminal.press("Enter");
  await terminal.waitFor(/left with 0/);
});

terminalTest(
  "repl completes commands, points, features, tokens, hook names and members",
  async (folder) => {
    await using terminal = await Terminal.open(folder);
    await terminal.complete("abl", /> ablate$/);
    await terminal.complete(" 1.z.s", /> ablate 1\.z\.sae$/);
    await terminal.complete(" @1", /@1 +@10 +@11 +@12 +@13 +@14/);
    await terminal.complete("0 96", /> ablate 1\.z\.sae @10 969$/);
    await terminal.press("C-u");
    await terminal.complete('session.base().cache.get("blocks.3.attn.hook_pat', /hook_pattern$/);
    await terminal.press("C-u");
    await terminal.complete("model.runWithH", /runWithHooks +runWithHooksWithSaes/);
  },
);

terminalTest(
  "repl says what is wrong in a line, and where it came from when asked",
  async (folder) => {
    await using terminal = await Terminal.open(folder);
    const wrong = await terminal.enter("ablate 1.z.sae 5000");
    assertEquals(
      wrong,
      'Cannot edit feature 5000 of "blocks.1.attn.hook_z.hook_sae_acts_post": there are 1024, from 0 to 1023.',
    );
    assertEquals(
      await terminal.enter("ablate"),
      "Expected a hook point, such as 1.z.sae.\n  usage: ablate POINT [CELLS]",
    );
    assertEquals(
      await terminal.enter("ablat 3"),
      "SyntaxError: Unexpected number\n  did you mean the command ablate?",
    );
    assertEquals(
      await terminal.enter("list"),
      [
        "  no edits",
        "  session main (0 edits); 0 to undo, 0 to redo",
      ].join("\n"),
    );
    assertMatch(await terminal.enter("stack"), /SyntaxError: Unexpected number\n {4}at /);
  },
);

terminalTest(
  "repl edits lines over several rows, and keeps its history for the next time",
  async (folder) => {
    {
      await using terminal = await Terminal.open(folder);
      await terminal.type("const parts = [");
      await terminal.press("Enter");
      await terminal.waitFor(/\n\|? ?\.{0,3} ?$/);
      await terminal.type("  session.edits.length,");
      await terminal.press("Enter");
      await terminal.type("];");
      await terminal.press("Enter");
      await terminal.waitFor(/splicer>$/);
      assertEquals(await terminal.enter("parts"), "[ 0 ]");
      await terminal.enter("top 3");
      await terminal.type(".exit");
      await terminal.press("Enter");
      await terminal.waitFor(/left with 0/);
    }
    await using terminal = await Terminal.open(folder);
    await terminal.press("Up");
    await terminal.waitFor(/> top 3$/);
    await terminal.press("Up");
    await terminal.waitFor(/> parts$/);
  },
);

terminalTest("repl stops a sweep at Ctrl-C, keeps what is done and goes on", async (folder) => {
  await using terminal = await Terminal.open(folder);
  await terminal.enter("ablate 0.z.sae 721");
  // With an edit in place each variant is a run of its own: some seconds of work.
  await terminal.clear();
  await terminal.type("sweep 1.z.sae");
  await terminal.press("Enter");
  await terminal.waitFor(/\d+ of \d+/);
  await terminal.press("C-c");
  const screen = await terminal.waitFor(/stopped[^]*\nsplicer>$/);
  const [, done, all] = /stopped: (\d+) of (\d+) are done/.exec(screen) ?? [];
  assert(Number(done) > 0 && Number(done) < Number(all), `${done} of ${all}`);
  assertMatch(screen, /feature \d+ @\d+/);
  assertMatch(await terminal.enter("list"), /\[1\] +0\.z\.sae +ablate feature 721/);
});

terminalTest("repl stops what the model says at Ctrl-C, keeps it and goes on", async (folder) => {
  await using terminal = await Terminal.open(folder);
  await terminal.type("gen 110 temp 3 seed 5");
  await terminal.press("Enter");
  await terminal.waitFor(/gave the bag to \S+/);
  await terminal.press("C-c");
  const screen = await terminal.waitFor(/tokens, [^\n]*\nsplicer>$/);
  const [, nNew] = /(\d+) tokens, [\d.]+ ms each, stopped\n/.exec(screen) ?? [];
  assert(Number(nNew) > 0 && Number(nNew) < 110, screen);
  const more = await terminal.enter("gen more 2");
  const said = /gave the bag to[^]*(?=\n {2}\d+ tokens)/.exec(screen)![0].replaceAll("\n", "");
  assert(more.replaceAll("\n", "").includes(said), more);
  assertStringIncludes(more, "  2 tokens, ");
});

terminalTest("repl fits a narrow terminal, in colours", async (folder) => {
  await using terminal = await Terminal.open(folder, { columns: 60, rows: 60 });
  const opened = await terminal.screen();
  assertStringIncludes(
    opened,
    "SAEs at\n  0.z 1.z 2.z 3.z, which change nothing until you edit them\n",
  );
  const top = await terminal.enter("top 1");
  assertMatch(top, /" Mary" − " John" {2}23\.26 {3}ran embed → unembed: 270 rows,\n {4}10\.1 M/);
  const pattern = await terminal.enter("plot pattern 3");
  // Four heads in two rows, all of a scale.
  const heads = pattern.split("\n").filter((line) => /head \d/.test(line));
  assertEquals(heads.map((line) => line.trim().split(/ {2,}/)), [
    ["head 0", "head 1"],
    ["head 2", "head 3"],
  ]);
  assertMatch(pattern, /\n {9}14 to ▀{15} {2}▀{15}\n/);
  assertStringIncludes(await terminal.colouredScreen(), "\x1b[38;2;8;48;107m");
});

terminalTest("repl clears the line at Ctrl-C when nothing runs", async (folder) => {
  await using terminal = await Terminal.open(folder);
  await terminal.type("ablate 1.z");
  await terminal.press("C-c");
  await terminal.waitFor(/> ablate 1\.z\nsplicer>$/);
});

terminalTest("repl streams what the model says, and goes on under other edits", async (folder) => {
  await using terminal = await Terminal.open(folder);
  assertMatch(await terminal.enter("gen 2"), /gave the bag to Mary\.\n {2}2 tokens, /);
  assertStringIncludes(await terminal.enter("ablate 1.z.sae @10"), "[1]");
  assertMatch(await terminal.enter("gen more 1"), /to Mary\.[^]*computed again from position 10/);
  assertStringIncludes(await terminal.enter("gen more"), "The text has ended");
});

terminalTest(
  "repl saves a session that another process replays with the same bits",
  async (folder) => {
    await using terminal = await Terminal.open(folder);
    await terminal.enter(
      'patch 2.resid_pre @" John"#1 from "When John and Mary went to the shops, Mary gave the bag to"',
    );
    await terminal.enter("fork other");
    await terminal.enter("scale 3.z h3 by 0.5");
    const saved = await terminal.enter("save session.json");
    const digest = /logits ([0-9a-f]{32})/.exec(saved)?.[1];
    assertMatch(await terminal.enter("switch main"), /in session main/);
    const loaded = await terminal.enter("load session.json");
    assertStringIncludes(loaded, "the same logits, bit for bit");
    const replay = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-read"],
        new URL("../../repl/replay.ts", import.meta.url).pathname,
        `${folder}/session.json`,
      ],
      env: { NO_COLOR: "1" },
    });
    const { code, stdout } = await replay.output();
    const out = new TextDecoder().decode(stdout);
    assertEquals(code, 0);
    assertStringIncludes(out, "the same logits, bit for bit");
    assertStringIncludes(out, `logits ${digest}, stored ${digest}`);
    const again = await runProgram([
      "--load",
      `${folder}/session.json`,
      "--json",
      "--eval",
      "list",
    ]);
    assertEquals(JSON.parse(again.out).edits.length, 2);
  },
);

terminalTest("repl walks through the tour at Enter, with anything in between", async (folder) => {
  await using terminal = await Terminal.open(folder);
  const first = await terminal.enter("tour");
  assertStringIncludes(first, "(1/14) The prompt names John and Mary");
  assertStringIncludes(first, "Enter goes on");
  assertEquals(await terminal.enter("1 + 1"), "2");
  assertMatch(await terminal.enter(""), /\(2\/14\)[^]*splicer> sweep 3\.z @-1[^]*head 3 @14/);
  assertEquals(await terminal.enter("tour end"), "");
  assertEquals(await terminal.enter(""), "");
});
