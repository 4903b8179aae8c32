import { assertEquals } from "@std/assert";
import {
  EXAMPLES,
  type FeatureEdit,
  FIRST_STATE,
  fromLink,
  History,
  type PageState,
  toLink,
  withEdit,
  withoutEdit,
} from "../../examples/playground/state.ts";
import { HookedTransformer } from "../../mod.ts";

const ABLATION: FeatureEdit = { kind: "ablate", sae: "blocks.1.hook_z", feature: 969, pos: 10 };
const SCALING: FeatureEdit = { kind: "scale", sae: "blocks.3.hook_z", feature: 7, value: -0.5 };

Deno.test("a link holds a state whole", () => {
  const states: PageState[] = [
    FIRST_STATE,
    { prompt: "", edits: [] },
    { prompt: "a&b=c #d+e%20\n“é”", answers: [" x&y", "=z"], edits: [ABLATION, SCALING] },
    {
      prompt: "p",
      edits: [{ ...ABLATION, kind: "add", value: 2.25 }, { ...SCALING, pos: 0, value: 4 }],
    },
  ];
  for (const state of states) {
    assertEquals(fromLink(`#${toLink(state)}`), state);
    assertEquals(fromLink(new URL(`http://x/#${toLink(state)}`).hash), state);
  }
});

Deno.test("a link's parts that are no state's are left out", () => {
  assertEquals(fromLink(""), FIRST_STATE);
  assertEquals(fromLink("#edits=1"), FIRST_STATE);
  const strays = [
    "ablate=x",
    "ablate=blocks.1.hook_z:5=2",
    "scale=blocks.1.hook_z:5",
    "add=blocks.1.hook_z:5=NaN",
    "add=blocks.1.hook_z:99999999=1",
    "add=blocks.1.hook_z:-5=1",
    "set=blocks.1.hook_z:5=1",
    "ablate=<script>:1",
    "answer=one",
  ];
  assertEquals(fromLink(`#prompt=a&${strays.join("&")}`), { prompt: "a", edits: [] });
});

Deno.test("an edit takes the place of one of the same kind and cells", () => {
  const first = withEdit(withEdit(FIRST_STATE, SCALING), ABLATION);
  const second = withEdit(first, { ...SCALING, value: 3 });
  assertEquals(second.edits, [{ ...SCALING, value: 3 }, ABLATION]);
  assertEquals(withEdit(second, { ...SCALING, pos: 2 }).edits.length, 3);
  assertEquals(withoutEdit(second, SCALING).edits, [ABLATION]);
  assertEquals(FIRST_STATE.edits, []);
});

Deno.test("History goes back and forward, and forgets what was undone when something new comes", () => {
  const [a, b, c] = ["a", "b", "c"].map((prompt): PageState => ({ prompt, edits: [] }));
  const history = new History(a);
  history.undo();
  assertEquals([history.now, history.canUndo, history.canRedo], [a, false, false]);
  history.push(b);
  history.undo();
  assertEquals([history.now, history.canRedo], [a, true]);
  history.redo();
  assertEquals([history.now, history.canUndo, history.canRedo], [b, true, false]);
  history.undo();
  history.push(c);
  history.redo();
  assertEquals([history.now, history.canRedo], [c, false]);
});

Deno.test("the examples' answers are tokens of the model, and it prefers the first", async () => {
  using model = await HookedTransformer.fromPretrained("ioi-tiny");
  for (const { name, prompt, answers } of EXAMPLES) {
    const logits = model.forward(prompt).at(0, -1);
    const [first, second] = answers.map((answer) => logits.at(model.toSingleToken(answer)).item());
    assertEquals(first > second, true, name);
  }
});
