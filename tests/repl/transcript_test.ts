import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../repl/commands/registry.ts";
import { Terminal, terminalTest } from "./_terminal.ts";

const OTHER = "When John and Mary went to the shops, Mary gave the bag to";

/** The table that most commands end in: the edited run's when it has columns of changes. */
const TABLE = / {2}next token +p +logit\n[^]*" Mary" − " John" {2}\S+ /;
const CHANGED = / {2}next token +p +change +logit +change\n[^]*" Mary" − " John" {2}\S+ \([+−·]/;

/** One sitting at the terminal: every command, and what the screen must show below it. */
const SITTING: readonly (readonly [line: string, shows: RegExp])[] = [
  ["top 3", TABLE],
  ["run", /stages embed 0\.attn_in[^]* {2}270 rows in all/],
  ["features 1.z @10 3", /16 of 1024 features are live\n +969 +3\.46/],
  ["ablate 1.z.sae 969 @10", CHANGED],
  ["scale 2.z h1 by 2", CHANGED],
  ["set 1.z.sae 517 @10 to 4", CHANGED],
  ["steer 2.resid_pre @-1 by 0.5", CHANGED],
  ["clamp 1.z.sae max 2", CHANGED],
  ["mean 0.z h2", CHANGED],
  ["undo 99", /undid 6 of 6 steps\n[^]*" Mary" − " John" {2}23\.26 /],
  ["redo 2", /redid 2 of 6 steps\n/],
  ["off 1", CHANGED],
  ["on 1", CHANGED],
  ["rm 2", /" Mary" − " John" {2}19\.17 \(−4\.09\)/],
  ["list", / {2}\[1\] {2}1\.z\.sae {2}ablate feature 969 @10\n {2}session main \(1 edit\)/],
  ["diff", /\+ 1\.z\.sae ablate[^]*metric 23\.26 → 19\.17 \(−4\.09\)/],
  ["attr 1.z.sae @10 2", /point +feature +at +active +effect\n/],
  ["grad 1.z h1 @10", /d " Mary" − " John" \/ d 1\.z float32 \[32\]/],
  ["sweep 3.z @-1", /metric +change\n {2}head 3 @14[^]*4 variants, 19\.17 without them/],
  ["plot", /ablate at 3\.z: " Mary" − " John"\n/],
  ["show 1.z @10", /1\.z float32 \[4, 32\]\n +min /],
  [
    "explain cut 3.3 @-1 from @10",
    /on top of what is in place\n {2}at most 1\.attn_out → unembed: 12 stages/,
  ],
  ["fork other", /other/],
  ["cut 3.3 @-1 from @10", CHANGED],
  ["switch main", /in session main\n/],
  [`patch 2.resid_pre @10 from "${OTHER}"`, /patch @10 from [^]*" John" +99\.\d+ %/],
  ["freeze 3.pattern", CHANGED],
  ["path 1.z.sae 532 @10 to 3.v_input h3 @10", /reaching blocks\.3\.hook_v_input head 3 @10\n/],
  ["gen 2", /gave the bag to John\.\n {2}2 tokens, /],
  ["save sitting.json", /logits [0-9a-f]{32}/],
  ["export sitting.ts", /sitting\.ts/],
  ["undo all", /undid \d+ of \d+ steps/],
  ["load sitting.json", /the same logits, bit for bit\n/],
  ["metric logprob Mary", /log p " Mary" {2}\S+ \(/],
  ["points 2.z", /2\.z +blocks\.2\.attn\.hook_z\n/],
  ["saes only 1.z", /on +1\.z +standard[^]*off +2\.z/],
  ["prompt When Tom and Rose went out, Rose gave the ball to", /1:When 2:·Tom/],
  ["?2.z", /2\.z {2}blocks\.2\.attn\.hook_z\n[^]*\[batch 1, pos 14, head 4, dHead 32\]/],
  ["undo all", /undid/],
  ["tour", /\(1\/14\) /],
  ["tour end", /^$/],
  ["nonsense", /ReferenceError: nonsense is not defined/],
  ["stack", /ReferenceError: nonsense is not defined\n {4}at /],
  ["help undo", /undo \[COUNT\|all\]\n {2}undo the last edits/],
];

terminalTest("every command shows in a terminal what it is for, in one sitting", async (folder) => {
  await using terminal = await Terminal.open(folder, { columns: 130, rows: 1000 });
  for (const [line] of SITTING) await terminal.addLine(line);
  await terminal.type("quit");
  await terminal.press("Enter");
  await terminal.waitFor(/left with 0/);
  const [, ...shown] = (await terminal.transcript()).split(/^splicer(?: other)?> /m);
  const lines = shown.map((part) => part.split("\n"));
  let at = 0;
  for (const [line, shows] of SITTING) {
    // The tour writes lines of its own behind a prompt.
    const found = lines.findIndex(([typed], i) => i >= at && typed.trimEnd() === line);
    assert(found >= 0, line);
    assertMatch(lines[found].slice(1).join("\n"), shows, line);
    at = found + 1;
  }
  const typed = new Set([...SITTING.map(([line]) => line.split(" ")[0]), "quit"]);
  assertEquals(COMMANDS.map(({ name }) => name).filter((name) => !typed.has(name)), []);
  assert(typed.size >= COMMANDS.length);
});
