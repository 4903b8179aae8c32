/** The edits that are in force, each with a way to take it out. */
import { type App, nameOf, type Part } from "../app.ts";
import { find, make, placed, plain, signed } from "../dom.ts";
import type { PageView } from "../protocol.ts";
import { type FeatureEdit, withoutEdit } from "../state.ts";

const TEXTS = {
  ablate: () => "off",
  scale: ({ value = 1 }: FeatureEdit) => `× ${plain(value, 1)}`,
  add: ({ value = 0 }: FeatureEdit) => signed(value),
};

/** The list of edits. */
export class EditList implements Part {
  readonly #app: App;
  readonly #place = find("edits");

  constructor(app: App) {
    this.#app = app;
  }

  show({ tokens, cost }: PageView): void {
    const { state, info } = this.#app;
    const items = state.edits.map((edit) => {
      const { kind, sae, feature, pos } = edit;
      const where = pos === undefined ? "everywhere" : `at ${placed(tokens, pos)}`;
      return make("li", {}, [
        make("button", {
          className: "link",
          text: `${feature}`,
          title: "Choose this feature",
          attributes: { type: "button" },
          on: { click: () => this.#app.choose({ sae, feature, pos: pos ?? 0 }) },
        }),
        make("span", { text: `${nameOf(info, sae)}, ${where}`, className: "faint" }),
        make("b", { text: TEXTS[kind](edit) }),
        make("button", {
          className: "remove",
          text: "×",
          attributes: { type: "button", "aria-label": `Take out the edit of feature ${feature}` },
          on: { click: () => this.#app.go(withoutEdit(this.#app.state, edit)) },
        }),
      ]);
    });
    const head = make("div", { className: "edits-head" }, [
      make("h2", { text: "Edits" }),
      ...items.length === 0 ? [] : [make("button", {
        text: "Clear",
        attributes: { type: "button", id: "clear" },
        on: { click: () => this.#app.go({ ...this.#app.state, edits: [] }) },
      })],
    ]);
    this.#place.replaceChildren(
      head,
      items.length === 0
        ? make("p", { className: "hint", text: "None: this is the model as it is." })
        : make("ol", {}, items),
      ...items.length === 0 ? [] : [make("p", {
        className: "hint",
        text: `The run computed ${cost.rows} of ${cost.of} rows: those that the edits change.`,
      })],
    );
  }
}
