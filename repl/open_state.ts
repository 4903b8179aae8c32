/** The state that the program begins with. */
import { HookedSAE, HookedSAETransformer, metrics } from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { namedSaes, type ReplState, withSession } from "./state.ts";

/** The prompt that the embedded model opens with, and what is measured there. */
export const OPENING = {
  prompt: "When John and Mary went to the shops, John gave the bag to",
  metric: metrics.logitDiff([" Mary", " John"]),
};

/** What other models open with. */
const OTHER_PROMPT = "The quick brown fox jumps over the lazy";

/** The SAEs of the embedded model; the first of each point is spliced in. */
const EMBEDDED_SAES = [
  ...[0, 1, 2, 3].map((layer) => ({
    release: "ioi-tiny-hook-z",
    id: `blocks.${layer}.hook_z`,
    label: "",
  })),
  { release: "ioi-tiny-resid", id: "blocks.2.hook_resid_pre.jumprelu", label: "jumprelu" },
  { release: "ioi-tiny-resid", id: "blocks.2.hook_resid_pre.topk", label: "topk" },
];

async function withErrorTerm(loading: Promise<HookedSAE>): Promise<HookedSAE> {
  const sae = await loading;
  // With the error term an SAE changes nothing by itself.
  sae.useErrorTerm = true;
  return sae;
}

function loadSae(name: string): Promise<HookedSAE> {
  const slash = name.indexOf("/");
  const isRelease = slash > 0 && !/^[./\\]|:/.test(name);
  return isRelease
    ? HookedSAE.fromPretrained(name.slice(0, slash), name.slice(slash + 1))
    : HookedSAE.fromDisk(name);
}

/** Loads the model and the SAEs, and begins a session. */
export async function openState({ model: name, saes, prompts }: Arguments): Promise<ReplState> {
  const isEmbedded = name === "ioi-tiny";
  const wanted = saes?.map((sae) => ({ loading: loadSae(sae), label: undefined })) ??
    (isEmbedded
      ? EMBEDDED_SAES.map(({ release, id, label }) => ({
        loading: HookedSAE.fromPretrained(release, id),
        label,
      }))
      : []);
  const [model, ...loaded] = await Promise.all([
    HookedSAETransformer.fromPretrained(name),
    ...wanted.map(({ loading }) => withErrorTerm(loading)),
  ]);
  const named = namedSaes(loaded.map((sae, i) => ({ sae, label: wanted[i].label })));
  const points = new Set<string>();
  const spliced = named.map((known) => {
    const { hookName } = known.sae.cfg;
    const isOn = !points.has(hookName) && (saes !== undefined || known.name.endsWith(".z"));
    if (isOn) points.add(hookName);
    return { ...known, isOn };
  });
  const isOpening = isEmbedded && prompts === undefined;
  const source = {
    model,
    saes: spliced,
    prompts: prompts ?? [isEmbedded ? OPENING.prompt : OTHER_PROMPT],
    measured: { metric: isOpening ? OPENING.metric : undefined, isChosen: false },
  };
  return withSession(source).state;
}
