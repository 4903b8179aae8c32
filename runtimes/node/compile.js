// Node and Bun read the modules from the files beside the bundle.
import { readFileSync } from "node:fs";

/** Compiles a module that lies beside the bundle. */
export function compile(name) {
  return new WebAssembly.Module(readFileSync(new URL(`./${name}`, import.meta.url)));
}
