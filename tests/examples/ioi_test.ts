import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { Tensor } from "../../mod.ts";
import { PLOTLY_URL } from "../../src/plot/html.ts";
import { noChromium, openPage } from "../_chromium.ts";
import { readJson, readTensors } from "../_fixtures.ts";
import { compareAll, type Tolerance } from "../parity/_compare.ts";
import { type DemoOutput, runDemo } from "./_demo.ts";

/** A tensor as `ioi.json` has it. */
interface JsonTensor {
  shape: number[];
  data: number[];
}

interface Numbers {
  tensors: Record<string, JsonTensor>;
  seconds: number;
}

interface Reference {
  tensors: Record<string, Tolerance & { dtype: "float32" | "int32" }>;
}

const HEADINGS = [
  "Prompts and answers",
  "Where the answer appears",
  "Run with SAEs",
  "How many features are active",
  "Run with cache, with SAEs",
  "Run with hooks, with SAEs: ablating features at S2",
  "Ablating features where the answer is given",
  "Add SAEs, and path patching",
  "Error nodes",
  "Attribution patching",
  "Attribution against ablation",
  "Attribution through all SAEs at once",
  "SAEs of the residual stream",
];

const FIGURES = [
  "Logit difference read off the residual stream",
  "Logit Diff after Interventions",
  "Activations of Live SAE features at L1 S2 position per prompt",
  "Change in logit diff when ablating L1 SAE features for all prompts at pos 10",
  "Change in logit diff when ablating L3 SAE features for all prompts at the last position",
  "Change in logit diff when path patching features from S_inhibition heads values per prompts",
  "Change in logit diff when ablating L1 SAE features and the error for all prompts at pos 10",
  "Attribution patching of L1 SAE features at S2",
  "Attribution vs Activation Patching Per SAE feature (L1 S2 Pos, all prompts)",
  "Attribution of the features of each layer by position",
  "Logit Diff with an SAE of the residual stream",
];

let folder: string;
let run: DemoOutput;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "splicer_demo_" });
  run = await runDemo(["--out", folder], folder);
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

async function readNumbers(): Promise<Numbers> {
  return JSON.parse(await Deno.readTextFile(`${folder}/ioi.json`));
}

function toTensor({ shape, data }: JsonTensor, dtype: "float32" | "int32"): Tensor {
  assert(data.every((value) => Number.isFinite(value)), "every element is a finite number");
  if (dtype === "float32") return Tensor.from(Float32Array.from(data), shape);
  assert(data.every((value) => Number.isInteger(value)), "every element is an integer");
  return Tensor.from(Int32Array.from(data), shape);
}

Deno.test("demo ends well, and draws no progress where nobody watches", () => {
  assertEquals({ code: run.code, err: run.err }, { code: 0, err: "" });
});

Deno.test("demo gives the reference's numbers, each within its own tolerance", async () => {
  const { tensors: info } = await readJson<Reference>("ioi-tiny", "seed_workload.json");
  const want = await readTensors("ioi-tiny", "seed_workload.safetensors");
  const { tensors, seconds } = await readNumbers();
  assertEquals(Object.keys(tensors).sort(), Object.keys(info).sort());
  const got = Object.entries(tensors).map(([name, tensor]): [string, Tensor] => [
    name,
    toTensor(tensor, info[name].dtype),
  ]);
  const { points } = compareAll("ioi.json", new Map(got), want, (name) => info[name]);
  assertEquals(points, 102);
  assertLess(seconds, 60);
});

Deno.test("demo prints every step under its heading, with tables", () => {
  const lines = run.out.split("\n");
  assertEquals(lines[0], "Indirect object identification in ioi-tiny");
  const headings = lines.filter((line, i) =>
    i > 0 && lines[i - 1] === "" && !line.startsWith("  ")
  );
  assertEquals(headings.slice(0, -1), HEADINGS);
  const prompt = "When John and Mary went to the shops, Mary gave the bag to";
  assert(lines.some((line) => line.startsWith(`  ${prompt}`) && line.endsWith("20.282")));
  assert(lines.some((line) => /^ {2}0, 1, 2, 3 +17\.525 +3\.856 +-0\.212$/.test(line)));
  const end = headings.at(-1)!;
  assertMatch(
    end,
    /^\S+\/ioi\.html has 11 figures, \S+\/ioi\.json 102 tensors\. It took \d+\.\d s\.$/,
  );
});

Deno.test("demo puts all figures on one page that needs no network", async () => {
  const page = await Deno.readTextFile(`${folder}/ioi.html`);
  const json = /<script type="application\/json" id="figures">(.*?)<\/script>/s.exec(page)![1];
  const figures: { layout: { title: { text: string }; shapes?: { type: string }[] } }[] = JSON
    .parse(json);
  assertEquals(figures.map(({ layout }) => layout.title.text), FIGURES);
  assertEquals(figures.map(({ layout }) => layout.shapes?.length ?? 0), [
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
  ]);
  assertEquals(page.includes(PLOTLY_URL), false);
  for (const heading of HEADINGS) assert(page.includes(`<h2>${heading}</h2>`), heading);
});

for (const [colorScheme, width] of [["light", 1000], ["dark", 420]] as const) {
  const left = noChromium === undefined ? "" : ` (left out: ${noChromium})`;
  Deno.test({
    name: `demo's page draws in a browser, ${colorScheme}, ${width} wide${left}`,
    ignore: noChromium !== undefined,
    fn: async () => {
      const page = await openPage(`${folder}/ioi.html`, { width, colorScheme });
      assertEquals(page.figuresDrawn, `${FIGURES.length}/${FIGURES.length}`);
      assertEquals(page.consoleErrors, []);
      assertEquals(page.requests, []);
      assertEquals(page.overflow, 0);
      // An empty place has one colour; smoothed text alone gives an axis dozens of shades.
      assertEquals(page.coloursPerFigure.map((n) => n > 20), FIGURES.map(() => true));
    },
  });
}
