import { HookedSAE, type HookedSAETransformer, Session } from "../../mod.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { runResult } from "../render/next_tokens.ts";
import { tokensLine } from "../render/tokens.ts";
import { type KnownSae, MAIN, namedSaes, type ReplState } from "../state.ts";

/** A state around a loaded session: its SAEs are the ones that are spliced in. */
function stateOf(session: Session, before: ReplState): ReplState {
  const spliced = session.splices.saes.filter((sae) => sae instanceof HookedSAE);
  const model = session.model as HookedSAETransformer;
  const isKnown = ({ sae }: KnownSae) =>
    spliced.some(({ cfg }) => cfg.hookName === sae.cfg.hookName);
  const others = before.saes.filter((known) => !isKnown(known)).map(({ sae }) => ({ sae }));
  const names = namedSaes([...spliced.map((sae) => ({ sae })), ...others]);
  return {
    model,
    saes: names.map((known, i) => ({ ...known, isOn: i < spliced.length })),
    prompts: session.prompts ??
      session.tokens.toArray().map((ids: number[]) => model.toString(ids)),
    measured: { metric: session.metric, isChosen: true },
    session,
    name: MAIN,
    sessions: new Map([[MAIN, session]]),
  };
}

async function readStored(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new CommandError(`There is no file "${path}". \`save FILE\` writes one.`);
  }
}

export const load: Command = {
  name: "load",
  group: "session",
  usage: "load FILE",
  summary: "take up a session from a file, and check that the same logits come out",
  completes: ["file"],
  examples: [["load session.json", "and go on from there"]],
  run: async (reader, { state, style }) => {
    const { text: path } = reader.require("the name of a file");
    reader.end();
    const result = await Session.replay(await readStored(path));
    const { session, isSameBits, isSameModule, isClose, difference, found, expected } = result;
    const verdict = isSameBits
      ? style.green("the same logits, bit for bit")
      : isClose
      ? style.yellow(
        `close to the stored logits (off by ${difference.toExponential(1)}${
          isSameModule ? "" : ", computed by another build"
        })`,
      )
      : style.red(`other logits than the stored ones (off by ${difference.toExponential(1)})`);
    return {
      state: stateOf(session, state),
      ...runResult(session, style, {
        head: [tokensLine(session, style), `  ${verdict}`],
        json: {
          path,
          isSameBits,
          isSameModule,
          isClose,
          difference,
          logits: { found: found.logits, expected: expected.logits },
        },
      }),
    };
  },
};
