import { assertEquals, assertThrows } from "@std/assert";
import { parseYaml } from "../../src/weights/yaml.ts";

Deno.test("parseYaml() reads what training runs leave: mappings, lists, scalars and comments", () => {
  const text = `# of a run
---
_wandb:
    value:
        cli_version: 0.19.8
        m: []
        t:
            "1":
                - 1
                - 5
            "13": linux-x86_64
batch_size:
    desc: null
    value: 8192   # tokens
list:
- a: 1
  b: {x: 1.5e-3, y: [1, "two: #", 'it''s'], z: {}}
- - 1
  - 2
-
  c: ~
url: http://host:80/path#fragment
negative: -3
half: .5
truth: True
"quoted: key": 'a # b'
version: 1.2.3
name: google/gemma-2-2b
empty:
`;
  assertEquals(parseYaml(text), {
    _wandb: { value: { cli_version: "0.19.8", m: [], t: { 1: [1, 5], 13: "linux-x86_64" } } },
    batch_size: { desc: null, value: 8192 },
    list: [
      { a: 1, b: { x: 0.0015, y: [1, "two: #", "it's"], z: {} } },
      [1, 2],
      { c: null },
    ],
    url: "http://host:80/path#fragment",
    negative: -3,
    half: 0.5,
    truth: true,
    "quoted: key": "a # b",
    version: "1.2.3",
    name: "google/gemma-2-2b",
    empty: null,
  });
});

Deno.test("parseYaml() reads documents that are one value", () => {
  assertEquals(parseYaml(""), null);
  assertEquals(parseYaml("# nothing"), null);
  assertEquals(parseYaml("7"), 7);
  assertEquals(parseYaml("- 1\n- x"), [1, "x"]);
});

Deno.test("parseYaml() names the line of what it doesn't read", () => {
  const refused: readonly [string, string][] = [
    ["a: &x 1", 'line 1 has "&", which isn\'t read: "&x 1"'],
    ["a: 1\nb: |\n  text", 'line 2 has "|", which isn\'t read: "|"'],
    ["a: !!int 1", 'line 1 has "!", which isn\'t read: "!!int 1"'],
    ["a: 1\na: 2", 'line 2 has the key "a" a second time'],
    ["a: 1\n   b: 2", 'line 2 is indented as nothing before it: "b: 2"'],
    ["a:\n\t- 1", "line 2 is indented by a tab"],
    ["a: [1, 2", 'line 1 has no "]" on the same line: "[1, 2"'],
    ["a: {x 1}", 'line 1 has a key without a value: "{x 1}"'],
    ['a: "b', 'line 1 has a quote that doesn\'t end: "\\"b"'],
    ["a: [1] 2", 'line 1 has something behind its value: "[1] 2"'],
    [`a: ${"[".repeat(50)}`, `line 1 has more than 32 brackets in each other: "${"[".repeat(50)}"`],
    [`a: ${"x".repeat(5000)}`, "line 1 has 5003 characters, wanted at most 4096"],
  ];
  for (const [text, message] of refused) {
    assertEquals(assertThrows(() => parseYaml(text), Error).message, message);
  }
});
