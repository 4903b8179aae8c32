import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { bar, Figure, imshow } from "../../src/plot/express.ts";
import { htmlPage, plotlySource } from "../../src/plot/html.ts";

const NASTY = `</script><script>alert("1")</script> & <!-- 'x'`;

/** The figures that a page carries. */
function figuresIn(html: string): unknown {
  const match = /<script type="application\/json" id="figures">(.*?)<\/script>/s.exec(html);
  return JSON.parse(match![1]);
}

Deno.test("Figure.toHTML() takes plotly.js from a pinned address", () => {
  const figure = bar(["a"], [1], { title: "One bar" });
  const html = figure.toHTML();
  assertStringIncludes(html, 'import("https://esm.sh/plotly.js-dist-min@4.1.2")');
  assertStringIncludes(html, "<title>One bar</title>");
  assertEquals(figuresIn(html), [figure.toJSON()]);
  assertStringIncludes(figure.toHTML({ title: "Other" }), "<title>Other</title>");
  assertStringIncludes(new Figure({ data: [] }).toHTML(), "<title>Figure</title>");
});

Deno.test("Figure.toHTML() carries plotly.js in an offline page, which names no other address", async () => {
  const html = await imshow([[1, 2]]).toHTML({ offline: true });
  const source = await plotlySource();
  assertStringIncludes(source, "plotly.js (cartesian - minified) v4.1.1");
  const start = html.indexOf("<script>\n/**\n* plotly.js");
  const end = html.indexOf("\n</script>", start);
  assert(start > 0 && end - start >= source.length, "plotly.js stands in the page whole");
  assertFalse(/<\/script|<!--/i.test(html.slice(start, end)));
  const own = html.slice(0, start) + html.slice(end);
  assertFalse(/https?:|src=|href=|@import/.test(own), "the page refers to something outside");
});

Deno.test("htmlPage() escapes every text and keeps JSON inside its element", async () => {
  const html = await htmlPage({
    title: NASTY,
    sections: [{
      heading: NASTY,
      text: `${NASTY}\n\nSecond`,
      table: { columns: [NASTY], rows: [[NASTY], [0.1 + 0.2]], caption: NASTY },
      figure: bar([NASTY], [1], { title: NASTY }),
    }],
  });
  assertFalse(html.includes('alert("1")'));
  assertFalse(html.includes("<!--"));
  const escaped = "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; " +
    "&lt;!-- &#39;x&#39;";
  assertEquals(html.split(escaped).length - 1, 7);
  assertStringIncludes(html, "<p>Second</p>");
  assertStringIncludes(html, '<td class="number">0.3</td>');
  const [figure] = figuresIn(html) as { data: { x: string[] }[] }[];
  assertEquals(figure.data[0].x, [NASTY]);
});

Deno.test("htmlPage() numbers the places of its figures and says how many there are", async () => {
  const figure = imshow([[[1]], [[2]], [[3]]], { height: 300 });
  const html = await htmlPage({
    title: "Report",
    sections: [{ heading: "A", figure: bar(["a"], [1]) }, { heading: "Notes" }, {
      heading: "B",
      figure,
    }],
  });
  assertStringIncludes(html, 'data-figures="0/2"');
  assertStringIncludes(html, '<div class="plot" id="figure-1"></div>');
  assertStringIncludes(
    html,
    '<div class="plot" id="figure-2" style="height: 300px; min-width: 520px"></div>',
  );
});
