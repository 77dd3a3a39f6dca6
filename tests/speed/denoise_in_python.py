#!/usr/bin/env python3
"""Denoising by wanfarm beside the same arithmetic in Python torch, on the same cores, in one run.

    python3 tests/speed/denoise_in_python.py PROGRAM MODEL [--size 64x64] [--frames 5] [--steps 4] [--clips 20]

Needs torch (with Python) alone. Both sides use the shortcuts that change no result: the time is embedded once a step, keys and
values of the text once a clip, equal padded keys are one. Prints seconds of denoising per clip, median over the clips.
"""
import argparse, json, math, os, statistics, struct, subprocess, sys, tempfile, time
from pathlib import Path

import torch
import torch.nn.functional as F


def tensors(folder):
    """Every tensor of a folder of F32 safetensors shards."""
    found = {}
    for shard in sorted(Path(folder).glob("*.safetensors")):
        data = shard.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        for name, entry in json.loads(data[8:8 + size]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(bytearray(data[8 + size + begin:8 + size + end]), dtype=torch.float32)
            found[name] = flat.reshape(entry["shape"])
    return found


class Expert:
    def __init__(self, folder):
        self.w, self.config = tensors(folder), json.loads((Path(folder) / "config.json").read_text())
        w = self.w
        for i in range(self.config["num_layers"]):
            b = f"blocks.{i}."
            for kind in ("weight", "bias"):
                w[b + "qkv." + kind] = torch.cat([w[f"{b}self_attn.{x}.{kind}"] for x in "qkv"])
                w[b + "kv." + kind] = torch.cat([w[f"{b}cross_attn.{x}.{kind}"] for x in "kv"])

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def rms(self, name, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.w[name]

    def heads(self, x):
        return x.unflatten(-1, (self.config["num_heads"], -1))

    def text(self, embeddings):
        rows = torch.cat([embeddings, torch.zeros(1, embeddings.shape[1])])
        rows = self.linear("text_embedding.2", F.gelu(self.linear("text_embedding.0", rows), approximate="tanh"))
        bias = torch.zeros(1, 1, 1, len(rows))
        bias[..., -1] = math.log(self.config["text_len"] - len(embeddings))
        blocks = []
        for i in range(self.config["num_layers"]):
            k, v = self.linear(f"blocks.{i}.kv", rows[None]).chunk(2, -1)
            k = self.rms(f"blocks.{i}.cross_attn.norm_k.weight", k)
            blocks.append((self.heads(k).transpose(1, 2).contiguous(), self.heads(v).transpose(1, 2).contiguous()))
        return blocks, bias

    def time(self, t):
        half = self.config["freq_dim"] // 2
        angle = t * torch.pow(10000.0, -torch.arange(half, dtype=torch.float64) / half)
        wave = torch.cat([angle.cos(), angle.sin()]).float()[None]
        e = self.linear("time_embedding.2", F.silu(self.linear("time_embedding.0", wave)))
        return e, self.linear("time_projection.1", F.silu(e)).unflatten(1, (6, -1))

    def rope(self, grid):
        half = self.config["dim"] // self.config["num_heads"] // 2
        side = half // 3
        axes = []
        for axis, pairs in enumerate((half - 2 * side, side, side)):
            angle = torch.outer(torch.arange(grid[axis], dtype=torch.float64),
                                1 / torch.pow(10000.0, torch.arange(pairs, dtype=torch.float64) / pairs))
            shape = [1, 1, 1, pairs]
            shape[axis] = grid[axis]
            axes.append(angle.view(shape).expand(*grid, pairs))
        angle = torch.cat(axes, -1).flatten(0, 2)
        return torch.complex(angle.cos().float(), angle.sin().float())[None, :, None]

    def rotate(self, x, rope):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * rope).flatten(-2)

    def modulated(self, x, shift, scale):
        d = x.shape[-1]
        return F.layer_norm(x, (d,), 1 + scale.view(d), shift.view(d), 1e-6)

    def forward(self, x, time, text, rope):
        e, e0 = time
        c, f, h, w = x.shape
        patches = x.view(c, f, h // 2, 2, w // 2, 2).permute(1, 2, 4, 0, 3, 5).reshape(1, -1, c * 4)
        s = F.linear(patches, self.w["patch_embedding.weight"].flatten(1), self.w["patch_embedding.bias"])
        blocks, bias = text
        for i in range(self.config["num_layers"]):
            b = f"blocks.{i}."
            m = (self.w[b + "modulation"] + e0).unbind(1)
            q, k, v = self.linear(b + "qkv", self.modulated(s, m[0], m[1])).chunk(3, -1)
            q = self.rotate(self.heads(self.rms(b + "self_attn.norm_q.weight", q)), rope)
            k = self.rotate(self.heads(self.rms(b + "self_attn.norm_k.weight", k)), rope)
            a = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), self.heads(v).transpose(1, 2))
            s = s + self.linear(b + "self_attn.o", a.transpose(1, 2).flatten(2)) * m[2]
            z = F.layer_norm(s, s.shape[-1:], self.w[b + "norm3.weight"], self.w[b + "norm3.bias"], 1e-6)
            q = self.heads(self.rms(b + "cross_attn.norm_q.weight", self.linear(b + "cross_attn.q", z))).transpose(1, 2)
            a = F.scaled_dot_product_attention(q, *blocks[i], attn_mask=bias)
            s = s + self.linear(b + "cross_attn.o", a.transpose(1, 2).flatten(2))
            y = F.gelu(self.linear(b + "ffn.0", self.modulated(s, m[3], m[4])), approximate="tanh")
            s = s + self.linear(b + "ffn.2", y) * m[5]
        m = (self.w["head.modulation"] + e[:, None]).unbind(1)
        out = self.linear("head.head", self.modulated(s, m[0], m[1]))
        return out.view(f, h // 2, w // 2, 2, 2, -1).permute(5, 0, 1, 3, 2, 4).reshape(-1, f, h, w)


def denoise(experts, x, sigmas, embeddings, guidance):
    """One clip by DPM-Solver++ of order 1 in every step: the solver's arithmetic is nothing beside the forwards'."""
    prepared = {}
    for k in range(len(sigmas) - 1):
        t = int(1000 * sigmas[k])
        which = 0 if t >= 875 else 1
        expert = experts[which]
        if which not in prepared:
            grid = (x.shape[1], x.shape[2] // 2, x.shape[3] // 2)
            prepared[which] = [expert.text(e) for e in embeddings], expert.rope(grid)
        texts, rope = prepared[which]
        time_embedding = expert.time(t)
        conditional, unconditional = (expert.forward(x, time_embedding, text, rope) for text in texts)
        x = x + (sigmas[k + 1] - sigmas[k]) * (unconditional + guidance[which] * (conditional - unconditional))
    return x


def python_seconds(args, width, height, threads):
    torch.set_num_threads(threads)
    experts = [Expert(Path(args.model) / name) for name in ("high_noise_model", "low_noise_model")]
    text_dim = experts[0].w["text_embedding.0.weight"].shape[1]
    embeddings = [torch.randn(30, text_dim), torch.randn(121, text_dim)]
    linear = [1 - k / args.steps for k in range(args.steps + 1)]
    sigmas = [12 * u / (1 + 11 * u) for u in linear]
    seconds = []
    with torch.inference_mode():
        for _ in range(args.clips):
            x = torch.randn(16, (args.frames - 1) // 4 + 1, height // 8, width // 8)
            begin = time.perf_counter()
            denoise(experts, x, sigmas, embeddings, (4.0, 3.0))
            seconds.append(time.perf_counter() - begin)
    return seconds


def our_seconds(args, threads):
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "prompts.yaml"
        lines = [f"  - a red cat number {i} walking over the green grass while it rains" for i in range(args.clips)]
        prompts.write_text("prompts:\n" + "\n".join(lines) + "\n")
        subprocess.run([args.program, "render", prompts, "--model", args.model, "--output", folder + "/out", "--size", args.size,
                        "--frames", str(args.frames), "--steps", str(args.steps), "--threads", str(threads), "--quiet"], check=True)
        sidecars = [json.loads(p.read_text()) for p in sorted(Path(folder, "out").glob("*.json"))]
        return [s["seconds"]["high"] + s["seconds"]["low"] for s in sidecars]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--clips", type=int, default=20)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    threads = len(os.sched_getaffinity(0))
    # The first clip pays for loading and first touches: left out on both sides.
    ours = statistics.median(our_seconds(args, threads)[1:])
    theirs = statistics.median(python_seconds(args, width, height, threads)[1:])
    print(f"{args.size}, {args.frames} frames, {args.steps} steps, {threads} threads: "
          f"wanfarm {ours * 1e3:.1f} ms, Python torch {theirs * 1e3:.1f} ms a clip, ratio {ours / theirs:.2f}")
    return 0 if ours <= theirs else 1


if __name__ == "__main__":
    sys.exit(main())
