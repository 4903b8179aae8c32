import { assert, assertEquals } from "@std/assert";
import { uniform } from "../../src/core/random.ts";
import { type Answer, answersTo } from "./_program.ts";

const PROMPT = '"When John and Mary went to the shops, John gave the bag to"';
const OTHERS = [
  '"When John and Mary went to the shops, Mary gave the bag to"',
  '"Hello there"',
];
const POINTS = ["embed", "resid_pre", "k", "scores", "pattern", "z", "z.sae", "z.sae.error"]
  .map((name) => (layer: number) => name === "embed" ? name : `${layer}.${name}`);
const MORE_POINTS = ["result", "v_input", "ln2.scale", "post", "mlp_out", "resid_post"]
  .map((name) => (layer: number) => `${layer}.${name}`);

/** Errors that say what is wrong with a line, or with what it asks for. */
const EXPLAINED = new Set([
  "CommandError",
  "ConfigError",
  "RangeError",
  "ShapeError",
  "TokenError",
  "UnknownPointError",
]);

/** Lines of every kind, many of which ask for what there isn't. */
function randomLines(seed: number, count: number): string[] {
  const random = uniform(seed);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)];
  const point = () => pick([...POINTS, ...MORE_POINTS])(below(5));
  const position = () =>
    pick([
      "",
      `@${below(18)}`,
      `@-${1 + below(4)}`,
      `@${below(6)}:${below(16)}`,
      "@gen",
      '@" John"#1',
      `@${below(5)},${below(16)}`,
    ]);
  const cells = () =>
    [
      pick(["", `${below(40)}`, `${below(20)},${below(1100)}`, `h${below(5)}`, "h0,2"]),
      position(),
      pick(["", "", "live", "where >0.1", `text ${below(2)}`]),
    ].join(" ");
  const kinds: (() => string)[] = [
    () => `ablate ${point()} ${cells()}`,
    () => `mean ${point()} ${cells()} ${pick(["", `of ${pick(OTHERS)}`])}`,
    () => `scale ${point()} ${cells()} by ${below(4) - 1}`,
    () => `set ${point()} ${cells()} to ${below(3)}`,
    () => `clamp ${point()} ${cells()} max 1`,
    () => `steer ${point()} ${cells()} by 0.5`,
    () => `patch ${point()} ${cells()} from ${pick(["", "@3 "])}${pick(OTHERS)}`,
    () => `freeze ${point()} ${cells()}`,
    () => `path ${point()} ${cells()} to ${point()} ${cells()}`,
    () => `cut ${below(5)}.${below(4)} ${position() || "@1"} from ${position() || "@0"}`,
    () => `explain ablate ${point()} ${cells()}`,
    () => `show ${point()} ${cells()}`,
    () => `grad ${point()} ${cells()}`,
    () => `plot ${point()} ${cells()}`,
    () => `sweep ${point()} @${below(16)}`,
    () => `attr ${pick(["", point()])}`,
    () => `features ${pick(["", "1.z"])} ${position()}`,
    () => `top ${below(5)} ${position()}`,
    () => `gen ${pick(["", "more "])}${1 + below(2)}`,
    () => `${pick(["undo", "redo"])} ${1 + below(3)}`,
    () => `${pick(["on", "off", "rm"])} ${below(6)}`,
    () => pick([`fork f${below(3)}`, `switch f${below(3)}`, "switch main"]),
    () => `saes ${pick(["all", "only 1.z", "error off", "error on"])}`,
    () => `prompt ${pick([PROMPT, `${PROMPT} ${OTHERS[0]}`])}`,
    () => pick(["list", "diff", "run", "explain", "plot", "plot pattern 2.1"]),
  ];
  return Array.from({ length: count }, () => pick(kinds)().replace(/ +/g, " ").trim());
}

Deno.test("repl: whatever is typed is done or explained, and undone to the bit", async () => {
  const start = ["saes error on", "saes all", `prompt ${PROMPT}`, 'metric " Mary" - " John"'];
  const lines = randomLines(5, 200);
  const { answers, err } = await answersTo([
    ...start,
    ...lines,
    "switch main",
    ...start,
    "undo all",
  ]);
  assertEquals(err, "");
  assertEquals(answers.length, lines.length + 2 * start.length + 2);
  const told = answers.slice(start.length, start.length + lines.length);
  told.forEach(({ ok, error }, i) =>
    assert(ok || EXPLAINED.has(error.name), `${lines[i]}: ${error?.message}`)
  );
  assert(told.filter(({ ok }) => ok).length > lines.length / 2, "most of it is possible");
  const logits = ({ texts }: Answer) =>
    texts[0].tokens.map(({ token, now }: Answer) => [token, now.logit]);
  assertEquals(logits(answers.at(-1)!), logits(answers[start.length - 1]));
});
