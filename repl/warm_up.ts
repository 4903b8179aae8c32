/** Work that nobody asked for yet: what runs for the first time is compiled then, which the first commands needn't wait for. */
import { edits } from "../mod.ts";
import { codesOf } from "./commands/features.ts";
import { runResult } from "./render/next_tokens.ts";
import { type ReplState, splicedSaes } from "./state.ts";
import type { Style } from "./style.ts";
import { gradientsOf } from "./values.ts";

/** Runs that take longer, in milliseconds, are left to whoever wants them. */
const MOST_MS = 100;

/**
 * Goes through an edit and a walk back, on a session of its own.
 *
 * @param state What the program opened with; it stays as it is.
 */
export function* warmUp(state: ReplState, style: Style): Generator<void, void, void> {
  const { session } = state;
  const [sae] = splicedSaes(state);
  if (!sae || session.metric === undefined || session.base().ran.ms > MOST_MS) return;
  const at = codesOf(sae);
  const trial = session.fork();
  trial.edit(at, edits.ablate({ pos: -1 }));
  yield;
  runResult(trial, style);
  yield;
  gradientsOf(session, [at]);
}
