import { assertEquals } from "@std/assert";
import { terminalHtml } from "./terminal_html.ts";

/** The lines of a page, without what is around them. */
function linesOf(screen: string): string[] {
  const [, body] = /<pre>(.*)<\/pre>/s.exec(terminalHtml(screen))!;
  return body.split("</div>").slice(0, -1).map((line) => line.replace(/^<div>/, ""));
}

Deno.test("terminalHtml() shows text in its colours until they are reset, over lines too", () => {
  const [first, second, third] = linesOf(
    "\x1b[1ma<b\x1b[0m & \x1b[38;2;1;2;3mrgb\n\x1b[48;5;196mstill\x1b[0m\n\x1b[2;31mdim\x1b[39;22m plain",
  );
  const ink = "color:#d4d8e0";
  assertEquals(
    first,
    `<span style="${ink};font-weight:bold">a&lt;b</span><span style="${ink}"> &amp; </span>` +
      `<span style="color:rgb(1,2,3)">rgb</span>`,
  );
  assertEquals(
    second,
    `<span style="color:rgb(1,2,3);background-color:rgb(255,0,0)">still</span>`,
  );
  assertEquals(
    third,
    `<span style="color:#e06c75;opacity:.6">dim</span><span style="${ink}"> plain</span>`,
  );
});

Deno.test("terminalHtml() draws blocks as boxes of a character each", () => {
  const [line] = linesOf("\x1b[32m██▌x");
  const box = (end: number) =>
    `<i style="background-image:linear-gradient(90deg, #7ec16e ${end}%, transparent ${end}%)"> </i>`;
  const style = `style="color:#7ec16e"`;
  assertEquals(
    line,
    `<span ${style}>${box(100)}${box(100)}</span><span ${style}>${box(50)}</span>` +
      `<span ${style}>x</span>`,
  );
});
