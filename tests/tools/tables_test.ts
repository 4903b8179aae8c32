import { assertEquals, assertRejects } from "@std/assert";
import { withTables } from "../../tools/tables.ts";

const README = new URL("../../README.md", import.meta.url);

Deno.test("README.md has the tables that the registries give", async () => {
  const readme = await Deno.readTextFile(README);
  const withoutTables = readme.replace(
    /(<!-- compatibility -->)[^]*(<!-- .compatibility -->)/,
    "$1$2",
  );
  assertEquals(readme === withoutTables, false);
  assertEquals(await withTables(withoutTables), readme);
});

Deno.test("withTables() says where a README has no place for tables", async () => {
  await assertRejects(
    () => withTables("# Splicer\n"),
    Error,
    "README.md has no place between <!-- ",
  );
});
