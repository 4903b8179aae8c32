/**
 * The kinds of autoencoders by SAELens' names. A new kind is a file beside this one and a row here.
 *
 * @module
 */

import type { SaeArchitecture } from "../config.ts";
import { ABSTOPK } from "./abstopk.ts";
import { GATED } from "./gated.ts";
import { JUMPRELU } from "./jumprelu.ts";
import type { SaeKind } from "./kind.ts";
import { MATCHING_PURSUIT } from "./matching_pursuit.ts";
import { STANDARD } from "./standard.ts";
import { TEMPORAL } from "./temporal.ts";
import { TOPK } from "./topk.ts";
import { skipTranscoder, transcoder } from "./transcoder.ts";

const TRANSCODER = transcoder(STANDARD);
const JUMPRELU_TRANSCODER = transcoder(JUMPRELU);

/** The kinds that can be computed, as SAELens 6.54 writes them. */
export const SAE_KINDS: Readonly<Record<SaeArchitecture, SaeKind>> = {
  standard: STANDARD,
  gated: GATED,
  jumprelu: JUMPRELU,
  topk: TOPK,
  abstopk: ABSTOPK,
  matching_pursuit: MATCHING_PURSUIT,
  temporal: TEMPORAL,
  transcoder: TRANSCODER,
  skip_transcoder: skipTranscoder(TRANSCODER),
  jumprelu_transcoder: JUMPRELU_TRANSCODER,
  jumprelu_skip_transcoder: skipTranscoder(JUMPRELU_TRANSCODER),
};
