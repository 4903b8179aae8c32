/** What hook points hold: shape, formula, and where in the sources they are computed. */

/** What is known of a point. */
export interface PointDocumentation {
  readonly axes: readonly string[];
  /** What it is, in a sentence. */
  readonly what: string;
  /** How it comes about. */
  readonly formula: string;
  /** The file that computes it. */
  readonly file: string;
}

const RESID = ["batch", "pos", "dModel"];
const BY_HEAD = ["batch", "pos", "head", "dHead"];
const HEAD_RESID = ["batch", "pos", "head", "dModel"];
const SCORES = ["batch", "head", "query", "key"];
const MLP = ["batch", "pos", "dMlp"];
const CODES = ["batch", "pos", "dSae"];

const FORWARD = "src/model/forward.ts";
const ATTENTION = "src/model/attention.ts";
const MLP_FILE = "src/model/mlp.ts";
const NORM = "src/model/norm.ts";
const SAE = "src/sae/autoencode.ts";

type Row = readonly [
  pattern: RegExp,
  axes: readonly string[],
  what: string,
  formula: string,
  file: string,
];

/** The points, by the end of their names. The first that fits counts. */
const ROWS: readonly Row[] = [
  [/hook_sae_input$/, ["batch", "pos", "dIn"], "what the SAE reads, its heads joined", "x", SAE],
  [
    /hook_sae_acts_pre$/,
    CODES,
    "the codes before the activation function",
    "(x − b_dec) W_enc + b_enc",
    SAE,
  ],
  [
    /hook_sae_acts_post$/,
    CODES,
    "the codes: how active each feature is",
    "f = act((x − b_dec) W_enc + b_enc)",
    SAE,
  ],
  [/hook_sae_recons$/, ["batch", "pos", "dIn"], "the reconstruction", "f W_dec + b_dec", SAE],
  [
    /hook_sae_error$/,
    [],
    "what the reconstruction misses; there with the error term alone",
    "x − SAE(x), without hooks",
    SAE,
  ],
  [
    /hook_sae_output$/,
    [],
    "what takes the activation's place",
    "SAE(x), + error with the error term",
    SAE,
  ],
  [/hook_embed$/, RESID, "the tokens' embeddings", "W_E[tokens]", FORWARD],
  [/hook_pos_embed$/, RESID, "the positions' embeddings", "W_pos[positions]", FORWARD],
  [
    /hook_resid_pre$/,
    RESID,
    "the residual stream before the block",
    "resid_post of the block before, or embed + pos_embed",
    FORWARD,
  ],
  [
    /hook_resid_mid$/,
    RESID,
    "the residual stream between attention and MLP",
    "resid_pre + attn_out",
    FORWARD,
  ],
  [
    /hook_resid_post$/,
    RESID,
    "the residual stream behind the block",
    "resid_mid + mlp_out",
    FORWARD,
  ],
  [
    /hook_attn_in$/,
    HEAD_RESID,
    "a copy of the residual stream for each head",
    "resid_pre",
    ATTENTION,
  ],
  [
    /hook_([qkv])_input$/,
    HEAD_RESID,
    "a copy of the residual stream for each head's queries, keys or values",
    "resid_pre",
    ATTENTION,
  ],
  [
    /ln\w*\.hook_scale$/,
    ["batch", "pos", "1"],
    "what the norm divides by",
    "√(mean((x − mean x)²) + ε)",
    NORM,
  ],
  [
    /ln\w*\.hook_normalized$/,
    RESID,
    "the normalised residual stream",
    "(x − mean x) / scale",
    NORM,
  ],
  [/attn\.hook_q$/, BY_HEAD, "queries", "ln1(x) W_Q + b_Q", ATTENTION],
  [/attn\.hook_k$/, BY_HEAD, "keys", "ln1(x) W_K + b_K", ATTENTION],
  [/attn\.hook_v$/, BY_HEAD, "values", "ln1(x) W_V + b_V", ATTENTION],
  [
    /attn\.hook_rot_[qk]$/,
    BY_HEAD,
    "queries or keys, rotated by their positions",
    "R(pos) q",
    ATTENTION,
  ],
  [
    /hook_attn_scores$/,
    SCORES,
    "attention scores; −∞ where a query can't look",
    "q · k / √dHead",
    ATTENTION,
  ],
  [
    /hook_pattern$/,
    SCORES,
    "how much each query attends to each key",
    "softmax(scores)",
    ATTENTION,
  ],
  [/attn\.hook_z$/, BY_HEAD, "each head's mix of values", "pattern · v", ATTENTION],
  [
    /attn\.hook_result$/,
    HEAD_RESID,
    "what each head adds to the residual stream",
    "z W_O, head by head",
    ATTENTION,
  ],
  [
    /hook_attn_out$/,
    RESID,
    "what attention adds to the residual stream",
    "Σ_head z W_O + b_O",
    ATTENTION,
  ],
  [
    /mlp\.hook_in$|hook_mlp_in$/,
    RESID,
    "what the MLP reads",
    "resid_mid, or ln2 of it at mlp.hook_in",
    MLP_FILE,
  ],
  [
    /mlp\.hook_pre(_linear)?$/,
    MLP,
    "neurons before the activation function",
    "ln2(x) W_in + b_in",
    MLP_FILE,
  ],
  [/mlp\.hook_(mid|post)$/, MLP, "neurons", "act(pre)", MLP_FILE],
  [
    /hook_mlp_out$/,
    RESID,
    "what the MLP adds to the residual stream",
    "post W_out + b_out",
    MLP_FILE,
  ],
  [/unembed\.hook_in$/, RESID, "what the unembedding reads", "ln_final(resid_post)", FORWARD],
  [/unembed\.hook_out$/, ["batch", "pos", "dVocab"], "logits", "x W_U + b_U", FORWARD],
];

/** What is known of a point. */
export function documentationOf(name: string): PointDocumentation {
  const row = ROWS.find(([pattern]) => pattern.test(name));
  if (!row) {
    return { axes: [], what: "a point of a module of one's own", formula: "", file: FORWARD };
  }
  const [, axes, what, formula, file] = row;
  return { axes, what, formula, file };
}
