/** What the parts of the page share. */
import type { ModelInfo, PageView } from "./protocol.ts";
import type { FeatureEdit, PageState } from "./state.ts";

/** A feature at a token. */
export interface Choice {
  readonly sae: string;
  readonly feature: number;
  readonly pos: number;
}

/** What parts may ask for. */
export interface App {
  readonly info: ModelInfo;
  readonly state: PageState;
  readonly choice: Choice | undefined;
  /** Shows a new state and remembers the one before. */
  go(state: PageState): void;
  /** Shows a state that is still being dragged; {@linkcode App.go} then makes it one step. */
  preview(state: PageState): void;
  /** Chooses a feature at a token. */
  choose(choice: Choice | undefined): void;
}

/** A part of the page. */
export interface Part {
  /** Shows what came out of a run, or another choice. */
  show(view: PageView): void;
}

/** What an SAE is called. */
export function nameOf(info: ModelInfo, id: string): string {
  return info.saes.find((sae) => sae.id === id)?.name ?? id;
}

/** Whether an edit is about a feature, at a position or at all. */
export function isAbout(
  edit: FeatureEdit,
  { sae, feature }: Pick<Choice, "sae" | "feature">,
): boolean {
  return edit.sae === sae && edit.feature === feature;
}
