/** What a terminal shows, as a page. */

/** The sixteen colours that have names, on a dark screen. */
const NAMED = [
  "#16191f #e06c75 #7ec16e #e0b35c #61a0ef #c07bd8 #4fb7c4 #c8ccd4",
  "#767e8c #f08089 #98d98a #f0c97a #82b8ff #d598ec #70d4e0 #ffffff",
].flatMap((row) => row.split(" "));

/** Ink and paper where nobody says. */
const [INK, PAPER] = ["#d4d8e0", "#16191f"];

/** How text looks at a place. */
interface Look {
  readonly ink?: string;
  readonly paper?: string;
  readonly isBold?: boolean;
  readonly isDim?: boolean;
}

/** The colour that follows 38 or 48: `5;n` or `2;r;g;b`; with how many codes it takes. */
function longColour([kind, ...codes]: readonly number[]): { colour: string; length: number } {
  if (kind === 2) return { colour: `rgb(${codes.slice(0, 3).join(",")})`, length: 4 };
  const n = codes[0];
  if (n < 16) return { colour: NAMED[n], length: 2 };
  if (n >= 232) {
    const grey = 8 + 10 * (n - 232);
    return { colour: `rgb(${grey},${grey},${grey})`, length: 2 };
  }
  const part = (place: number) => {
    const step = Math.floor((n - 16) / place) % 6;
    return step === 0 ? 0 : 55 + 40 * step;
  };
  return { colour: `rgb(${part(36)},${part(6)},${part(1)})`, length: 2 };
}

/** The look after a sequence of codes. */
function after(look: Look, codes: readonly number[]): Look {
  const [code, ...rest] = codes;
  if (code === undefined) return look;
  if (code === 38 || code === 48) {
    const { colour, length } = longColour(rest);
    const changed = code === 38 ? { ...look, ink: colour } : { ...look, paper: colour };
    return after(changed, rest.slice(length));
  }
  const isInk = (from: number) => code >= from && code < from + 8;
  const next: Look = code === 0
    ? {}
    : code === 1
    ? { ...look, isBold: true }
    : code === 2
    ? { ...look, isDim: true }
    : code === 22
    ? { ...look, isBold: false, isDim: false }
    : code === 39
    ? { ...look, ink: undefined }
    : code === 49
    ? { ...look, paper: undefined }
    : isInk(30)
    ? { ...look, ink: NAMED[code - 30] }
    : isInk(90)
    ? { ...look, ink: NAMED[code - 82] }
    : isInk(40)
    ? { ...look, paper: NAMED[code - 40] }
    : isInk(100)
    ? { ...look, paper: NAMED[code - 92] }
    : look;
  return after(next, rest);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** Blocks are drawn as boxes, as terminals do: those of fonts leave gaps between lines. */
const BLOCKS: Readonly<Record<string, (ink: string) => string>> = {
  "▀": (ink) => `linear-gradient(${ink} 50%, transparent 50%)`,
  "▄": (ink) => `linear-gradient(transparent 50%, ${ink} 50%)`,
  ...Object.fromEntries(
    [..."▏▎▍▌▋▊▉█"].map((block, i) => {
      const end = `${(i + 1) * 12.5}%`;
      return [
        block,
        (ink: string) => `linear-gradient(90deg, ${ink} ${end}, transparent ${end})`,
      ];
    }),
  ),
};

/** Characters of one look: runs of the same block become one box. */
function spans(text: string, { ink = INK, paper, isBold, isDim }: Look): string {
  const style = [
    `color:${ink}`,
    ...paper === undefined ? [] : [`background-color:${paper}`],
    ...isBold ? ["font-weight:bold"] : [],
    ...isDim ? ["opacity:.6"] : [],
  ].join(";");
  const runs = text.match(/([▀▄▏▎▍▌▋▊▉█])\1*|[^▀▄▏▎▍▌▋▊▉█]+/g) ?? [];
  return runs.map((run) => {
    const block = BLOCKS[run[0]];
    if (!block) return `<span style="${style}">${escaped(run)}</span>`;
    // One box a character, so that parts of a character stay parts.
    const cells = [...run].map(() => `<i style="background-image:${block(ink)}"> </i>`);
    return `<span style="${style}">${cells.join("")}</span>`;
  }).join("");
}

/** A line with escape sequences as HTML, and the look behind it. */
function lineHtml(line: string, begin: Look): { html: string; look: Look } {
  let look = begin;
  let html = "";
  // deno-lint-ignore no-control-regex -- Escape sequences begin with a control character.
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    // deno-lint-ignore no-control-regex -- As above.
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part);
    if (codes) look = after(look, codes[1].split(";").map(Number));
    else if (part !== "") html += spans(part, look);
  }
  return { html, look };
}

/**
 * Makes a page of what a terminal shows.
 *
 * @param screen Lines with escape sequences for colours.
 * @returns A page with one element, `pre`, as large as the text.
 */
export function terminalHtml(screen: string): string {
  let look: Look = {};
  const lines = screen.split("\n").map((line) => {
    const read = lineHtml(line, look);
    look = read.look;
    return `<div>${read.html}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; background: ${PAPER}; }
    pre { display: inline-block; margin: 0; padding: 14px 18px; background: ${PAPER}; color: ${INK};
      font: 14px/18px "DejaVu Sans Mono", Menlo, Consolas, monospace; }
    div { height: 18px; } span { display: inline-block; height: 18px; } i { font-style: normal; }
    i, span { display: inline-block; height: 18px; vertical-align: top; }
  </style><pre>${lines.join("")}</pre>`;
}
