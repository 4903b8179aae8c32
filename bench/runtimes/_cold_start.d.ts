import type * as Splicer from "../../mod.ts";

/** How long each part of a cold start took, in milliseconds. */
export interface ColdStart {
  /** Compiling the module. */
  compileMs: number;
  /** Importing the library beside that. */
  importMs: number;
  /** Loading the embedded model. */
  loadMs: number;
  /** The first forward pass. */
  firstMs: number;
  /** A forward pass when fifty have been run. */
  warmMs: number;
  /** The clock at the first logits; it began with the page. */
  totalMs: number;
  /** The module's memory. */
  wasmBytes: number;
}

/** Starts the library where nothing of it has run. */
export function coldStart(
  compile: () => Promise<unknown>,
  importLibrary: () => Promise<typeof Splicer>,
  announce: (token: string) => void,
): Promise<ColdStart>;
