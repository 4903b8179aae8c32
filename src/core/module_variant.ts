/**
 * Which build of the core computes: what decides, beside the machine, which bits come out.
 *
 * @module
 */

import build from "../../wasm/pkg/build.json" with { type: "json" };
import { coreInfo } from "./engine.ts";

/** Names the core's build: the instructions it uses, `relaxed` or `plain`, and the beginning of its sources' hash. */
export function moduleVariant(): string {
  // With threads the bits are those of the module without.
  const variant = coreInfo().variant === "plain" ? "plain" : "relaxed";
  return `${variant} ${build.sources.slice(0, 16)}`;
}
