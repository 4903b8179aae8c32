import { assertEquals, assertThrows } from "@std/assert";
import { ActivationCache, ConfigError, type Edit, edits, Tensor } from "../../mod.ts";
import { editFromJson, editToJson } from "../../src/hooks/edit_json.ts";
import { describeEdit } from "../../src/hooks/edit_text.ts";

const VALUE = Tensor.from([1 / 3, -0, Infinity]);

const EDITS: readonly [edit: Edit, words: string][] = [
  [edits.ablate({ feature: 517, pos: 10 }), "ablate feature 517 @10"],
  [edits.ablate(), "ablate everything"],
  [edits.ablate({ head: [0, 3], pos: { token: " John" } }), 'ablate heads 0,3 at every " John"'],
  [
    edits.meanAblate({ feature: 3, of: ["a b", "c d"], over: "texts", pos: { from: 4 } }),
    "mean-ablate feature 3 @4 on to that of 2 prompts",
  ],
  [edits.set({ value: VALUE, pos: [1, 2], text: 0 }), "set @1,2 in text 0 to a value of shape [3]"],
  [edits.set({ value: -0 }), "set everything to 0"],
  [
    edits.scale({ by: 2, when: { feature: 5, above: 0.5 }, feature: [1, 2] }),
    "scale features 1,2 where feature 5 is above 0.5 by 2",
  ],
  [
    edits.clamp({ min: -Infinity, max: 3, pos: "generated" }),
    "clamp in generated text to [-Infinity, 3]",
  ],
  [edits.add({ value: [1, 2], when: "live" }), "add a value of shape [2] to where live"],
  [
    edits.patch({ from: "When Ann", pos: { token: " Ann", nth: -1 }, fromPos: 2 }),
    'patch at " Ann" number -1 from "When Ann" @2',
  ],
  [edits.patch({ from: [[1, 2]] }), "patch everything from tokens"],
  [edits.freeze({ pos: [{ from: 1, to: 3 }, { token: 7 }] }), "freeze @1:3 and at every 7"],
  [
    edits.pathPatch({
      edit: edits.ablate({ pos: 2 }),
      to: { at: "blocks.1.hook_v_input", head: 3 },
      through: "mlp",
    }),
    "ablate @2, reaching blocks.1.hook_v_input head 3 through mlp",
  ],
  [edits.cutEdge({ from: 10, to: -1, head: 2 }), "cut head 2 @10 → @-1"],
];

Deno.test("edits come back from JSON as they were, to the bit, and are said in words", () => {
  for (const [edit, words] of EDITS) {
    const stored = JSON.parse(JSON.stringify(editToJson(edit)));
    assertEquals(editFromJson(stored), edit);
    assertEquals(describeEdit(edit), words);
  }
  const [value] = EDITS.filter(([{ kind }]) => kind === "set").map(([edit]) =>
    editFromJson(editToJson(edit))
  );
  const read = (value as { value: Tensor }).value;
  assertEquals(new Uint32Array(read.data().buffer), new Uint32Array(VALUE.data().buffer));
  const zero = editFromJson(editToJson(edits.set({ value: -0 }))) as { value: number };
  assertEquals(Object.is(zero.value, -0), true);
});

Deno.test("edits that hold code or a cache can't be stored, and what isn't an edit can't be read", () => {
  const cases = [
    [
      () => editToJson(edits.ablate({ pos: () => true })),
      'Cannot store the edit "ablate".pos: it is code, expected numbers, texts and tensors.',
    ],
    [
      () => editToJson(edits.patch({ from: new ActivationCache({}) })),
      'Cannot store the edit "patch".from: it holds a cache, expected numbers, texts and tensors.',
    ],
    [
      () => editFromJson({ kind: "abalte" }),
      "Cannot read an object as an edit: expected { kind, … }.",
    ],
    [
      () => editFromJson({ kind: "ablate", feature: "x" }),
      'Cannot edit the feature "x": expected a whole number or a list of them.',
    ],
    [
      () => editFromJson({ kind: "set", value: { tensor: {} } }),
      "Cannot read a stored tensor: expected its dtype, its shape, and as many bytes in base64.",
    ],
  ] as const;
  for (const [make, message] of cases) assertThrows(make, ConfigError, message);
});
