/** Answers that say what was wrong. */

/** What a client did wrong, or what can't be done now. */
export class Failure extends Error {
  /** The HTTP status. */
  readonly status: number;
  /** What kind of mistake it is, for programs. */
  readonly code: string;
  /** Where in the request it is, as in `edits[0].feature`. */
  readonly field: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    { field, headers = {} }: { field?: string; headers?: Record<string, string> } = {},
  ) {
    super(message);
    Object.assign(this, { name: "Failure" });
    [this.status, this.code, this.field, this.headers] = [status, code, field, headers];
  }

  /** The failure as a client gets it. */
  toJSON(): { error: { code: string; message: string; field?: string } } {
    const { code, message, field } = this;
    return { error: { code, message, ...(field === undefined ? {} : { field }) } };
  }
}

/** A value that isn't what its field wants. */
export function invalid(field: string, value: unknown, wanted: string): Failure {
  const came = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80);
  return new Failure(422, "invalid", `${field} is ${came}, wanted ${wanted}`, { field });
}
