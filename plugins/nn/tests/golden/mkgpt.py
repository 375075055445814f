#!/usr/bin/env python3
"""Writes GPT models with random weights, and the results of a float64 implementation in numpy.

    mkgpt.py OUT              writes the two named sizes, small and medium
    mkgpt.py OUT --tiny       writes a model that is small enough for the repository

For each model NAME, the script writes OUT/NAME.safetensors (f32) and OUT/NAME.golden.json. It needs
numpy and safetensors.

The models have this architecture. Positions start at 0, and no position is beyond block_size.
    x = wte[token] + wpe[position]
    for each block:
        x = x + attn.c_proj(attention(ln_1(x)))      causal, scaled by 1 / sqrt(head_dim)
        x = x + mlp.c_proj(act(mlp.c_fc(ln_2(x))))
    logits = lm_head(ln_f(x))
LayerNorm divides by sqrt(variance + 1e-5). Linear weights are [out, in]. All linear layers except
lm_head have a bias. The rows of c_attn are queries, keys and values. In each of these three parts,
the rows of head h start at h * head_dim. A context beyond block_size is cut to its last block_size
tokens. Their positions start at 0 again.
"""

import argparse
import json
import math
import os

import numpy as np
from safetensors.numpy import save_file

NAMED = {
    "small": dict(n_embd=128, n_layer=2, n_head=4, block_size=64, vocab_size=256),
    "medium": dict(n_embd=256, n_layer=4, n_head=8, block_size=128, vocab_size=512),
}
TINY = {"tiny": dict(n_embd=24, n_layer=2, n_head=3, block_size=16, vocab_size=61)}
# With these seeds, the logits of the two most probable tokens are never closer than 0.01 while the
# goldens are generated. A computation with fewer digits than float64 must produce the same tokens.
SEEDS = {"small": 19, "medium": 10, "tiny": 9}
PROMPT = {"small": 32, "medium": 32, "tiny": 9}
TOKENS = {"small": 50, "medium": 50, "tiny": 20}


def weights(config, seed):
    """Returns the tensors by name, in the order in which their random numbers are drawn."""
    rng = np.random.default_rng(seed)
    embd, vocab, block = config["n_embd"], config["vocab_size"], config["block_size"]
    tensors = {}

    def normal(name, shape, deviation):
        tensors[name] = (rng.standard_normal(shape) * deviation).astype(np.float32)

    def layer_norm(name):
        tensors[name + ".weight"] = (1 + 0.1 * rng.standard_normal(embd)).astype(np.float32)
        normal(name + ".bias", (embd,), 0.1)

    def linear(name, outs, ins, gain):
        normal(name + ".weight", (outs, ins), gain / math.sqrt(ins))
        normal(name + ".bias", (outs,), 0.05)

    normal("wte.weight", (vocab, embd), 0.5)
    normal("wpe.weight", (block, embd), 0.2)
    for i in range(config["n_layer"]):
        layer_norm(f"h.{i}.ln_1")
        layer_norm(f"h.{i}.ln_2")
        linear(f"h.{i}.attn.c_attn", 3 * embd, embd, 1.5)
        linear(f"h.{i}.attn.c_proj", embd, embd, 1)
        linear(f"h.{i}.mlp.c_fc", 4 * embd, embd, 1.5)
        linear(f"h.{i}.mlp.c_proj", embd, 4 * embd, 1)
    layer_norm("ln_f")
    normal("lm_head.weight", (vocab, embd), 3 / math.sqrt(embd))
    return tensors


erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
}


def forward(w, config, tokens, activation):
    """Returns the logits after each token, [len(tokens), vocab_size]."""
    heads, count = config["n_head"], len(tokens)

    def layer_norm(name, x):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * w[name + ".weight"] + w[name + ".bias"]

    def linear(name, x):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def split(x):
        return x.reshape(count, heads, -1).transpose(1, 0, 2)

    future = np.triu(np.full((count, count), -np.inf), 1)
    x = w["wte.weight"][tokens] + w["wpe.weight"][:count]
    for i in range(config["n_layer"]):
        q, k, v = map(
            split, np.split(linear(f"h.{i}.attn.c_attn", layer_norm(f"h.{i}.ln_1", x)), 3, axis=-1)
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]) + future
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ v
        x = x + linear(f"h.{i}.attn.c_proj", mixed.transpose(1, 0, 2).reshape(count, -1))
        hidden = ACTIVATIONS[activation](linear(f"h.{i}.mlp.c_fc", layer_norm(f"h.{i}.ln_2", x)))
        x = x + linear(f"h.{i}.mlp.c_proj", hidden)
    return layer_norm("ln_f", x) @ w["lm_head.weight"].T


def greedy(w, config, prompt, count, activation):
    """Returns the most probable tokens after the prompt, the logits of the last, and the margin.

    The margin is the smallest difference between the two largest logits of a step.
    """
    tokens, margin, last = list(prompt), math.inf, None
    for _ in range(count):
        last = forward(w, config, tokens[-config["block_size"] :], activation)[-1]
        second, first = np.sort(last)[-2:]
        margin = min(margin, float(first - second))
        tokens.append(int(last.argmax()))
    return tokens[len(prompt) :], last, margin


def golden(w, config, prompt, count, activation):
    logits = forward(w, config, prompt, activation)
    tokens, last, margin = greedy(w, config, prompt, count, activation)
    return {
        "last_logits": logits[-1].tolist(),
        "sum_of_logits": logits.sum(-1).tolist(),
        "norm_of_logits": np.sqrt((logits**2).sum(-1)).tolist(),
        "tokens": tokens,
        "last_step_logits": last.tolist(),
        "margin": margin,
    }


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("out")
    arguments.add_argument("--tiny", action="store_true")
    arguments.add_argument("--seed", type=int)
    asked = arguments.parse_args()
    os.makedirs(asked.out, exist_ok=True)
    for name, config in (TINY if asked.tiny else NAMED).items():
        w = weights(config, SEEDS[name] if asked.seed is None else asked.seed)
        save_file(
            w,
            f"{asked.out}/{name}.safetensors",
            metadata={key: str(size) for key, size in config.items()},
        )
        exact = {key: tensor.astype(np.float64) for key, tensor in w.items()}
        prompt = np.random.default_rng(7).integers(0, config["vocab_size"], PROMPT[name]).tolist()
        activations = {a: golden(exact, config, prompt, TOKENS[name], a) for a in ACTIVATIONS}
        margin = min(a["margin"] for a in activations.values())
        assert margin > 0.01 or asked.seed is not None, f"{name}: the margin is only {margin:.4f}"
        document = {
            "config": config,
            "parameters": int(sum(tensor.size for tensor in w.values())),
            "tensors": len(w),
            "prompt": prompt,
            "activations": activations,
        }
        with open(f"{asked.out}/{name}.golden.json", "w") as file:
            json.dump(document, file)
            file.write("\n")
        print(
            name,
            document["parameters"],
            "parameters",
            document["tensors"],
            "tensors",
            f"margin {margin:.4f}",
        )


if __name__ == "__main__":
    main()
