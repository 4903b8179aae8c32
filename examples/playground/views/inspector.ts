/** The chosen feature: what it writes, and how it is edited. */
import { type App, type Choice, nameOf, type Part } from "../app.ts";
import { find, make, placed, plain, shown, signed } from "../dom.ts";
import type { FeatureInfo, PageView } from "../protocol.ts";
import { type EditKind, type FeatureEdit, withEdit, withoutEdit } from "../state.ts";

/** A slider: its range, and the value that changes nothing. */
interface Slider {
  readonly kind: Exclude<EditKind, "ablate">;
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly neutral: number;
  readonly text: (value: number) => string;
}

const SLIDERS: readonly Slider[] = [
  {
    kind: "scale",
    label: "Scale",
    min: -2,
    max: 4,
    step: 0.1,
    neutral: 1,
    text: (value) => `× ${plain(value, 1)}`,
  },
  {
    kind: "add",
    label: "Steer",
    min: -10,
    max: 10,
    step: 0.25,
    neutral: 0,
    text: (value) => value === 0 ? "± 0" : `${value < 0 ? "−" : "+"} ${Math.abs(value)}`,
  },
];

/** The panel of the chosen feature. */
export class Inspector implements Part {
  readonly #app: App;
  readonly #place = find("inspector");
  readonly #describe: (sae: string, feature: number) => Promise<FeatureInfo>;
  readonly #strength = make("p", { className: "strength" });
  /** What the edits do, for when the outcome is out of sight. */
  readonly #effect = make("p", { className: "effect" });
  readonly #ablate: HTMLButtonElement;
  readonly #inputs = new Map<Slider, { input: HTMLInputElement; text: HTMLOutputElement }>();
  #shown: Choice | undefined;
  #isEverywhere = false;

  constructor(app: App, describe: (sae: string, feature: number) => Promise<FeatureInfo>) {
    this.#app = app;
    this.#describe = describe;
    this.#ablate = make("button", {
      text: "Ablate",
      attributes: { type: "button", id: "ablate", "aria-keyshortcuts": "A" },
      on: { click: () => this.toggleAblation() },
    });
    this.#clear();
  }

  #clear(): void {
    this.#inputs.clear();
    this.#place.replaceChildren(make("p", {
      className: "hint",
      text: "Choose a feature to see what it writes and to edit it.",
    }));
  }

  /** Switches the chosen feature off, or on again. */
  toggleAblation(): void {
    const edit = this.#edit("ablate");
    if (edit === undefined) return;
    const { state } = this.#app;
    this.#app.go(this.#current(edit) ? withoutEdit(state, edit) : withEdit(state, edit));
  }

  show({ tokens, saes, difference }: PageView): void {
    const { choice } = this.#app;
    const { sae, feature, pos } = choice ?? {};
    if (choice === undefined) this.#clear();
    else if (this.#shown?.sae !== sae || this.#shown?.feature !== feature) this.#build(choice);
    this.#shown = choice;
    if (choice === undefined || pos === undefined) return;
    const row = saes.find(({ id }) => id === sae)?.rows.find((row) => row.feature === feature);
    const [before, after] = [row?.before[pos] ?? 0, row?.after[pos] ?? 0];
    const at = `at ${placed(tokens, pos)}`;
    this.#strength.textContent = before === after
      ? `${plain(after)} ${at}`
      : `${plain(before)} → ${plain(after)} ${at}`;
    const change = difference.after - difference.before;
    this.#effect.textContent = `Logit difference ${plain(difference.after)} (${signed(change)})`;
    this.#showControls();
  }

  #showControls(): void {
    const ablation = this.#edit("ablate");
    const isAblated = ablation !== undefined && this.#current(ablation) !== undefined;
    this.#ablate.setAttribute("aria-pressed", String(isAblated));
    this.#ablate.textContent = isAblated ? "Ablated" : "Ablate";
    for (const [slider, { input, text }] of this.#inputs) {
      const edit = this.#edit(slider.kind);
      const value = (edit && this.#current(edit)?.value) ?? slider.neutral;
      input.value = String(value);
      input.toggleAttribute("data-edited", value !== slider.neutral);
      text.textContent = slider.text(value);
    }
  }

  #build(choice: Choice): void {
    const words = make("dl", { className: "words" });
    const where = (label: string, isEverywhere: boolean) =>
      make("label", {}, [
        make("input", {
          attributes: {
            type: "radio",
            name: "where",
            checked: this.#isEverywhere === isEverywhere,
          },
          on: {
            change: () => {
              this.#isEverywhere = isEverywhere;
              this.#showControls();
            },
          },
        }),
        label,
      ]);
    this.#inputs.clear();
    this.#place.replaceChildren(
      make("header", {}, [
        make("h2", {}, [
          `Feature ${choice.feature}`,
          make("small", { text: nameOf(this.#app.info, choice.sae) }),
        ]),
        make("button", {
          className: "remove",
          text: "×",
          title: "Close (Escape)",
          attributes: { type: "button", "aria-label": "Close" },
          on: { click: () => this.#app.choose(undefined) },
        }),
      ]),
      this.#strength,
      this.#effect,
      words,
      make("div", { className: "where", attributes: { role: "radiogroup" } }, [
        where("this token", false),
        where("all tokens", true),
      ]),
      this.#ablate,
      ...SLIDERS.map((slider) => this.#slider(slider)),
    );
    this.#describe(choice.sae, choice.feature).then(({ raises, lowers }) => {
      const list = (tokens: readonly string[]) =>
        tokens.map((token) => make("span", { className: "token", text: shown(token) }));
      words.replaceChildren(
        make("dt", { text: "raises" }),
        make("dd", {}, list(raises)),
        make("dt", { text: "lowers" }),
        make("dd", {}, list(lowers)),
      );
    }, () => words.replaceChildren());
  }

  #slider(slider: Slider): HTMLElement {
    const { kind, label, min, max, step, neutral } = slider;
    const id = `slider-${kind}`;
    const changed = (value: number) => {
      const edit = this.#edit(kind, value);
      const { state } = this.#app;
      if (edit === undefined) return state;
      return value === neutral ? withoutEdit(state, edit) : withEdit(state, edit);
    };
    const input = make("input", {
      attributes: { type: "range", id, min, max, step, value: neutral },
      on: {
        input: () => this.#app.preview(changed(input.valueAsNumber)),
        change: () => this.#app.go(changed(input.valueAsNumber)),
        dblclick: () => this.#app.go(changed(neutral)),
      },
    });
    const text = make("output", { attributes: { for: id } });
    this.#inputs.set(slider, { input, text });
    return make("div", { className: "slider" }, [
      make("label", { text: label, attributes: { for: id } }),
      input,
      text,
    ]);
  }

  /** The edit of a kind that the controls are about. */
  #edit(kind: EditKind, value?: number): FeatureEdit | undefined {
    const { choice } = this.#app;
    if (choice === undefined) return undefined;
    const { sae, feature, pos } = choice;
    return {
      kind,
      sae,
      feature,
      ...this.#isEverywhere ? {} : { pos },
      ...value === undefined ? {} : { value },
    };
  }

  /** The edit of the same kind and cells that is in force. */
  #current({ kind, sae, feature, pos }: FeatureEdit): FeatureEdit | undefined {
    return this.#app.state.edits.find((edit) =>
      edit.kind === kind && edit.sae === sae && edit.feature === feature && edit.pos === pos
    );
  }
}
