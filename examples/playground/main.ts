/** The playground: a page over a worker that runs the embedded model. */
import type { App, Choice, Part } from "./app.ts";
import { find, make } from "./dom.ts";
import { Engine, latestOnly } from "./engine.ts";
import type { ModelInfo, PageView } from "./protocol.ts";
import { EXAMPLES, fromLink, History, type PageState, toLink } from "./state.ts";
import { EditList } from "./views/edit_list.ts";
import { Features } from "./views/features.ts";
import { Figures } from "./views/figures.ts";
import { Inspector } from "./views/inspector.ts";
import { Outcome } from "./views/outcome.ts";

/** The page with everything in it. */
class Page implements App {
  readonly info: ModelInfo;
  readonly #history: History;
  readonly #engine: Engine;
  readonly #parts: readonly Part[];
  readonly #figures: Figures;
  readonly #inspector: Inspector;
  readonly #prompt = find<HTMLTextAreaElement>("prompt");
  readonly #undo = find<HTMLButtonElement>("undo");
  readonly #redo = find<HTMLButtonElement>("redo");
  readonly #run: (state: PageState) => void;
  #view: PageView | undefined;
  /** What a slider shows while it is dragged. */
  #dragged: PageState | undefined;
  /** What typing made of the present; more typing amends it, so that a pause isn't a step to undo. */
  #typed: PageState | undefined;
  choice: Choice | undefined;

  constructor(info: ModelInfo, engine: Engine) {
    this.info = info;
    this.#engine = engine;
    this.#history = new History(fromLink(location.hash));
    this.#inspector = new Inspector(this, (sae, feature) => engine.ask("feature", sae, feature));
    this.#figures = new Figures(this, engine, report);
    this.#parts = [
      new Outcome(this),
      new Features(this),
      this.#inspector,
      new EditList(this),
    ];
    this.#run = latestOnly((state) => this.#show(state));
    this.#listen();
    this.#refresh();
  }

  get state(): PageState {
    return this.#dragged ?? this.#history.now;
  }

  go(state: PageState): void {
    this.#dragged = undefined;
    if (toLink(state) !== toLink(this.#history.now)) this.#history.push(state);
    this.#refresh();
  }

  preview(state: PageState): void {
    this.#dragged = state;
    this.#run(state);
  }

  choose(choice: Choice | undefined): void {
    this.choice = choice;
    if (this.#view) this.#showParts(this.#view);
  }

  /** Shows the state of the history's present, and makes the address its link. */
  #refresh(): void {
    const { now } = this.#history;
    history.replaceState(null, "", `#${toLink(now)}`);
    if (this.#prompt.value !== now.prompt) this.#prompt.value = now.prompt;
    this.#undo.disabled = !this.#history.canUndo;
    this.#redo.disabled = !this.#history.canRedo;
    for (const button of find("examples").children) {
      button.setAttribute("aria-pressed", String(button.textContent === exampleOf(now.prompt)));
    }
    this.#run(now);
  }

  async #show(state: PageState): Promise<void> {
    try {
      this.#view = await this.#engine.ask("run", state);
      report(undefined);
      this.#showParts(this.#view);
      // Figures cost more than a run: they wait until a slider is let go.
      if (this.#dragged === undefined) this.#figures.show();
    } catch (error) {
      report(error);
    }
    document.documentElement.dataset.shown = toLink(state);
  }

  #showParts(view: PageView): void {
    const { choice } = this;
    if (choice && choice.pos >= view.tokens.length) this.choice = undefined;
    for (const part of this.#parts) part.show(view);
  }

  #changePrompt(): void {
    const prompt = this.#prompt.value;
    const { now } = this.#history;
    if (prompt === now.prompt) return;
    // Answers of another prompt mean nothing for this one, unless it is an example's.
    const { answers } = EXAMPLES.find((example) => example.prompt === prompt) ?? {};
    const state = { prompt, ...answers === undefined ? {} : { answers }, edits: now.edits };
    this.#dragged = undefined;
    if (now === this.#typed) this.#history.amend(state);
    else this.#history.push(state);
    this.#typed = state;
    this.#refresh();
  }

  #step(direction: "undo" | "redo"): void {
    this.#dragged = undefined;
    this.#history[direction]();
    this.#refresh();
  }

  #listen(): void {
    let typing: ReturnType<typeof setTimeout>;
    this.#prompt.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#changePrompt(), 250);
    });
    const endTyping = () => {
      clearTimeout(typing);
      this.#changePrompt();
      this.#typed = undefined;
    };
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      endTyping();
    });
    this.#prompt.addEventListener("blur", endTyping);
    find("examples").append(...EXAMPLES.map(({ name, prompt, answers }) =>
      make("button", {
        text: name,
        attributes: { type: "button" },
        on: { click: () => this.go({ prompt, answers, edits: [] }) },
      })
    ));
    this.#undo.addEventListener("click", () => this.#step("undo"));
    this.#redo.addEventListener("click", () => this.#step("redo"));
    find("share").addEventListener(
      "click",
      ({ currentTarget }) => copyLink(currentTarget as HTMLElement),
    );
    addEventListener("hashchange", () => this.go(fromLink(location.hash)));
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Keys for the whole page; those that are typed into a field are the field's. */
  #key(event: KeyboardEvent): void {
    const { key, ctrlKey, metaKey, shiftKey, target } = event;
    const isTyping = target instanceof HTMLElement &&
      target.matches("textarea, input[type=text]");
    if (isTyping || event.altKey) return;
    if ((ctrlKey || metaKey) && key.toLowerCase() === "z") {
      event.preventDefault();
      this.#step(shiftKey ? "redo" : "undo");
    } else if (key.toLowerCase() === "a" && !ctrlKey && !metaKey) {
      this.#inspector.toggleAblation();
    } else if (key === "Escape") this.choose(undefined);
  }
}

function exampleOf(prompt: string): string | undefined {
  return EXAMPLES.find((example) => example.prompt === prompt)?.name;
}

/** Copies the page's address; where that isn't allowed it is shown to be copied by hand. */
async function copyLink(button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    report(new Error(`The link: ${location.href}`));
  }
  setTimeout(() => button.textContent = "Copy link", 1500);
}

/** Says what went wrong, or that nothing did. */
function report(error: unknown): void {
  const notice = find("notice");
  notice.textContent = error === undefined
    ? ""
    : error instanceof Error
    ? error.message
    : String(error);
  notice.hidden = error === undefined;
}

async function main(): Promise<void> {
  const bar = find("loading");
  const engine = new Engine((part) => {
    bar.style.setProperty("--part", String(part));
    bar.setAttribute("aria-valuenow", String(Math.round(100 * part)));
  });
  try {
    const info = await engine.ask("load");
    bar.remove();
    new Page(info, engine);
  } catch (error) {
    report(error);
  }
}

await main();
