/** Each layer's live features over the tokens, as a grid that the arrow keys walk through. */
import { type App, type Choice, isAbout, type Part } from "../app.ts";
import { find, make, placed, plain, setAttributes, shown } from "../dom.ts";
import type { FeatureRow, PageView, SaeView } from "../protocol.ts";

/** Below this a cell counts as unchanged. */
const CHANGE = 0.005;

const STEPS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** One row of the grid; it is kept while its feature is shown, so that a drag redraws nothing but colours. */
interface GridRow {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLTableCellElement[];
}

/** The grids of all layers, as one table. */
export class Features implements Part {
  readonly #app: App;
  readonly #place = find("features");
  #tokens: readonly string[] = [];
  #rows = new Map<string, GridRow>();
  #order: string[] = [];

  constructor(app: App) {
    this.#app = app;
    this.#place.addEventListener("click", (event) => {
      const choice = choiceOf(event.target);
      if (choice) app.choose(choice);
    });
    this.#place.addEventListener("keydown", (event) => this.#walk(event));
    // What scrolls sideways can't keep its heads in sight as the page scrolls: only what must does.
    new ResizeObserver(() => this.#fit()).observe(this.#place);
  }

  show({ tokens, saes }: PageView): void {
    const keys = saes.flatMap(({ id, rows }) => rows.map(({ feature }) => `${id}:${feature}`));
    const isSame = tokens.join("\n") === this.#tokens.join("\n") &&
      keys.join() === this.#order.join();
    if (!isSame) this.#build(tokens, saes, keys);
    for (const sae of saes) for (const row of sae.rows) this.#paint(sae, row);
  }

  #build(tokens: readonly string[], saes: readonly SaeView[], keys: string[]): void {
    const focused = choiceOf(document.activeElement);
    this.#rows = new Map();
    [this.#tokens, this.#order] = [tokens, keys];
    const head = make("thead", {}, [
      make("tr", {}, [
        make("td", { className: "corner" }),
        ...tokens.map((token) =>
          make("th", { attributes: { scope: "col" } }, [
            make("span", { className: "token", text: shown(token) }),
          ])
        ),
      ]),
    ]);
    const groups = saes.map(({ id, rows }) => {
      const { name } = this.#app.info.saes.find((sae) => sae.id === id) ?? { name: id };
      return make("tbody", { attributes: { "data-sae": id } }, [
        make("tr", { className: "layer" }, [
          make("th", {
            attributes: { scope: "rowgroup", colspan: tokens.length + 1 },
          }, [make("span", { text: name })]),
        ]),
        ...rows.map((row) => this.#buildRow(id, row)),
      ]);
    });
    this.#place.replaceChildren(
      make("table", {
        className: "grid",
        attributes: { role: "grid", "aria-label": "Live features by layer and token" },
        style: { "--columns": String(tokens.length) },
      }, [head, ...groups]),
    );
    if (focused) this.#cellOf(focused)?.focus();
    this.#fit();
  }

  #fit(): void {
    const width = this.#place.firstElementChild?.scrollWidth ?? 0;
    this.#place.toggleAttribute("data-scrolls", width > this.#place.clientWidth);
  }

  #buildRow(sae: string, { feature, before }: FeatureRow): HTMLTableRowElement {
    const cells = before.map((_, pos) =>
      make("td", {
        attributes: {
          role: "gridcell",
          tabindex: -1,
          "data-sae": sae,
          "data-feature": feature,
          "data-pos": pos,
        },
      })
    );
    const head = make("th", { text: String(feature), attributes: { scope: "row" } });
    const element = make("tr", {}, [head, ...cells]);
    this.#rows.set(`${sae}:${feature}`, { element, cells });
    return element;
  }

  #paint({ id, most }: SaeView, { feature, before, after }: FeatureRow): void {
    const row = this.#rows.get(`${id}:${feature}`);
    if (row === undefined) return;
    const { choice, state } = this.#app;
    const isEdited = state.edits.some((edit) => isAbout(edit, { sae: id, feature }));
    const isChosen = choice !== undefined && isAbout({ ...choice, kind: "ablate" }, {
      sae: id,
      feature,
    });
    setAttributes(row.element, { "data-edited": isEdited, "data-chosen": isChosen });
    for (const [pos, cell] of row.cells.entries()) {
      const strength = Math.min(1, Math.max(0, after[pos]) / most);
      cell.style.setProperty("--strength", String(Number(strength.toFixed(3))));
      const isChanged = Math.abs(after[pos] - before[pos]) > CHANGE;
      const isHere = isChosen && choice?.pos === pos;
      const value = isChanged ? `${plain(before[pos])} → ${plain(after[pos])}` : plain(after[pos]);
      setAttributes(cell, {
        "data-changed": isChanged,
        "aria-selected": String(isHere),
        tabindex: isHere || (choice === undefined && this.#isFirst(id, feature, pos)) ? 0 : -1,
        "aria-label": `feature ${feature} at ${placed(this.#tokens, pos)}: ${value}`,
        title: `${feature} at ${placed(this.#tokens, pos)}: ${value}`,
      });
    }
  }

  #isFirst(sae: string, feature: number, pos: number): boolean {
    return pos === 0 && this.#order[0] === `${sae}:${feature}`;
  }

  #cellOf({ sae, feature, pos }: Choice): HTMLTableCellElement | undefined {
    return this.#rows.get(`${sae}:${feature}`)?.cells[pos];
  }

  #walk(event: KeyboardEvent): void {
    const choice = choiceOf(event.target);
    if (choice === undefined) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return this.#app.choose(choice);
    }
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const at = this.#order.indexOf(`${choice.sae}:${choice.feature}`) + step[0];
    const key = this.#order[Math.min(this.#order.length - 1, Math.max(0, at))];
    const { cells = [] } = this.#rows.get(key) ?? {};
    const cell = cells[Math.min(cells.length - 1, Math.max(0, choice.pos + step[1]))];
    cell?.focus();
    const next = choiceOf(cell ?? null);
    if (next) this.#app.choose(next);
  }
}

/** The feature and the token of a cell. */
function choiceOf(target: EventTarget | null): Choice | undefined {
  if (!(target instanceof HTMLElement)) return undefined;
  const { sae, feature, pos } = target.closest("td")?.dataset ?? {};
  if (sae === undefined || feature === undefined || pos === undefined) return undefined;
  return { sae, feature: Number(feature), pos: Number(pos) };
}
