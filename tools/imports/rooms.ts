/** The rooms of the project and who may import whom, as data. */

/** What one room may do. */
export interface Room {
  /** Paths that belong to the room: folders end in "/", files don't. The longest match wins. */
  paths: string[];
  /** Rooms that it may import, beside itself. */
  imports: string[];
  /** Rooms that it may only load by `await import()`, or name the types of. */
  loads?: string[];
  /** It is part of what users import, by URL too, where no import map applies. */
  shipped: boolean;
}

const CORE = ["errors", "core"];
const BELOW_MODEL = [...CORE, "hooks", "weights", "sources"];
const ADAPTERS = ["tokenizer", "hub", "plot", "plot output"];
const BELOW_SESSION = [...BELOW_MODEL, "model", "sae"];
const SOURCES = [...BELOW_SESSION, "session", "analysis", ...ADAPTERS];
const PUBLIC = [...SOURCES, "mod"];

/** The rooms by name, from the innermost outwards. */
export const ROOMS: Record<string, Room> = {
  "module": { paths: ["wasm/pkg/"], imports: [], shipped: true },
  "threads module": { paths: ["wasm/pkg_threads/"], imports: [], shipped: true },
  "errors": { paths: ["src/core/errors.ts"], imports: [], shipped: true },
  "core": {
    paths: ["src/core/"],
    imports: ["module", "errors"],
    loads: ["workers"],
    shipped: true,
  },
  "hooks": { paths: ["src/hooks/"], imports: CORE, shipped: true },
  "weights": { paths: ["src/weights/"], imports: [...CORE, "sources"], shipped: true },
  "sources": {
    paths: [
      "src/weights/source.ts",
      "src/weights/open_source.ts",
      "src/weights/directory_source.ts",
      "src/weights/file_system.ts",
      "src/weights/http_source.ts",
      "src/weights/memory_source.ts",
      "src/weights/repository.ts",
    ],
    imports: [...CORE, "weights"],
    loads: ["hub"],
    shipped: true,
  },
  "model": { paths: ["src/model/"], imports: [...BELOW_MODEL, "tokenizer"], shipped: true },
  "sae": { paths: ["src/sae/"], imports: BELOW_MODEL, shipped: true },
  "tokenizer": { paths: ["src/tokenizer/"], imports: ["errors"], shipped: true },
  "hub": { paths: ["src/hub/"], imports: ["errors"], shipped: true },
  "plot": { paths: ["src/plot/"], imports: ["errors", "plot output"], shipped: true },
  "plot output": {
    paths: ["src/plot/save.ts", "src/plot/show.ts"],
    imports: ["errors", "plot"],
    shipped: true,
  },
  "session": {
    paths: ["src/session/"],
    imports: [...BELOW_SESSION, ...ADAPTERS],
    loads: ["workers"],
    shipped: true,
  },
  "analysis": {
    paths: ["src/analysis/"],
    imports: [...BELOW_SESSION, "session", ...ADAPTERS],
    shipped: true,
  },
  "workers": { paths: ["src/workers/"], imports: [...CORE, "threads module"], shipped: true },
  "mod": { paths: ["mod.ts"], imports: SOURCES, shipped: true },
  // What stands in for a module of the library in a bundle for another runtime.
  "runtimes": { paths: ["runtimes/"], imports: [...CORE, "module"], shipped: false },
  "repl": { paths: ["repl/"], imports: [...PUBLIC, "workers"], shipped: true },
  "examples": { paths: ["examples/"], imports: PUBLIC, shipped: false },
  "bench": {
    paths: ["bench/"],
    imports: [...PUBLIC, "workers", "threads module", "twins", "repl", "tools"],
    shipped: false,
  },
  "tests": {
    paths: ["tests/"],
    imports: [
      ...PUBLIC,
      "workers",
      "twins",
      "repl",
      "examples",
      "bench",
      "tools",
      "tables",
      "module",
      "threads module",
    ],
    shipped: false,
  },
  "twins": { paths: ["tests/kernels/pkg/"], imports: [], shipped: false },
  "tools": { paths: ["tools/"], imports: [], shipped: false },
  // Describes the library by its own registries.
  "tables": { paths: ["tools/tables.ts", "tools/tables/"], imports: PUBLIC, shipped: false },
};

/** Rooms that may use what only one runtime has; all others run in browsers and workerd too. */
export const RUNTIME_ROOMS = ["sources", "hub", "workers", "repl", "plot output"];

/** Top-level modules of the crate, and which others each may use. */
export const CRATE_MODULES: Record<string, string[]> = {
  error: [],
  real: ["error"],
  memory: ["error"],
  kernels: ["error", "real", "memory"],
  tensor: ["error", "real", "memory", "kernels"],
  heap: ["error", "memory", "tensor"],
  ops: ["error", "real", "memory", "kernels", "tensor"],
  tape: ["error", "real", "memory", "kernels", "tensor", "ops"],
  api: ["error", "real", "memory", "kernels", "tensor", "heap", "ops", "tape"],
  twins: ["error", "real", "memory", "kernels"],
};
