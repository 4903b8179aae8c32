/** What the page shows, as data: a prompt, two answers, and edits of features. */

/** What is done to a feature. */
export type EditKind = "ablate" | "scale" | "add";

/** One edit of a feature. */
export interface FeatureEdit {
  readonly kind: EditKind;
  /** The SAE's id. */
  readonly sae: string;
  readonly feature: number;
  /** The position; all of them unless said. */
  readonly pos?: number;
  /** The factor of `scale`, what `add` adds. */
  readonly value?: number;
}

/** Everything that a link holds. Values of this type never change; a new one takes their place. */
export interface PageState {
  readonly prompt: string;
  /** The two tokens whose logits are compared; the two likeliest where it is undefined. */
  readonly answers?: readonly [string, string];
  readonly edits: readonly FeatureEdit[];
}

/** A prompt that the model knows something about. */
export interface Example {
  readonly name: string;
  readonly prompt: string;
  readonly answers: readonly [string, string];
}

/** Prompts to begin with. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "Indirect object",
    prompt: "When John and Mary went to the shops, John gave the bag to",
    answers: [" Mary", " John"],
  },
  { name: "Capital", prompt: "The capital of France is", answers: [" Paris", " London"] },
  { name: "Opposite", prompt: "The opposite of young is", answers: [" old", " new"] },
  {
    name: "Agreement",
    prompt: "The dogs that the boy likes",
    answers: [" play", " plays"],
  },
  { name: "Weekday", prompt: "Monday, Tuesday, Wednesday,", answers: [" Thursday", " Friday"] },
];

/** What the page shows when its link says nothing. */
export const FIRST_STATE: PageState = {
  prompt: EXAMPLES[0].prompt,
  answers: EXAMPLES[0].answers,
  edits: [],
};

const KINDS: readonly string[] = ["ablate", "scale", "add"] satisfies EditKind[];

/** Whether two edits are about the same cells in the same way, so that one takes the other's place. */
function isSameTarget(a: FeatureEdit, b: FeatureEdit): boolean {
  return a.kind === b.kind && a.sae === b.sae && a.feature === b.feature && a.pos === b.pos;
}

/** Puts an edit in: where there is one of the same cells and kind, in its place. */
export function withEdit(state: PageState, edit: FeatureEdit): PageState {
  const place = state.edits.findIndex((one) => isSameTarget(one, edit));
  const edits = place < 0 ? [...state.edits, edit] : state.edits.with(place, edit);
  return { ...state, edits };
}

/** Takes an edit of the same cells and kind out. */
export function withoutEdit(state: PageState, edit: FeatureEdit): PageState {
  return { ...state, edits: state.edits.filter((one) => !isSameTarget(one, edit)) };
}

/** Gives the part of a link after `#`. */
export function toLink({ prompt, answers, edits }: PageState): string {
  const link = new URLSearchParams({ prompt });
  for (const answer of answers ?? []) link.append("answer", answer);
  for (const { kind, sae, feature, pos, value } of edits) {
    const cells = pos === undefined ? `${sae}:${feature}` : `${sae}:${feature}@${pos}`;
    link.append(kind, value === undefined ? cells : `${cells}=${value}`);
  }
  return link.toString();
}

const EDIT = /^([\w.]+):(\d{1,6})(?:@(\d{1,4}))?(?:=(-?\d{1,6}(?:\.\d{1,6})?))?$/;

function readEdit(kind: string, text: string): FeatureEdit | undefined {
  if (!KINDS.includes(kind)) return undefined;
  const [, sae, feature, pos, value] = EDIT.exec(text) ?? [];
  if (sae === undefined || (kind === "ablate") !== (value === undefined)) return undefined;
  return {
    kind: kind as EditKind,
    sae,
    feature: Number(feature),
    ...pos === undefined ? {} : { pos: Number(pos) },
    ...value === undefined ? {} : { value: Number(value) },
  };
}

/**
 * Reads the part of a link after `#`.
 *
 * @returns The state; what isn't a state's part is left out, and without a prompt it is the first state.
 */
export function fromLink(hash: string): PageState {
  const link = new URLSearchParams(hash.replace(/^#/, ""));
  const prompt = link.get("prompt");
  if (prompt === null) return FIRST_STATE;
  const [first, second] = link.getAll("answer");
  const edits = [...link].map(([kind, text]) => readEdit(kind, text))
    .filter((edit) => edit !== undefined);
  return { prompt, ...second === undefined ? {} : { answers: [first, second] }, edits };
}

/** States one after the other, with a way back. */
export class History {
  #past: PageState[] = [];
  #future: PageState[] = [];

  constructor(public now: PageState) {}

  /** Goes on to a new state; there is no way forward from it. */
  push(state: PageState): void {
    this.#past.push(this.now);
    this.#future = [];
    this.now = state;
  }

  /** Changes the present, as one step with what made it. */
  amend(state: PageState): void {
    this.#future = [];
    this.now = state;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /** Goes one state back; stays where there is none. */
  undo(): void {
    const before = this.#past.pop();
    if (before === undefined) return;
    this.#future.push(this.now);
    this.now = before;
  }

  /** Goes one state forward; stays where there is none. */
  redo(): void {
    const after = this.#future.pop();
    if (after === undefined) return;
    this.#past.push(this.now);
    this.now = after;
  }
}
