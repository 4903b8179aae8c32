/** What TransformerLens 3.9 and SAELens 6.54 do wrongly or by surprise, and what this library does instead. */

/** A trap: the name of its test says what happens upstream. */
export interface Trap {
  /** Where it is, and what happens there. */
  readonly upstream: string;
  /** What happens here, and why that is right. */
  readonly here: string;
  /** Shows it. */
  readonly show: () => void | Promise<void>;
}
