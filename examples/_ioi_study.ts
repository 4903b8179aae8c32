/** What the steps of the notebook share: the study, its measure, and how effects of features are told. */
import {
  type HookedSAE,
  type HookedSAETransformer,
  type HookFunction,
  type HookSpec,
  imshow,
  progress,
  Tensor,
} from "../mod.ts";
import type { StudySaes } from "./_ioi_saes.ts";
import type { Task } from "./_ioi_task.ts";
import type { Report } from "./_report.ts";

/** What the steps share. */
export interface Study extends Task, StudySaes {
  readonly model: HookedSAETransformer;
  readonly report: Report;
  /** Token ids [prompt, pos]. */
  readonly tokens: Tensor;
  /** Ids of the correct and the incorrect answer [prompt, 2]. */
  readonly answerTokens: Tensor;
  /** What rows of figures are called: the prompts' correct answers. */
  readonly promptLabels: string[];
  /** Logits of the model by itself [prompt, pos, vocab]. */
  readonly originalLogits: Tensor;
  /** Logit differences of the model by itself [prompt]. */
  readonly original: Tensor;
}

/** Features of one place, with what the steps find out about them. */
export interface LiveFeatures {
  /** The hook point of the codes. */
  readonly point: string;
  /** Codes [prompt, pos, feature]. */
  readonly acts: Tensor;
  /** The features that are active there on any prompt. */
  readonly ids: number[];
}

/** The point of an SAE's codes. */
export const codesOf = (sae: HookedSAE) => `${sae.cfg.hookName}.hook_sae_acts_post`;

export const rounded = (value: number) => Number(value.toFixed(3));

/** The mean of all elements, rounded for reading. */
export const mean = (values: Tensor) => rounded(values.mean().item());

/** The logit of the correct answer minus that of the incorrect one, after the last token [prompt]. */
export function logitDiff(logits: Tensor, answerTokens: Tensor): Tensor {
  const answers = logits.at(":", -1).gather(-1, answerTokens);
  return answers.at(":", 0).sub(answers.at(":", 1));
}

/** The features that are active at a position on any prompt. */
export function liveFeatures(point: string, acts: Tensor, pos: number): LiveFeatures {
  return { point, acts, ids: acts.at(":", pos).gt(0).any(0).nonzero().flatten().toArray() };
}

/** The features with the largest effects [prompt, feature] on average, as indices, the largest first. */
export function strongest(effects: Tensor, count = 5): number[] {
  const [, order] = effects.mean(0).abs().topk(Math.min(count, effects.shape[1]));
  return order.toArray();
}

/** Zeroes one live feature after another and gives the change of the logit difference [prompt, feature]. */
export function ablateEach(
  { answerTokens }: Study,
  { point, ids }: LiveFeatures,
  pos: number,
  baseline: Tensor,
  run: (fwdHooks: HookSpec[]) => Tensor,
): Tensor {
  const changes: Tensor[] = [];
  for (const feature of progress(ids, { label: `ablating at ${point}` })) {
    const ablate: HookFunction = (acts) => acts.set([":", pos, feature], 0);
    changes.push(logitDiff(run([[point, ablate]]), answerTokens).sub(baseline));
  }
  return Tensor.stack(changes, 1);
}

export function largestDistance(a: Tensor, b: Tensor): number {
  return a.sub(b).abs().max().item();
}

/** Adds a section on the effects of features [prompt, feature], with the strongest in a table. */
export async function addEffects(
  { report, answers, promptLabels }: Study,
  { ids }: LiveFeatures,
  effects: Tensor,
  { heading, text, title }: { heading: string; text: string; title: string },
) {
  const columns: number[][] = effects.transpose().toArray();
  const largest = (column: number[]) =>
    column.reduce((best, x, i) => Math.abs(x) > Math.abs(column[best]) ? i : best, 0);
  await report.add({
    heading,
    text,
    table: {
      columns: ["feature", "mean change", "largest change", "with the answer"],
      rows: strongest(effects).map((j) => {
        const prompt = largest(columns[j]);
        return [
          String(ids[j]),
          mean(effects.at(":", j)),
          rounded(columns[j][prompt]),
          answers[prompt][0],
        ];
      }),
    },
    figure: imshow(effects, {
      title,
      xaxis: "Feature Id",
      yaxis: "Prompt",
      x: ids.map(String),
      y: promptLabels,
    }),
  });
}
