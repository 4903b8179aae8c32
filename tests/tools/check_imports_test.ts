import { assertEquals } from "@std/assert";
import { checkRust, checkScript } from "../../tools/check_imports.ts";
import { crateModules, importsOf, runtimeGlobals } from "../../tools/imports/source_text.ts";

Deno.test("importsOf() sees every form of import and no text that looks like one", () => {
  const text = [
    'import { a, type B } from "./a.ts";',
    'import type { C } from "./c.ts"; // import x from "./comment.ts"',
    'export * from "./d.ts";',
    'import source wasm from "./e.wasm";',
    'import "./f.ts";',
    'const pattern = /["`]/;',
    'const lib = await import("npm:lib@1.2.3");',
    'const page = `<script>import P from "https://host/p.js"</script>`;',
    'throw new Error("Cannot import from \\"./g.ts\\"");',
    "/* import y from './h.ts' */",
  ].join("\n");
  assertEquals(importsOf(text), [
    { specifier: "./a.ts", kind: "static" },
    { specifier: "./c.ts", kind: "type" },
    { specifier: "./d.ts", kind: "static" },
    { specifier: "./e.wasm", kind: "static" },
    { specifier: "./f.ts", kind: "static" },
    { specifier: "npm:lib@1.2.3", kind: "dynamic" },
  ]);
});

Deno.test("runtimeGlobals() sees uses in code and in templates, not members or text", () => {
  assertEquals(runtimeGlobals("const a = `${Deno.cwd()}`; globalThis.process.exit();"), [
    "process",
    "Deno",
  ]);
  assertEquals(runtimeGlobals('this.process.run(); "Deno.cwd()"; // Deno.cwd()'), []);
});

Deno.test("checkScript() lets imports go one way only", () => {
  const paths = "errors, core, hooks, weights, sources";
  assertEquals(checkScript("src/sae/splice.ts", 'import type { M } from "../model/model.ts";'), [
    `src/sae/splice.ts (sae) imports src/model/model.ts (model), allowed: sae, ${paths}`,
  ]);
  assertEquals(
    checkScript("src/model/model.ts", 'import { Tensor } from "../core/tensor.ts";'),
    [],
  );
  assertEquals(checkScript("src/hooks/a.ts", 'import { m } from "../../wasm/pkg/splicer.js";'), [
    "src/hooks/a.ts (hooks) imports wasm/pkg/splicer.js (module), allowed: hooks, errors, core",
  ]);
  assertEquals(checkScript("src/plot/bar.ts", 'import { Tensor } from "../core/tensor.ts";'), [
    "src/plot/bar.ts (plot) imports src/core/tensor.ts (core), allowed: plot, errors, plot output",
  ]);
  assertEquals(checkScript("mod.ts", 'export * from "./src/workers/pool.ts";').length, 1);
  assertEquals(checkScript("src/misc/a.ts", ""), [
    "src/misc/a.ts belongs to no room of tools/imports/rooms.ts",
  ]);
});

Deno.test("checkScript() wants optional rooms loaded when they are reached", () => {
  const check = (text: string) => checkScript("src/session/threads.ts", text);
  assertEquals(check('const pool = await import("../workers/pool.ts");'), []);
  assertEquals(check('import type { ThreadPool } from "../workers/pool.ts";'), []);
  assertEquals(check('import { openPool } from "../workers/pool.ts";'), [
    "src/session/threads.ts (session) imports src/workers/pool.ts (workers) statically, expected " +
    '"await import()"',
  ]);
});

Deno.test("checkScript() wants full specifiers in what is shipped", () => {
  const check = (text: string) => checkScript("src/tokenizer/tokenizer.ts", text);
  assertEquals(check('await import("npm:@huggingface/tokenizers@0.2.0");'), []);
  assertEquals(check('import { x } from "@std/assert";'), [
    'src/tokenizer/tokenizer.ts imports @std/assert, expected a relative path, "node:…" or ' +
    '"npm:name@1.2.3"',
  ]);
  assertEquals(check('import { x } from "npm:lib@1.2.3";'), [
    "src/tokenizer/tokenizer.ts imports npm:lib@1.2.3 statically, expected " +
    '"await import()" in an async function',
  ]);
  assertEquals(check('import { join } from "node:path";'), [
    "src/tokenizer/tokenizer.ts (tokenizer) imports node:path statically, which browsers " +
    "don't have",
  ]);
  assertEquals(checkScript("tests/a_test.ts", 'import { x } from "@std/assert";'), []);
});

Deno.test("checkScript() keeps runtime-specific globals in their rooms", () => {
  const text = "await Deno.readFile(path);";
  assertEquals(checkScript("src/weights/source.ts", text), []);
  assertEquals(checkScript("src/model/model.ts", text), [
    "src/model/model.ts (model) uses Deno, allowed in: sources, hub, workers, repl, plot output",
  ]);
});

Deno.test("crateModules() reads groups and paths that lead to the root", () => {
  const text =
    "use crate::{ops::{Op, tape}, heap};\n// use crate::api;\nuse super::super::real::Real;";
  assertEquals(crateModules(text, 2), ["ops", "heap", "real"]);
  assertEquals(crateModules("use super::Rows;", 2), []);
});

Deno.test("checkRust() keeps handles out of the kernels", () => {
  assertEquals(checkRust("kernels/portable/gemm.rs", "use crate::heap::Handle;"), [
    "wasm/src/kernels/portable/gemm.rs (kernels) uses heap, allowed: kernels, error, real, memory",
  ]);
  assertEquals(checkRust("ops/mod.rs", "use crate::kernels::Kernels;"), []);
  assertEquals(checkRust("ops/mod.rs", "use crate::tape::Tape;").length, 1);
});
