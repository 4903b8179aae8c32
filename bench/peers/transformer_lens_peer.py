"""The benchmarks' steps with TransformerLens and SAELens.

Reads requests as lines of JSON from stdin and answers each with a line on stdout:

    {"do": "versions"}                                   -> {"versions": {...}}
    {"do": "load", "scenario": {...}, "threads": 2}      -> {"ok": true}
    {"do": "run", "steps": [...], "sample": 4096}        -> {"ms": ..., "values": [...]}
    {"do": "export_onnx", "scenario": {...}, "to": path} -> {"ok": true}   (three files, see there)

Steps are those of bench/_steps.ts. What goes wrong is answered as {"error": text}.
With --first-logits FOLDER it runs the model of that folder once, prints its last logits' argmax and ends.
"""

import json
import os
import sys
import time
import traceback
from functools import partial
from importlib.metadata import version

os.environ.setdefault("HF_HUB_OFFLINE", "1")

# The answers' own channel: libraries print to stdout when they like.
ANSWERS = sys.stdout
sys.stdout = sys.stderr


def load_transformer(model_class, folder):
    """Builds the model of a folder in Hugging Face layout with TransformerLens' default processing."""
    import torch
    from transformer_lens import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
    from transformers import GPT2LMHeadModel

    source = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    c = source.config
    cfg = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, d_head=c.n_embd // c.n_head,
        n_heads=c.n_head, d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn=c.activation_function,
        eps=c.layer_norm_epsilon, normalization_type="LNPre", original_architecture="GPT2LMHeadModel",
        use_attn_scale=True, device="cpu", seed=0,
    )
    model = model_class(cfg)
    with torch.no_grad():
        state = {name: value.detach().clone() for name, value in convert_gpt2_weights(source, cfg).items()}
    model.load_and_process_state_dict(
        state, fold_ln=True, center_writing_weights=True, center_unembed=True, fold_value_biases=True
    )
    return model.eval()


def z_name(layer):
    return f"blocks.{layer}.attn.hook_z"


def codes_name(layer):
    return f"{z_name(layer)}.hook_sae_acts_post"


class Study:
    """A scenario, loaded."""

    def __init__(self, scenario, threads):
        import torch
        from sae_lens import SAE, HookedSAETransformer

        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.torch = torch
        self.model = load_transformer(HookedSAETransformer, scenario["model"])
        self.saes = [SAE.load_from_disk(folder, device="cpu") for folder in scenario["saes"]]
        self.tokens = torch.tensor(scenario["tokens"])
        self.answers = torch.tensor(scenario["answers"])
        self.layer, self.position = scenario["layer"], scenario["position"]
        self.heads = scenario["heads"]
        self.kept = None
        name = codes_name(self.layer)
        _, cache = self.model.run_with_cache_with_saes(
            self.tokens, saes=self.saes[self.layer], names_filter=name
        )
        self.codes = cache[name][:, self.position]

    def logit_diff(self, logits):
        answers = logits[:, -1].gather(-1, self.answers)
        return answers[:, 0] - answers[:, 1]

    def forward(self, prompts, rows):
        logits = self.model(self.tokens[:prompts])
        return [logits[:, -1] if rows == "last" else logits]

    def generate(self, tokens):
        # Without a tokenizer a cached pass wants to be told that every token is real.
        real = self.torch.ones((1, 1), dtype=self.torch.long)
        cache = self.context(real)
        results = []
        for token in self.tokens[0, :tokens]:
            logits = self.model(token.reshape(1, 1), past_kv_cache=cache, attention_mask=real)
            results.append(logits[0, -1])
        return results

    def context(self, real):
        """The keys and values of a text of all prompts, as if nothing had been generated yet."""
        from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

        text = self.tokens.reshape(1, -1)
        length = text.shape[1]
        if self.kept is None:
            self.kept = TransformerLensKeyValueCache.init_cache(self.model.cfg, "cpu", 1)
            self.model(text, past_kv_cache=self.kept, attention_mask=real.expand(1, length))
        for entry in self.kept.entries:
            entry.past_keys = entry.past_keys[:, :length]
            entry.past_values = entry.past_values[:, :length]
        self.kept.previous_attention_mask = self.kept.previous_attention_mask[:, :length]
        return self.kept

    def cache(self):
        logits, cache = self.model.run_with_cache(self.tokens)
        return [logits, cache["resid_post", self.model.cfg.n_layers - 1], cache["pattern", 0]]

    def splice(self, layers):
        saes = [self.saes[layer] for layer in layers]
        return [self.model.run_with_saes(self.tokens, saes=saes)[:, -1]]

    def cache_splice(self, layers):
        saes = [self.saes[layer] for layer in layers]
        logits, cache = self.model.run_with_cache_with_saes(self.tokens, saes=saes)
        return [logits[:, -1], *(cache[codes_name(layer)] for layer in layers)]

    def logit_diffs(self, features, hooks):
        baseline = self.logit_diff(self.model(self.tokens))
        results = [
            self.logit_diff(self.model.run_with_hooks(self.tokens, fwd_hooks=hooks(feature)))
            for feature in features
        ]
        return [baseline, *results]

    def ablate(self, layer, position, features, errorTerm):
        def zero(acts, hook, feature):
            acts[:, position, feature] = 0.0
            return acts

        def hooks(feature):
            return [(codes_name(layer), partial(zero, feature=feature))]

        sae = self.saes[layer]
        if errorTerm:
            self.model.add_sae(sae, use_error_term=True)
            results = self.logit_diffs(features, hooks)
            self.model.reset_saes()
            return results
        baseline = self.logit_diff(self.model.run_with_saes(self.tokens, saes=sae))
        results = [
            self.logit_diff(self.model.run_with_hooks_with_saes(self.tokens, saes=sae, fwd_hooks=hooks(feature)))
            for feature in features
        ]
        return [baseline, *results]

    def path_patch(self, features):
        def subtract(v_input, hook, head, written):
            v_input[:, self.position, head] -= written
            return v_input

        def hooks(feature):
            written = (self.codes[:, feature].unsqueeze(-1) * sae.W_dec[feature]) @ w_o
            return [
                (f"blocks.{layer}.hook_v_input", partial(subtract, head=head, written=written))
                for layer, head in self.heads
            ]

        sae = self.saes[self.layer]
        w_o = self.model.blocks[self.layer].attn.W_O.flatten(0, 1)
        self.model.add_sae(sae)
        self.model.set_use_split_qkv_input(True)
        results = self.logit_diffs(features, hooks)
        self.model.set_use_split_qkv_input(False)
        self.model.reset_saes()
        return results

    def patch(self, activation):
        from transformer_lens import patching

        corrupted = self.tokens.clone()
        corrupted[:, self.position] = self.tokens[:, self.position].roll(-1)
        _, clean = self.model.run_with_cache(self.tokens)
        patch = getattr(patching, f"get_act_patch_{activation}")
        return [patch(self.model, corrupted, clean, lambda logits: self.logit_diff(logits).mean())]

    def attribute(self, layers, frozen):
        def is_codes(name):
            return "hook_sae_acts_post" in name

        acts, gradients = {}, {}
        for part in [self.model, *self.saes]:
            part.requires_grad_(not frozen)
        for layer in layers:
            self.model.add_sae(self.saes[layer], use_error_term=True)
        with self.torch.enable_grad():
            self.model.add_hook(is_codes, lambda act, hook: acts.__setitem__(hook.name, act.detach()), "fwd")
            self.model.add_hook(is_codes, lambda grad, hook: gradients.__setitem__(hook.name, grad.detach()), "bwd")
            if frozen:
                # Something must ask for gradients: the first SAE's input, as late as it can be.
                first = f"{z_name(min(layers))}.hook_sae_input"
                self.model.add_hook(first, lambda act, hook: act.detach().requires_grad_(), "fwd")
            value = self.logit_diff(self.model(self.tokens)).sum()
            value.backward()
        self.model.reset_hooks()
        self.model.reset_saes()
        results = []
        for layer in layers:
            name = codes_name(layer)
            results.append((gradients[name] * (0 - acts[name])).sum(-1))
        return [value, *results]

    def run(self, steps, sample):
        """Runs steps and times them; parameters' gradients of an earlier run are dropped before."""
        for part in [self.model, *self.saes]:
            part.zero_grad(set_to_none=True)
        started = time.perf_counter()
        results = []
        for step in steps:
            arguments = {name: value for name, value in step.items() if name != "step"}
            results += getattr(self, step["step"])(**arguments)
        ms = 1000 * (time.perf_counter() - started)
        return {"ms": ms, "values": [value for result in results for value in sampled(result, sample)]}


def sampled(result, most):
    """Every nth element of a tensor, `most` at most (see sampled() in bench/_values.ts)."""
    flat = result.detach().flatten()
    return flat[:: max(1, -(-flat.numel() // most))].tolist()


def export_onnx(scenario, path):
    """Writes the plain model, as transformers has it, as ONNX graphs: `path` from token ids to logits, `path`.step from one token and
    what came before it. `path`.past holds the keys and values of a text of all prompts, float32, as that graph takes them."""
    import torch
    from transformers import DynamicCache, GPT2LMHeadModel

    class Logits(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            return self.model(input_ids, use_cache=False).logits

    class Step(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, past):
            cache = DynamicCache(ddp_cache_data=list(zip(past[::2], past[1::2])))
            out = self.model(input_ids, past_key_values=cache, use_cache=True)
            return out.logits, flat(out.past_key_values)

    def flat(cache):
        return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]

    def export(module, arguments, path, inputs, outputs, shapes):
        torch.onnx.export(
            module.eval(), arguments, path, input_names=inputs, output_names=outputs,
            opset_version=20, dynamo=True, external_data=True, dynamic_shapes=shapes,
        )

    source = GPT2LMHeadModel.from_pretrained(scenario["model"], dtype=torch.float32, attn_implementation="eager")
    tokens = torch.tensor(scenario["tokens"])
    batch, pos = torch.export.Dim("batch", max=64), torch.export.Dim("pos", max=1024)
    export(Logits(source), (tokens,), path, ["input_ids"], ["logits"], {"input_ids": {0: batch, 1: pos}})
    with torch.no_grad():
        past = flat(source(tokens.reshape(1, -1), use_cache=True).past_key_values)
    torch.cat([tensor.flatten() for tensor in past]).numpy().tofile(f"{path}.past")
    names = [str(i) for i in range(len(past))]
    export(
        Step(source), (tokens[:1, :1], past), f"{path}.step",
        ["input_ids", *(f"past.{name}" for name in names)], ["logits", *(f"present.{name}" for name in names)],
        {"input_ids": None, "past": [{2: torch.export.Dim("past", max=1023)}] * len(past)},
    )


def answer(request, state):
    if request["do"] == "versions":
        import sae_lens  # noqa: F401  Whether it can be imported is what is asked.

        names = ["torch", "transformer-lens", "sae-lens", "transformers"]
        return {"versions": {"python": sys.version.split()[0], **{name: version(name) for name in names}}}
    if request["do"] == "load":
        state["study"] = Study(request["scenario"], request["threads"])
        return {"ok": True}
    if request["do"] == "export_onnx":
        export_onnx(request["scenario"], request["to"])
        return {"ok": True}
    return state["study"].run(request["steps"], request["sample"])


def first_logits(folder, tokens):
    import torch
    from transformer_lens import HookedTransformer

    with torch.no_grad():
        logits = load_transformer(HookedTransformer, folder)(torch.tensor([tokens]))
    print(int(logits[0, -1].argmax()), file=ANSWERS, flush=True)


def serve():
    state = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), state)
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=ANSWERS, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first-logits"]:
        first_logits(sys.argv[2], json.loads(sys.argv[3]))
    else:
        serve()
