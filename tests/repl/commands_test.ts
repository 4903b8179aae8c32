import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { COMMANDS } from "../../repl/commands/registry.ts";
import { noChromium } from "../_chromium.ts";
import { type Answer, answersTo, runProgram } from "./_program.ts";

const OTHER = "When John and Mary went to the shops, Mary gave the bag to";

/** Runs lines of which each must work, and gives their answers. */
async function answers(lines: readonly string[], cwd?: string): Promise<Answer[]> {
  const { answers, err } = await answersTo(lines, { cwd });
  assertEquals(err, "");
  answers.forEach((answer, i) => assert(answer.ok, `${lines[i]}: ${JSON.stringify(answer)}`));
  assertEquals(answers.length, lines.length);
  return answers;
}

const metric = ({ metric }: Answer): number => metric.now[0];

Deno.test("repl: every edit command changes what the model says, as the hook would by hand", async () => {
  const lines = [
    "ablate 1.z.sae 969 @10",
    'mean 2.z h1 @-1 of "When Tom and Rose went home, Rose gave the book to"',
    "set 1.z.sae 517 @10 to 4",
    "scale 1.z.sae 969,532 @10 by 3",
    "clamp 1.z.sae max 1",
    "steer 2.resid_pre @-1 by saes[4].W_dec.at(3).mul(8)",
    `patch 2.resid_pre @10 from "${OTHER}"`,
    "freeze 3.pattern",
    "path 1.z.sae 969 @10 to 3.v_input h3 @10",
    "cut 3.3 @-1 from @10",
  ];
  const byHand = [
    "(act) => act.set([':', 10, 969], 0)",
    "(act) => act",
    "(act) => act.set([':', 10, 517], 4)",
    "(act) => act.set([':', 10, [532, 969]], act.at(':', 10, [532, 969]).mul(3))",
    "(act) => act.clamp(-Infinity, 1)",
    "(act) => act.set([':', -1], act.at(':', -1).add(saes[4].W_dec.at(3).mul(8)))",
  ];
  const points = [
    "1.attn.hook_z.hook_sae_acts_post",
    "2.attn.hook_z",
    "1.attn.hook_z.hook_sae_acts_post",
    "1.attn.hook_z.hook_sae_acts_post",
    "1.attn.hook_z.hook_sae_acts_post",
    "2.hook_resid_pre",
  ];
  const found = await answers([
    ...lines.flatMap((line) => [line, "undo"]),
    ...byHand.flatMap((hook, i) => [
      `session.edit("blocks.${points[i]}", ${hook})`,
      "session.run().metric.item()",
      "undo",
    ]),
  ]);
  const edited = lines.map((_, i) => found[2 * i]);
  edited.forEach((answer, i) => assertEquals(answer.id, 1, lines[i]));
  for (const [i, answer] of edited.entries()) {
    // Without an edit before it, freezing changes nothing.
    const isIdle = lines[i].startsWith("freeze");
    assertEquals(answer.metric.now[0] === answer.metric.before[0], isIdle, lines[i]);
  }
  for (const i of [0, 2, 3, 4, 5]) {
    const hand = found[2 * lines.length + 3 * i + 1].value;
    assertEquals(metric(edited[i]), hand, lines[i]);
  }
  assertEquals(edited.map(({ edit }) => edit), [
    "ablate feature 969 @10",
    'mean-ablate head 1 @-1 to that of "When Tom and Rose went home, Rose gave the book to"',
    "set feature 517 @10 to 4",
    "scale features 969,532 @10 by 3",
    "clamp everything to [-∞, 1]",
    "add a value of shape [128] to @-1",
    `patch @10 from "${OTHER}"`,
    "freeze everything",
    "ablate feature 969 @10, reaching blocks.3.hook_v_input head 3 @10",
    "cut head 3 @10 → @-1",
  ]);
});

Deno.test("repl: freeze keeps a layer from reacting to the edits before it", async () => {
  const [, reacting, , frozen] = await answers([
    "ablate 1.z.sae @10",
    "ablate 0.z h1 @10",
    "freeze 2.attn_out",
    "freeze 2.resid_pre",
    "undo 99",
  ]);
  assert(metric(reacting) !== reacting.metric.before[0]);
  assertEquals(metric(frozen), frozen.metric.before[0]);
});

Deno.test("repl: list, undo, redo, off, on, rm, fork, switch and diff move between stacks", async () => {
  const found = await answers([
    "ablate 1.z.sae 969 @10",
    "scale 2.z h1 by 3",
    "list",
    "undo",
    "redo",
    "off 1",
    "on",
    "rm 1",
    "undo 2",
    "fork other",
    "ablate 3.z h3 @-1",
    "diff main",
    "switch main",
    "diff",
    "list",
    "undo 99",
  ]);
  const [
    one,
    two,
    list,
    undone,
    redone,
    off,
    on,
    removed,
    back,
    fork,
    third,
    diff,
    main,
    own,
    last,
    start,
  ] = found;
  assertEquals(list.edits.map((edit: { at: string; edit: string }) => [edit.at, edit.edit]), [
    ["blocks.1.attn.hook_z.hook_sae_acts_post", "ablate feature 969 @10"],
    ["blocks.2.attn.hook_z", "scale head 1 by 3"],
  ]);
  assertEquals(metric(undone), metric(one));
  assertEquals(metric(redone), metric(two));
  assertEquals(metric(off), metric(removed));
  assertEquals(metric(on), metric(two));
  assertEquals([back.nUndo, back.nRedo], [3, 2]);
  assertEquals([fork.session, fork.sessions], ["other", ["main", "other"]]);
  assertEquals(third.id, 3);
  assertEquals([diff.metric.now, diff.metric.before], [[metric(third)], [metric(back)]]);
  assertEquals(metric(main), metric(back));
  assertEquals(own.metric.before, one.metric.before);
  assertEquals(last.edits.length, 2);
  assertEquals(metric(start), one.metric.before[0]);
});

Deno.test("repl: prompt, metric and saes begin anew and take the edits over", async () => {
  const found = await answers([
    'ablate 1.z.sae 969 @" John"#1',
    "ablate 0.z h1 @12",
    "prompt When Tom and Rose went out, Rose gave",
    "metric",
    'prompt "The cat and the dog" "When Tom and Rose went to the park, Rose gave the ball to"',
    "prompt",
    'metric " Tom" - " Rose"',
    'metric logprob " Tom" " Rose"',
    "metric (logits) => logits.at(':', -1, 0)",
    "saes only 1.z 2.resid_pre.topk",
    "saes error off",
    "saes none",
    "saes all",
    "saes off 1.z",
    "saes",
    'metric " Tom" - " Rose" " Mary" - " John"',
    "prompt The capital of France is",
  ]);
  const dropped = found[2].dropped.map((
    { id, reason }: { id: number; reason: string },
  ) => [id, reason]);
  assertEquals(dropped.map(([id]: [number]) => id), [1]);
  assertStringIncludes(
    dropped[0][1],
    'Cannot edit at " John" number 1: no position of the prompt is meant.',
  );
  assertEquals(found[2].idle.map(({ reason }: Answer) => reason), ["it waits for generated text"]);
  assertMatch(found[3].metric, /^log p " \w+"$/);
  assertEquals(found[4].tokens.map((row: number[]) => row.length), [15, 15]);
  assertEquals(found[5].prompts.length, 2);
  assertEquals(found[6].metric.of, '" Tom" − " Rose"');
  assertEquals(found[7].metric.now.length, 2);
  const on = ({ saes }: Answer) =>
    saes.filter((sae: { isOn: boolean }) => sae.isOn).map((sae: { name: string }) => sae.name);
  assertEquals(on(found[9]), ["1.z", "2.resid_pre.topk"]);
  assert(found[10].saes.every((sae: { useErrorTerm: boolean }) => !sae.useErrorTerm));
  // A reconstruction isn't the activation.
  assert(found[10].texts[0].tokens[0].now.logit !== found[9].texts[0].tokens[0].now.logit);
  assertEquals(on(found[11]), []);
  assertEquals(on(found[12]), ["0.z", "1.z", "2.z", "3.z", "2.resid_pre.jumprelu"]);
  assertEquals(on(found[14]), ["0.z", "2.z", "3.z", "2.resid_pre.jumprelu"]);
  assertEquals(
    found[16].droppedMetric,
    "Cannot measure 1 text with 2 answers: expected one, or one for each.",
  );
  assertMatch(found[16].metric.of, /^log p/);
});

Deno.test("repl: top, run, features, show, points, ? and prompt look at a run", async () => {
  const [top, at, run, features, one, show, codes, points, about, tokens] = await answers([
    "top 3",
    "top 2 @4",
    "run",
    "features @10 2",
    "features 1.z @10 3",
    "show 2.resid_pre @10",
    "show 1.z.sae",
    "points 2.z",
    "?1.z.sae",
    "prompt",
  ]);
  assertEquals(top.texts[0].tokens.map(({ token }: { token: string }) => token), [
    " Mary",
    "Mary",
    " Rose",
  ]);
  assertEquals([at.pos, at.texts[0].tokens.length], [4, 2]);
  assertEquals(run.ran.stages.length, 18);
  assertEquals(features.saes.map(({ nLive }: { nLive: number }) => nLive), [5, 16, 44, 33]);
  assertEquals(one.saes[0].features.map(({ feature }: { feature: number }) => feature), [
    969,
    160,
    532,
  ]);
  assertEquals([show.shape, show.data.length], [[128], 128]);
  assertEquals(codes.shape, [15, 1024]);
  assertEquals(Object.keys(codes.statistics), ["min", "max", "mean", "std", "zeros", "notFinite"]);
  assertEquals(points.points.map(({ short }: { short: string }) => short).slice(0, 2), [
    "2.z",
    "2.z.sae.input",
  ]);
  assertEquals([about.short, about.axes, about.formula], [
    "1.z.sae",
    ["batch", "pos", "dSae"],
    "f = act((x − b_dec) W_enc + b_enc)",
  ]);
  assertEquals(tokens.tokens[0].length, 15);
});

Deno.test("repl: explain foresees what an edit costs, without making it", async () => {
  const [alone, none, edited, both, list] = await answers([
    "explain ablate 1.z.sae 969 @10",
    "explain",
    "ablate 1.z.sae 969 @10",
    "explain scale 3.z h1 @gen by 2",
    "list",
  ]);
  assertEquals([alone.stages[0], alone.rows, alone.otherRuns], ["1.attn_out", 44, 0]);
  assertEquals(none.stages, []);
  assertEquals(alone.stages, edited.ran.stages);
  assertEquals(both.idle.map(({ reason }: { reason: string }) => reason), [
    "it waits for generated text",
  ]);
  assertEquals(list.edits.length, 1);
});

Deno.test("repl: attr and grad walk back from the metric under the edits", async () => {
  const [attr, grad, sum, swept, edited] = await answers([
    "attr 1.z.sae @10 3",
    "grad 1.z.sae 969 @10",
    "attr 2000",
    "sweep 1.z.sae @10",
    "ablate 0.z h1 @10",
    "attr 1.z.sae @10 3",
  ]);
  const [first] = attr.attributions;
  assertEquals([first.pos, attr.metric], [10, '" Mary" − " John"']);
  const one = sum.attributions.find((one: Answer) =>
    one.point.startsWith("blocks.1") && one.pos === 10 && one.feature === 969
  );
  // The effect is minus gradient times activation.
  assertAlmostEquals(one.effect, -one.activation * grad.data[0], 1e-5);
  assertEquals(swept.variants.length, 16);
  assert(edited.ok);
});

Deno.test("repl: sweep is the same as rows of one pass and as runs on top of edits", async () => {
  const [plain, heads, positions, , , stacked, scaled] = await answers([
    "sweep 1.z.sae @10",
    "sweep 3.z @-1",
    "sweep 2.resid_pre",
    "ablate 0.z.sae 3 @0",
    "off 1",
    "sweep 1.z.sae @10",
    "sweep 3.z @-1 scale 2",
  ]);
  assertEquals(stacked.variants, plain.variants);
  assertEquals(
    heads.variants.map(({ cell }: { cell: unknown }) => cell),
    [0, 1, 2, 3].map((head) => ({ pos: 14, head })),
  );
  assertEquals(positions.variants.length, 15);
  assert(scaled.variants[3].change > 0 && heads.variants[3].change < 0);
  const { answers: byRun } = await answersTo(["scale 0.z.sae 3 @0 by 1", "sweep 3.z @-1"]);
  assertEquals(byRun[1].variants, heads.variants);
});

Deno.test("repl: plot draws attention, activations, tokens and the last result, and writes pages", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { out, code } = await runProgram([], [
      "plot pattern 3.3",
      "plot pattern 3",
      "plot tokens 1.z.sae 969",
      "plot 1.z.sae 969",
      "sweep 3.z",
      "plot",
      "plot > sweep.html",
    ], { cwd: folder });
    assertEquals(code, 0);
    assertStringIncludes(out, "Attention of head 3.3\n");
    // From the end the head looks at position 10.
    assertMatch(out, /\n +14 to │··· {37}███\n/);
    assertStringIncludes(out, "head 2\n");
    assertStringIncludes(out, "·John(3.5)");
    assertStringIncludes(out, 'ablate at 3.z: " Mary" − " John"');
    const page = await Deno.readTextFile(`${folder}/sweep.html`);
    assertStringIncludes(page, "plotly");
    assertStringIncludes(page, "head 3");
    // Plain where it is piped.
    assert(!out.includes("\x1b"), out);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: `repl: plot > FILE draws pictures${noChromium ? ` (left out: ${noChromium})` : ""}`,
  ignore: noChromium !== undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const lines = ["plot pattern 3.3 > pattern.svg", "attr 1.z.sae @10", "plot > attr.png"];
      const found = await answers(lines, folder);
      assertEquals([found[0].path, found[2].path], ["pattern.svg", "attr.png"]);
      const svg = await Deno.readTextFile(`${folder}/pattern.svg`);
      assertMatch(
        svg,
        /^<svg [^]*class="heatmaplayer[^]*<image [^]*Attention of head 3\.3[^]*<\/svg>\s*$/,
      );
      const png = await Deno.readFile(`${folder}/attr.png`);
      assertEquals(String.fromCharCode(...png.slice(1, 4)), "PNG");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("repl: gen goes on under the edits, greedily or drawn, and more of it under others", async () => {
  const [plain, drawn, again, other, under, edited, more, , later, written] = await answers([
    "gen 2",
    "gen 8 temp 1 seed 3",
    "gen 8 temp 1 seed 3",
    `patch 2.resid_pre @10 from "${OTHER}"`,
    "gen 1",
    "ablate 0.z.sae 3 @5",
    "gen more 1",
    "undo all",
    "ablate 3.resid_pre @15",
    "gen 2",
  ]);
  assertEquals(plain.texts, [" Mary."]);
  assertEquals(drawn.texts, again.texts);
  assert(other.ok && edited.ok);
  assertEquals(under.texts, [" John"]);
  // What the edit concerns of the text so far is computed again.
  assertEquals([more.rewoundTo, more.texts], [5, [" John."]]);
  // Behind the prompt of fifteen positions it waits, and then changes what follows the first new token.
  assertEquals(later.idle[0].reason, "it waits for generated text");
  assertEquals(written.texts, [" Mary<|endoftext|>"]);
});

Deno.test("repl: save, load, export and replay give the same logits in other processes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [, , , saved, exported, loaded, list] = await answers([
      "ablate 1.z.sae 969 @10",
      `patch 2.resid_pre @" John"#1 from "${OTHER}"`,
      "scale 3.z h3 by 0.9",
      "save session.json",
      "export session.ts",
      "load session.json",
      "list",
    ], folder);
    assertEquals(loaded.isSameBits, true);
    assertEquals(loaded.logits.found, saved.expected.logits);
    assertEquals(list.edits.length, 3);
    assertEquals(exported.path, "session.ts");
    const script = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", `${folder}/session.ts`],
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(script.stdout);
    assertStringIncludes(said, `metric [ ${saved.expected.metric[0]} ]`);
    const other = await answers(["load session.json", "undo 3"], folder);
    assertEquals(other[0].logits.found, saved.expected.logits);
    assertEquals(other[1].nUndo, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("repl: help tells of every command, and each of its examples works", async () => {
  const [help] = await answers(["help"]);
  assertEquals(help.commands.length, COMMANDS.length);
  const elsewhere = new Set([
    "save",
    "load",
    "export",
    "quit",
    "stack",
    "tour",
    "plot",
    "switch",
    "diff",
    "rm",
    "off",
    "on",
  ]);
  const lines = COMMANDS.filter(({ name }) => !elsewhere.has(name))
    .flatMap(({ examples }) => examples.map(([line]) => line))
    .filter((line) => line !== "gen more 10");
  const { answers: found } = await answersTo(lines.flatMap((line) => [line, "undo 99"]));
  lines.forEach((line, i) => assert(found[2 * i].ok, `${line}: ${JSON.stringify(found[2 * i])}`));
});

Deno.test("repl: what a command can't understand is said with how it is written", async () => {
  const lines: [line: string, message: string][] = [
    ["ablate", "Expected a hook point, such as 1.z.sae."],
    ["ablate 9.z", 'There is no hook point "9.z". Did you mean 0.z, 1.z, 2.z?'],
    [
      "ablate 2.resid_mid.sae",
      'There is no hook point "2.resid_mid.sae". No SAE is spliced in there: see `saes`.',
    ],
    ["ablate 1.z.sae @x#", 'Cannot understand the position "@x#"'],
    ["top 3 text 1", "There is no text 1: there is only text 0."],
    ["ablate 1.z.sae huh", 'Cannot understand "huh" here.'],
    ["scale 1.z", 'Expected "by".'],
    ["scale 1.z by x", 'Expected a factor, found "x".'],
    ["cut x @1 from @2", 'Expected a layer or a head such as 2.1, found "x".'],
    ["clamp 1.z", 'Expected "min" or "max".'],
    ["metric Maryy", "Maryy is not defined"],
    ["metric 5 6", 'Expected "-" or "−" or "minus", found "6".'],
    [
      "saes only 7.z",
      'There is no SAE "7.z". There are: 0.z, 1.z, 2.z, 3.z, 2.resid_pre.jumprelu, 2.resid_pre.topk.',
    ],
    ["off 3", "There is no edit 3: there are none."],
    ["fork main", 'There is a session "main" already.'],
    ["switch x", 'There is no session "x". There are: main.'],
    ["help plotte", 'There is no command "plotte". Did you mean plot'],
    ["plot", "There is nothing to draw yet"],
    ["gen more", "There is no text to go on with"],
    ["load nothing.json", "nothing.json"],
    ["show 1.z @99", "Cannot edit position 99: the prompt has 15 positions."],
    ["features @99", "Cannot edit position 99: the prompt has 15 positions."],
    ["?nonsense", "nonsense is not defined"],
  ];
  const { answers: found, code } = await answersTo([...lines.map(([line]) => line), "list"]);
  lines.forEach(([line, message], i) => {
    assertEquals(found[i].ok, false, line);
    assertStringIncludes(found[i].error.message, message, line);
  });
  // Nothing of it changed the session.
  assertEquals([found.at(-1)?.edits, found.at(-1)?.nUndo], [[], 0]);
  assertEquals(code, 1);
});

Deno.test("repl: lines as they come to somebody who knows TransformerLens are understood, or put right", async () => {
  const { answers: found } = await answersTo([
    "ablate 1.attn.hook_z head 1 pos 10",
    "ablate blocks.1.attn.hook_z h1 @10",
    "undo all",
    "redo all",
    "undo all",
    "cut 3.3 @-1 @10",
    `patch 2.resid_pre @10 "${OTHER}"`,
    "set 1.z.sae 517 @10 = 4",
    "undo all",
    "metric Mary - John",
    "metric Mary",
    "saes off all",
    "saes on all",
    "sweep 2",
  ]);
  assertEquals(found[0].edit, found[1].edit);
  assertEquals([found[2].undone, found[3].redone, found[4].undone], [2, 2, 2]);
  assertEquals(found[5].edit, "cut head 3 @10 → @-1");
  assertStringIncludes(found[6].edit, "patch @10 from");
  assertEquals([found[7].edit, found[8].undone], ["set feature 517 @10 to 4", 3]);
  assertEquals(found[9].metric.of, '" Mary" − " John"');
  assertEquals(found[10].metric.of, 'logit " Mary"');
  const nOn = ({ saes }: Answer) => saes.filter(({ isOn }: { isOn: boolean }) => isOn).length;
  assertEquals([nOn(found[11]), nOn(found[12])], [0, 5]);
  assertEquals(
    found[13].error.message,
    'There is no hook point "2". Did you mean 2.z, 2.resid_pre, 2.mlp_out?',
  );
  const { out, err } = await runProgram([], [
    'model.to_tokens("hi")',
    'get_act_name("z", 0)',
    'logits, cache = model.runWithCache("hi")',
    'const [logits, cache] = model.runWithCache("hi")',
    'cache["blocks.0.attn.hook_z"]',
  ]);
  assertMatch(err + out, /no "to_tokens": names are camelCase here, "toTokens"/);
  assertMatch(err + out, /did you mean utils\.getActName\?/);
  assertMatch(err + out, /did you mean const \[logits, cache\] = model\.runWithCache\("hi"\)\?/);
  assertMatch(out, /undefined: did you mean cache\.get\("blocks\.0\.attn\.hook_z"\)\?/);
});
