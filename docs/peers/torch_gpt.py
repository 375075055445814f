#!/usr/bin/env python3
"""Measures the tokens per second of the same GPT in PyTorch (eager, float32, CPU) and in orch.

    pip install torch numpy safetensors
    python3 docs/peers/torch_gpt.py [--threads 1] [--prompt 32] [--tokens 25] [--turns 5]

The script measures the two sides in turns, one after the other. Both model sizes have random
weights, because the time does not depend on their values. The PyTorch model is written as users of
PyTorch write one: with modules, scaled_dot_product_attention, and a KV cache that grows by
concatenation. The script starts orch as a program on a scenario that it writes, so orch's figures
come from orch's own measurement. Run the script from the project's root after
`cargo build --release`. Compare the ratio and not the numbers, because both numbers depend on the
machine and its neighbours.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZES = {
    "small": dict(embed=128, layers=2, heads=4, block=64, vocab=256),
    "medium": dict(embed=256, layers=4, heads=8, block=128, vocab=512),
}


class Block(nn.Module):
    def __init__(self, embed, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(embed), nn.LayerNorm(embed)
        self.c_attn, self.attn_proj = nn.Linear(embed, 3 * embed), nn.Linear(embed, embed)
        self.c_fc, self.mlp_proj = nn.Linear(embed, 4 * embed), nn.Linear(4 * embed, embed)

    def forward(self, x, past):
        batch, length, embed = x.shape
        split = lambda t: t.view(batch, length, self.heads, embed // self.heads).transpose(1, 2)
        q, k, v = map(split, self.c_attn(self.ln_1(x)).split(embed, dim=2))
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
        x = x + self.attn_proj(y.transpose(1, 2).reshape(batch, length, embed))
        x = x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))
        return x, (k, v)


class Gpt(nn.Module):
    def __init__(self, embed, layers, heads, block, vocab):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, embed), nn.Embedding(block, embed)
        self.blocks = nn.ModuleList(Block(embed, heads) for _ in range(layers))
        self.ln_f, self.head = nn.LayerNorm(embed), nn.Linear(embed, vocab, bias=False)

    def forward(self, tokens, cache):
        start = 0 if cache is None else cache[0][0].shape[2]
        x = self.wte(tokens) + self.wpe(torch.arange(start, start + tokens.shape[1]))
        new = []
        for index, block in enumerate(self.blocks):
            x, kept = block(x, None if cache is None else cache[index])
            new.append(kept)
        return self.head(self.ln_f(x[:, -1])), new


@torch.inference_mode()
def generate(model, prompt, count):
    tokens, cache = prompt, None
    for _ in range(count):
        logits, cache = model(tokens, cache)
        tokens = logits.argmax(dim=-1, keepdim=True)


def torch_tokens_per_s(name, options):
    torch.manual_seed(0)
    model = Gpt(**SIZES[name]).eval()
    prompt = torch.arange(options.prompt).remainder(SIZES[name]["vocab"]).unsqueeze(0)
    for _ in range(3):
        generate(model, prompt, options.tokens)
    times = []
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        begun = time.perf_counter()
        generate(model, prompt, options.tokens)
        times.append(time.perf_counter() - begun)
    return options.tokens / statistics.median(times)


def orch_tokens_per_s(name, options, folder):
    root = pathlib.Path(__file__).resolve().parents[2]
    scenario = pathlib.Path(folder) / "peer.yaml"
    params = (
        f"model: {name}, prompt: {options.prompt}, tokens: {options.tokens}, "
        "temperature: 0, kv_cache: true"
    )
    scenario.write_text(
        f"plugins: {{ transformer: {{ crate: '{root}/plugins/transformer' }} }}\n"
        f"defaults: {{ time: 2s, rounds: 4, threads: {options.threads} }}\n"
        f"workloads: [{{ id: peer, workload: transformer/infer, params: {{ {params} }} }}]\n"
    )
    command = [root / "target/release/orch", "run", scenario, "--json", "--results", folder]
    record = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return record["jobs"][0]["metrics"]["tokens_per_s"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("threads", 1), ("prompt", 32), ("tokens", 25), ("turns", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"torch {torch.__version__}, {options.threads} threads, "
        f"prompt {options.prompt}, {options.tokens} tokens"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in SIZES:
            rates = [
                (torch_tokens_per_s(name, options), orch_tokens_per_s(name, options, folder))
                for _ in range(options.turns)
            ]
            theirs, ours = (statistics.median(side) for side in zip(*rates))
            ratio = statistics.median(o / t for t, o in rates)
            print(
                f"{name}: torch {theirs:.0f} tokens/s, orch {ours:.0f} tokens/s, ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
