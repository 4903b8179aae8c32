import type { Tensor } from "../mod.ts";
import { bits } from "./session/_models.ts";

/** 32-bit FNV-1a over the bits of tensors. */
export function digest(tensors: Iterable<Tensor>): string {
  let hash = 0x811c9dc5;
  for (const tensor of tensors) {
    for (const word of bits(tensor)) hash = Math.imul(hash ^ word, 0x01000193);
  }
  return (hash >>> 0).toString(16);
}
