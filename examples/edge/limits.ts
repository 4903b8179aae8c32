/** What one request may ask for, so that any of them is answered in milliseconds and all of them fit the memory of an edge worker. */
export const LIMITS = {
  /** Bytes of a body. */
  bodyBytes: 16 * 1024,
  /** Milliseconds in which a body must have arrived. */
  bodyMs: 5_000,
  /** Tokens of a prompt, BOS included. */
  promptTokens: 96,
  /** Entries of each list in an answer. */
  top: 50,
  /** Edits of one request. */
  edits: 32,
  /** Tokens that are generated. */
  newTokens: 32,
  /** Milliseconds after which generation stops. */
  streamMs: 20_000,
  /** Generations at one time: each keeps what it has told of, up to 3 MB, while its client takes its time. */
  streams: 16,
  /** Bytes of the core's memory: the model and its SAEs take 11 MB. */
  coreBytes: 48e6,
} as const;
