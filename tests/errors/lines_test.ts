import { assertEquals } from "@std/assert";
import { answersTo } from "../repl/_program.ts";

/** Lines that a person may get wrong at the interactive program's prompt, and what it says. */
const LINES: readonly [line: string, says: string][] = [
  ["ablate 9.z", 'There is no hook point "9.z". Did you mean 0.z, 1.z, 2.z?'],
  [
    "ablate 1.z.sae 5000",
    'Cannot edit feature 5000 of "blocks.1.attn.hook_z.hook_sae_acts_post": there are 1024, from 0 to 1023.',
  ],
  [
    "cut 3.9 @-1 from @10",
    'Cannot edit head 9 of "blocks.3.attn.hook_attn_scores": there are 4, from 0 to 3.',
  ],
  ["steer 1.z.sae 969", 'Expected "by".'],
  ["top abc", 'Cannot understand "abc" here.'],
  ["features @nobody", "No position is meant by @nobody."],
  ["gen -3", 'Cannot understand "-3" here.'],
  ["save", "Expected the name of a file."],
  ["load nowhere.json", 'There is no file "nowhere.json". `save FILE` writes one.'],
  ["load README.md", "Cannot load the session: it isn't JSON."],
  ["switch x", 'There is no session "x". There are: main.'],
  [
    "model.run_with_cache('a')",
    'HookedTransformer has no "run_with_cache": names are camelCase here, "runWithCache".',
  ],
];

Deno.test("repl: a line that can't be done says what came and what was expected", async () => {
  const { answers } = await answersTo(LINES.map(([line]) => line));
  const said = answers.map(({ ok, error }) => (ok ? "nothing" : error.message));
  assertEquals(said, LINES.map(([, says]) => says));
});
