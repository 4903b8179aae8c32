/** Edits as they come in a request. */
import { ConfigError, type Edit, edits, type HookSpec } from "../../mod.ts";
import { Failure, invalid } from "./failure.ts";

/** Edits that cost no run of their own. */
const KINDS = ["ablate", "set", "scale", "clamp", "add", "cutEdge"] as const;

const isKind = (kind: unknown): kind is typeof KINDS[number] =>
  KINDS.some((known) => known === kind);

/**
 * Checks an edit: `{ at, kind, … }` with the fields that the library's edit of that kind has.
 *
 * @param edit What came.
 * @param field Where it came, as in `edits[0]`.
 * @returns The edit and the hook point that it is for.
 * @throws {Failure} If a field is missing, unknown or of another form.
 */
export function readEdit(edit: unknown, field: string): HookSpec {
  if (typeof edit !== "object" || edit === null || Array.isArray(edit)) {
    throw invalid(field, edit, "an object");
  }
  const { at, kind, ...fields } = edit as Record<string, unknown>;
  if (typeof at !== "string") throw invalid(`${field}.at`, at, "the name of a hook point");
  if (!isKind(kind)) throw invalid(`${field}.kind`, kind, `one of ${KINDS.join(", ")}`);
  try {
    const make: (fields: never) => Edit = edits[kind];
    return [at, make(fields as never)];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Failure(422, "invalid", error.message, { field });
  }
}
