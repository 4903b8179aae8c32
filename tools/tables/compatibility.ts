/** What models, SAEs and functions there are, read off the registries, as Markdown. */
import { ActivationCache, evals, patching, utils } from "../../mod.ts";
import { ARCHITECTURES } from "../../src/model/architectures/registry.ts";
import { type NamedModel, namedModels } from "../../src/model/architectures/named_models.ts";
import { createSaeConfig } from "../../src/sae/read_config.ts";
import { SAE_FORMAT_NAMES } from "../../src/sae/formats/registry.ts";
import { SAE_KINDS } from "../../src/sae/kinds/registry.ts";
import { releases as releasesByName } from "../../src/sae/releases/table.ts";

function code(text: string): string {
  return `\`${text}\``;
}

function list(names: readonly string[]): string {
  return names.map(code).join(", ");
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Items by what they have in common, in the order in which that comes first. */
function grouped<Item>(items: readonly Item[], keyOf: (item: Item) => string): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...groups.get(key) ?? [], item]);
  }
  return [...groups];
}

function ofFamilies(models: readonly NamedModel[]): string {
  const rows = grouped(models, ({ family }) => family).map(([family, members]) => {
    const { name, aliases } = members[0];
    return [family, members.length, code(aliases[0] ?? name)];
  });
  return table(["family", "official names", "such as"], rows);
}

/** TransformerLens' models that run here, and those that don't. */
function bySupport(): NamedModel[][] {
  return [true, false].map((is) => namedModels().filter(({ isSupported }) => isSupported === is));
}

function models(): string {
  const [run, refused] = bySupport();
  const others = grouped(refused, ({ family }) => family).map(([family]) => family);
  return `## Models

Checkpoints whose \`config.json\` has the \`model_type\` ${
    list(ARCHITECTURES.map(({ modelType }) => modelType))
  }. TransformerLens' official names and their aliases resolve to ${run.length} models:

${ofFamilies(run)}

The other ${refused.length} official names are known and refused with a reason: ${
    others.join(", ")
  }.`;
}

/** The tensors of a kind's weight file; those of a module inside it as one. */
function tensorsOf(architecture: keyof typeof SAE_KINDS): string[] {
  const own = architecture === "topk" || architecture === "abstopk" ? { k: 1 } : {};
  const cfg = createSaeConfig({ dIn: 64, dSae: 512, hookName: "hook_embed", architecture, ...own });
  const names = Object.keys(SAE_KINDS[architecture].shapes(cfg));
  return [...new Set(names.map((name) => name.replace(/^(\w+)\..*$/, "$1.*")))];
}

function saes(): string {
  const kinds = Object.entries(SAE_KINDS).map(([name, { isTranscoder, appliesBDec }]) => [
    code(name),
    isTranscoder ? "a point from another" : "a point from itself",
    appliesBDec ? "yes" : "no",
    list(tensorsOf(name as keyof typeof SAE_KINDS)),
  ]);
  const releases = Object.entries(releasesByName());
  const formats = SAE_FORMAT_NAMES.map((format) => {
    const of = releases.filter(([, release]) => release.format === format);
    return [code(format), of.length || "", of.length === 0 ? "by `format` alone" : code(of[0][0])];
  });
  return `## SAEs

${table(["architecture", "reconstructs", "`b_dec` from the input", "tensors"], kinds)}

The training-only kinds (\`batchtopk\`, \`matryoshka_batchtopk\`) are saved as \`jumprelu\`. ${releases.length} releases are known by name, in these layouts:

${table(["layout", "releases", "such as"], formats)}`;
}

/** The methods that a class has itself. */
function methodsOf({ prototype }: { prototype: object }): string[] {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  const isMethod = ([name, { value }]: [string, PropertyDescriptor]) =>
    typeof value === "function" && name !== "constructor";
  return properties.filter(isMethod).map(([name]) => name);
}

/** Functions of TransformerLens that aren't methods of the model, by where they are. */
function analysis(): string {
  const isPatch = (name: string) => name.startsWith("getActPatch") && !name.includes("DirectPath");
  const patches = Object.keys(patching).filter(isPatch);
  const parts: [string, string[]][] = [
    ["`ActivationCache`", methodsOf(ActivationCache)],
    [`\`patching\`, ${patches.length} patches`, patches],
    ["`patching`, beside them", Object.keys(patching).filter((name) => !isPatch(name))],
    ["`evals`", Object.keys(evals)],
    ["`utils`", Object.keys(utils)],
  ];
  const items = parts.map(([where, names]) => `- **${where}**: ${list(names.toSorted())}`);
  return `## Analysis

TransformerLens' names in camel case:

${items.join("\n")}`;
}

/** Everything, for a page of its own. */
export function compatibility(): string {
  return [models(), saes(), analysis()].join("\n\n");
}

/** The same in a few rows. */
export function compatibilityInShort(): string {
  const [run, refused] = bySupport();
  const families = grouped(run, ({ family }) => family).map(([family]) => family);
  const releases = Object.values(releasesByName());
  const layouts = SAE_FORMAT_NAMES.length;
  return table(["", "runs here"], [
    [
      "models",
      `${run.length} of TransformerLens' ${run.length + refused.length} names: ${
        families.join(", ")
      }`,
    ],
    [
      "SAEs",
      `${
        list(Object.keys(SAE_KINDS))
      }; ${releases.length} releases by SAELens' names, ${layouts} layouts of files`,
    ],
    [
      "weights",
      "safetensors, torch's files, npz; held in float32, float16, bfloat16 or int8; folders, URLs, the Hugging Face hub and Python's cache of it",
    ],
    [
      "analysis",
      `\`ActivationCache\` with ${methodsOf(ActivationCache).length} methods, \`patching\` with ${
        Object.keys(patching).length
      } functions, factored matrices, head detection, attribution, \`evals\`, generation`,
    ],
    ["runtimes", "Deno 2.9, Node 20 and later, Bun, Chromium and workers, workerd"],
  ]);
}
