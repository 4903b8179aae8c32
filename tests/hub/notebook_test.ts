// The notebook's own calls, through the hub's layout: names, requests, cache, torch's pickles.

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { HookedSAETransformer, SAE, utils } from "../../mod.ts";
import { runToEnd } from "../_run.ts";
import { MODEL, placesIn, RELEASE, repositoriesIn, SMALL, writeGpt2Small } from "./_gpt2_small.ts";
import { type HubServer, serveHub } from "./_hub_server.ts";

const PROMPT = "When John and Mary went to the shops, Mary gave the bag to";

let folder: string;
let hub: HubServer;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "splicer_notebook_" });
  await writeGpt2Small(`${folder}/hub`, SMALL);
  hub = serveHub(await repositoriesIn(`${folder}/hub`));
});

Deno.test.afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("fromPretrained() of the notebook's names gives what the hub's files hold", async () => {
  const options = { endpoint: hub.endpoint, cacheDir: `${folder}/cache` };
  const here = placesIn(`${folder}/hub`);
  using model = await HookedSAETransformer.fromPretrained(MODEL, options);
  using local = await HookedSAETransformer.fromPretrained(here.model);
  using sae = await SAE.fromPretrained(RELEASE, "blocks.5.hook_z", options);
  const { folder: saes, path } = here.sae(5);
  using localSae = await SAE.fromDisk(saes, { path });

  assertEquals(sae.cfg.hookName, utils.getActName("z", 5));
  assertEquals(sae.cfg.reshapeActivations, "hook_z");
  for (const name of ["W_enc", "b_enc", "W_dec", "b_dec"] as const) {
    assertEquals(sae[name].data(), localSae[name].data());
  }
  // GPT-2's files name no special tokens: <|endoftext|>, the last id, is all of them.
  const tokens = model.toTokens(PROMPT);
  assertEquals(tokens.at(0, 0).item(), SMALL.dVocab - 1);
  assertEquals(tokens.shape, [1, 15]);
  const codes = `${sae.cfg.hookName}.hook_sae_acts_post`;
  const [logits, cache] = model.runWithCacheWithSaes(tokens, { saes: [sae] });
  const [want, wanted] = local.runWithCacheWithSaes(tokens, { saes: [localSae] });
  assertEquals(logits.data(), want.data());
  assertEquals(cache.get(codes).data(), wanted.get(codes).data());
  const nLive = cache.get(codes).gt(0).sum().item();
  assert(nLive > 0 && nLive < cache.get(codes).size / 2, `${nLive} codes are live`);
});

Deno.test("deno task demo runs the notebook on GPT-2 small and its SAEs from the hub", async () => {
  hub.asked.length = 0;
  const { code, out, err } = await runToEnd(
    Deno.execPath(),
    ["task", "--quiet", "demo", "--model", MODEL, "--saes", RELEASE, "--out", `${folder}/out`],
    {
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      env: { HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home` },
    },
  );
  assertEquals({ code, err }, { code: 0, err: "" });
  assert(out.includes(PROMPT), out);
  const { tensors } = JSON.parse(await Deno.readTextFile(`${folder}/out/ioi.json`));
  // The notebook's layers, heads and sets, not those of the embedded model.
  const sets = Object.keys(tensors).filter((name) => /^saes\..*\.logit_diff$/.test(name));
  assertEquals(
    sets,
    ["0_3", "2_4", "5_6", "7_8", "9_10_11"].map((set) => `saes.${set}.logit_diff`),
  );
  assert(out.includes("blocks.5.attn.hook_z") && out.includes("(7.3, 7.9, 8.6, 8.10)"), out);
  const downloaded = new Set(
    hub.asked.filter(({ isContent, method }) => isContent && method === "GET")
      .map(({ path }) => path),
  );
  assertEquals(downloaded.size, 13);

  using local = await HookedSAETransformer.fromPretrained(placesIn(`${folder}/hub`).model);
  const logits = local.forward(PROMPT).at(0, -1);
  const [john, mary] = [" John", " Mary"].map((name) => local.toSingleToken(name));
  const diff = logits.at(john).sub(logits.at(mary)).item();
  // ioi.json has nine digits of a float32.
  assertEquals(tensors["clean.logit_diff"].data[0], Number(diff.toPrecision(9)));
});
