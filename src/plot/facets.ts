/**
 * Where the facets of a figure lie, what their axes share, and their headings.
 *
 * @module
 */
import { ConfigError } from "../core/errors.ts";
import type { JsonObject } from "./json.ts";

/** A figure of equal plots, row by row from the upper left. */
export interface Facets {
  nFacets: number;
  /** Facets in a row. */
  perRow: number;
  /** Headings; the facets' numbers by default. */
  labels?: readonly string[];
  /** Name of the horizontal axes, shown below each column. */
  xTitle?: string;
  /** Name of the vertical axes, shown before each row. */
  yTitle?: string;
  /** Whether a unit is as long down as across. */
  hasSquareCells: boolean;
  /** Fields of all horizontal axes, in plotly's words. */
  xAxis: JsonObject;
  /** Fields of all vertical axes, in plotly's words. */
  yAxis: JsonObject;
}

/**
 * Names a facet's axes; plotly leaves the number out for the first.
 *
 * @param facet Its position in the order of traces.
 */
export function facetAxes(facet: number): { xaxis: string; yaxis: string } {
  const suffix = facet === 0 ? "" : String(facet + 1);
  return { xaxis: `x${suffix}`, yaxis: `y${suffix}` };
}

/**
 * Lays out the axes of all facets, with rows that run downwards, and their headings where there are
 * several.
 *
 * @param facets How many there are, and what their axes show.
 * @returns The part of a plotly layout with axes and annotations.
 * @throws {ConfigError} If `perRow` isn't a whole number above 0.
 */
export function facetsLayout(facets: Facets): JsonObject {
  const { nFacets, perRow, labels } = facets;
  if (!(Number.isInteger(perRow) && perRow > 0)) {
    throw new ConfigError(`Cannot wrap facets after ${perRow}, expected a whole number above 0`);
  }
  const layout: JsonObject = {};
  const headings = Array.from({ length: nFacets }, (_, facet) => {
    const place = placeOf(facet, facets);
    const { xaxis, yaxis } = facetAxes(facet);
    layout[xaxis.replace("x", "xaxis")] = horizontalAxis(facet, place, facets);
    layout[yaxis.replace("y", "yaxis")] = verticalAxis(facet, place, facets);
    return headingAbove(place, labels?.[facet] ?? `facet_col=${facet}`);
  });
  if (nFacets > 1) layout.annotations = headings;
  return layout;
}

/** A facet's part of the figure, in shares of its width and height from the lower left. */
interface Place {
  x: [number, number];
  y: [number, number];
  isFirstInRow: boolean;
  isLowestInColumn: boolean;
}

/** Shares of the figure's width and height between facets; a row's gap holds headings and ticks. */
const COLUMN_GAP = 0.03;
const ROW_GAP = 0.14;

function placeOf(facet: number, { nFacets, perRow }: Facets): Place {
  const [nRows, nColumns] = [Math.ceil(nFacets / perRow), Math.min(perRow, nFacets)];
  const [row, column] = [Math.floor(facet / perRow), facet % perRow];
  return {
    x: share(column, nColumns, COLUMN_GAP),
    y: share(nRows - 1 - row, nRows, ROW_GAP),
    isFirstInRow: column === 0,
    isLowestInColumn: facet + perRow >= nFacets,
  };
}

/** The part of the unit length that place `i` of `n` takes. */
function share(i: number, n: number, gap: number): [number, number] {
  const width = (1 - gap * (n - 1)) / n;
  const start = i * (width + gap);
  return [start, start + width];
}

function horizontalAxis(facet: number, place: Place, facets: Facets): JsonObject {
  const isFirst = facet === 0;
  const { xTitle, hasSquareCells, xAxis } = facets;
  return {
    anchor: facetAxes(facet).yaxis,
    domain: place.x,
    ...(isFirst ? {} : { matches: "x" }),
    ...(place.isLowestInColumn ? {} : { showticklabels: false }),
    ...(place.isLowestInColumn && xTitle ? { title: { text: xTitle } } : {}),
    ...(hasSquareCells ? { constrain: "domain" } : {}),
    ...(hasSquareCells && isFirst ? { scaleanchor: "y" } : {}),
    ...xAxis,
  };
}

function verticalAxis(facet: number, place: Place, facets: Facets): JsonObject {
  const { yTitle, hasSquareCells, yAxis } = facets;
  return {
    anchor: facetAxes(facet).xaxis,
    domain: place.y,
    autorange: "reversed",
    ...(facet === 0 ? {} : { matches: "y" }),
    ...(place.isFirstInRow ? {} : { showticklabels: false }),
    ...(place.isFirstInRow && yTitle ? { title: { text: yTitle } } : {}),
    // Square cells leave room over; at the top the maps stay below their headings.
    ...(hasSquareCells ? { constrain: "domain", constraintoward: "top" } : {}),
    ...yAxis,
  };
}

function headingAbove({ x, y }: Place, text: string): JsonObject {
  return {
    text,
    x: (x[0] + x[1]) / 2,
    y: y[1],
    xref: "paper",
    yref: "paper",
    xanchor: "center",
    yanchor: "bottom",
    showarrow: false,
  };
}
