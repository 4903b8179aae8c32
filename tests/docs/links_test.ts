import { assertEquals } from "@std/assert";
import { allPages, anchorsOf, type Page, pageOf, ROOT } from "./_pages.ts";

/** Where the links and pictures of a page lead. */
function linksOf({ prose }: Page): string[] {
  const inline = Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target);
  const html = Array.from(prose.matchAll(/(?:src|href)="([^"]+)"/g), ([, target]) => target);
  return [...inline, ...html];
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The links of a page that lead nowhere within the project. */
function broken(page: Page): string[] {
  return linksOf(page).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path, anchor] = target.split("#");
    const url = path === "" ? new URL(page.path, ROOT) : new URL(path, new URL(page.path, ROOT));
    if (!exists(url)) return true;
    if (anchor === undefined) return false;
    return !anchorsOf(pageOf(path, Deno.readTextFileSync(url))).includes(anchor);
  });
}

Deno.test("links between the pages lead to a file, and to a heading where they name one", () => {
  const wrong = allPages().flatMap((page) => broken(page).map((link) => `${page.path}: ${link}`));
  assertEquals(wrong, []);
  const page = pageOf("docs/a.md", "# A `b`\n[1](nowhere.md) [2](#a-b) [3](#c) [4](../mod.ts)");
  assertEquals(broken({ ...page, path: "docs/tour.md" }), ["nowhere.md", "#a-b", "#c"]);
  assertEquals(anchorsOf(page), ["a-b"]);
});

Deno.test("every guide can be reached from the README", () => {
  const [readme, ...others] = allPages();
  const linked = linksOf(readme);
  const guides = others.filter(({ path }) => path.startsWith("docs/"));
  const reached = new Set([
    ...linked,
    ...guides.filter(({ path }) => linked.includes(path))
      .flatMap((guide) => linksOf(guide).map((link) => `docs/${link}`)),
  ]);
  assertEquals(guides.filter(({ path }) => !reached.has(path)).map(({ path }) => path), []);
});
