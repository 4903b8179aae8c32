import { assertEquals } from "@std/assert";
import { type BuildRecord, compareRecords, hashSources } from "../../tools/wasm/record.ts";

const RECORD: BuildRecord = {
  sources: "5a",
  features: [],
  variant: "+simd128",
  compiler: "rustc 1",
  files: { "splicer.js": "0a", "splicer_bg.wasm": "0b" },
};

Deno.test("compareRecords() finds nothing wrong with what the sources give", () => {
  assertEquals(compareRecords("pkg", RECORD, RECORD.files, RECORD), []);
});

Deno.test("compareRecords() under another compiler compares the sources and not the bytes", () => {
  const fresh = { ...RECORD, compiler: "rustc 2", files: { ...RECORD.files, "splicer.js": "ff" } };
  assertEquals(compareRecords("pkg", RECORD, RECORD.files, fresh), []);
  assertEquals(compareRecords("pkg", RECORD, RECORD.files, { ...fresh, sources: "5b" }), [
    "pkg was built from sources with the hash 5a, expected 5b",
  ]);
});

Deno.test("compareRecords() names each file that is not what it should be", () => {
  const fresh = { ...RECORD, files: { ...RECORD.files, "splicer_bg.wasm": "ff" } };
  const edited = { ...RECORD.files, "splicer.js": "ee" };
  assertEquals(compareRecords("pkg", RECORD, edited, fresh), [
    "pkg/splicer.js is not the file that was recorded at its build",
    "pkg/splicer_bg.wasm is not what the sources give under rustc 1",
  ]);
  assertEquals(compareRecords("pkg", undefined, {}, fresh), [
    "pkg has no build.json, expected one beside the module",
  ]);
});

Deno.test("hashSources() follows sources and not what is built from them", async () => {
  const crate = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${crate}/src`);
    await Deno.mkdir(`${crate}/target`);
    await Deno.writeTextFile(`${crate}/src/lib.rs`, "pub mod a;");
    const before = await hashSources(crate);
    await Deno.mkdir(`${crate}/tests`);
    await Deno.writeTextFile(`${crate}/target/out.rs`, "generated");
    await Deno.writeTextFile(`${crate}/tests/main.rs`, "a test");
    await Deno.writeTextFile(`${crate}/notes.md`, "words");
    assertEquals(await hashSources(crate), before);
    await Deno.writeTextFile(`${crate}/src/a.rs`, "");
    assertEquals(await hashSources(crate) === before, false);
  } finally {
    await Deno.remove(crate, { recursive: true });
  }
});
