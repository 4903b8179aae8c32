import { ShapeError } from "../core/errors.ts";
import { type ColourScale, colourStops } from "./colour_scale.ts";
import { facetAxes, facetsLayout } from "./facets.ts";
import { Figure } from "./figure.ts";
import {
  type LabelInput,
  planesOf,
  type PlotInput,
  readGrid,
  rowsOf,
  type TensorLike,
} from "./input.ts";
import { type JsonObject, mergeJson } from "./json.ts";
import { layoutFrom, type LayoutOptions } from "./layout_options.ts";
import { readPlaces } from "./places.ts";

/** Options of {@link imshow}. */
export interface ImshowOptions extends LayoutOptions {
  /** Names or positions of the columns. Texts stay names even where they look like numbers. */
  x?: LabelInput;
  /** Names or positions of the rows. */
  y?: LabelInput;
  /** A scale's name, its colours, or plotly's stops; `"RdBu"` runs from red, low, to blue, high. */
  colorContinuousScale?: ColourScale;
  /** Value at the middle of the colour scale, or null to spread the scale from least to greatest. */
  midpoint?: number | null;
  /** Value at the low end of the colour scale; with either end given, `midpoint` has no say. */
  zmin?: number;
  /** Value at the high end of the colour scale. */
  zmax?: number;
  /** Axis of rank-3 data along which the facets lie, one heat map a step; -1 is the last. */
  facetCol?: number;
  /** Headings of the facets. */
  facetLabels?: readonly string[];
  /** Facets in a row before the next row begins; all in one row by default. */
  facetColWrap?: number;
  /** `"equal"`: square cells, the default for square matrices without names; `"auto"`: cells that fill
   * the figure. */
  aspect?: "equal" | "auto";
  /** Fields of plotly's colour bar, in plotly's words. */
  colorbar?: JsonObject;
  /** Colours that win over `colorContinuousScale`. */
  colorscale?: ColourScale;
  /** Fields of plotly's `layout.coloraxis`; with it the heat maps take their colours from there. */
  coloraxis?: JsonObject;
}

/** The options that are heat maps' own. */
const OWN = [
  "x",
  "y",
  "colorContinuousScale",
  "midpoint",
  "zmin",
  "zmax",
  "facetCol",
  "facetLabels",
  "facetColWrap",
  "aspect",
  "colorbar",
  "colorscale",
  "coloraxis",
] as const;

/**
 * Draws matrices as heat maps, as plotly express' `imshow` does in TransformerLens' notebooks: red
 * below 0, blue above, the first row on top.
 *
 * @param t A matrix [row, column], a list of such matrices, or rank-3 data with `facetCol`.
 * @param options Names, colours and facets; the labels `xaxis` and `yaxis` appear on hover too.
 * @returns The figure, with one heat map a facet on shared colours.
 * @throws {ShapeError} If rank, labels or facets don't fit together.
 * @throws {ConfigError} If the colour scale is unknown, or facets can't be wrapped as asked.
 */
export function imshow(
  t: PlotInput | readonly (readonly number[][] | TensorLike)[],
  options: ImshowOptions = {},
): Figure {
  const facets = readFacets(t, options);
  const [nRows, nColumns] = [facets[0].length, facets[0][0].length];
  const x = options.x && readPlaces(options.x, "x", nColumns);
  const y = options.y && readPlaces(options.y, "y", nRows);
  const colours = colourFields(facets, options);
  const data = facets.map((z, i): JsonObject => ({
    type: "heatmap",
    z,
    x: x?.values,
    y: y?.values,
    ...facetAxes(i),
    ...colours,
    ...(options.coloraxis ? {} : { showscale: i === facets.length - 1 }),
    hovertemplate: hoverText(options),
  }));
  if (options.colorbar && !options.coloraxis) data[data.length - 1].colorbar = options.colorbar;
  const aspect = nRows === nColumns && !x?.areNames && !y?.areNames ? "equal" : "auto";
  const layout = facetsLayout({
    nFacets: facets.length,
    perRow: options.facetColWrap ?? facets.length,
    labels: options.facetLabels,
    xTitle: options.xaxis,
    yTitle: options.yaxis,
    hasSquareCells: (options.aspect ?? aspect) === "equal",
    xAxis: x?.axis ?? {},
    yAxis: y?.axis ?? {},
  });
  if (options.coloraxis) layout.coloraxis = sharedColours(options);
  // The facets' own axes carry their names, where a row ends and where it begins.
  mergeJson(layout, layoutFrom({ ...options, xaxis: undefined, yaxis: undefined }, OWN));
  return new Figure({ data, layout });
}

/** Checks the data's rank against the options and cuts it into matrices. */
function readFacets(t: unknown, { facetCol, facetLabels }: ImshowOptions): number[][][] {
  const grid = readGrid(t, "z");
  const { shape } = grid;
  const axis = facetCol ?? (Array.isArray(t) && shape.length === 3 ? 0 : undefined);
  const wantedRank = axis === undefined ? 2 : 3;
  if (shape.length !== wantedRank || shape.includes(0)) {
    const wanted = wantedRank === 3
      ? `three axes, none empty, for facetCol: ${axis}`
      : "[row, column], none empty, or three axes with facetCol to say which one counts the facets";
    throw new ShapeError(`Cannot show data of shape [${shape}] as heat maps, expected ${wanted}`);
  }
  if (axis !== undefined && !(Number.isInteger(axis) && axis >= -3 && axis < 3)) {
    throw new ShapeError(
      `Cannot lay facets along axis ${axis} of shape [${shape}], expected -3 to 2`,
    );
  }
  const facets = axis === undefined ? [rowsOf(grid)] : planesOf(grid, (axis + 3) % 3);
  if (facetLabels && facetLabels.length !== facets.length) {
    throw new ShapeError(
      `Cannot label ${facets.length} facets with ${facetLabels.length} texts, expected one each`,
    );
  }
  return facets;
}

/**
 * The colour fields of each heat map. plotly centres a heat map on `zmid` by that map's own values,
 * so facets get the ends of all values together.
 */
function colourFields(facets: number[][][], options: ImshowOptions): JsonObject {
  if (options.coloraxis) return { coloraxis: "coloraxis" };
  const colorscale = colourStops(options.colorscale ?? options.colorContinuousScale ?? "RdBu");
  const { midpoint = 0 } = options;
  const fields: JsonObject = { colorscale, ...(midpoint === null ? {} : { zmid: midpoint }) };
  const given = options.zmin !== undefined || options.zmax !== undefined;
  if (!given && facets.length === 1) return fields;
  const [low, high] = extent(facets);
  if (given) return { ...fields, zmin: options.zmin ?? low, zmax: options.zmax ?? high };
  if (midpoint === null) return { ...fields, zmin: low, zmax: high };
  const reach = Math.max(high - midpoint, midpoint - low);
  return { ...fields, zmin: midpoint - reach, zmax: midpoint + reach };
}

/** Least and greatest finite value. */
function extent(facets: number[][][]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of facets.flat(2)) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 0];
}

function hoverText(options: ImshowOptions): string {
  const [x, y] = [options.xaxis || "x", options.yaxis || "y"];
  return `${x}: %{x}<br>${y}: %{y}<br>value: %{z}<extra></extra>`;
}

function sharedColours(options: ImshowOptions): JsonObject {
  const { midpoint = 0, zmin, zmax, colorbar } = options;
  return {
    colorscale: colourStops(options.colorscale ?? options.colorContinuousScale ?? "RdBu"),
    ...(midpoint === null ? {} : { cmid: midpoint }),
    cmin: zmin,
    cmax: zmax,
    colorbar,
    ...options.coloraxis,
  };
}
