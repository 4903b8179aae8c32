/**
 * The states of a session: stacks of edits, none of which ever changes, and the way back through them.
 *
 * @module
 */

import { ConfigError } from "../core/errors.ts";
import type { Edit } from "../hooks/edits.ts";
import type { HookFunction, PointSelector } from "../hooks/hook_registry.ts";

/** An edit in a session. */
export interface SessionEdit {
  /** Its number: what `undo`, `off` and the like call it by. */
  readonly id: number;
  /** The hook point. */
  readonly at: PointSelector;
  /** What is done there. */
  readonly edit: Edit | HookFunction;
  /** Whether it takes part in runs. */
  readonly isOn: boolean;
}

/** A stack of edits. */
export interface SessionState {
  /** The edits, in the order in which they run. */
  readonly edits: readonly SessionEdit[];
  /** The number of the next one. */
  readonly nextId: number;
}

/** No edits. */
export const NO_EDITS: SessionState = Object.freeze({ edits: Object.freeze([]), nextId: 1 });

/** A state with one more edit. */
export function withEdit(
  { edits, nextId }: SessionState,
  at: PointSelector,
  edit: Edit | HookFunction,
): SessionState {
  const added: SessionEdit = Object.freeze({ id: nextId, at, edit, isOn: true });
  return Object.freeze({ edits: [...edits, added], nextId: nextId + 1 });
}

function requireEdit({ edits }: SessionState, id: number): void {
  if (edits.some((edit) => edit.id === id)) return;
  const known = edits.length === 0 ? "there are none" : edits.map((edit) => edit.id).join(", ");
  throw new ConfigError(`There is no edit ${id}: ${known}.`);
}

/** A state in which an edit is on or off; all of them when none is named. */
export function withSwitch(
  state: SessionState,
  id: number | undefined,
  isOn: boolean,
): SessionState {
  if (id !== undefined) requireEdit(state, id);
  const edits = state.edits.map((edit) =>
    id === undefined || edit.id === id ? Object.freeze({ ...edit, isOn }) : edit
  );
  return Object.freeze({ ...state, edits });
}

/** A state without an edit. */
export function withoutEdit(state: SessionState, id: number): SessionState {
  requireEdit(state, id);
  return Object.freeze({ ...state, edits: state.edits.filter((edit) => edit.id !== id) });
}

/** The states that a session has been in, and where among them it is. */
export class History {
  readonly #states: readonly SessionState[];
  readonly #at: number;

  /** Starts in a state, the last unless said. */
  constructor(states?: readonly SessionState[], at?: number) {
    this.#states = states ?? [NO_EDITS];
    this.#at = at ?? this.#states.length - 1;
  }

  /** The state that holds now. */
  get state(): SessionState {
    return this.#states[this.#at];
  }

  /** How many steps can be undone. */
  get nUndo(): number {
    return this.#at;
  }

  /** How many steps can be redone. */
  get nRedo(): number {
    return this.#states.length - 1 - this.#at;
  }

  /** Goes on to a state; what was undone can't be redone any more. */
  to(state: SessionState): History {
    return new History([...this.#states.slice(0, this.#at + 1), state]);
  }

  /** Goes back by a number of steps, or forward by a negative one, as far as there are some. */
  back(steps: number): History {
    const at = Math.min(Math.max(0, this.#at - steps), this.#states.length - 1);
    return new History(this.#states, at);
  }
}
