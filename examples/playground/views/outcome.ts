/** What the model says next, and by how much it prefers one answer. */
import type { App, Part } from "../app.ts";
import { find, make, plain, shown, signed } from "../dom.ts";
import type { NextToken, PageView } from "../protocol.ts";

/** Widths of bars follow the square root of a probability, so that small ones can be seen. */
const width = (probability: number) => `${(100 * Math.sqrt(probability)).toFixed(2)}%`;

function percent(probability: number): string {
  if (probability > 0 && probability < 0.001) return "<0.1%";
  return `${(100 * probability).toFixed(1)}%`;
}

function row({ token, before, after }: NextToken, hasEdits: boolean): HTMLElement {
  const change = after - before;
  const isChanged = hasEdits && Math.abs(change) >= 0.0005;
  return make("tr", { attributes: { "data-token": token } }, [
    make("th", { attributes: { scope: "row" } }, [make("span", {
      className: "token",
      text: shown(token, "⟨end⟩"),
    })]),
    make("td", { className: "bar", attributes: { "aria-hidden": "true" } }, [
      make("i", { className: "before", style: { width: width(before) } }),
      make("i", { className: "after", style: { width: width(after) } }),
    ]),
    make("td", { className: "number", text: percent(after), attributes: { "data-value": after } }),
    make("td", {
      className: "number change",
      text: isChanged ? `${signed(100 * change, 1)}` : "",
      attributes: { "data-sign": change < 0 ? "down" : "up" },
    }),
  ]);
}

/** The table of next tokens and the logit difference. */
export class Outcome implements Part {
  readonly #app: App;
  readonly #next = find("next");
  readonly #difference = find("difference");
  readonly #answers: readonly [HTMLInputElement, HTMLInputElement];
  readonly #value = make("output", { className: "figure", attributes: { id: "logit-difference" } });
  readonly #change = make("span", { className: "change" });

  constructor(app: App) {
    this.#app = app;
    const input = (label: string) =>
      make("input", {
        attributes: {
          "aria-label": label,
          type: "text",
          size: 8,
          spellcheck: "false",
          autocomplete: "off",
        },
        on: { change: () => this.#changeAnswers() },
      });
    this.#answers = [input("The first answer"), input("The second answer")];
    this.#difference.append(
      make("h2", { text: "Logit difference" }),
      make("p", { className: "answers" }, [
        this.#answers[0],
        make("span", { text: "over", className: "faint" }),
        this.#answers[1],
      ]),
      make("p", { className: "big" }, [this.#value, this.#change]),
    );
  }

  /** Answers are typed as words; the model's tokens of words begin with a space. */
  #changeAnswers(): void {
    const [first, second] = this.#answers.map(({ value }) => value.trim());
    const { answers: _, ...rest } = this.#app.state;
    if (first === "" || second === "") return this.#app.go(rest);
    const token = (word: string) => /^\w/.test(word) ? ` ${word}` : word;
    this.#app.go({ ...rest, answers: [token(first), token(second)] });
  }

  show({ next, answers, difference }: PageView): void {
    const hasEdits = this.#app.state.edits.length > 0;
    this.#next.replaceChildren(
      make("h2", { text: "Next token" }),
      make("table", { className: "next" }, [
        make("tbody", {}, next.map((token) => row(token, hasEdits))),
      ]),
    );
    for (const [n, input] of this.#answers.entries()) {
      if (document.activeElement !== input) input.value = answers[n].trim();
    }
    this.#value.textContent = plain(difference.after);
    this.#value.dataset.value = String(difference.after);
    const change = difference.after - difference.before;
    this.#change.textContent = hasEdits
      ? `${signed(change)} from ${plain(difference.before)}`
      : "unedited";
    this.#change.dataset.sign = change < 0 ? "down" : "up";
  }
}
