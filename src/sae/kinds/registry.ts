/**
 * The kinds of autoencoders by SAELens' names. A new kind is a file beside this one and a row here.
 *
 * @module
 */

import type { SaeArchitecture } from "../config.ts";
import { GATED } from "./gated.ts";
import { JUMPRELU } from "./jumprelu.ts";
import type { SaeKind } from "./kind.ts";
import { STANDARD } from "./standard.ts";
import { TOPK } from "./topk.ts";

/** The kinds that can be computed. */
export const SAE_KINDS: Readonly<Record<SaeArchitecture, SaeKind>> = {
  standard: STANDARD,
  transcoder: STANDARD,
  jumprelu: JUMPRELU,
  topk: TOPK,
  gated: GATED,
};
