/** Prompts as tokens with their positions. */
import type { Session } from "../../mod.ts";
import type { Style } from "../style.ts";

/** The text of each token of a session's text, pads left out. */
export function textTokens({ model, tokens, attentionMask }: Session, text: number): {
  pos: number;
  token: string;
}[] {
  const ids: number[] = tokens.at(text).toArray();
  const real: number[] = attentionMask.at(text).toArray();
  return ids.map((id, pos) => ({ pos, token: model.toSingleStrToken(id) }))
    .filter(({ pos }) => real[pos] !== 0);
}

/** Fits words into lines. */
export function wrapped(
  words: readonly { text: string; width: number }[],
  columns: number,
): string {
  const lines: string[][] = [[]];
  let width = 0;
  for (const word of words) {
    if (width + word.width + 1 > columns && width > 0) {
      lines.push([]);
      width = 0;
    }
    lines[lines.length - 1].push(word.text);
    width += word.width + 1;
  }
  return lines.map((line) => `  ${line.join(" ")}`).join("\n");
}

/** Every token with its position: `0:<|endoftext|> 1:When 2:·John`. */
export function tokensLine(session: Session, style: Style): string {
  const texts = Array.from({ length: session.tokens.shape[0] }, (_, text) => {
    const words = textTokens(session, text).map(({ pos, token }) => {
      const shown = JSON.stringify(token).slice(1, -1).replace(/^ /, "·").replace(/ $/, "·");
      return { text: style.dim(`${pos}:`) + shown, width: `${pos}:${shown}`.length };
    });
    return wrapped(words, style.columns - 2);
  });
  return texts.join("\n");
}
