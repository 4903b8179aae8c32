/**
 * How the cost of an ablation grows: by the position and the layer of the edit, by prompts, by features swept, and by the length of the
 * prompts; the milliseconds beside the multiply-adds that the library counts. Writes `out/bench-growth.svg` where there is a Chromium.
 */
import { Figure, HookedSAETransformer, SAE, Tensor, utils } from "../mod.ts";
import { median } from "./_median.ts";
import { Noise } from "./_noise.ts";
import { uniform } from "./_random.ts";
import { markdownTable } from "./_table.ts";

/** A model between the embedded one and GPT-2 small. */
const SHAPE = { nLayers: 12, dModel: 384, nHeads: 6, dHead: 64, nCtx: 256, dVocab: 8192 };
const D_SAE = 8192;

/** Where the other axes stand while one grows. */
const USUAL = { layer: 5, position: 10, prompts: 8, features: 8, length: 16 };
type Place = typeof USUAL;

const AXES: Record<keyof Place, readonly number[]> = {
  position: [0, 3, 6, 9, 12, 15],
  layer: [0, 2, 4, 6, 8, 10, 11],
  prompts: [1, 2, 4, 6, 8, 12, 16],
  features: [1, 2, 4, 8, 16, 32, 64],
  length: [16, 32, 64, 128, 192, 256],
};

/** One measured point. */
interface Point {
  axis: keyof Place;
  at: number;
  /** Milliseconds of the sweep behind its base run, the median. */
  ms: number;
  multiplyAdds: number;
  /** Those of one full pass with the SAE over the same prompts. */
  full: number;
  fullMs: number;
}

function randomSae(layer: number): SAE {
  return new SAE({
    dIn: SHAPE.dModel,
    dSae: D_SAE,
    hookName: utils.getActName("z", layer),
    reshapeActivations: "hook_z",
    seed: layer + 1,
  });
}

function tokensOf({ prompts, length }: Place): Tensor {
  const ids = uniform(9, prompts * length).map((x) =>
    Math.floor(Math.abs(x) * SHAPE.dVocab) % SHAPE.dVocab
  );
  return Tensor.from(Int32Array.from(ids), [prompts, length], "int32");
}

function measurePoint(
  transformer: HookedSAETransformer,
  saes: SAE,
  axis: keyof Place,
  at: number,
  reps: number,
): Point {
  const place = { ...USUAL, [axis]: at };
  const tokens = tokensOf(place);
  const metric = (logits: Tensor) => logits.at(":", -1).at(":", 0);
  const over = {
    pos: [place.position],
    feature: Array.from({ length: place.features }, (_, i) => 7 * i),
  };
  const codes = `${utils.getActName("z", place.layer)}.hook_sae_acts_post`;
  const [times, fullTimes]: [number[], number[]] = [[], []];
  let [multiplyAdds, full] = [0, 0];
  for (let rep = 0; rep <= reps; rep++) {
    transformer.keepBase = false;
    transformer.keepBase = true;
    const begun = performance.now();
    metric(transformer.runWithSaes(tokens, { saes })).data();
    fullTimes.push(performance.now() - begun);
    full = transformer.ran.multiplyAdds;
    const started = performance.now();
    transformer.sweep(tokens, { saes, at: codes, over, edit: "ablate", metric }).data();
    times.push(performance.now() - started);
    multiplyAdds = transformer.ran.multiplyAdds;
  }
  // The first one warms up.
  const [ms, fullMs] = [times, fullTimes].map((all) => median(all.slice(1)));
  return { axis, at, ms, multiplyAdds, full, fullMs };
}

function figureOf(points: readonly Point[]): Figure {
  const axes = Object.keys(AXES) as (keyof Place)[];
  const width = 1 / axes.length;
  const layout: Record<string, unknown> = {
    title: { text: "What an ablation costs, by what grows" },
    width: 1200,
    height: 360,
    legend: { orientation: "h", y: -0.3 },
  };
  const data = axes.flatMap((axis, i) => {
    const suffix = i === 0 ? "" : String(i + 1);
    const ours = points.filter((point) => point.axis === axis);
    layout[`xaxis${suffix}`] = {
      domain: [i * width, (i + 0.78) * width],
      title: { text: axis },
      anchor: `y${suffix}`,
    };
    layout[`yaxis${suffix}`] = {
      rangemode: "tozero",
      anchor: `x${suffix}`,
      ...(i === 0 ? { title: { text: "share of the largest" } } : {}),
    };
    const trace = (name: string, value: (point: Point) => number, dash: string) => {
      const values = ours.map(value);
      return {
        type: "scatter",
        mode: "lines+markers",
        name,
        legendgroup: name,
        showlegend: i === 0,
        line: { dash, color: dash === "solid" ? "#1f6feb" : "#d1495b" },
        x: ours.map(({ at }) => at),
        y: values.map((y) => y / Math.max(...values)),
        xaxis: `x${suffix}`,
        yaxis: `y${suffix}`,
      };
    };
    return [
      trace("milliseconds", ({ ms }) => ms, "solid"),
      trace("multiply-adds", ({ multiplyAdds }) => multiplyAdds, "dot"),
    ];
  });
  return new Figure({ data, layout });
}

/** Measures how cost grows, and gives a table. */
export async function measureGrowth(reps: number): Promise<string> {
  using transformer = new HookedSAETransformer({ ...SHAPE, actFn: "gelu_new", seed: 1 });
  const noise = new Noise([Deno.pid]);
  const points: Point[] = [];
  for (const [axis, places] of Object.entries(AXES) as [keyof Place, readonly number[]][]) {
    for (const at of places) {
      using sae = randomSae(axis === "layer" ? at : USUAL.layer);
      points.push(measurePoint(transformer, sae, axis, at, reps));
    }
  }
  await Deno.mkdir("out", { recursive: true });
  const file = "out/bench-growth.svg";
  const drawn = await figureOf(points).save(file).then(
    () => `The picture is in \`${file}\`.`,
    (error) => `No picture: ${error.message}`,
  );
  const rows = points.map(({ axis, at, ms, multiplyAdds, full, fullMs }) => [
    axis,
    at,
    Number(ms.toFixed(2)),
    Number((multiplyAdds / 1e6).toFixed(1)),
    Number(fullMs.toFixed(2)),
    Number((full / 1e6).toFixed(1)),
  ]);
  const { nLayers, dModel } = SHAPE;
  const { layer, position, prompts, features, length } = USUAL;
  return [
    "## How cost grows",
    `${nLayers} layers of ${dModel}, an SAE of ${D_SAE} features. Unless it is what grows: ${features} features ablated one by ` +
    `one in layer ${layer} at position ${position} of ${prompts} prompts of ${length} tokens, as a sweep behind a base run; the ` +
    `last columns are one full pass with the SAE. Others kept ${
      noise.others().toFixed(2)
    } cores busy. ${drawn}`,
    markdownTable(
      ["grows", "to", "ms", "million multiply-adds", "full pass, ms", "its million multiply-adds"],
      rows,
    ),
  ].join("\n\n");
}
