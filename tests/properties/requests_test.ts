// Whatever comes to the edge example is answered, or refused with a status of 4xx that says why.

import { assert } from "@std/assert";
import worker from "../../examples/edge/worker.ts";
import { check, fc } from "./_check.ts";
import { broken, faults } from "./_json.ts";

const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";

/** A request with every field, and an edit of every kind. */
const WHOLE = {
  prompt: "When John and Mary went to the shops, John gave the bag to",
  saes: ["blocks.1.hook_z"],
  edits: [
    { at: CODES, kind: "ablate", feature: 969, pos: 10 },
    { at: CODES, kind: "set", value: 1, feature: [1, 2], pos: { token: " John", nth: 1 } },
    { at: "blocks.0.hook_resid_pre", kind: "scale", by: 0.5, pos: [3, { from: 12 }] },
    { at: "blocks.2.attn.hook_z", kind: "clamp", min: -1, max: 1, head: 3, when: "live" },
    { at: "blocks.3.hook_resid_mid", kind: "add", value: 0.1, when: { feature: 3, above: 0 } },
    { at: "blocks.3.attn.hook_attn_scores", kind: "cutEdge", from: 10, to: -1 },
  ],
  top: 5,
};

async function answered(path: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const request = new Request(`http://edge${path}`, { method: "POST", headers, body });
  const response = await worker.fetch(request);
  const text = await response.text();
  if (response.status === 200) return;
  assert(response.status >= 400 && response.status < 500, `${response.status}: ${text}`);
  const { error: { code, message } } = JSON.parse(text);
  assert(code.length > 0 && message.length > 10 && message.length < 600, text);
}

for (const path of ["/run", "/stream"]) {
  Deno.test(`POST ${path} answers any request, or says what is wrong with it`, async () => {
    const newTokens = path === "/stream" ? { newTokens: 2 } : {};
    await check(
      fc.asyncProperty(faults, async (faults) => {
        await answered(path, JSON.stringify(broken({ ...WHOLE, ...newTokens }, faults)) ?? "");
      }),
      0.5,
    );
    await check(fc.asyncProperty(fc.json(), (body) => answered(path, body)), 0.5);
    await check(fc.asyncProperty(fc.string(), (body) => answered(path, body)), 0.5);
  });
}
