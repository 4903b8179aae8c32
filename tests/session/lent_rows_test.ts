import { assertEquals } from "@std/assert";
import { type HookFunction, Tensor } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { assertSameBits, tinyModel, TOKENS } from "./_models.ts";

/** Ways to write a region of attention scores, which hooks see as [batch, head, query, key]. */
const WRITES: readonly [what: string, hook: HookFunction][] = [
  ["a cell", (act) => act.set([0, 1, 4, 2], 0.5)],
  ["a row", (act) => act.set([1, 0, 3], 0.1)],
  ["a head", (act) => act.set([":", 1], 0.2)],
  ["a query of every head", (act) => act.set([":", ":", 5, ":3"], 0)],
  ["queries", (act) => act.set([":", ":", [2, 4]], 0.3)],
  ["heads", (act) => act.set([":", [0, 1], "3:", 0], 0.3)],
  ["a key", (act) => act.set(["...", 1], 0.1)],
  ["a scaled region", (act) => act.set([":", ":", "2:5"], act.at(":", ":", "2:5").mul(2))],
  ["a scaled text", (act) => act.set([0, ":", "2:"], act.at(0, ":", "2:").mul(0.5))],
  [
    "a scaled head",
    (act) => act.set([":", 0, "1:4", [0, 1]], act.at(":", 0, "1:4", [0, 1]).mul(3)),
  ],
  [
    "a value that broadcasts",
    (act) => act.set([":", ":", "2:"], Tensor.randn([1, 2, 1, 6], { seed: 3 })),
  ],
  ["by way of a copy", (act) => act.mul(1.5)],
  ["the same twice", (act) => {
    act.set([":", 0, 2], 0.4);
    act.set([":", 0, 2, ":2"], act.at(":", 0, 2, ":2").add(act.at(":", 1, 2, ":2")));
  }],
  ["nothing", (act) => void act.at(0, 1, 2)],
];

for (const point of ["hook_attn_scores", "hook_pattern"]) {
  for (const [what, hook] of WRITES) {
    Deno.test(`a hook on ${point} writes ${what} with the bits of a full run`, () => {
      using model = tinyModel();
      const fwdHooks: [string, HookFunction][] = [[`blocks.1.attn.${point}`, hook]];
      model.forward(TOKENS);
      const resumed = model.runWithHooks(TOKENS, { fwdHooks }).clone();
      const { resumedFrom, rows } = model.ran;
      model.keepBase = false;
      assertSameBits(resumed, model.runWithHooks(TOKENS, { fwdHooks }));
      const isIdle = what === "nothing";
      assertEquals([resumedFrom, rows > 0], isIdle ? [null, false] : ["1.attn_out", true]);
    });
  }
}

Deno.test("a hook on attention scores computes the queries that it changes", () => {
  using model = tinyModel();
  model.forward(TOKENS);
  const cut: HookFunction = (act) => act.set([1, 0, 4, 2], -Infinity);
  model.runWithHooks(TOKENS, { fwdHooks: [["blocks.1.attn.hook_attn_scores", cut]] });
  assertEquals([model.ran.resumedFrom, model.ran.rows], ["1.attn_out", 4]);
});

Deno.test("hooks read attention scores as they are, whatever they ask for", () => {
  using model = tinyModel();
  const [, cache] = model.runWithCache(TOKENS);
  const random = uniform(4);
  const part = (length: number) => {
    const [a, b] = [Math.floor(random() * length), Math.floor(random() * length)];
    const kinds = [a, ":", `${Math.min(a, b)}:`, [a, b]] as const;
    return kinds[Math.floor(random() * (random() < 0.3 ? 4 : 3))];
  };
  for (let round = 0; round < 60; round++) {
    const index = [2, 2, 6, 6].slice(0, 1 + Math.floor(random() * 4)).map(part);
    const name = "blocks.0.attn.hook_pattern";
    let seen: Tensor | undefined;
    model.runWithHooks(TOKENS, {
      fwdHooks: [[name, (act) => {
        seen = act.at(...index as (string | number)[]).clone();
      }]],
    });
    const wanted = cache.get(name).at(...index as (string | number)[]);
    assertSameBits(seen!, wanted, JSON.stringify(index));
  }
});
