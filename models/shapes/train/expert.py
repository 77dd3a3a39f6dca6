"""An expert over a batch of clips, each with its own timestep and text."""
import math

import torch
import torch.nn.functional as F

from checkpoint import Weights


class Expert:
    def __init__(self, weights: Weights, config: dict):
        self.w, self.config = weights, config
        self.heads = config["num_heads"]

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def rms_norm(self, name, x):
        return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6) * self.w[name + ".weight"]

    def modulated(self, x, shift, scale):
        return F.layer_norm(x.float(), x.shape[-1:], eps=1e-6) * (1 + scale) + shift

    def embed_time(self, t):
        """t [batch], 0..1000 -> for the head [batch, d], for the blocks [batch, 6, d]."""
        half = self.config["freq_dim"] // 2
        angle = t.double()[:, None] * torch.pow(10000.0, -torch.arange(half, device=t.device).double() / half)
        wave = torch.cat([angle.cos(), angle.sin()], 1).float()
        e = self.linear("time_embedding.2", F.silu(self.linear("time_embedding.0", wave)))
        return e, self.linear("time_projection.1", F.silu(e)).unflatten(1, (6, -1))

    def rope(self, grid, device):
        """cos and sin of every token's angles, [tokens, head size / 2] each: a third of the pairs for the row, as many for
        the column, the rest, which come first, for the frame."""
        half = self.config["dim"] // self.heads // 2
        side = half // 3
        axes = []
        for axis, pairs in enumerate((half - 2 * side, side, side)):
            angle = torch.outer(torch.arange(grid[axis], device=device).double(),
                                torch.pow(10000.0, -torch.arange(pairs, device=device).double() / pairs))
            shape = [1, 1, 1, pairs]
            shape[axis] = grid[axis]
            axes.append(angle.view(shape).expand(*grid, pairs))
        angle = torch.cat(axes, -1).flatten(0, 2)
        return angle.cos().float(), angle.sin().float()

    def rotate(self, x, rope):
        cos, sin = rope
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)

    def self_attention(self, name, x, rope):
        q, k = (self.rotate(self.split(self.rms_norm(f"{name}.norm_{part}", self.linear(f"{name}.{part}", x))), rope)
                for part in "qk")
        v = self.split(self.linear(name + ".v", x))
        return self.linear(name + ".o", F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v).transpose(1, 2).flatten(2))

    def cross_attention(self, name, x, text, bias):
        q = self.split(self.rms_norm(name + ".norm_q", self.linear(name + ".q", x)))
        k = self.split(self.rms_norm(name + ".norm_k", self.linear(name + ".k", text)))
        v = self.split(self.linear(name + ".v", text))
        mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, attn_mask=bias.to(v.dtype))
        return self.linear(name + ".o", mixed.transpose(1, 2).flatten(2))

    def text_rows(self, text, lengths):
        """text [batch, n, dim], zero where it is padded -> rows [batch, n + 1, d] and what is added to their scores. The
        model attends to text_len rows; those past a text are equal, and the last one here stands for all of them."""
        rows = F.pad(text, (0, 0, 0, 1))
        rows = self.linear("text_embedding.2", F.gelu(self.linear("text_embedding.0", rows), approximate="tanh"))
        n = text.shape[1]
        bias = torch.zeros(len(text), 1, 1, n + 1, device=text.device)
        padded = torch.arange(n, device=text.device) >= lengths[:, None]
        bias[:, 0, 0, :n].masked_fill_(padded, -math.inf)
        bias[:, 0, 0, n] = (self.config["text_len"] - lengths).log()
        return rows, bias

    def __call__(self, x, t, text, lengths):
        """x [batch, 16, frames, rows, columns] at timesteps t [batch] -> the velocity: noise - clip, as a model sees it."""
        batch, channels, f, h, w = x.shape
        grid = (f, h // 2, w // 2)
        patches = x.view(batch, channels, f, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(batch, -1, channels * 4)
        stream = F.linear(patches, self.w["patch_embedding.weight"].flatten(1), self.w["patch_embedding.bias"]).float()
        e, e0 = self.embed_time(t)
        rows, bias = self.text_rows(text, lengths)
        rope = self.rope(grid, x.device)
        for i in range(self.config["num_layers"]):
            name = f"blocks.{i}"
            m = (self.w[name + ".modulation"] + e0).unsqueeze(2).unbind(1)
            stream = stream + self.self_attention(name + ".self_attn", self.modulated(stream, m[0], m[1]), rope) * m[2]
            z = F.layer_norm(stream, stream.shape[-1:], self.w[name + ".norm3.weight"], self.w[name + ".norm3.bias"], 1e-6)
            stream = stream + self.cross_attention(name + ".cross_attn", z, rows, bias)
            y = F.gelu(self.linear(name + ".ffn.0", self.modulated(stream, m[3], m[4])), approximate="tanh")
            stream = stream + self.linear(name + ".ffn.2", y) * m[5]
        m = (self.w["head.modulation"] + e[:, None]).unsqueeze(2).unbind(1)
        out = self.linear("head.head", self.modulated(stream, m[0], m[1])).float()
        out = out.view(batch, f, h // 2, w // 2, 2, 2, -1)
        return out.permute(0, 6, 1, 2, 4, 3, 5).reshape(batch, -1, f, h, w)
