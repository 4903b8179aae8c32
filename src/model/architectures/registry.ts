/**
 * The families of checkpoints that can be loaded.
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";
import { BLOOM } from "./bloom.ts";
import { GEMMA, GEMMA2, GEMMA3 } from "./gemma.ts";
import { GPT2 } from "./gpt2.ts";
import { GPT_NEO } from "./gpt_neo.ts";
import { GPT_NEOX } from "./gpt_neox.ts";
import { GPTJ } from "./gptj.ts";
import { LLAMA } from "./llama.ts";
import { MISTRAL } from "./mistral.ts";
import { OPT } from "./opt.ts";
import { PHI, PHI3 } from "./phi.ts";
import { QWEN2, QWEN3 } from "./qwen.ts";
import { TRANSFORMER_LENS } from "./transformer_lens.ts";

/** The families, each found by what its checkpoints' `config.json` says. */
export const ARCHITECTURES: readonly Architecture[] = [
  GPT2,
  GPT_NEO,
  GPT_NEOX,
  GPTJ,
  OPT,
  BLOOM,
  LLAMA,
  MISTRAL,
  QWEN2,
  QWEN3,
  GEMMA,
  GEMMA2,
  GEMMA3,
  PHI,
  PHI3,
  TRANSFORMER_LENS,
];
