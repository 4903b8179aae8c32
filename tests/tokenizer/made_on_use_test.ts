import { assertEquals } from "@std/assert";
import { HookedTransformer } from "../../mod.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { madeOnUse } from "../../src/tokenizer/made_on_use.ts";

const FOLDER = new URL("../../models/ioi-tiny/model/", import.meta.url);
const text = (name: string) => Deno.readTextFileSync(new URL(name, FOLDER));

const made = await loadTokenizer({
  tokenizerJson: text("tokenizer.json"),
  tokenizerConfig: text("tokenizer_config.json"),
  specialTokensMap: text("special_tokens_map.json"),
});

/** All that a tokenizer tells. */
function answersOf(tokenizer: Tokenizer) {
  const { bosTokenId, eosTokenId, padTokenId, unkTokenId, vocabSize, prependsBos } = tokenizer;
  const ids = tokenizer.encode("John gave Mary the bag");
  return {
    ...{ bosTokenId, eosTokenId, padTokenId, unkTokenId, vocabSize, prependsBos, ids },
    specialTokenIds: tokenizer.specialTokenIds,
    decoded: [false, true].map((skipSpecialTokens) =>
      tokenizer.decode([0, ...ids], { skipSpecialTokens })
    ),
    spelled: ids.map((id) => tokenizer.idToToken(id)),
    found: ids.map((id) => tokenizer.tokenToId(tokenizer.idToToken(id) ?? "")),
  };
}

Deno.test("madeOnUse() makes a tokenizer once, when it is first asked for something", () => {
  let times = 0;
  const tokenizer = madeOnUse(() => {
    times++;
    return made;
  });
  assertEquals(times, 0);
  assertEquals(answersOf(tokenizer), answersOf(made));
  assertEquals(times, 1);
});

Deno.test("The embedded model's tokenizer answers as one that is made at once", async () => {
  using model = await HookedTransformer.fromPretrained("ioi-tiny");
  assertEquals(answersOf(model.tokenizer!), answersOf(made));
});
