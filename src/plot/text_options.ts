/** What a text may look like. */
export interface TextOptions {
  /** Width in characters. */
  columns: number;
  /** Whether escape sequences for 24-bit colours may be used. */
  hasColours: boolean;
}
