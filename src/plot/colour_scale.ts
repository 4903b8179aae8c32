/**
 * Colour scales by the names that plotly's Python package uses. Several of plotly.js's own scales
 * run the other way under the same name (its `RdBu` goes from blue to red), so figures always
 * carry their colours.
 *
 * @module
 */
import { ConfigError, nearestNames } from "../core/errors.ts";

/** A colour scale: its name (`_r` at the end reverses it), evenly spaced colours, or plotly's stops. */
export type ColourScale =
  | string
  | readonly string[]
  | readonly [position: number, colour: string][];

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

// RdBu, Blues, Reds and Greys are ColorBrewer's; Viridis and Plasma are matplotlib's, at ten stops.
const SCALES: Record<string, string> = {
  RdBu: "67001f b2182b d6604d f4a582 fddbc7 f7f7f7 d1e5f0 92c5de 4393c3 2166ac 053061",
  Blues: "f7fbff deebf7 c6dbef 9ecae1 6baed6 4292c6 2171b5 08519c 08306b",
  Reds: "fff5f0 fee0d2 fcbba1 fc9272 fb6a4a ef3b2c cb181d a50f15 67000d",
  Greys: "ffffff f0f0f0 d9d9d9 bdbdbd 969696 737373 525252 252525 000000",
  Viridis: "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  Plasma: "0d0887 46039f 7201a8 9c179e bd3786 d8576b ed7953 fb9f3a fdca26 f0f921",
};

function hexToRgb(hex: string): Rgb {
  const value = parseInt(hex, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function namedColours(name: string): string[] {
  const known = Object.keys(SCALES).flatMap((key) => [key, `${key}_r`]);
  const wanted = known.find((key) => key.toLowerCase() === name.toLowerCase());
  if (wanted === undefined) {
    const near = nearestNames(name, known).map((key) => `"${key}"`).join(", ");
    throw new ConfigError(
      `Cannot colour a plot by "${name}": no such colour scale; nearest: ${near}; ` +
        `a list of colours does as well`,
    );
  }
  const colours = SCALES[wanted.replace(/_r$/, "")].split(" ").map((hex) =>
    `rgb(${hexToRgb(hex).join(",")})`
  );
  return wanted.endsWith("_r") ? colours.reverse() : colours;
}

/**
 * Gives the stops of a colour scale, as plotly takes them.
 *
 * @param scale A name, colours or stops.
 * @returns Pairs of a position from 0 to 1 and a CSS colour.
 * @throws {ConfigError} If the name is unknown or fewer than two colours are given.
 */
export function colourStops(scale: ColourScale): [number, string][] {
  const given = typeof scale === "string" ? namedColours(scale) : scale;
  if (given.length < 2) {
    throw new ConfigError(
      `Cannot colour a plot by ${given.length} colours, expected at least 2`,
    );
  }
  return given.map((stop, i) =>
    typeof stop === "string" ? [i / (given.length - 1), stop] : [stop[0], stop[1]]
  );
}

/** Reads `#rrggbb` and `rgb(r, g, b)`; other CSS colours show as mid grey in a terminal. */
function cssToRgb(colour: string): Rgb {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour);
  if (hex !== null) return hexToRgb(hex[1]);
  const rgb = /^rgb\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(colour);
  return rgb === null ? [128, 128, 128] : [Number(rgb[1]), Number(rgb[2]), Number(rgb[3])];
}

/**
 * Gives the colour of a scale at a position, between two stops by linear interpolation.
 *
 * @param stops Stops in rising order, as {@link colourStops} gives them.
 * @param position 0 to 1; beyond that the end's colour.
 */
export function colourAt(stops: readonly [number, string][], position: number): Rgb {
  const after = stops.findIndex(([at]) => at >= position);
  if (after === 0) return cssToRgb(stops[0][1]);
  if (after === -1) return cssToRgb(stops[stops.length - 1][1]);
  const [[low, lowColour], [high, highColour]] = [stops[after - 1], stops[after]];
  const share = (position - low) / (high - low);
  const [from, to] = [cssToRgb(lowColour), cssToRgb(highColour)];
  const mix = (i: number) => Math.round(from[i] + share * (to[i] - from[i]));
  return [mix(0), mix(1), mix(2)];
}
