/** What the program works on: a model, its SAEs, and sessions. A state never changes; commands give the next one. */
import {
  type HookedSAE,
  type HookedSAETransformer,
  type Metric,
  metrics,
  type Session,
  type SessionEdit,
  type SessionGeneration,
} from "../mod.ts";
import { shortPoint } from "./points.ts";

/** An SAE that can be spliced in. */
export interface KnownSae {
  /** What it is called here: `1.z`, or its own name where several share a point. */
  readonly name: string;
  /** The SAE; its error term is on or off as the user wants it. */
  readonly sae: HookedSAE;
  /** Whether it is spliced in. */
  readonly isOn: boolean;
}

/** A metric, and whether the user chose it. */
export interface ChosenMetric {
  /** What is measured. */
  readonly metric: Metric | undefined;
  /** Whether it stays when the prompts change. */
  readonly isChosen: boolean;
}

/** The state of the program. */
export interface ReplState {
  readonly model: HookedSAETransformer;
  readonly saes: readonly KnownSae[];
  readonly prompts: readonly string[];
  readonly measured: ChosenMetric;
  /** The session that commands work on. */
  readonly session: Session;
  /** Its name. */
  readonly name: string;
  /** All sessions by name, this one included. */
  readonly sessions: ReadonlyMap<string, Session>;
  /** The step of the tour that comes next. */
  readonly tour?: number;
  /** The text that `gen` has begun. */
  readonly generation?: SessionGeneration;
}

/** What a session begins with. */
export type SessionSource = Pick<ReplState, "model" | "saes" | "prompts" | "measured">;

/** The name of the first session. */
export const MAIN = "main";

/** Names SAEs by their points; where several share one, by what tells them apart. */
export function namedSaes(saes: readonly { sae: HookedSAE; label?: string }[]): KnownSae[] {
  const taken = new Set<string>();
  return saes.map(({ sae, label }) => {
    const short = shortPoint(sae.cfg.hookName);
    const wanted = label === undefined || label === "" ? short : `${short}.${label}`;
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted}.${n}`;
    taken.add(name);
    return { name, sae, isOn: false };
  });
}

/** The SAEs that are spliced in. */
export function splicedSaes({ saes }: Pick<ReplState, "saes">): HookedSAE[] {
  return saes.filter(({ isOn }) => isOn).map(({ sae }) => sae);
}

function begin({ model, prompts, measured, saes }: SessionSource): Session {
  return model.session(prompts, {
    saes: splicedSaes({ saes }),
    metric: measured.metric,
    paddingSide: "left",
  });
}

/** The log-probability of the token that each text goes on with: what is measured as long as nobody chose. */
function defaultMetric(session: Session): Metric {
  const { texts } = session.diff(undefined, { k: 1 });
  return metrics.logProb(texts.map(({ tokens: [{ id, token }] }) => token ?? id));
}

/** What couldn't be taken over into a session. */
export interface Dropped {
  /** Edits that don't fit, with why. */
  readonly edits: readonly { readonly edit: SessionEdit; readonly reason: string }[];
  /** Why the chosen metric doesn't fit. */
  readonly metric: string | undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A session with the chosen metric where that fits, else with the default. */
function measuring(source: SessionSource): {
  session: Session;
  measured: ChosenMetric;
  lost: string | undefined;
} {
  const session = begin(source);
  const { measured } = source;
  if (measured.metric !== undefined || measured.isChosen) {
    try {
      session.base();
      return { session, measured, lost: undefined };
    } catch (error) {
      const plain = measuring({ ...source, measured: { metric: undefined, isChosen: false } });
      return { ...plain, lost: reasonOf(error) };
    }
  }
  const metric = defaultMetric(session);
  const isChosen = false;
  return { session: session.withMetric(metric), measured: { metric, isChosen }, lost: undefined };
}

/**
 * Starts a session; edits and a chosen metric are taken over where they fit.
 *
 * @returns The state, and what doesn't fit.
 */
export function withSession(
  source: SessionSource,
  edits: readonly SessionEdit[] = [],
): { state: ReplState; dropped: Dropped } {
  const { session, measured, lost } = measuring(source);
  const dropped: { edit: SessionEdit; reason: string }[] = [];
  for (const edit of edits) {
    try {
      const id = session.edit(edit.at, edit.edit);
      if (!edit.isOn) session.off(id);
    } catch (error) {
      dropped.push({ edit, reason: reasonOf(error) });
    }
  }
  const { model, saes, prompts } = source;
  const state: ReplState = {
    model,
    saes,
    prompts,
    measured,
    session,
    name: MAIN,
    sessions: new Map([[MAIN, session]]),
  };
  return { state, dropped: { edits: dropped, metric: lost } };
}

/** Puts another session in the current one's place. */
export function replaceSession(state: ReplState, session: Session): ReplState {
  return { ...state, session, sessions: new Map(state.sessions).set(state.name, session) };
}
