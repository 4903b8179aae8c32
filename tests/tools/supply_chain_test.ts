// What the project takes from elsewhere, and what it ships, is written down.

import { assertEquals } from "@std/assert";
import { filesBelow } from "../../tools/dist/files.ts";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = `${ROOT}models/ioi-tiny`;

Deno.test("docs/contributing.md names every npm package of the lockfile, with its version, and no other", async () => {
  const { specifiers } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`));
  const locked = Object.keys(specifiers).map((specifier) => specifier.replace(/^npm:/, "")).sort();
  const readme = await Deno.readTextFile(`${ROOT}docs/contributing.md`);
  const [, section = ""] = readme.split("## Dependencies\n");
  const rows = section.split("\n## ")[0].matchAll(/^\| `([^`]+)` +\| ([\d.]+) +\|/gm);
  assertEquals([...rows].map(([, name, version]) => `${name}@${version}`).sort(), locked);
});

Deno.test("the README names the npm packages that the library itself may ask for, and no other", async () => {
  const sources = ["src", "repl"].flatMap((folder) =>
    filesBelow(`${ROOT}${folder}`).map((file) => `${ROOT}${folder}/${file}`)
  );
  const texts = await Promise.all(
    [`${ROOT}mod.ts`, ...sources].map((path) => Deno.readTextFile(path)),
  );
  const used = texts.flatMap((text) =>
    [...text.matchAll(/"npm:((?:@[\w-]+\/)?[\w.-]+)@[\d.]+["/]/g)].map(([, name]) => name)
  );
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, section = ""] = readme.split("## Dependencies\n");
  const named = section.split("\n## ")[0].matchAll(/`(@?[\w.-]+(?:\/|-)[\w.-]+)`/g);
  assertEquals([...named].map(([, name]) => name).sort(), [...new Set(used)].sort());
});

Deno.test("the lockfile holds the integrity of every package", async () => {
  const { npm }: { npm: Record<string, { integrity?: string }> } = JSON.parse(
    await Deno.readTextFile(`${ROOT}deno.lock`),
  );
  const loose = Object.entries(npm).filter(([, { integrity = "" }]) =>
    !/^sha512-[\w+/]+=*$/.test(integrity)
  );
  assertEquals(loose.map(([name]) => name), []);
});

Deno.test("the embedded weights are those that SHA256SUMS records", async () => {
  const sums = await Deno.readTextFile(`${MODEL}/SHA256SUMS`);
  const recorded = Object.fromEntries(
    sums.trim().split("\n").map((line) => line.split("  ").toReversed()),
  );
  const actual: Record<string, string> = {};
  for (const file of filesBelow(MODEL).filter((file) => file.includes("/"))) {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${MODEL}/${file}`));
    actual[file] = new Uint8Array(digest).toHex();
  }
  assertEquals(actual, recorded);
});

Deno.test("the embedded folders list the files that they have", async () => {
  const { EMBEDDED_FILES } = await import("../../src/weights/embedded.ts");
  for (const [folder, files] of Object.entries(EMBEDDED_FILES)) {
    const there = filesBelow(`${ROOT}models/${folder}`);
    // Of what a checkpoint may hold, this one file is never read.
    const read = there.filter((file) => file !== "generation_config.json");
    assertEquals([...files].sort(), read);
  }
});
