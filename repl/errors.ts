/** What can go wrong with a line. */

/** Thrown when a command was written in a way that it can't be understood. */
export class CommandError extends SyntaxError {
  /** The class, for messages. */
  override name = "CommandError";
}

/** Thrown when the user stopped a command. */
export class StoppedError extends Error {
  /** The class, for messages. */
  override name = "StoppedError";
}
