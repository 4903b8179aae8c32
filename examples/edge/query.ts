/** What a request asks for, checked. */
import type { HookSpec } from "../../mod.ts";
import { readEdit } from "./edits.ts";
import { Failure, invalid } from "./failure.ts";
import { LIMITS } from "./limits.ts";
import { type NamedSae, SAE_IDS, type Study } from "./study.ts";

/** A checked request. */
export interface Query {
  /** Token ids, BOS first. */
  readonly tokens: number[];
  readonly saes: readonly NamedSae[];
  /** The edits, each at its hook point. */
  readonly edits: readonly HookSpec[];
  /** Entries of each list. */
  readonly top: number;
}

/** A checked request to generate. */
export interface StreamQuery extends Query {
  readonly newTokens: number;
}

function readPrompt({ model }: Study, prompt: unknown): number[] {
  if (typeof prompt !== "string" || prompt === "") throw invalid("prompt", prompt, "a text");
  const tokens = [...model.toTokens(prompt).at(0).data()];
  if (tokens.length > LIMITS.promptTokens) {
    const message =
      `prompt has more than ${LIMITS.promptTokens} tokens, the one at the start included`;
    throw new Failure(422, "invalid", message, { field: "prompt" });
  }
  return tokens;
}

function readSaes({ saes }: Study, ids: unknown): NamedSae[] {
  if (ids === undefined) return [];
  const known = `ids out of ${SAE_IDS.join(", ")}`;
  if (!Array.isArray(ids) || ids.length > SAE_IDS.length) throw invalid("saes", ids, known);
  const chosen = ids.map((id, n) => {
    const sae = saes.get(id);
    if (sae === undefined) throw invalid(`saes[${n}]`, id, known);
    return { id, sae };
  });
  const places = chosen.map(({ sae }) => sae.cfg.hookName);
  const twice = places.findIndex((place, n) => places.indexOf(place) !== n);
  if (twice >= 0) throw invalid(`saes[${twice}]`, ids[twice], `one SAE at "${places[twice]}"`);
  return chosen;
}

function readEdits(edits: unknown): HookSpec[] {
  if (edits === undefined) return [];
  if (!Array.isArray(edits) || edits.length > LIMITS.edits) {
    throw invalid("edits", edits, `a list of at most ${LIMITS.edits} edits`);
  }
  return edits.map((edit, n) => readEdit(edit, `edits[${n}]`));
}

function readCount(field: string, value: unknown, { unless, most }: Record<string, number>) {
  if (value === undefined) return unless;
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most) return Number(value);
  throw invalid(field, value, `a whole number from 1 to ${most}`);
}

function checkFields(body: Record<string, unknown>, known: readonly string[]): void {
  const stray = Object.keys(body).find((name) => !known.includes(name));
  if (stray === undefined) return;
  throw new Failure(422, "invalid", `There is no field "${stray}", wanted ${known.join(", ")}`, {
    field: stray,
  });
}

const FIELDS = ["prompt", "saes", "edits", "top"];

function readFields(study: Study, { prompt, saes, edits, top }: Record<string, unknown>): Query {
  return {
    tokens: readPrompt(study, prompt),
    saes: readSaes(study, saes),
    edits: readEdits(edits),
    top: readCount("top", top, { unless: 5, most: LIMITS.top }),
  };
}

/**
 * Checks what a request asks for.
 *
 * @throws {Failure} If a field is missing, unknown or of another form.
 */
export function readQuery(study: Study, body: Record<string, unknown>): Query {
  checkFields(body, FIELDS);
  return readFields(study, body);
}

/**
 * Checks what a request to generate asks for.
 *
 * @throws {Failure} If a field is missing, unknown or of another form.
 */
export function readStreamQuery(study: Study, body: Record<string, unknown>): StreamQuery {
  checkFields(body, [...FIELDS, "newTokens"]);
  const newTokens = readCount("newTokens", body.newTokens, {
    unless: 16,
    most: LIMITS.newTokens,
  });
  return { ...readFields(study, body), newTokens };
}
