/** What a new process does until it has the embedded model's first logits; prints the token that they name. */
import { HookedTransformer } from "../mod.ts";

const model = await HookedTransformer.fromPretrained("ioi-tiny");
const logits = model.forward(JSON.parse(Deno.args[0]), {});
console.log(logits.at(0, -1).argmax().item());
