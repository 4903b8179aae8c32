// The permissions that the README lists, and no others, let each thing be done.

import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { filesOf, serveHub } from "../hub/_hub_server.ts";

const ROOT = new URL("../../", import.meta.url);
const MODELS = fileURLToPath(new URL("models/ioi-tiny", ROOT));

/** Runs a program that has the library as `splicer`. */
async function run(
  source: string,
  permissions: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<{ success: boolean; said: string }> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_permissions_" });
  try {
    const program = join(folder, "program.ts");
    const library = new URL("mod.ts", ROOT).href;
    const text = `import * as splicer from ${JSON.stringify(library)};\n${source}`;
    await Deno.writeTextFile(program, text.replaceAll("FOLDER", folder));
    const args = ["run", "--quiet", "--no-prompt", "--no-check", "--no-lock"];
    const flags = permissions.map((flag) => flag.replaceAll("FOLDER", folder));
    const replaced = Object.entries(variables).map(([name, value]) =>
      [name, value.replaceAll("FOLDER", folder)] as const
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, ...flags, program],
      env: { NO_COLOR: "1", ...Object.fromEntries(replaced) },
    }).output();
    const decoder = new TextDecoder();
    return { success, said: decoder.decode(stdout) + decoder.decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What is done, and what it must be allowed. */
const TASKS: [name: string, source: string, permissions: string[]][] = [
  [
    "tensors, gradients, models and SAEs in memory, progress and figures as text",
    `const x = splicer.Tensor.randn([3, 4]);
     x.requiresGrad = true;
     x.mul(2).sum().backward();
     using model = new splicer.HookedSAETransformer({ nLayers: 1, dModel: 8, nCtx: 8, dHead: 4, nHeads: 2,
       dVocab: 16, actFn: "gelu", normalizationType: "LN" });
     using saes = new splicer.SAE({ dSae: 16, dIn: 8, hookName: "blocks.0.hook_resid_pre", useErrorTerm: true });
     model.runWithSaes([[1, 2, 3]], { saes });
     for (const _ of splicer.progress([1, 2])) splicer.memoryUsage();
     await splicer.imshow(x).show();`,
    [],
  ],
  [
    "the embedded model and its SAEs",
    `using model = await splicer.HookedSAETransformer.fromPretrained("ioi-tiny");
     using saes = await splicer.SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
     model.runWithSaes("When John", { saes });`,
    [`--allow-read=${MODELS}`],
  ],
  [
    "a figure's page",
    `await splicer.imshow(splicer.Tensor.randn([3, 4])).save("FOLDER/plot.html");`,
    ["--allow-write=FOLDER"],
  ],
];

for (const [name, source, permissions] of TASKS) {
  const asked = permissions.map((flag) => flag.split("=")[0]).join(" ") || "no permission";
  Deno.test(`${name}: ${asked} is enough`, async () => {
    const { success, said } = await run(source, permissions);
    assert(success, said);
  });
  for (const flag of permissions) {
    Deno.test(`${name}: without ${flag.split("=")[0]} the error names it`, async () => {
      const { success, said } = await run(source, permissions.filter((other) => other !== flag));
      assertEquals(success, false);
      assert(said.includes(flag.split("=")[0]), said);
    });
  }
}

Deno.test("a model of the hub: the hub, its variables and its cache are enough", async () => {
  await using hub = serveHub({ "somebody/model": filesOf(new URL(`file://${MODELS}/model/`)) });
  const source = `
    using model = await splicer.HookedTransformer.fromPretrained("somebody/model");
    console.log(model.cfg.nLayers);`;
  const host = new URL(hub.endpoint).hostname;
  const folder = ["--allow-read=FOLDER", "--allow-write=FOLDER"];
  const flags = [`--allow-net=${host}`, "--allow-env", ...folder];
  const variables = { HF_ENDPOINT: hub.endpoint, HF_HOME: "FOLDER" };
  assertEquals(await run(source, flags, variables), { success: true, said: "4\n" });
});

Deno.test("importing the library does nothing that wants a permission", async () => {
  const { success, said } = await run("console.log(Object.keys(splicer).length > 20);", []);
  assertEquals([success, said.trim()], [true, "true"]);
});
