import { assertEquals, assertThrows } from "@std/assert";
import { blockOf, withBlock } from "../../tools/tables/blocks.ts";
import { TABLES, upToDate } from "../../tools/tables.ts";

for (const page of new Set(TABLES.map(({ page }) => page))) {
  Deno.test(`the tables of ${page} are those of the registries and records`, async () => {
    const now = await Deno.readTextFile(new URL(`../../${page}`, import.meta.url));
    assertEquals(now, await upToDate(page), "run deno task tables");
  });
}

Deno.test("withBlock() changes what stands between the comments, and says where there are none", () => {
  const page = "a\n<!-- x -->\nold\n<!-- /x -->\nb";
  assertEquals(blockOf(page, "x", "p.md"), "old");
  assertEquals(withBlock(page, "x", "new", "p.md"), "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb");
  assertThrows(
    () => withBlock("<!-- x -->", "x", "new", "p.md"),
    Error,
    "p.md has no place between <!-- x --> and <!-- /x -->",
  );
});
