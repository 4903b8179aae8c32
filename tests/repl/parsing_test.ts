import { assertEquals, assertThrows } from "@std/assert";
import { HookedSAETransformer } from "../../mod.ts";
import { takeCells } from "../../repl/cells.ts";
import { CommandError } from "../../repl/errors.ts";
import { expandPoint, shortPoint } from "../../repl/points.ts";
import { lineOf } from "../../repl/program.ts";
import { decimalsFor } from "../../repl/render/numbers.ts";
import { folded } from "../../repl/style.ts";
import { WordReader, wordsOf } from "../../repl/words.ts";

Deno.test("wordsOf keeps what is in quotes together, inside words too", () => {
  const words = wordsOf(`patch 2.z @" John"#1 from "a \\"b\\" c" 'd e' x`);
  assertEquals(words.map(({ text }) => text), [
    "patch",
    "2.z",
    '@" John"#1',
    "from",
    'a "b" c',
    "d e",
    "x",
  ]);
  assertEquals(words.map(({ isQuoted }) => isQuoted), [
    false,
    false,
    false,
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("takeCells reads features, heads, positions, texts and conditions", () => {
  const isToken = (text: string) => text === " John";
  const cases: [string, unknown][] = [
    ["517 @10", { feature: 517, pos: 10 }],
    ["3,5 7", { feature: [3, 5, 7] }],
    ["h1 pos 3 position 5:", { head: 1, pos: [3, { from: 5 }] }],
    ["h1 @-1", { head: 1, pos: -1 }],
    ["heads 0,3 text 1", { head: [0, 3], text: 1 }],
    ["@2:5", { pos: { from: 2, to: 5 } }],
    ["@12:", { pos: { from: 12 } }],
    ["@:-2", { pos: { to: -2 } }],
    ["@1,2 @5", { pos: [1, 2, 5] }],
    ['@" John"', { pos: { token: " John" } }],
    ["@John", { pos: { token: " John" } }],
    ["@Bob#-1", { pos: { token: "Bob", nth: -1 } }],
    ['@3,", and"#0', { pos: [3, { token: ", and", nth: 0 }] }],
    ["@all live", { pos: "all", when: "live" }],
    ["@gen where 5>0.5", { pos: "generated", when: { feature: 5, above: 0.5 } }],
    ["where <-2", { when: { below: -2 } }],
    ["", {}],
  ];
  for (const [line, cells] of cases) {
    const reader = new WordReader(`${line} by 3`);
    assertEquals(takeCells(reader, isToken), cells, line);
    reader.requireKeyword("by");
    assertEquals(reader.requireNumber("a number"), 3);
    reader.end();
  }
  const wrong = (line: string) => () => takeCells(new WordReader(line), isToken);
  assertThrows(wrong("where big"), CommandError, 'Cannot understand "where big"');
  assertThrows(wrong("head x"), CommandError, 'Expected a number behind "head", found "x".');
  assertThrows(wrong("@"), CommandError, "Expected a position behind @.");
});

Deno.test("points have short names that expand to themselves", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const inside = ["input", "acts_pre", "acts_post", "recons", "error", "output"]
    .map((part) => `blocks.2.hook_resid_pre.hook_sae_${part}`);
  const names = [...model.hookDict.keys(), ...inside];
  for (const name of names) assertEquals(expandPoint(shortPoint(name)), name);
  assertEquals(new Set(names.map(shortPoint)).size, names.length);
  const short = {
    "blocks.2.attn.hook_z": "2.z",
    "blocks.2.attn.hook_z.hook_sae_acts_post": "2.z.sae",
    "blocks.0.hook_resid_pre": "0.resid_pre",
    "blocks.1.attn.hook_attn_scores": "1.scores",
    "blocks.1.mlp.hook_post": "1.post",
    "blocks.1.ln2.hook_scale": "1.ln2.scale",
    "unembed.hook_in": "final",
    "hook_embed": "embed",
  };
  for (const [name, wanted] of Object.entries(short)) assertEquals(shortPoint(name), wanted);
  assertEquals(expandPoint("nonsense"), "nonsense");
  // TransformerLens' names behind a layer's number.
  const long = {
    "2.attn.hook_z": "blocks.2.attn.hook_z",
    "2.hook_z": "blocks.2.attn.hook_z",
    "2.hook_z.sae": "blocks.2.attn.hook_z.hook_sae_acts_post",
    "2.attn.hook_z.hook_sae_error": "blocks.2.attn.hook_z.hook_sae_error",
    "0.hook_resid_pre": "blocks.0.hook_resid_pre",
    "1.attn.hook_attn_scores": "blocks.1.attn.hook_attn_scores",
    "1.mlp.hook_post": "blocks.1.mlp.hook_post",
    "1.mlp.hook_in": "blocks.1.mlp.hook_in",
    "1.hook_mlp_in": "blocks.1.hook_mlp_in",
    "1.ln2.hook_scale": "blocks.1.ln2.hook_scale",
  };
  for (const [name, wanted] of Object.entries(long)) assertEquals(expandPoint(name), wanted);
});

Deno.test("decimalsFor gives two digits to the greatest of small numbers", () => {
  const decimals = [23.4, 1, 0.25, 0.1, 0.0999, 0.0042, 1e-9, 0, Infinity].map(decimalsFor);
  assertEquals(decimals, [2, 2, 2, 2, 3, 4, 6, 2, 2]);
});

Deno.test("folded breaks lines at spaces, colours aside, and lets the rest hang in", () => {
  const red = (text: string) => `\x1b[31m${text}\x1b[0m`;
  assertEquals(folded("one two three", 8), "one two\n  three");
  assertEquals(
    folded(`${red("one")} two ${red("three")}`, 8),
    `${red("one")} two\n  ${red("three")}`,
  );
  assertEquals(folded("  a b\n  ccccccccc dd", 6), "  a b\n  ccccccccc\n    dd");
  assertEquals(folded("  unbreakable", 5), "  unbreakable");
});

Deno.test("lineOf tells commands from code", () => {
  const kinds = (line: string) => {
    const read = lineOf(line);
    return read.kind === "command" ? `${read.command.name}|${read.rest}` : read.kind;
  };
  assertEquals(kinds("run"), "run|");
  assertEquals(kinds("  top 5 "), "top|5");
  assertEquals(kinds("save /tmp/x.json"), "save|/tmp/x.json");
  assertEquals(kinds("metric (logits) => 1"), "metric|(logits) => 1");
  assertEquals(kinds("exit"), "quit|");
  for (
    const code of [
      "run()",
      "set = 5",
      "list.length",
      "top, 3",
      "path + 1",
      "x",
      "const run = 1",
      "on => 1",
    ]
  ) {
    assertEquals(kinds(code), "code", code);
  }
  assertEquals(kinds("?2.z"), "about");
  assertEquals(kinds("?"), "help|");
  assertEquals(kinds("session?"), "about");
  for (const line of ["", "  ", "// x", "# x"]) assertEquals(kinds(line), "nothing");
});
