import { assertEquals } from "@std/assert";
import { memoryUsage } from "../../mod.ts";
import { readArguments } from "../../repl/arguments.ts";
import { openState } from "../../repl/open_state.ts";
import { styleFor } from "../../repl/style.ts";
import { warmUp } from "../../repl/warm_up.ts";

Deno.test("warmUp goes through an edit and a walk back, and leaves no trace", async () => {
  const state = await openState(readArguments([]));
  const { session } = state;
  const logits = session.run().logits.at(0, -1).toArray();
  // As on a machine that is fast enough, whatever this one is busy with.
  session.base().ran.ms = 1;
  const before = memoryUsage();
  const parts = [...warmUp(state, styleFor(false, () => 80))];
  assertEquals(parts.length, 2);
  assertEquals([session.nUndo, session.edits], [0, []]);
  assertEquals(session.run().logits.at(0, -1).toArray(), logits);
  const after = memoryUsage();
  assertEquals([after.tapeBytes, after.weightBytes], [before.tapeBytes, before.weightBytes]);
  session.base().ran.ms = 1000;
  assertEquals([...warmUp(state, styleFor(false, () => 80))], []);
});
